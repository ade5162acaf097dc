//! How far the durable index is, for those who wait for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::rows::CheckpointRow;

/// What the log's writer, the indexer and the collector tell each other.
#[derive(Debug)]
pub(crate) struct Progress {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Clone, Copy)]
struct State {
    durable: CheckpointRow,
    /// Somebody waits for a checkpoint: do not wait for its time.
    checkpoint_wanted: bool,
    /// Somebody wants the log to go on in a new segment.
    segment_wanted: bool,
    /// There was no room for it.
    segment_refused: bool,
    /// There was no room for a checkpoint.
    checkpoint_refused: bool,
    /// The segment that is written.
    last: u64,
}

/// How often one who waits looks whether it should.
const LOOK: Duration = Duration::from_millis(20);

impl Progress {
    pub(crate) fn new(durable: CheckpointRow, last: u64) -> Self {
        Self {
            state: Mutex::new(State {
                durable,
                checkpoint_wanted: false,
                segment_wanted: false,
                segment_refused: false,
                checkpoint_refused: false,
                last,
            }),
            moved: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each use is an assignment: a panic cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the index is, durably.
    pub(crate) fn durable(&self) -> CheckpointRow {
        self.lock().durable
    }

    /// The index is durable up to here.
    pub(crate) fn reached(&self, checkpoint: CheckpointRow) {
        self.lock().durable = checkpoint;
        self.moved.notify_all();
    }

    /// There is no room for a checkpoint. It is tried again, but not everybody waits for that.
    pub(crate) fn refused_checkpoint(&self) {
        self.lock().checkpoint_refused = true;
        self.moved.notify_all();
    }

    /// The segment of the log that is written.
    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }

    /// The log goes on in this segment.
    pub(crate) fn rotated(&self, segment: u64) {
        let mut state = self.lock();
        state.last = segment;
        state.segment_wanted = false;
        self.moved.notify_all();
    }

    /// There is no room for a new segment.
    pub(crate) fn refused(&self) {
        let mut state = self.lock();
        state.segment_wanted = false;
        state.segment_refused = true;
        self.moved.notify_all();
    }

    /// Something is wanted of the log's writer.
    pub(crate) fn want(&self, wish: Wish) {
        let mut state = self.lock();
        match wish {
            Wish::Checkpoint => state.checkpoint_wanted = true,
            Wish::Segment => state.segment_wanted = true,
        }
    }

    /// For the log's writer: is anything wanted?
    pub(crate) fn has_wish(&self) -> bool {
        let state = self.lock();
        state.checkpoint_wanted || state.segment_wanted
    }

    /// For the log's writer: is a checkpoint wanted at once?
    pub(crate) fn take_checkpoint_wish(&self) -> bool {
        std::mem::take(&mut self.lock().checkpoint_wanted)
    }

    /// For the log's writer: is a new segment wanted?
    pub(crate) fn is_segment_wanted(&self) -> bool {
        self.lock().segment_wanted
    }

    /// Waits until `is_there` says so of (durable, last), asking for it; `false`: given up,
    /// because `gives_up` said so or because there is no room for it.
    pub(crate) fn wait(
        &self,
        wish: Wish,
        is_there: impl Fn(CheckpointRow, u64) -> bool,
        gives_up: impl Fn() -> bool,
    ) -> bool {
        let mut state = self.lock();
        state.segment_refused = false;
        state.checkpoint_refused = false;
        loop {
            if is_there(state.durable, state.last) {
                return true;
            }
            let is_refused = match wish {
                Wish::Checkpoint => state.checkpoint_refused,
                Wish::Segment => state.segment_refused,
            };
            if is_refused || gives_up() {
                state.segment_wanted = false;
                return false;
            }
            match wish {
                Wish::Checkpoint => state.checkpoint_wanted = true,
                Wish::Segment => state.segment_wanted = true,
            }
            let waited = self.moved.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What one who waits wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A checkpoint.
    Checkpoint,
    /// A new segment of the log.
    Segment,
}
