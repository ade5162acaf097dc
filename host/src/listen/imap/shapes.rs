//! ENVELOPE, BODY and BODYSTRUCTURE as ready bytes, kept in memory for all connections.
//!
//! A message never changes, so neither does its shape: it is kept by the lasting id of the
//! message and its domain, and goes when room is needed, the one longest unused first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imap::Shape;
use imap::ask::Depth;
use mail::{DomainId, EmailId};

/// Bytes of memory for shapes; an ordinary message takes 1 to 3 KiB.
const ROOM: usize = 64 * 1024 * 1024;

/// Shapes that are kept; shared by all connections.
#[derive(Clone)]
pub(crate) struct Shapes(Arc<Mutex<Kept>>);

type Key = (DomainId, EmailId);

struct Kept {
    room: usize,
    taken: usize,
    /// The number of the last use.
    use_number: u64,
    shapes: HashMap<Key, (u64, Arc<Shape>)>,
    /// By the number of their last use.
    uses: BTreeMap<u64, Key>,
}

impl Default for Shapes {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Shapes {
    fn with_room(room: usize) -> Self {
        Self(Arc::new(Mutex::new(Kept {
            room,
            taken: 0,
            use_number: 0,
            shapes: HashMap::new(),
            uses: BTreeMap::new(),
        })))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Both maps are changed without anything between that may panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shape of a message, if it is kept and tells as much as is asked for.
    pub(super) fn find(
        &self,
        domain: DomainId,
        email: EmailId,
        depth: Depth,
    ) -> Option<Arc<Shape>> {
        if depth == Depth::Bytes {
            return None;
        }
        self.kept().find((domain, email), depth)
    }

    /// Keeps the shape of a message, if there can be room for it.
    pub(super) fn keep(&self, domain: DomainId, email: EmailId, shape: Arc<Shape>) {
        self.kept().keep((domain, email), shape);
    }
}

impl Kept {
    fn find(&mut self, key: Key, depth: Depth) -> Option<Arc<Shape>> {
        let (last_use, shape) = self.shapes.get_mut(&key)?;
        if !shape.reaches(depth) {
            return None;
        }
        self.use_number += 1;
        self.uses.remove(last_use);
        *last_use = self.use_number;
        self.uses.insert(self.use_number, key);
        Some(Arc::clone(shape))
    }

    fn keep(&mut self, key: Key, shape: Arc<Shape>) {
        let weight = shape.weight();
        // One giant would push all others out.
        if weight > self.room / 16 {
            return;
        }
        self.forget(key);
        self.use_number += 1;
        self.taken += weight;
        self.uses.insert(self.use_number, key);
        self.shapes.insert(key, (self.use_number, shape));
        while self.taken > self.room
            && let Some(&oldest) = self.uses.values().next()
        {
            self.forget(oldest);
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some((last_use, shape)) = self.shapes.remove(&key) {
            self.uses.remove(&last_use);
            self.taken -= shape.weight();
        }
    }
}

#[cfg(test)]
mod tests;
