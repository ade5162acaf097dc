//! Who works on which queue row. In memory only: a holder cannot outlive the process, so after
//! a restart every row is free again, and epochs go on from ids never used before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::Timestamp;

use crate::{Error, Lease, QueueId, Result};

/// A lease as the store keeps it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) epoch: u64,
    pub(crate) until: Timestamp,
    /// Its settlement is on the way to the disk: nobody may take it over.
    pub(crate) settling: bool,
}

/// All leases.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<QueueId, Held>>);

impl Leases {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<QueueId, Held>> {
        // Each use is one insert, remove or assignment: a panic cannot leave half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this still the current lease of its row?
    pub(crate) fn check(&self, lease: &Lease) -> Result<()> {
        match self.lock().get(&lease.row.id) {
            Some(held) if held.epoch == lease.epoch && !held.settling => Ok(()),
            _ => Err(Error::Stale),
        }
    }

    /// From here until [`Leases::end`] nobody takes the row over.
    pub(crate) fn settle(&self, id: QueueId) {
        if let Some(held) = self.lock().get_mut(&id) {
            held.settling = true;
        }
    }

    /// The settlement did not happen; the lease goes on.
    pub(crate) fn unsettle(&self, ids: &[QueueId]) {
        let mut held = self.lock();
        for id in ids {
            if let Some(held) = held.get_mut(id) {
                held.settling = false;
            }
        }
    }

    pub(crate) fn end(&self, ids: &[QueueId]) {
        if !ids.is_empty() {
            let mut held = self.lock();
            ids.iter().for_each(|id| {
                held.remove(id);
            });
        }
    }

    pub(crate) fn extend(&self, lease: &Lease, until: Timestamp) -> Result<()> {
        match self.lock().get_mut(&lease.row.id) {
            Some(held) if held.epoch == lease.epoch && !held.settling => {
                held.until = until;
                Ok(())
            }
            _ => Err(Error::Stale),
        }
    }

    /// Does somebody work on it, with time left?
    pub(crate) fn is_held(&self, id: QueueId, now: Timestamp) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|held| held.settling || held.until > now)
    }
}
