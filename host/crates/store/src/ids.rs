//! Ids that are never given out twice, also after a crash.
//!
//! A record in the journal reserves a block of numbers before any of it is used; what is left of
//! a block when the process ends is never used.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Numbers in one reservation.
pub(crate) const BLOCK: u64 = 1 << 24;

/// Hands out numbers below the durable limit.
#[derive(Debug)]
pub(crate) struct Ids {
    next: AtomicU64,
    limit: AtomicU64,
    /// Set when the limit will not move any more (latched or closed).
    stopped: AtomicBool,
}

impl Ids {
    /// Numbers from `first` up; none may be taken before the first reservation is durable.
    pub(crate) fn new(first: u64) -> Self {
        Self {
            next: AtomicU64::new(first),
            limit: AtomicU64::new(first),
            stopped: AtomicBool::new(false),
        }
    }

    /// The next number. Waits for the reservation when the block is used up.
    pub(crate) fn next(&self) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        while id >= self.limit.load(Ordering::Acquire) && !self.stopped.load(Ordering::Relaxed) {
            // 16 million ids without a commit between them: the sequencer extends the block
            // with the next one, and it wakes for that at least every 50 ms.
            std::thread::sleep(Duration::from_millis(1));
        }
        id
    }

    /// The limit to be made durable now, if less than half a block is left.
    pub(crate) fn wanted(&self) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        (limit.saturating_sub(next) < BLOCK / 2).then(|| limit.max(next) + BLOCK)
    }

    /// The lowest number not given yet.
    pub(crate) fn given(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Gives nothing below this any more; it is reserved already.
    pub(crate) fn skip(&self, to: u64) {
        self.next.fetch_max(to, Ordering::Relaxed);
    }

    /// A reservation is durable.
    pub(crate) fn reserved(&self, limit: u64) {
        self.limit.fetch_max(limit, Ordering::Release);
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
