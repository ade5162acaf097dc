//! The collector: takes what is alive out of segments that hold much that is not, and removes
//! them, while the store runs.
//!
//! ```text
//!   log   [7][8][9][10→]       each segment of it is collected once, in order
//!          │
//!          ├─ bodies ─> settled/…02.seg    again, in any order, when a share of them is dead
//!          └─ rows ───> settled/…03.seg    again, the oldest first, when many are outdated
//! ```
//! A pass: write settled segments, aside, and sync them; name them in `SEGMENTS`; tell the
//! sequencer where bodies are now; wait for a checkpoint that has this; take the old segments out
//! of `SEGMENTS`; remove them. `DESIGN.md` §12 says why each crash between leaves a whole store.
//!
//! How it fails: a full disk ends a pass, and it is tried again. Damage or a failing disk end
//! collecting until the next start, and are logged; nothing that was acknowledged hangs on it.
//! What it does not know: domains, and what rows mean, but for those that say where bodies are.

mod choose;
mod compress;
mod pace;
mod scan;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::embedded::disk::{Disk, is_full, is_out_of_files};
use crate::embedded::format::StoreId;
use crate::embedded::manifest::{self, Manifest, Settled};
use crate::embedded::progress::{Progress, Wish};
use crate::embedded::segment;
use crate::engine::Tx;
use crate::pending::Pending;
use crate::pins::Pins;
use crate::rows::{BodyAtRow, CheckpointRow, encode};
use crate::sequencer::{Message, Operation};
use crate::shared::Shared;
use crate::upkeep::{Checked, Collected, Stats, Told, Upkeep};
use crate::view::ViewExt;
use crate::{Config, Error, keys};
use choose::{Task, Thoroughness};
use pace::Pace;
use scan::{Found, Move};

/// Pause between two looks for something to do.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often a pass that waits for a copy looks whether it is done.
const COPIED: Duration = Duration::from_millis(100);
/// Bodies whose places change in one commit.
const MOVES: usize = 256;

