//! Points in time as directories write them.

/// Milliseconds since the Unix epoch of `YYYYMMDDHHMMSSZ` (generalized time, RFC 4517 §3.3.13),
/// `YYYY-MM-DD[THH:MM:SS[.fraction]][Z]` (RFC 3339 §5.6), both in UTC, or seconds since the Unix
/// epoch; `None` for anything else and for times before 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    // Neither a date nor a date with a time has so many digits.
    if matches!(text.len(), 1..=7 | 9..=11) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<u64>().ok()?.checked_mul(1000);
    }
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let whole = text.split('.').next().unwrap_or(text);
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    let shape: String = whole
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                '0'
            } else {
                c.to_ascii_uppercase()
            }
        })
        .collect();
    let known = [
        "00000000",
        "000000000000",
        "00000000000000",
        "0000-00-00",
        "0000-00-00T00:00:00",
    ];
    if !known.contains(&shape.as_str()) {
        return None;
    }
    let number = |from: usize, to: usize| {
        digits
            .get(from..to)
            .map_or(Some(0), |part| part.parse::<u64>().ok())
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    // A leap second counts as the second after.
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_epoch(year, month, day)?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *months.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if day == 0 || day > length {
        return None;
    }
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let before: u64 = months.iter().take(usize::try_from(month).ok()? - 1).sum();
    Some(years + before + day - 1)
}

#[cfg(test)]
mod tests;
