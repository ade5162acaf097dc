//! The rows that are in hand: claimed, and not settled yet.
//!
//! A row in hand is never begun a second time, whatever the clock does: where its lease ran out
//! (the clock jumped) and it is claimed again, the attempt under way goes on under the new lease.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{Lease, QueueId};

/// The newest lease of every row in hand.
#[derive(Debug, Default)]
pub(super) struct Hand(Mutex<HashMap<QueueId, Lease>>);

impl Hand {
    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Claims rows: how many there were, and those that were not in hand before, to be begun.
    ///
    /// Both in one, so that whoever finds its lease taken over finds the new one here.
    pub(super) fn claim(&self, claim: impl FnOnce() -> Vec<Lease>) -> (usize, Vec<Lease>) {
        let mut held = self.lock();
        let claimed = claim();
        let count = claimed.len();
        let begun = claimed
            .into_iter()
            .filter(|lease| held.insert(lease.row.id, lease.clone()).is_none())
            .collect();
        (count, begun)
    }

    /// The lease to settle with.
    pub(super) fn newest(&self, lease: &Lease) -> Lease {
        let held = self.lock();
        held.get(&lease.row.id).unwrap_or(lease).clone()
    }

    /// The rows are settled, or will be claimed anew.
    pub(super) fn put_down(&self, leases: &[Lease]) {
        let mut held = self.lock();
        for lease in leases {
            held.remove(&lease.row.id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueId, Lease>> {
        // Each use is one insert or remove: a panic cannot leave half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Hand;
    use crate::outflow::tests::lease;

    #[test]
    fn a_row_in_hand_is_not_begun_again() {
        let hand = Hand::default();
        let first = lease(1, "a@x.test", 7);
        assert_eq!(hand.claim(|| vec![first.clone()]), (1, vec![first.clone()]));
        let mut again = first.clone();
        again.epoch += 1;
        assert_eq!(hand.claim(|| vec![again.clone()]), (1, Vec::new()));
        assert_eq!(hand.newest(&first), again, "settled with the newest lease");
        assert_eq!(hand.len(), 1);
        hand.put_down(std::slice::from_ref(&first));
        assert_eq!(hand.claim(|| vec![first.clone()]).1, [first]);
    }
}