/// Why a pass ended early.
#[derive(Debug)]
pub(super) enum Halt {
    /// No room, too many open files: it passes.
    Later,
    /// Somebody copies the store, or the index is being mended: it passes.
    Busy,
    /// The store closes, or stopped taking changes.
    Ended,
    /// Until the next start.
    Failed(String),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        if is_full(&error) || is_out_of_files(&error) {
            Self::Later
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match error {
            Error::Full => Self::Later,
            Error::Busy => Self::Busy,
            Error::Latched(_) | Error::Closed => Self::Ended,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Collects, by itself and when asked.
pub(crate) struct Collector {
    pub(super) disk: Arc<dyn Disk>,
    store: StoreId,
    pub(super) shared: Arc<Shared>,
    jobs: Sender<Message>,
    pub(super) progress: Arc<Progress>,
    pub(super) pins: Arc<Pins>,
    /// The first id of this process: files of later ones may be on their way in.
    pub(super) first_id: u64,
    segment_bytes: u64,
    bytes_per_second: u64,
    age: Duration,
    dead_percent: u8,
    /// One pass at a time.
    work: Mutex<Work>,
    stopping: AtomicBool,
    sleeping: (Mutex<()>, Condvar),
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What passes work on.
pub(super) struct Work {
    pub(super) manifest: Manifest,
    /// There is a file of it.
    is_written: bool,
    /// And the directory of settled segments.
    is_ready: bool,
    /// Settled segments of lower numbers were written by a collector that compressed nothing;
    /// zero: not known yet.
    compressed_from: u64,
    /// When a finished segment of the log was first seen.
    seen: HashMap<u64, Instant>,
    /// Settled segments that cannot be read.
    damaged: BTreeSet<u64>,
    /// Why collecting ended.
    failed: Option<String>,
}

impl Work {
    /// Why collecting ended, if so.
    pub(super) fn failure(&self) -> Option<String> {
        self.failed.clone()
    }
}

impl Collector {
    #[expect(clippy::too_many_arguments, reason = "wired in one place")]
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        store: StoreId,
        shared: Arc<Shared>,
        jobs: Sender<Message>,
        progress: Arc<Progress>,
        pins: Arc<Pins>,
        manifest: Option<Manifest>,
        config: &Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            disk,
            store,
            first_id: shared.ids.next(),
            shared,
            jobs,
            progress,
            pins,
            segment_bytes: config.segment_bytes,
            bytes_per_second: config.collect_bytes_per_second.max(1),
            age: config.collect_age,
            dead_percent: config.collect_dead_percent,
            work: Mutex::new(Work {
                is_written: manifest.is_some(),
                is_ready: false,
                compressed_from: 0,
                manifest: manifest.unwrap_or_default(),
                seen: HashMap::new(),
                damaged: BTreeSet::new(),
                failed: None,
            }),
            stopping: AtomicBool::new(false),
            sleeping: Default::default(),
            thread: Mutex::default(),
        })
    }

    /// Begins, with a thread of its own if it is to work by itself.
    pub(crate) fn start(this: Arc<Self>, by_itself: bool) -> crate::Result<Arc<Self>> {
        if by_itself {
            let collector = Arc::clone(&this);
            let thread = std::thread::Builder::new()
                .name("store-collect".to_owned())
                .spawn(move || collector.run())
                .map_err(|error| Error::Latched(format!("cannot start a thread: {error}")))?;
            *this.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        }
        Ok(this)
    }

    fn run(&self) {
        while !self.sleep(INTERVAL) {
            loop {
                match self.step(Thoroughness::Steady) {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(Halt::Later | Halt::Busy) => break,
                    Err(Halt::Ended | Halt::Failed(_)) => return,
                }
            }
        }
    }

    /// Sleeps; `true`: it is time to stop.
    fn sleep(&self, time: Duration) -> bool {
        let (lock, condition) = &self.sleeping;
        let until = Instant::now() + time;
        let mut guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stopping.load(Ordering::Acquire) {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = condition.wait_timeout(guard, left);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.stopping.load(Ordering::Acquire) || self.shared.latched.get().is_some()
    }

    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        // A pass that panicked changed nothing it had not written down before.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One pass, if there is something to do.
    fn step(&self, thoroughness: Thoroughness) -> Result<Option<Collected>, Halt> {
        let mut work = match thoroughness {
            Thoroughness::Thorough => self.work(),
            // Somebody else works on it, or looks at it.
            Thoroughness::Steady => match self.work.try_lock() {
                Ok(work) => work,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(None),
            },
        };
        if let Some(reason) = &work.failed {
            return Err(Halt::Failed(reason.clone()));
        }
        let done = self.attempt(&mut work, thoroughness);
        if let Err(Halt::Failed(reason)) = &done {
            tracing::error!(reason, "collecting ended until the next start");
            work.failed = Some(reason.clone());
        }
        done
    }

    fn attempt(
        &self,
        work: &mut Work,
        thoroughness: Thoroughness,
    ) -> Result<Option<Collected>, Halt> {
        if self.is_ended() {
            return Err(Halt::Ended);
        }
        if self.pins.is_held() {
            return Err(Halt::Busy);
        }
        let mut pace = Pace::new(self, thoroughness);
        self.count_new(work, &mut pace)?;
        self.note_compressing(work)?;
        let Some(task) = self.choose(work, thoroughness)? else {
            return Ok(None);
        };
        self.check_room(&task)?;
        self.ensure_manifest(work)?;
        let found = match self.scan(work, &task, &mut pace) {
            Err(scan::Stop::Damaged { segment, what }) => {
                self.leave_alone(work, segment, &what)?;
                return Ok(Some(Collected::default()));
            }
            Err(scan::Stop::Halted(halt)) => return Err(halt),
            Ok(found) => found,
        };
        self.replace(work, &task, found).map(Some)
    }

    /// Notes, once in the life of a store, which settled segments come from before there was
    /// compression.
    fn note_compressing(&self, work: &mut Work) -> Result<(), Halt> {
        if work.compressed_from == 0 {
            let next = work.manifest.next;
            work.compressed_from = self.run_operation(move |tx| {
                let key = keys::meta("compressed-from");
                if let Some(noted) = tx.row(&key)? {
                    return Ok(noted);
                }
                tx.put(key, &next);
                Ok(next)
            })?;
        }
        Ok(())
    }

    /// A settled segment that cannot be read stays as it is. The log is collected in order: there
    /// collecting ends.
    fn leave_alone(&self, work: &mut Work, id: u64, what: &str) -> Result<(), Halt> {
        let path = segment::path(id);
        if work.manifest.bodies.contains_key(&id) {
            tracing::error!(
                path,
                what,
                "a settled segment is damaged and is left as it is"
            );
            work.damaged.insert(id);
            return Ok(());
        }
        Err(Halt::Failed(format!("{path} is damaged: {what}")))
    }

    /// What is alive must fit beside what it replaces. It takes up to half of the reserve: it
    /// gives back more.
    fn check_room(&self, task: &Task) -> Result<(), Halt> {
        let (free, _, reserve) = self.shared.bodies.space()?;
        if free < task.alive.saturating_add(reserve / 2) {
            return Err(Halt::Later);
        }
        Ok(())
    }

    /// The manifest is there before the first settled segment: without it such segments are
    /// damage.
    fn ensure_manifest(&self, work: &mut Work) -> Result<(), Halt> {
        if work.is_ready {
            return Ok(());
        }
        if !work.is_written {
            self.write_manifest(work, work.manifest.clone())?;
            work.is_written = true;
        }
        // A crash may have come between the two.
        self.disk.create_dir(segment::SETTLED_DIRECTORY)?;
        self.disk.sync_dir("")?;
        work.is_ready = true;
        Ok(())
    }

    fn write_manifest(&self, work: &mut Work, manifest: Manifest) -> Result<(), Halt> {
        // Who copies has read the one before.
        let write = || manifest::write(&*self.disk, self.store, &manifest);
        let written = loop {
            match self.pins.unless_held(write) {
                Some(written) => break written,
                None if self.is_ended() || self.sleep(COPIED) => return Err(Halt::Ended),
                None => {}
            }
        };
        match written {
            Ok(()) => {
                work.manifest = manifest;
                Ok(())
            }
            Err(failed) if failed.is_clean => Err(failed.error.into()),
            // Either may hold after a crash. Both are true of what is there now, and it stays.
            Err(failed) => Err(Halt::Failed(format!(
                "writing {} failed: {}",
                manifest::FILE,
                failed.error
            ))),
        }
    }

    /// Outputs take the place of the inputs.
    fn replace(&self, work: &mut Work, task: &Task, found: Found) -> Result<Collected, Halt> {
        let kept = found.outputs().map(|(_, settled)| settled.bytes).sum();
        let outputs: Vec<u64> = found.outputs().map(|(id, _)| id).collect();
        let mut with_both = work.manifest.clone();
        with_both.rows.extend(found.rows);
        with_both.bodies.extend(found.bodies);
        if let Some(last) = outputs.iter().max() {
            with_both.next = last + 1;
        }
        if !outputs.is_empty() {
            self.write_manifest(work, with_both)
                .inspect_err(|halt| self.drop_outputs(halt, &outputs))?;
        }
        self.tell(&found.moves)?;
        let mut without = work.manifest.clone();
        for settled in without.rows.values_mut().chain(without.bodies.values_mut()) {
            settled.is_new = false;
        }
        for id in &task.segments {
            without.rows.remove(id);
            without.bodies.remove(id);
        }
        without.log = without.log.max(task.log_after);
        self.write_manifest(work, without)?;
        self.remove(&task.segments)?;
        Ok(Collected {
            segments: task.segments.len() as u64,
            bytes: task.bytes,
            kept,
        })
    }

    /// Files that no manifest names, and none will.
    fn drop_outputs(&self, halt: &Halt, outputs: &[u64]) {
        if matches!(halt, Halt::Later | Halt::Busy) {
            for id in outputs {
                // What is left is removed at the next start.
                let _ = self.disk.remove(&segment::path(*id));
            }
        }
    }

    /// Tells the sequencer where bodies are now, and waits until the index has it. Without
    /// anything to tell too: a pass that a full disk ended may have told it all, and the index
    /// may still name what is about to be removed.
    fn tell(&self, moves: &[Move]) -> Result<(), Halt> {
        for some in moves.chunks(MOVES) {
            let some = some.to_vec();
            self.run_operation(move |tx| move_bodies(tx, &some))?;
        }
        let next = self.run_operation(|tx| Ok(tx.sequence))?;
        let is_durable = self.wait(
            Wish::Checkpoint,
            |durable, _| durable.sequence + 1 >= next,
            || self.is_ended(),
        );
        match is_durable {
            true => Ok(()),
            false if self.is_ended() => Err(Halt::Ended),
            // No room for a checkpoint: both places stay until there is.
            false => Err(Halt::Later),
        }
    }

    fn remove(&self, segments: &[u64]) -> Result<(), Halt> {
        for id in segments {
            self.shared.bodies.forget(*id);
            // It is out of the manifest: what is left goes at the next start.
            if let Err(error) = self.pins.remove(&segment::path(*id)) {
                tracing::warn!(segment = id, %error, "a collected segment cannot be removed");
            }
        }
        let counted: Vec<u64> = segments.to_vec();
        self.run_operation(move |tx| {
            for id in &counted {
                if tx.row::<u64>(&keys::dead(*id))?.is_some() {
                    tx.delete(keys::dead(*id));
                }
            }
            Ok(tx.sequence)
        })?;
        Ok(())
    }

    /// A collection that did not end left segments beside those that they are made of. Bodies are
    /// in one or the other: counts them. Rows are in both: the new ones go, or each such end
    /// would leave one more copy of them.
    fn count_new(&self, work: &mut Work, pace: &mut Pace<'_>) -> Result<(), Halt> {
        let is_new = |(id, settled): (&u64, &Settled)| settled.is_new.then_some(*id);
        let rows: Vec<u64> = work.manifest.rows.iter().filter_map(is_new).collect();
        let mut new: Vec<u64> = work.manifest.bodies.iter().filter_map(is_new).collect();
        new.retain(|id| !work.damaged.contains(id));
        if rows.is_empty() && new.is_empty() {
            return Ok(());
        }
        for id in new {
            match self.count_dead(work, id, pace) {
                Ok(dead) => {
                    self.run_operation(move |tx| {
                        tx.put(keys::dead(id), &dead);
                        Ok(tx.sequence)
                    })?;
                }
                Err(scan::Stop::Damaged { segment, what }) => {
                    self.leave_alone(work, segment, &what)?;
                }
                Err(scan::Stop::Halted(halt)) => return Err(halt),
            }
        }
        let mut counted = work.manifest.clone();
        for settled in counted.bodies.values_mut() {
            settled.is_new = false;
        }
        counted.rows.retain(|id, _| !rows.contains(id));
        self.write_manifest(work, counted)?;
        self.remove(&rows)
    }

    pub(super) fn run_operation<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> crate::Result<T> + Send + 'static,
    ) -> Result<T, Halt> {
        Ok(self.send(operation).wait()?)
    }

    fn send<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> crate::Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (done, pending) = Pending::channel();
        self.shared.pressure.send(0, usize::MAX);
        // Fails only when the sequencer has ended: the job is dropped and so answers `Closed`.
        let job = Box::new(Operation::new(operation, done, 0));
        let _ = self.jobs.send(Message::Job(job));
        pending
    }

