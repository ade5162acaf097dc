//! Points in time as they are stored and shown.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

/// Milliseconds since the Unix epoch, UTC.
///
/// For what is stored and shown; sessions measure time-outs with `std::time::Instant`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From whole seconds since the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1000)
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `seconds`.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0 + seconds * 1000)
    }

    /// As in a header field: `Mon, 23 Nov 2026 14:00:00 +0000` (RFC 5322 §3.3).
    pub fn rfc5322(self) -> String {
        let format = format_description!(
            "[weekday repr:short], [day padding:none] [month repr:short] [year] [hour]:[minute]:[second] +0000"
        );
        self.at_utc().format(format).unwrap_or_default()
    }

    /// As IMAP wants it: `23-Nov-2026 14:00:00 +0000` with the offset given in minutes
    /// (RFC 3501 §9, `date-time`).
    pub fn imap(self, offset_minutes: i16) -> String {
        let format = format_description!(
            "[day padding:space]-[month repr:short]-[year] [hour]:[minute]:[second]"
        );
        let local = Self(self.0 + i64::from(offset_minutes) * 60_000);
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let minutes = offset_minutes.unsigned_abs();
        let text = local.at_utc().format(format).unwrap_or_default();
        format!("{text} {sign}{:02}{:02}", minutes / 60, minutes % 60)
    }

    fn at_utc(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// ISO 8601, for people and logs.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        f.write_str(&self.at_utc().format(format).unwrap_or_default())
    }
}
