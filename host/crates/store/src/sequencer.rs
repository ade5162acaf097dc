//! One thread that puts all changes into an order.
//!
//! It takes what waits, plans each operation against the view with the earlier ones of the batch
//! on top, makes the batch durable with one append and one sync, applies it, and only then
//! answers. While it syncs, the next batch gathers by itself: no delay, no timer.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::embedded::is_full;
use crate::engine::{Outcome, Tx};
use crate::pending::Completer;
use crate::rows::CheckpointRow;
use crate::shared::{Event, Shared};
use crate::view::Layer;
use crate::{Error, Result, keys, rows};

/// Operations in one batch.
const BATCH_JOBS: usize = 1024;
/// Bytes of bodies in one batch, beyond which no further operation joins.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What one operation leaves for the journal.
pub(crate) struct Record {
    pub(crate) sequence: u64,
    pub(crate) outcome: Outcome,
}

/// Why a batch could not be made durable.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// No room, and nothing was written: it passes.
    Full,
    /// A write or sync failed: the state of the file is unknown, and nothing may follow.
    Failed(String),
}

/// The durable side of a backend, owned by the sequencer.
pub(crate) trait Log: Send {
    /// Makes the records durable, all of them, and adds to their changes where their bodies are.
    fn append(&mut self, records: &mut [Record]) -> std::result::Result<(), AppendError>;
    /// Is there room again, after [`AppendError::Full`]?
    fn has_room(&mut self) -> std::result::Result<bool, AppendError>;
    /// Where the next record goes: all before is durable.
    fn position(&self) -> CheckpointRow {
        CheckpointRow::default()
    }
    /// The records are applied; brings the index up to date when it is time.
    fn applied(&mut self);
    /// How long the sequencer may sleep when nothing comes: then [`Log::applied`] is called.
    fn pause(&self) -> Duration;
    /// Brings everything up to date and stops.
    fn close(&mut self);
}

/// An operation on its way.
pub(crate) trait Job: Send {
    /// Plans it. `false`: refused, and what it changed is forgotten.
    fn plan(&mut self, tx: &mut Tx<'_>) -> bool;
    /// When it was sent, and how many bytes wait with it.
    fn weight(&self) -> Weight;
    /// The batch is durable and visible, or not.
    fn answer(self: Box<Self>, commit: Result<()>);
}

/// What an operation that waits weighs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight {
    pub(crate) since: Instant,
    pub(crate) bytes: u64,
}

impl Weight {
    pub(crate) fn new(bytes: u64) -> Self {
        let since = Instant::now();
        Self { since, bytes }
    }
}

/// What the sequencer is told.
pub(crate) enum Message {
    Job(Box<dyn Job>),
    Close(Sender<()>),
}

/// A job that answers through a [`crate::Pending`].
pub(crate) struct Operation<T, F> {
    operation: Option<F>,
    planned: Option<Result<T>>,
    done: Completer<T>,
    weight: Weight,
}

impl<T, F: FnOnce(&mut Tx<'_>) -> Result<T>> Operation<T, F> {
    pub(crate) fn new(operation: F, done: Completer<T>, bytes: u64) -> Self {
        Self {
            operation: Some(operation),
            planned: None,
            done,
            weight: Weight::new(bytes),
        }
    }
}

impl<T: Send, F: FnOnce(&mut Tx<'_>) -> Result<T> + Send> Job for Operation<T, F> {
    fn plan(&mut self, tx: &mut Tx<'_>) -> bool {
        let planned = self
            .operation
            .take()
            .map_or(Err(Error::Closed), |operation| operation(tx))
            .and_then(|answer| tx.write_feed().map(|()| answer));
        let planned = tx.checked(planned);
        let is_ok = planned.is_ok();
        self.planned = Some(planned);
        is_ok
    }

    fn weight(&self) -> Weight {
        self.weight
    }

    fn answer(self: Box<Self>, commit: Result<()>) {
        let planned = self.planned.unwrap_or(Err(Error::Closed));
        self.done.complete(commit.and(planned));
    }
}

pub(crate) struct Sequencer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Box<dyn Log>,
    pub(crate) jobs: Receiver<Message>,
    pub(crate) events: Sender<Event>,
    /// The sequence of the next record.
    pub(crate) next: u64,
    /// The last append found no room: operations that take some are refused until there is.
    pub(crate) is_full: bool,
}

