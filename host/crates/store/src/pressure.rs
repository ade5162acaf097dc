//! How far the store is behind: what waits for the sequencer, and for how long.
//!
//! A slow disk is met twice. While one batch syncs the next gathers, so the batches grow and the
//! number of syncs does not; and where that is not enough, whoever takes mail asks
//! [`crate::Space::is_behind`] and says 451 before the message comes, instead of running into
//! time-outs with it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Bytes that may wait for the sequencer before the store is behind.
pub(crate) const WAITING_BYTES: u64 = 64 * 1024 * 1024;
/// How long an operation may wait for its sync before the store is behind, in milliseconds.
pub(crate) const WAITING_MS: u64 = 2_000;

/// Counters of what is on its way.
#[derive(Debug)]
pub(crate) struct Pressure {
    start: Instant,
    /// Operations sent to the sequencer and not yet taken.
    jobs: AtomicUsize,
    /// Bytes of those, and of the batch under way.
    bytes: AtomicU64,
    /// When the oldest operation of the batch under way was sent: milliseconds since `start`,
    /// and one; 0 where none is.
    oldest: AtomicU64,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            jobs: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
        }
    }
}

impl Pressure {
    /// An operation is sent. `false`: there are too many already, and it was not counted.
    pub(crate) fn send(&self, bytes: u64, most: usize) -> bool {
        if self.jobs.fetch_add(1, Ordering::Relaxed) >= most {
            self.jobs.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// A batch is taken; its first operation was sent at `since`.
    pub(crate) fn begin(&self, jobs: usize, since: Option<Instant>) {
        self.jobs.fetch_sub(jobs, Ordering::Relaxed);
        let since = since.map_or(0, |since| self.milliseconds(since) + 1);
        self.oldest.store(since, Ordering::Relaxed);
    }

    /// The batch is answered.
    pub(crate) fn end(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.oldest.store(0, Ordering::Relaxed);
    }

    /// Operations that wait.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.load(Ordering::Relaxed)
    }

    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How long the oldest operation of the batch under way has waited.
    pub(crate) fn waiting_ms(&self) -> u64 {
        match self.oldest.load(Ordering::Relaxed) {
            0 => 0,
            since => self.milliseconds(Instant::now()).saturating_sub(since - 1),
        }
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1)
    }
}
