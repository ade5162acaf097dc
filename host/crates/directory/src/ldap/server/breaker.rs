//! The breaker: after a failure nobody waits for a server that does not answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first pause after a failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// Closed: everything is asked. Open: nothing is, until the pause is over; then one question is
/// let through, and its end decides.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    /// How long the one question may take.
    probe: Duration,
    longest: Duration,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Nothing is asked before.
    until: Option<Instant>,
    cause: String,
}

impl Breaker {
    pub(super) fn new(probe: Duration, longest: Duration) -> Self {
        Self {
            state: Mutex::default(),
            probe,
            longest,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each field is right by itself, so it is usable even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// May a question be asked? If not, why not.
    pub(super) fn admit(&self) -> Result<(), String> {
        let mut state = self.lock();
        let now = Instant::now();
        match state.until {
            None => Ok(()),
            Some(until) if now < until => Err(state.cause.clone()),
            Some(_) => {
                // This one goes through; whoever comes while it is under way does not.
                state.until = Some(now + self.probe);
                Ok(())
            }
        }
    }

    /// Is it closed? If not, why not.
    pub(super) fn state(&self) -> Result<(), String> {
        let state = self.lock();
        match state.until {
            None => Ok(()),
            Some(_) => Err(state.cause.clone()),
        }
    }

    /// The server answered. `true` if it did not before.
    pub(super) fn succeeded(&self) -> bool {
        let was = std::mem::take(&mut *self.lock());
        was.until.is_some()
    }

    /// The server did not answer. Returns the pause.
    pub(super) fn failed(&self, cause: &str) -> Duration {
        let mut state = self.lock();
        let pause = FIRST
            .saturating_mul(2u32.saturating_pow(state.failures.min(16)))
            .min(self.longest);
        state.failures = state.failures.saturating_add(1);
        state.until = Some(Instant::now() + pause);
        cause.clone_into(&mut state.cause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_lets_one_through_and_closes() {
        let breaker = Breaker::new(Duration::from_secs(3600), Duration::ZERO);
        assert_eq!(breaker.admit(), Ok(()));
        breaker.failed("refused");
        assert_eq!(breaker.state(), Err("refused".to_owned()));
        assert_eq!(breaker.admit(), Ok(()), "the pause is over at once here");
        assert_eq!(
            breaker.admit(),
            Err("refused".to_owned()),
            "only one goes through"
        );
        assert!(breaker.succeeded());
        assert_eq!(breaker.admit(), Ok(()));
        assert!(!breaker.succeeded());
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let breaker = Breaker::new(Duration::ZERO, Duration::from_secs(30));
        let pauses: Vec<u64> = (0..8).map(|_| breaker.failed("no").as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(breaker.admit(), Err("no".to_owned()));
    }
}