impl Sequencer {
    /// Runs until it is told to close, or until nobody can tell it anything any more.
    pub(crate) fn run(mut self) {
        let _latch = LatchOnPanic(Arc::clone(&self.shared));
        let closing = loop {
            let mut jobs = Vec::new();
            match self.gather(&mut jobs) {
                Gathered::Batch => self.commit(jobs),
                Gathered::Nothing => {
                    self.commit(Vec::new());
                    self.log.applied();
                }
                Gathered::Close(done) => {
                    self.commit(jobs);
                    break done;
                }
            }
        };
        self.log.close();
        self.shared.ids.stop();
        if let Some(done) = closing {
            // Whoever asked may have gone: then nobody waits.
            let _ = done.send(());
        }
    }

    fn gather(&self, jobs: &mut Vec<Box<dyn Job>>) -> Gathered {
        match self.jobs.recv_timeout(self.log.pause()) {
            Ok(Message::Job(job)) => jobs.push(job),
            Ok(Message::Close(done)) => return Gathered::Close(Some(done)),
            Err(RecvTimeoutError::Timeout) => return Gathered::Nothing,
            Err(RecvTimeoutError::Disconnected) => return Gathered::Close(None),
        }
        while jobs.len() < BATCH_JOBS {
            match self.jobs.try_recv() {
                Ok(Message::Job(job)) => jobs.push(job),
                Ok(Message::Close(done)) => return Gathered::Close(Some(done)),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        Gathered::Batch
    }

    /// Plans, makes durable, applies, answers. A batch that grows too large is cut.
    fn commit(&mut self, jobs: Vec<Box<dyn Job>>) {
        let weights = jobs.iter().map(|job| job.weight());
        let bytes = weights.clone().map(|weight| weight.bytes).sum();
        let first = weights.map(|weight| weight.since).next();
        self.shared.pressure.begin(jobs.len(), first);
        self.commit_all(jobs);
        self.shared.pressure.end(bytes);
    }

    fn commit_all(&mut self, jobs: Vec<Box<dyn Job>>) {
        if let Some(reason) = self.shared.latched.get() {
            return refuse(jobs, &Error::Latched(reason.clone()));
        }
        let mut jobs = jobs.into_iter().peekable();
        loop {
            let mut records = Vec::new();
            let mut planned = Vec::new();
            self.plan(&mut jobs, &mut records, &mut planned);
            let is_change = !records.is_empty();
            let committed = self.settle(records);
            let answer = committed.as_ref().map(|_| ()).map_err(Clone::clone);
            for job in planned {
                job.answer(answer.clone());
            }
            // After the answers: nobody who was answered waits for this.
            if is_change && let Ok(event) = committed {
                if event.due || !event.touched.is_empty() {
                    // The notifier ends only after this thread.
                    let _ = self.events.send(event);
                }
                // Where the index is behind, this waits for it.
                self.log.applied();
            }
            if jobs.peek().is_none() {
                return;
            }
        }
    }

    fn plan(
        &mut self,
        jobs: &mut impl Iterator<Item = Box<dyn Job>>,
        records: &mut Vec<Record>,
        planned: &mut Vec<Box<dyn Job>>,
    ) {
        let now = (self.shared.clock)();
        if self.is_full {
            match self.log.has_room() {
                Ok(has_room) => self.is_full = !has_room,
                Err(AppendError::Full) => {}
                Err(AppendError::Failed(reason)) => self.shared.latch(&reason),
            }
        }
        let layers = self.shared.layers();
        let mut batch = Layer::new();
        let mut bytes = 0;
        if let Some(limit) = self.shared.ids.wanted() {
            let row = (keys::meta("ids"), Some(rows::encode(&limit)));
            batch.insert(row.0.clone(), row.1.clone());
            let outcome = Outcome {
                changes: Layer::from([row]),
                ..Outcome::default()
            };
            records.push(Record {
                sequence: self.next,
                outcome,
            });
            self.next += 1;
        }
        while bytes < BATCH_BYTES {
            let Some(mut job) = jobs.next() else { break };
            let mut below = layers.view();
            below.layers.insert(0, &batch);
            let shared = &self.shared;
            let mut tx = Tx::new(
                &below,
                &shared.ids,
                &shared.leases,
                now,
                self.next,
                shared.trace_seconds,
            );
            if job.plan(&mut tx) {
                let outcome = tx.outcome;
                if self.is_full && outcome.grows {
                    self.shared.leases.unsettle(&outcome.settled);
                    job.answer(Err(Error::Full));
                    continue;
                }
                if !outcome.changes.is_empty() {
                    bytes += outcome
                        .bodies
                        .iter()
                        .map(|body| body.frames.len())
                        .sum::<usize>();
                    batch.extend(
                        outcome
                            .changes
                            .iter()
                            .map(|(key, value)| (key.clone(), value.clone())),
                    );
                    let moved = outcome.moved.iter();
                    batch.extend(moved.map(|(key, value)| (key.clone(), Some(value.clone()))));
                    records.push(Record {
                        sequence: self.next,
                        outcome,
                    });
                    self.next += 1;
                }
            }
            planned.push(job);
        }
    }

    fn settle(&mut self, mut records: Vec<Record>) -> Result<Event> {
        if records.is_empty() {
            return Ok(Event::default());
        }
        if let Some(reason) = self.shared.latched.get() {
            return Err(Error::Latched(reason.clone()));
        }
        let first = records[0].sequence;
        for Record { outcome, .. } in &mut records {
            let changes = &outcome.changes;
            // A body may have come and gone within one operation.
            outcome
                .bodies
                .retain(|body| matches!(changes.get(&keys::body(body.id)), Some(Some(_))));
        }
        match self.make_durable(&mut records) {
            Ok(()) => Ok(self.apply(records)),
            Err(AppendError::Full) => {
                self.next = first;
                self.is_full = true;
                let settled: Vec<_> = records
                    .iter()
                    .flat_map(|record| record.outcome.settled.clone())
                    .collect();
                self.shared.leases.unsettle(&settled);
                Err(Error::Full)
            }
            Err(AppendError::Failed(reason)) => {
                self.shared.latch(&reason);
                Err(Error::Latched(reason))
            }
        }
    }

    /// New keys first: nothing is ever encrypted with a key that a crash could take. The first
    /// record says how many there are, so that a start sees when some are missing.
    fn make_durable(&mut self, records: &mut [Record]) -> std::result::Result<(), AppendError> {
        let keyring = &self.shared.keyring;
        let count = keyring.flush().map_err(|error| match is_full(&error) {
            true => AppendError::Full,
            false => AppendError::Failed(format!("writing the key file failed: {error}")),
        })?;
        let Some(count) = count else {
            return self.log.append(records);
        };
        let row = (keys::meta("keys"), Some(rows::encode(&count)));
        records[0].outcome.changes.extend([row]);
        self.log.append(records)?;
        keyring.note(count);
        Ok(())
    }

    /// Makes them visible; answers with whom that concerns, to be told after the answers.
    fn apply(&mut self, records: Vec<Record>) -> Event {
        let mut event = Event::default();
        let mut settled = Vec::new();
        let mut dropped = Vec::new();
        {
            let mut layers = self.shared.layers_mut();
            for Record { outcome, .. } in records {
                outcome.kept.iter().for_each(|body| body.0.keep());
                settled.extend(outcome.settled);
                dropped.extend(outcome.dropped);
                event.touched.extend(outcome.touched);
                event.due |= outcome.due;
                if let Some(Some(limit)) = outcome.changes.get(&keys::meta("ids"))
                    && let Ok(limit) = rows::decode(limit)
                {
                    self.shared.ids.reserved(limit);
                }
                self.shared.ids.skip(outcome.skip_ids);
                layers.apply(outcome.changes);
            }
            self.shared.set_position(self.log.position());
        }
        // Visible first, free for others then: nobody leases a row as it was before.
        event.due |= !settled.is_empty();
        self.shared.leases.end(&settled);
        self.shared.bodies.discard(&dropped);
        event
    }
}

/// A panic here is our bug: nothing more is accepted, and health shows it.
struct LatchOnPanic(Arc<Shared>);

impl Drop for LatchOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.latch("the thread that orders all changes panicked");
            self.0.ids.stop();
        }
    }
}

enum Gathered {
    Batch,
    Nothing,
    Close(Option<Sender<()>>),
}

fn refuse(jobs: Vec<Box<dyn Job>>, error: &Error) {
    for job in jobs {
        job.answer(Err(error.clone()));
    }
}

/// Set once, by the first failure.
pub(crate) type Latch = OnceLock<String>;
