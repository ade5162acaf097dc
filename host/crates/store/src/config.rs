//! How the embedded store is opened.

use std::path::PathBuf;
use std::time::Duration;

use mail::Timestamp;

/// What an operator may choose, and what tests choose.
#[derive(Debug, Clone)]
pub struct Config {
    /// Free bytes that must stay; the larger of this and `disk_reserve_percent` counts.
    pub disk_reserve_bytes: u64,
    /// Free share of the file system in percent that must stay.
    pub disk_reserve_percent: u8,
    /// Size of a journal segment in bytes, allocated ahead.
    pub segment_bytes: u64,
    /// The index is made durable after so many bytes of rows …
    pub checkpoint_bytes: u64,
    /// … or after this time.
    pub checkpoint_interval: Duration,
    /// Memory for redb's page cache in bytes.
    pub cache_bytes: usize,
    /// How far this store was when it was last noted. One that is behind is opened for reading
    /// only: every durable call is `Latched`.
    pub at_least: Option<crate::Head>,
    /// Does the collector work by itself?
    pub collect: bool,
    /// Bytes a second that it reads and writes at most, beside other work.
    pub collect_bytes_per_second: u64,
    /// A finished segment of the log is left alone for this time: what is in it may go soon.
    pub collect_age: Duration,
    /// A settled segment is collected again when this share of its bodies, in percent, is dead.
    pub collect_dead_percent: u8,
    /// The directory of the key file, outside of the data directory; `None`: beside it, with
    /// `.keys` behind its name.
    pub keys: Option<PathBuf>,
    /// The file of the master key; `None`: `master.key` beside the key file.
    pub master_key: Option<PathBuf>,
    /// How long trace lines are kept, in seconds.
    pub trace_seconds: i64,
    /// The clock: dates of rows. Leases and due times are arguments.
    pub clock: fn() -> Timestamp,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            disk_reserve_bytes: 1024 * 1024 * 1024,
            disk_reserve_percent: 5,
            segment_bytes: 64 * 1024 * 1024,
            checkpoint_bytes: 64 * 1024 * 1024,
            checkpoint_interval: Duration::from_secs(10),
            cache_bytes: 64 * 1024 * 1024,
            at_least: None,
            collect: true,
            collect_bytes_per_second: 16 * 1024 * 1024,
            collect_age: Duration::from_secs(900),
            collect_dead_percent: 25,
            keys: None,
            master_key: None,
            trace_seconds: 14 * 24 * 3600,
            clock: system_clock,
        }
    }
}

/// The system's clock.
pub fn system_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock before 1970 is 1970: dates are for people, order never hangs on them.
    Timestamp(since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }))
}
