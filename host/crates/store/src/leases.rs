//! Who works on which queue row. In memory only: a holder cannot outlive the process, so after
//! a restart every row is free again, and epochs go on from ids never used before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::Timestamp;

use crate::engine::agenda::Lane;
use crate::keys::Key;
use crate::queue::Priority;
use crate::{Error, Lease, QueueId, Result};

/// A lease as the store keeps it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) epoch: u64,
    pub(crate) until: Timestamp,
    /// Its settlement is on the way to the disk: nobody may take it over.
    pub(crate) settling: bool,
    /// Where the row waits.
    pub(crate) lane: Lane,
}

/// What rows in hand are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// Over all priorities.
    Account(u64),
    Lane(Lane),
    /// Over all domains.
    Destination(u64),
}

/// Rows in hand of one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) rows: usize,
    /// When a row was taken last: larger is later.
    pub(crate) turn: u64,
}

/// All rows in hand. As large as what workers hold, whatever waits.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    rows: HashMap<QueueId, Held>,
    loads: HashMap<Place, Load>,
    turns: u64,
    /// Places given out, which says whose the next one is.
    slot: u64,
    /// The latest time anybody claimed at.
    latest: Timestamp,
    /// Where the next claim goes on, by priority.
    resume: [Option<Key>; Priority::ALL.len()],
}

impl Hands {
    /// Gives a row to somebody; whoever had it has it no more.
    pub(crate) fn hold(&mut self, id: QueueId, held: Held) {
        self.remove(id);
        self.turns += 1;
        for place in places(held.lane) {
            let load = self.loads.entry(place).or_default();
            load.rows += 1;
            load.turn = self.turns;
        }
        self.rows.insert(id, held);
    }

    fn remove(&mut self, id: QueueId) {
        let Some(held) = self.rows.remove(&id) else {
            return;
        };
        for place in places(held.lane) {
            if let Some(load) = self.loads.get_mut(&place) {
                load.rows -= 1;
                if load.rows == 0 {
                    self.loads.remove(&place);
                }
            }
        }
    }

    pub(crate) fn load(&self, place: Place) -> Load {
        self.loads.get(&place).copied().unwrap_or_default()
    }

    /// May somebody take it?
    pub(crate) fn is_free(&self, id: QueueId, now: Timestamp) -> bool {
        let held = self.rows.get(&id);
        held.is_none_or(|held| !held.settling && held.until <= now)
    }

    /// Has somebody taken it, be it long ago?
    pub(crate) fn is_held(&self, id: QueueId) -> bool {
        self.rows.contains_key(&id)
    }

    /// When the first lease runs out.
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        let waiting = self.rows.values().filter(|held| !held.settling);
        waiting.map(|held| held.until).min()
    }

    /// `now`, or the latest time before it if the clock went back.
    pub(crate) fn latest(&mut self, now: Timestamp) -> Timestamp {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// How many of the next `count` places each priority gets first: of 16 in a row 8, 4, 2, 1
    /// and 1. The places go on from claim to claim, so that a worker who takes one row at a
    /// time is fair too.
    pub(crate) fn shares(&mut self, count: usize) -> [usize; Priority::ALL.len()] {
        const LAST: usize = Priority::ALL.len() - 1;
        const ROUND: usize = 1 << LAST;
        let mut shares: [usize; Priority::ALL.len()] =
            std::array::from_fn(|place| count / ROUND * (ROUND >> (place + 1)).max(1));
        for _ in 0..count % ROUND {
            self.slot = self.slot % ROUND as u64 + 1;
            shares[(self.slot.trailing_zeros() as usize).min(LAST)] += 1;
        }
        shares
    }

    pub(crate) fn resume(&mut self, priority: Priority) -> Option<Key> {
        self.resume[priority as usize].take()
    }

    pub(crate) fn set_resume(&mut self, priority: Priority, key: Option<Key>) {
        self.resume[priority as usize] = key;
    }
}

fn places(lane: Lane) -> [Place; 3] {
    [
        Place::Account(lane.account),
        Place::Lane(lane),
        Place::Destination(lane.destination),
    ]
}

/// All leases.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Hands>);

impl Leases {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Hands> {
        // Each use is one insert, remove or assignment; counts that a panic between them left
        // behind make a place look busy, no row lost.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this still the current lease of its row?
    pub(crate) fn check(&self, lease: &Lease) -> Result<()> {
        match self.lock().rows.get(&lease.row.id) {
            Some(held) if held.epoch == lease.epoch && !held.settling => Ok(()),
            _ => Err(Error::Stale),
        }
    }

    /// From here until [`Leases::end`] nobody takes the row over.
    pub(crate) fn settle(&self, id: QueueId) {
        if let Some(held) = self.lock().rows.get_mut(&id) {
            held.settling = true;
        }
    }

    /// The settlement did not happen; the lease goes on.
    pub(crate) fn unsettle(&self, ids: &[QueueId]) {
        let mut hands = self.lock();
        for id in ids {
            if let Some(held) = hands.rows.get_mut(id) {
                held.settling = false;
            }
        }
    }

    pub(crate) fn end(&self, ids: &[QueueId]) {
        if !ids.is_empty() {
            let mut hands = self.lock();
            ids.iter().for_each(|id| hands.remove(*id));
        }
    }

    pub(crate) fn extend(&self, lease: &Lease, until: Timestamp) -> Result<()> {
        match self.lock().rows.get_mut(&lease.row.id) {
            Some(held) if held.epoch == lease.epoch && !held.settling => {
                held.until = until;
                Ok(())
            }
            _ => Err(Error::Stale),
        }
    }

    /// Does somebody work on it, with time left?
    pub(crate) fn is_held(&self, id: QueueId, now: Timestamp) -> bool {
        !self.lock().is_free(id, now)
    }
}
