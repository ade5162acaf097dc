//! How long a session may take.

use std::time::{Duration, Instant};

use super::Config;

/// The deadlines of a session. Time comes in with every event.
///
/// A command has the idle time from the moment it is awaited, however many bytes of it dribble
/// in. A message has the same, and each `minimum_rate` bytes of it give a second back, so that
/// it may take long if it is long, but not for ever.
#[derive(Debug)]
pub(super) struct Clock {
    now: Instant,
    idle: Duration,
    credit_nanos: u64,
    deadline: Instant,
    end: Instant,
    /// When the idle time began last.
    since: Instant,
}

impl Clock {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let idle = config.limits.smtp_idle();
        Self {
            now,
            idle,
            credit_nanos: 1_000_000_000 / u64::from(config.minimum_rate.max(1)),
            deadline: later(now, idle),
            end: later(now, config.session_life),
            since: now,
        }
    }

    pub(super) fn set(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Something was completed: the next thing has the whole idle time.
    pub(super) fn restart(&mut self) {
        self.since = self.now;
        self.deadline = later(self.now, self.idle);
    }

    /// When a pause that began with the last restart is over.
    pub(super) fn pause_due(&self, pause: Duration) -> Instant {
        later(self.since, pause).min(self.end)
    }

    /// Is it over?
    pub(super) fn is_pause_over(&self, pause: Duration) -> bool {
        self.now >= self.pause_due(pause)
    }

    /// Bytes of a message came.
    pub(super) fn credit(&mut self, bytes: usize) {
        let nanos = (bytes as u64).saturating_mul(self.credit_nanos);
        let credited = later(self.deadline, Duration::from_nanos(nanos));
        self.deadline = credited.min(later(self.now, self.idle));
    }

    pub(super) fn due(&self) -> Instant {
        self.deadline.min(self.end)
    }

    pub(super) fn is_due(&self) -> bool {
        self.now >= self.due()
    }
}

/// Far enough for ever where the sum cannot be held.
fn later(instant: Instant, duration: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    instant.checked_add(duration.min(YEAR)).unwrap_or(instant)
}
