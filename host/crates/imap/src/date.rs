//! Calendar dates and moments as IMAP writes them (RFC 3501 §9, `date` and `date-time`).

use mail::Timestamp;

use crate::ask::InternalDate;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A calendar date without a zone, as days since 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    /// A date of the proleptic Gregorian calendar; `None` where there is no such day.
    pub fn new(year: i64, month: u32, day: u32) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if day == 0 || day > last || !(0..=9999).contains(&year) {
            return None;
        }
        // Years that begin in March put the leap day at their end.
        let shifted = if month <= 2 { year - 1 } else { year };
        let month = (i64::from(month) + 9) % 12;
        let era = shifted.div_euclid(400);
        let of_era = shifted.rem_euclid(400);
        let of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
        Some(Self(
            era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468,
        ))
    }

    /// The day on which an instant falls, seen with its own offset: RFC 3501 §6.4.4 compares
    /// dates "disregarding time and timezone".
    pub const fn of(date: InternalDate) -> Self {
        let local = date.at.seconds() + date.offset_minutes as i64 * 60;
        Self(local.div_euclid(86_400))
    }

    /// `1-Feb-1994`, also `01-Feb-1994`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        let day = if (1..=2).contains(&day.len()) {
            number(day)?
        } else {
            return None;
        };
        let year = if year.len() == 4 {
            number(year)?
        } else {
            return None;
        };
        Self::new(i64::from(year), month_of(month)?, day)
    }
}

/// `17-Jul-1996 02:44:25 -0700`, day padded with a space or a zero.
pub(crate) fn parse_date_time(text: &str) -> Option<InternalDate> {
    let text = text.trim_start_matches(' ');
    let mut parts = text.split(' ');
    let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || time.len() != 8 || zone.len() != 5 || !zone.is_ascii() {
        return None;
    }
    let day = Day::parse(date)?;
    let mut clock = time
        .split(':')
        .map(|part| if part.len() == 2 { number(part) } else { None });
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // 60 is a leap second (RFC 5322 §3.3).
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (sign, zone) = zone.split_at(1);
    let (zone_hours, zone_minutes) = (number(&zone[..2])?, number(&zone[2..])?);
    if zone_minutes > 59 || zone_hours > 23 {
        return None;
    }
    let offset = i16::try_from(zone_hours * 60 + zone_minutes).ok()?;
    let offset_minutes = match sign {
        "+" => offset,
        "-" => -offset,
        _ => return None,
    };
    let local = day.0 * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    let at = Timestamp::from_seconds(local - i64::from(offset_minutes) * 60);
    Some(InternalDate { at, offset_minutes })
}

/// The day of a `Date` field, in the zone it was written in (RFC 5322 §3.3, and the two-digit
/// years of §4.3): SENTON and its kin compare it so (RFC 3501 §6.4.4).
pub(crate) fn parse_header_day(text: &str) -> Option<Day> {
    let text = text.split_once(',').map_or(text, |(_, date)| date);
    let mut words = text.split_ascii_whitespace();
    let (day, month, year) = (number(words.next()?)?, words.next()?, words.next()?);
    let year = i64::from(number(year)?)
        + match year.len() {
            2 if year >= "50" => 1900,
            2 => 2000,
            3 => 1900,
            _ => 0,
        };
    Day::new(year, month_of(month.get(..3)?)?, day)
}

fn month_of(name: &str) -> Option<u32> {
    let index = MONTHS
        .iter()
        .position(|month| month.eq_ignore_ascii_case(name))?;
    u32::try_from(index + 1).ok()
}

fn number(digits: &str) -> Option<u32> {
    let good =
        !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit());
    if good { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