    /// Waits for what the log's writer is asked for. It may sleep: an operation that does nothing
    /// wakes it.
    pub(super) fn wait(
        &self,
        wish: Wish,
        is_there: impl Fn(CheckpointRow, u64) -> bool,
        gives_up: impl Fn() -> bool,
    ) -> bool {
        self.progress.want(wish);
        drop(self.send(|_| Ok(())));
        self.progress.wait(wish, is_there, gives_up)
    }
}

/// Bodies that are still where they were are somewhere else from now on. The others went
/// meanwhile, or were moved: their copies are dead from the start.
fn move_bodies(tx: &mut Tx<'_>, moves: &[Move]) -> crate::Result<()> {
    for one in moves {
        let key = keys::body_at(one.body);
        let mut dead = 0;
        if tx.row::<BodyAtRow>(&key)? == Some(one.from) {
            tx.outcome.moved.push((key, encode(&one.to)));
        } else {
            dead = one.length;
        }
        // The row also makes the commit a record.
        tx.add_dead(one.segment(), dead)?;
    }
    Ok(())
}

impl Upkeep for Collector {
    fn compact(&self, told: &mut dyn FnMut(Collected)) -> crate::Result<Collected> {
        let mut all = Collected::default();
        let last = self.progress.last();
        let deadline = Instant::now() + Duration::from_secs(10);
        // What is written now is finished first; a full disk has no room for that.
        self.wait(
            Wish::Segment,
            |_, now| now > last,
            || self.is_ended() || Instant::now() > deadline,
        );
        let last = self.progress.last();
        self.wait(
            Wish::Checkpoint,
            |durable, _| durable.segment >= last,
            || self.is_ended() || Instant::now() > deadline,
        );
        loop {
            match self.step(Thoroughness::Thorough) {
                Ok(Some(some)) => {
                    all += some;
                    told(all);
                }
                Ok(None) => return Ok(all),
                Err(Halt::Later) => return Err(Error::Full),
                Err(Halt::Busy) => return Err(Error::Busy),
                Err(Halt::Ended) => return Err(Error::Closed),
                Err(Halt::Failed(what)) => return Err(Error::Damaged(what)),
            }
        }
    }

    fn stats(&self, told: Told<'_>) -> crate::Result<Stats> {
        self.all_stats(told)
    }

    fn check(&self, deep: bool, told: Told<'_>) -> crate::Result<Checked> {
        self.check_all(deep, told)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        {
            let _guard = self
                .sleeping
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.sleeping.1.notify_all();
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that collects panicked");
        }
    }
}
