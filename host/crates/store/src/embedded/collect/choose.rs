//! What to collect next.

use std::time::Instant;

use super::{Collector, Halt, Work, compress};
use crate::embedded::disk::Mode;
use crate::embedded::segment;
use crate::keys;
use crate::view::ViewExt;

/// Outdated rows beyond which the settled rows are collected, whatever their share.
const ROWS_SLACK: u64 = 4096;

/// How much is worth the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thoroughness {
    /// By itself, slowly, what has a good share of dead bytes.
    Steady,
    /// Asked for, at once, all that gives back something worth it.
    Thorough,
}

/// What kind of segments a pass takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first segment of the log.
    Log,
    /// Any settled bodies.
    Bodies,
    /// The oldest settled rows.
    Rows,
}

/// Segments to be collected in one pass.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) kind: Kind,
    pub(super) segments: Vec<u64>,
    /// Of their files.
    pub(super) bytes: u64,
    /// How much of it is alive, at most.
    pub(super) alive: u64,
    /// Where the log begins then; zero: as before.
    pub(super) log_after: u64,
}

impl Collector {
    pub(super) fn choose(
        &self,
        work: &mut Work,
        thoroughness: Thoroughness,
    ) -> Result<Option<Task>, Halt> {
        if let Some(task) = self.choose_log(work, thoroughness)? {
            return Ok(Some(task));
        }
        if let Some(task) = self.choose_bodies(work, thoroughness)? {
            return Ok(Some(task));
        }
        Ok(self.choose_rows(work, thoroughness))
    }

    /// The first segment of the log, if it is finished, in the index, and was left alone long
    /// enough.
    fn choose_log(
        &self,
        work: &mut Work,
        thoroughness: Thoroughness,
    ) -> Result<Option<Task>, Halt> {
        let id = work.manifest.log;
        let finished = self.progress.durable().segment.min(self.progress.last());
        let now = Instant::now();
        work.seen.retain(|seen, _| *seen >= id);
        for later in id..finished {
            work.seen.entry(later).or_insert(now);
        }
        let Some(since) = work.seen.get(&id) else {
            return Ok(None);
        };
        if thoroughness == Thoroughness::Steady && since.elapsed() < self.age {
            return Ok(None);
        }
        let bytes = self.disk.open(&segment::path(id), Mode::Read)?.length()?;
        Ok(Some(Task {
            kind: Kind::Log,
            segments: vec![id],
            bytes,
            alive: bytes,
            log_after: id + 1,
        }))
    }

    /// Bodies of which a good share is dead, or that nobody tried to compress: the worst first,
    /// until a segment is full.
    fn choose_bodies(&self, work: &Work, thoroughness: Thoroughness) -> Result<Option<Task>, Halt> {
        let least = match thoroughness {
            Thoroughness::Steady => u64::from(self.dead_percent).clamp(1, 100),
            Thoroughness::Thorough => 2,
        };
        let mut dirty = Vec::new();
        let layers = self.shared.layers();
        let view = layers.view();
        for (id, settled) in &work.manifest.bodies {
            if work.damaged.contains(id) {
                continue;
            }
            let dead: u64 = view.row(&keys::dead(*id))?.unwrap_or_default();
            let percent = dead.saturating_mul(100) / settled.raw.max(1);
            let is_untried = compress::is_untried(*id, work.compressed_from);
            if percent >= least || settled.count == 0 || is_untried {
                let alive = settled.raw.saturating_sub(dead) as f64 / settled.raw.max(1) as f64;
                let alive = (settled.bytes as f64 * alive) as u64;
                dirty.push((percent, *id, settled.bytes, alive));
            }
        }
        drop(layers);
        dirty.sort_unstable();
        let mut task = Task {
            kind: Kind::Bodies,
            segments: Vec::new(),
            bytes: 0,
            alive: 0,
            log_after: 0,
        };
        while let Some((_, id, bytes, alive)) = dirty.pop() {
            if !task.segments.is_empty() && task.alive + alive > self.segment_bytes {
                break;
            }
            task.segments.push(id);
            task.bytes += bytes;
            task.alive += alive;
        }
        Ok((!task.segments.is_empty()).then_some(task))
    }

    /// Settled rows when there are many more of them than rows in the index: the oldest, so that
    /// nothing older is left for a deletion to hide.
    fn choose_rows(&self, work: &Work, thoroughness: Thoroughness) -> Option<Task> {
        let settled: u64 = work.manifest.rows.values().map(|rows| rows.count).sum();
        let alive = self.shared.layers().base_rows();
        let (share, slack) = match thoroughness {
            Thoroughness::Steady => (alive / 2, ROWS_SLACK),
            Thoroughness::Thorough => (alive / 8, 64),
        };
        if settled <= alive + share + slack {
            return None;
        }
        let mut task = Task {
            kind: Kind::Rows,
            segments: Vec::new(),
            bytes: 0,
            alive: 0,
            log_after: 0,
        };
        for (id, rows) in &work.manifest.rows {
            if !task.segments.is_empty() && task.bytes + rows.bytes > self.segment_bytes {
                break;
            }
            task.segments.push(*id);
            task.bytes += rows.bytes;
        }
        task.alive = task.bytes;
        Some(task)
    }
}
