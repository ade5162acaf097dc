//! How many calls of one domain go on at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mail::DomainId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::CallFailure;

/// Calls of one domain at once.
const CALLS: usize = 4;
/// Further ones that wait.
const WAITING: usize = 64;

/// One line for each domain.
#[derive(Default)]
pub(crate) struct Gate(Mutex<HashMap<DomainId, Arc<Line>>>);

/// The line of one domain.
pub(crate) struct Line {
    calls: Arc<Semaphore>,
    /// Those that run and those that wait.
    places: Arc<Semaphore>,
}

/// The right to run one call, given back when dropped.
pub(crate) struct Pass {
    _call: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Line {
    /// Waits for a turn, at most until `deadline`.
    pub(crate) async fn pass(&self, deadline: Instant) -> Result<Pass, CallFailure> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| CallFailure::Busy)?;
        let call = match Arc::clone(&self.calls).try_acquire_owned() {
            Ok(call) => call,
            // It waits in the order of asking.
            Err(_) => {
                let turn = Arc::clone(&self.calls).acquire_owned();
                let turn = tokio::time::timeout_at(deadline.into(), turn).await;
                turn.ok().and_then(Result::ok).ok_or(CallFailure::Busy)?
            }
        };
        Ok(Pass {
            _call: call,
            _place: place,
        })
    }
}

impl Gate {
    /// The line of a domain, for whoever is going to pass often.
    pub(crate) fn line(&self, domain: DomainId) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(domain).or_insert_with(|| {
            let (calls, places) = (Semaphore::new(CALLS), Semaphore::new(CALLS + WAITING));
            Arc::new(Line {
                calls: Arc::new(calls),
                places: Arc::new(places),
            })
        });
        Arc::clone(line)
    }
}
