//! The UIDs of a mailbox, held as runs of consecutive numbers: a mailbox from which nothing was
//! removed is one run, whatever its size; each gap costs eight bytes.
//!
//! A position is what a message sequence number counts, beginning with 0. Runs are in chunks, so
//! that a UID that leaves moves its chunk's neighbours and no others.

use std::fmt;

use crate::Uid;

/// Runs of a full chunk. Small enough to move within, large enough that there are few.
const CHUNK: usize = 512;

/// UIDs, ascending.
#[derive(Clone, Default)]
pub struct Uids {
    /// None is empty.
    chunks: Vec<Chunk>,
    length: usize,
}

#[derive(Clone)]
struct Chunk {
    /// The position of the first UID.
    start: usize,
    /// UIDs in it.
    count: u32,
    /// Ascending; none touches the next.
    runs: Vec<Run>,
}

/// Consecutive UIDs, as many as there are up to the next run's `before`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u32,
    /// UIDs of the chunk before this run.
    before: u32,
}

impl Chunk {
    /// UIDs of a run of this chunk.
    fn count_of(&self, run: usize) -> u32 {
        let end = self
            .runs
            .get(run + 1)
            .map_or(self.count, |next| next.before);
        end - self.runs[run].before
    }

    fn last(&self) -> u32 {
        let run = self.runs.len() - 1;
        self.runs[run].first + (self.count_of(run) - 1)
    }

    /// How many UIDs of it are lower.
    fn below(&self, uid: u32) -> u32 {
        let behind = self.runs.partition_point(|run| run.first < uid);
        let Some(run) = behind.checked_sub(1) else {
            return 0;
        };
        let Run { first, before } = self.runs[run];
        before + (uid - first).min(self.count_of(run))
    }
}

impl Uids {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Are there none?
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The highest.
    pub fn last(&self) -> Option<Uid> {
        self.chunks.last().map(|chunk| Uid(chunk.last()))
    }

    /// The one at a position below `len`.
    pub fn at(&self, position: usize) -> Uid {
        assert!(position < self.length, "a position behind the last UID");
        // The first chunk starts at 0, so at least one starts at or before any position.
        let chunk = self.chunks.partition_point(|chunk| chunk.start <= position) - 1;
        let chunk = &self.chunks[chunk];
        let within = (position - chunk.start) as u32;
        let run = chunk.runs.partition_point(|run| run.before <= within) - 1;
        let run = chunk.runs[run];
        Uid(run.first + (within - run.before))
    }

    /// The position of the first that is not lower: how many are lower.
    pub fn first_not_below(&self, uid: Uid) -> usize {
        let chunk = self.chunks.partition_point(|chunk| chunk.last() < uid.0);
        match self.chunks.get(chunk) {
            Some(chunk) => chunk.start + chunk.below(uid.0) as usize,
            None => self.length,
        }
    }

    /// The position of a UID that is there.
    pub fn position(&self, uid: Uid) -> Option<usize> {
        let position = self.first_not_below(uid);
        (position < self.length && self.at(position) == uid).then_some(position)
    }

    /// Is it there?
    pub fn contains(&self, uid: Uid) -> bool {
        self.position(uid).is_some()
    }

    /// Each, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.chunks.iter().flat_map(|chunk| {
            (0..chunk.runs.len()).flat_map(|run| {
                let first = chunk.runs[run].first;
                (first..=first + (chunk.count_of(run) - 1)).map(Uid)
            })
        })
    }

    /// Adds one that is above all others; another is left out.
    pub fn push(&mut self, uid: Uid) {
        self.push_run(uid, 1);
    }

    /// Adds `count` consecutive ones from `first` on, where that is above all others.
    pub fn push_run(&mut self, first: Uid, count: u32) {
        let last = self.last();
        if count == 0 || last.is_some_and(|last| last >= first) {
            return;
        }
        let start = self.length;
        self.length += count as usize;
        let first = first.0;
        if let Some(chunk) = self.chunks.last_mut() {
            let continues = last.is_some_and(|last| last.0.checked_add(1) == Some(first));
            if continues || chunk.runs.len() < CHUNK {
                if !continues {
                    let before = chunk.count;
                    chunk.runs.push(Run { first, before });
                }
                chunk.count += count;
                return;
            }
        }
        let runs = vec![Run { first, before: 0 }];
        self.chunks.push(Chunk { start, count, runs });
    }

    /// Takes these out, ascending; those that are not there are passed over.
    pub fn remove(&mut self, leaving: &[Uid]) {
        let mut rest = leaving;
        self.length = 0;
        let mut chunks = Vec::with_capacity(self.chunks.len());
        for chunk in std::mem::take(&mut self.chunks) {
            let last = chunk.last();
            let (here, behind) = rest.split_at(rest.partition_point(|uid| uid.0 <= last));
            rest = behind;
            let left = if here.is_empty() {
                vec![chunk]
            } else {
                chunk.without(here)
            };
            for mut chunk in left {
                chunk.start = self.length;
                self.length += chunk.count as usize;
                chunks.push(chunk);
            }
        }
        self.chunks = chunks;
    }
}

impl Chunk {
    /// What is left of it, in chunks of their own, without these.
    fn without(&self, leaving: &[Uid]) -> Vec<Self> {
        let mut left = Uids::new();
        let mut leaving = leaving.iter().peekable();
        for run in 0..self.runs.len() {
            let mut next = u64::from(self.runs[run].first);
            let end = next + u64::from(self.count_of(run));
            while next < end {
                while leaving.next_if(|uid| u64::from(uid.0) < next).is_some() {}
                let gap = leaving.peek().map_or(end, |uid| u64::from(uid.0).min(end));
                // Both are below `end`, which is one above a UID at most.
                left.push_run(Uid(next as u32), (gap - next) as u32);
                next = gap + 1;
            }
        }
        left.chunks
    }
}

impl FromIterator<Uid> for Uids {
    /// Of UIDs that ascend.
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut all = Self::new();
        uids.into_iter().for_each(|uid| all.push(uid));
        all
    }
}

impl PartialEq for Uids {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.iter().eq(other.iter())
    }
}

impl Eq for Uids {}

impl fmt::Debug for Uids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uids({}", self.length)?;
        if let Some(last) = self.last() {
            write!(f, ": {} to {}", self.at(0).0, last.0)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests;
