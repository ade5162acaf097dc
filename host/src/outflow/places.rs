//! How much is done at a time: here, and at each destination.
//!
//! A destination that is dead or stands still does not hold up the others: whoever waits for it
//! while it turns out to be unreachable shares that outcome, and where many wait and nothing
//! moves, the next one is put off at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::{Outcome, words};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Delivery options at once.
const OPTIONS: usize = 32;
/// Transactions with other servers at once, over all destinations.
const REMOTE: usize = 128;
/// So many wait for one destination before it is asked whether anything moves there.
const CROWD: usize = 32;
/// A destination where nothing ended for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(30);

/// All places.
#[derive(Debug)]
pub(crate) struct Places {
    options: Arc<Semaphore>,
    remote: Arc<Semaphore>,
    destinations: Mutex<HashMap<String, Arc<Destination>>>,
}

#[derive(Debug)]
struct Destination {
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Who waits or is there.
    visitors: usize,
    waiting: usize,
    /// Times it was found unreachable, and how the last time was.
    failures: u64,
    failure: Option<Outcome>,
    /// When a visit ended last; at first when the first one began.
    moved: Instant,
}

/// A place at a destination; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    destination: Arc<Destination>,
    _entered: Entered<'a>,
    _slot: OwnedSemaphorePermit,
    _remote: OwnedSemaphorePermit,
}

/// Somebody who waits or is there, counted until this is dropped.
#[derive(Debug)]
struct Entered<'a> {
    places: &'a Places,
    name: &'a str,
    destination: Arc<Destination>,
    is_waiting: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            options: Arc::new(Semaphore::new(OPTIONS)),
            remote: Arc::new(Semaphore::new(REMOTE)),
            destinations: Mutex::default(),
        }
    }
}

impl Places {
    /// A place for a delivery option.
    pub(super) async fn option(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.options).acquire_owned().await.ok()
    }

    /// A place at a destination that takes `limit` transactions at a time.
    ///
    /// # Errors
    /// The outcome where it turned out to be unreachable while this one waited, or stands still.
    pub(super) async fn visit<'a>(
        &'a self,
        name: &'a str,
        limit: usize,
    ) -> Result<Visit<'a>, Box<Outcome>> {
        let mut entered = self.enter(name, limit)?;
        let destination = Arc::clone(&entered.destination);
        let failures = destination.lock().failures;
        let busy = || Box::new(words::DESTINATION_BUSY.outcome_with(&[("host", name)]));
        let slot = Arc::clone(&destination.slots).acquire_owned().await;
        let slot = slot.map_err(|_| busy())?;
        let remote = Arc::clone(&self.remote).acquire_owned().await;
        let remote = remote.map_err(|_| busy())?;
        entered.is_waiting = false;
        {
            let mut state = destination.lock();
            state.waiting -= 1;
            if state.failures != failures
                && let Some(failure) = &state.failure
            {
                return Err(Box::new(failure.clone()));
            }
        }
        Ok(Visit {
            destination,
            _entered: entered,
            _slot: slot,
            _remote: remote,
        })
    }

    fn enter<'a>(&'a self, name: &'a str, limit: usize) -> Result<Entered<'a>, Box<Outcome>> {
        let mut destinations = self.lock();
        let destination = destinations.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Destination {
                slots: Arc::new(Semaphore::new(limit.max(1))),
                state: Mutex::new(State {
                    visitors: 0,
                    waiting: 0,
                    failures: 0,
                    failure: None,
                    moved: Instant::now(),
                }),
            })
        });
        let destination = Arc::clone(destination);
        {
            let mut state = destination.lock();
            if state.waiting >= CROWD && state.moved.elapsed() >= STANDSTILL {
                return Err(Box::new(
                    words::DESTINATION_BUSY.outcome_with(&[("host", name)]),
                ));
            }
            state.visitors += 1;
            state.waiting += 1;
        }
        drop(destinations);
        Ok(Entered {
            places: self,
            name,
            destination,
            is_waiting: true,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Destination>>> {
        self.destinations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit<'_> {
    /// Nobody answers there: those that wait need not try.
    pub(super) fn is_unreachable(&self, outcome: Outcome) {
        let mut state = self.destination.lock();
        state.failures += 1;
        state.failure = Some(outcome);
    }
}

impl Destination {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // The map first, here and in `enter`: nobody comes in between the count and the removal.
        let mut destinations = self.places.lock();
        let mut state = self.destination.lock();
        state.visitors -= 1;
        if self.is_waiting {
            state.waiting -= 1;
        } else {
            state.moved = Instant::now();
        }
        if state.visitors == 0 {
            destinations.remove(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use mail::{Outcome, words};
    use tokio::time::Instant;

    use super::{CROWD, Places, STANDSTILL};

    fn dead() -> Outcome {
        words::CONNECT_FAILED.outcome_with(&[("host", "x.test"), ("detail", "dead")])
    }

    /// Looks at it once.
    fn is_waiting(future: std::pin::Pin<&mut impl Future>) -> bool {
        future
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    }

    #[tokio::test]
    async fn n09_a_destination_has_so_many_places_and_no_more() {
        let places = Places::default();
        let first = places.visit("x.test", 1).await.expect("free");
        {
            let second = pin!(places.visit("x.test", 1));
            assert!(is_waiting(second));
        }
        places.visit("y.test", 1).await.expect("another one");
        drop(first);
        places.visit("x.test", 1).await.expect("free again");
        assert!(places.lock().is_empty(), "nothing is kept of them");
    }

    #[tokio::test]
    async fn who_waits_for_a_dead_destination_shares_its_outcome() {
        let places = Places::default();
        let first = places.visit("x.test", 1).await.expect("free");
        let mut second = pin!(places.visit("x.test", 1));
        assert!(is_waiting(second.as_mut()));
        first.is_unreachable(dead());
        drop(first);
        assert_eq!(*second.await.expect_err("not tried"), dead());
        let later = places.visit("x.test", 1).await;
        later.expect("who comes later tries");
    }

    #[tokio::test]
    async fn n09_a_destination_that_stands_still_holds_nobody_up() {
        let places = Places::default();
        let first = places.visit("x.test", 1).await.expect("free");
        let mut crowd: Vec<_> = (0..CROWD)
            .map(|_| Box::pin(places.visit("x.test", 1)))
            .collect();
        assert!(crowd.iter_mut().all(|visit| is_waiting(visit.as_mut())));
        {
            let one_more = pin!(places.visit("x.test", 1));
            assert!(is_waiting(one_more), "it moves");
        }
        let long_ago = Instant::now().checked_sub(STANDSTILL);
        first.destination.lock().moved = long_ago.expect("this machine runs for a while");
        let outcome = *places.visit("x.test", 1).await.expect_err("put off");
        assert!(matches!(outcome, Outcome::Deferred { .. }), "{outcome:?}");
    }
}
