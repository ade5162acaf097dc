//! The time of day as this server believes it.
//!
//! The system's clock is followed, also where it is set right step by step. A jump (a year ahead, back to
//! 1970) is not believed at once: time goes on as before it until the new time has stood for as
//! long as the old one had, for [`limits::CLOCK_DOUBT_LEAST`] at least and
//! [`limits::CLOCK_DOUBT_MOST`] at most. Until then nothing is given up, discarded or put off
//! because of it, and what waits is measured by a clock that nobody sets.
//!
//! The first reading of a process is believed: it knows no better.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mail::{Timestamp, limits};

/// See the module. Pure: both clocks are arguments.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// A time that was believed, and when that was.
    base: (Instant, Timestamp),
    /// Since when time goes on without a jump.
    since: Instant,
    /// A jump in milliseconds that is not believed yet, and when it was seen first.
    doubted: Option<(Instant, i64)>,
}

impl Clock {
    const fn new(at: Instant, told: Timestamp) -> Self {
        Self {
            base: (at, told),
            since: at,
            doubted: None,
        }
    }

    /// The time at `at`, where the system says `told`.
    fn read(&mut self, at: Instant, told: Timestamp) -> Timestamp {
        let passed = milliseconds(at.saturating_duration_since(self.base.0));
        let steady = Timestamp(self.base.1.0.saturating_add(passed));
        let jump = told.0.saturating_sub(steady.0);
        if is_small(jump) {
            self.base = (at, told);
            self.doubted = None;
            return told;
        }
        let first = match self.doubted {
            Some((first, known)) if is_small(jump.saturating_sub(known)) => first,
            _ => at,
        };
        self.doubted = Some((first, jump));
        let stood = first.saturating_duration_since(self.since);
        let doubt = stood.clamp(limits::CLOCK_DOUBT_LEAST, limits::CLOCK_DOUBT_MOST);
        if at.saturating_duration_since(first) < doubt {
            return steady;
        }
        *self = Self::new(at, told);
        told
    }
}

const fn is_small(jump: i64) -> bool {
    jump.unsigned_abs() <= limits::CLOCK_STEP.as_millis() as u64
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What the system's clock says.
fn told() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 is read as 1970: stored times never become negative.
    Timestamp(since.map_or(0, milliseconds))
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    static CLOCK: Mutex<Option<Clock>> = Mutex::new(None);
    // Assigned as a whole: a panic cannot leave half of it.
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let (at, told) = (Instant::now(), told());
    clock.get_or_insert(Clock::new(at, told)).read(at, told)
}

#[cfg(test)]
mod tests {
    use super::{Clock, Duration, Instant, Timestamp, limits};

    const YEAR: i64 = 365 * 24 * 3600;
    const START: i64 = 1_800_000_000;

    /// A clock that was right for some time, and both of its sources.
    struct Case {
        clock: Clock,
        begin: Instant,
        passed: i64,
    }

    impl Case {
        fn after(seconds: i64) -> Self {
            let begin = Instant::now();
            let clock = Clock::new(begin, Timestamp::from_seconds(START));
            let mut case = Self {
                clock,
                begin,
                passed: 0,
            };
            assert_eq!(case.read(seconds, 0), 0);
            case
        }

        /// `seconds` later the system's clock is `wrong` by so much: how wrong is ours?
        fn read(&mut self, seconds: i64, wrong: i64) -> i64 {
            self.passed += seconds;
            let at = self.begin + Duration::from_secs(self.passed as u64);
            let right = START + self.passed;
            let told = Timestamp::from_seconds(right + wrong);
            self.clock.read(at, told).seconds() - right
        }
    }

    #[test]
    fn a_jump_that_goes_away_is_never_believed() {
        for wrong in [YEAR, -YEAR, -START, 3600, -3600] {
            let mut case = Case::after(24 * 3600);
            for _ in 0..59 {
                assert_eq!(case.read(60, wrong), 0, "{wrong}");
            }
            assert_eq!(case.read(60, 0), 0, "{wrong}");
            // The next one is another one.
            assert_eq!(case.read(60, wrong), 0, "{wrong}");
            assert_eq!(case.read(60, -wrong), 0, "{wrong}");
        }
    }

    #[test]
    fn a_jump_that_stays_is_believed_in_the_end() {
        let most = limits::CLOCK_DOUBT_MOST.as_secs() as i64;
        for wrong in [YEAR, -YEAR] {
            let mut case = Case::after(24 * 3600);
            assert_eq!(case.read(1, wrong), 0);
            assert_eq!(case.read(most - 1, wrong), 0);
            assert_eq!(case.read(1, wrong), wrong);
            // And so is the way back.
            assert_eq!(case.read(most - 1, 0), wrong);
            assert_eq!(case.read(most, 0), 0);
        }
    }

    #[test]
    fn a_machine_that_starts_with_a_wrong_clock_soon_has_the_right_one() {
        let least = limits::CLOCK_DOUBT_LEAST.as_secs() as i64;
        let mut case = Case::after(5);
        assert_eq!(case.read(5, YEAR), 0);
        assert_eq!(case.read(least - 1, YEAR), 0);
        assert_eq!(case.read(1, YEAR), YEAR);
    }

    #[test]
    fn small_steps_are_followed_at_once() {
        let step = limits::CLOCK_STEP.as_secs() as i64;
        let mut case = Case::after(3600);
        assert_eq!(case.read(1, step), step);
        assert_eq!(case.read(1, 2 * step), 2 * step, "a clock that is slewed");
        assert_eq!(case.read(1, step), step);
        assert_eq!(case.read(1, 3 * step + 1), step);
    }
}
