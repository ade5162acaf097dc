//! What a backend does beside serving: collecting what nobody names any more, saying what there
//! is, and checking it.

use std::ops::AddAssign;

use crate::Result;

/// What a collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Segments that went.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes written to keep what of them was alive.
    pub kept: u64,
}

impl AddAssign for Collected {
    fn add_assign(&mut self, other: Self) {
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.kept += other.kept;
    }
}

/// Segments of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Files {
    /// How many.
    pub files: u64,
    /// Their bytes, room allocated ahead included.
    pub bytes: u64,
}

/// What a store has, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// The log: what was not collected yet.
    pub log: Files,
    /// Settled segments with bodies.
    pub settled_bodies: Files,
    /// Bytes in them of bodies as they were received.
    pub settled_raw: u64,
    /// Bytes in them of bodies that no row names.
    pub settled_dead: u64,
    /// Settled segments with rows.
    pub settled_rows: Files,
    /// Rows in them.
    pub settled_count: u64,
    /// Bodies with a file of their own.
    pub body_files: Files,
    /// The index.
    pub index: Files,
    /// Rows by table, of all domains.
    pub tables: Vec<(&'static str, u64)>,
    /// Bodies that are named.
    pub bodies: u64,
    /// Their bytes as they were received.
    pub body_bytes: u64,
    /// Private parts of messages: trace headers, edits.
    pub private_bytes: u64,
    /// Messages in mailboxes.
    pub messages: u64,
    /// Their composed bytes: a body counts once for each message that shows it.
    pub message_bytes: u64,
    /// Why collecting ended, if so.
    pub collecting_failed: Option<String>,
}

impl Stats {
    /// Bytes of all files.
    pub fn disk_bytes(&self) -> u64 {
        [
            self.log,
            self.settled_bodies,
            self.settled_rows,
            self.body_files,
            self.index,
        ]
        .iter()
        .map(|files| files.bytes)
        .sum()
    }

    /// Bytes of mail, each body once.
    pub fn mail_bytes(&self) -> u64 {
        self.body_bytes + self.private_bytes
    }
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In one word: `body`, `reference`, `counter`, `index`, `damage`.
    pub kind: &'static str,
    /// Where and what.
    pub what: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// Rows looked at.
    pub rows: u64,
    /// Bodies whose bytes were read.
    pub bodies_read: u64,
    /// All that does not fit.
    pub problems: u64,
    /// The first of them.
    pub first: Vec<Problem>,
}

/// Problems told one by one.
const PROBLEMS_TOLD: usize = 1000;

impl Checked {
    pub(crate) fn problem(&mut self, kind: &'static str, what: String) {
        self.problems += 1;
        if self.first.len() < PROBLEMS_TOLD {
            self.first.push(Problem { kind, what });
        }
    }
}

/// How far a long task is; `total` may be an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Of what: `rows`, `bodies`, `bytes`.
    pub what: &'static str,
    /// Done so far.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// Hears of each step of a long task. It may take its time: that is how a task is slowed down.
pub type Told<'a> = &'a mut dyn FnMut(Step);

/// A backend's side of it.
pub(crate) trait Upkeep: Send + Sync {
    /// Collects all that can be, without a pause; `told` hears of each step.
    fn compact(&self, told: &mut dyn FnMut(Collected)) -> Result<Collected>;
    /// What there is. Walks all rows.
    fn stats(&self, told: Told<'_>) -> Result<Stats>;
    /// Compares rows with each other and with what they name; `deep` also reads every body.
    fn check(&self, deep: bool, told: Told<'_>) -> Result<Checked>;
    /// Ends what is under way, and the thread.
    fn stop(&self);
}
