//! How fast: a share of the bandwidth and of a processor, and a step aside when others come.

use std::time::Duration;

use super::choose::Thoroughness;
use super::{Collector, Halt};

/// Bytes between two looks at the others …
const SLICE: u64 = 256 * 1024;
/// … or time computed.
const COMPUTED: Duration = Duration::from_millis(5);
/// Pause for each moment computed: a quarter of one processor.
const IDLE_SHARE: u32 = 3;
/// How long it steps aside at most, before it goes on all the same: a store that is never idle
/// must not grow without end.
const ASIDE: Duration = Duration::from_millis(2);
const ASIDE_MAX: u32 = 50;

/// Counts what a pass reads and writes, and makes it wait.
pub(super) struct Pace<'a> {
    collector: &'a Collector,
    bytes_per_second: Option<u64>,
    owed: u64,
    computed: Duration,
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
            computed: Duration::ZERO,
        }
    }

    /// So many bytes were read or written.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), Halt> {
        self.owed += bytes;
        self.look()
    }

    /// It took so long to make bytes smaller.
    pub(super) fn compute(&mut self, time: Duration) -> Result<(), Halt> {
        self.computed += time;
        self.look()
    }

    fn look(&mut self) -> Result<(), Halt> {
        if self.collector.is_ended() {
            return Err(Halt::Ended);
        }
        let Some(rate) = self.bytes_per_second else {
            return Ok(());
        };
        if self.owed < SLICE && self.computed < COMPUTED {
            return Ok(());
        }
        let pause = pause(self.owed, rate, self.computed);
        (self.owed, self.computed) = (0, Duration::ZERO);
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

/// How long it rests after so many bytes and so much computing: until both are paid for.
fn pause(bytes: u64, rate: u64, computed: Duration) -> Duration {
    let for_bytes = Duration::from_secs_f64(bytes as f64 / rate as f64);
    for_bytes.max(computed * IDLE_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_computing_are_paid_for() {
        let [quick, slow] = [10, 400].map(Duration::from_millis);
        assert_eq!(pause(1_000_000, 4_000_000, quick).as_millis(), 250);
        assert_eq!(pause(1_000_000, 4_000_000, slow).as_millis(), 1200);
        assert_eq!(pause(0, 4_000_000, quick).as_millis(), 30);
    }
}
