//! How fast: a share of the bandwidth, and a step aside when others come.

use std::time::Duration;

use super::choose::Thoroughness;
use super::{Collector, Halt};

/// Bytes between two looks at the others.
const SLICE: u64 = 256 * 1024;
/// How long it steps aside at most, before it goes on all the same: a store that is never idle
/// must not grow without end.
const ASIDE: Duration = Duration::from_millis(2);
const ASIDE_MAX: u32 = 50;

/// Counts what a pass reads and writes, and makes it wait.
pub(super) struct Pace<'a> {
    collector: &'a Collector,
    bytes_per_second: Option<u64>,
    owed: u64,
}

impl<'a> Pace<'a> {
    pub(super) fn new(collector: &'a Collector, thoroughness: Thoroughness) -> Self {
        let bytes_per_second = match thoroughness {
            Thoroughness::Steady => Some(collector.bytes_per_second),
            Thoroughness::Thorough => None,
        };
        Self {
            collector,
            bytes_per_second,
            owed: 0,
        }
    }

    /// So many bytes were read or written.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), Halt> {
        self.owed += bytes;
        if self.collector.is_ended() {
            return Err(Halt::Ended);
        }
        let Some(rate) = self.bytes_per_second else {
            return Ok(());
        };
        if self.owed < SLICE {
            return Ok(());
        }
        let pause = Duration::from_secs_f64(self.owed as f64 / rate as f64);
        self.owed = 0;
        if self.collector.sleep(pause) {
            return Err(Halt::Ended);
        }
        for _ in 0..ASIDE_MAX {
            if self.collector.shared.pressure.jobs() == 0 {
                break;
            }
            if self.collector.sleep(ASIDE) {
                return Err(Halt::Ended);
            }
        }
        Ok(())
    }
}
