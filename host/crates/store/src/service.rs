//! A running store: its threads, how operations come to the sequencer, and leases.

mod operations;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use mail::{Access, Timestamp};

use crate::engine::claim::{self, Taken};
use crate::engine::{Tx, access, purge};
use crate::keyring::Fate;
use crate::leases::{Hands, Held};
use crate::pending::Pending;
use crate::purge::{Manner, Purge};
use crate::rows::WorkRow;
use crate::sequencer::{Job, Log, Message as Order, Operation, Sequencer};
use crate::shared::{Event, Shared};
use crate::upkeep::Upkeep;
use crate::view::{View, ViewExt};
use crate::{Erased, Error, Lease, Owner, Result, Store, keys};

/// Operations that may wait for the sequencer; beyond it callers get [`Error::Busy`].
const WAITING_MAX: usize = 20_000;

/// Rows of an older store taken onto the agenda in one commit.
const ADOPTED: usize = 1000;

/// A running store, of either backend.
pub struct Engine {
    shared: Arc<Shared>,
    jobs: Sender<Order>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    upkeep: Option<Arc<dyn Upkeep>>,
}

impl Engine {
    /// Starts the threads. `next` is the sequence of the first record.
    pub(crate) fn start(shared: Arc<Shared>, log: Box<dyn Log>, next: u64) -> Result<Self> {
        let (jobs, waiting) = channel();
        let (events, happened) = channel::<Event>();
        let sequencer = Sequencer {
            shared: Arc::clone(&shared),
            log,
            jobs: waiting,
            events,
            next,
            is_full: false,
        };
        let watchers = Arc::clone(&shared);
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(body)
                .map_err(|error| Error::Latched(format!("cannot start a thread: {error}")))
        };
        let notifier = spawn(
            "store-notify",
            Box::new(move || {
                happened
                    .iter()
                    .for_each(|event| watchers.watches.notify(&event));
            }),
        )?;
        let sequencer = spawn("store-sequencer", Box::new(move || sequencer.run()))?;
        let engine = Self {
            shared,
            jobs,
            threads: Mutex::new(vec![sequencer, notifier]),
            upkeep: None,
        };
        if engine.is_latched() {
            // Opened for reading only: no id will ever be durable, so nobody waits for one.
            engine.shared.ids.stop();
            return Ok(engine);
        }
        // The first commit reserves ids; nothing is given out before.
        engine.run(|_| Ok(())).wait()?;
        while engine.run(|tx| tx.adopt_dues(ADOPTED)).wait()? == ADOPTED {}
        let mut from = Some(Vec::new());
        while let Some(start) = from {
            from = engine
                .run(move |tx| tx.correct_served(&start, ADOPTED))
                .wait()?;
        }
        engine.finish_erasures()?;
        Ok(engine)
    }

    /// Where operations go.
    pub(crate) fn jobs(&self) -> Sender<Order> {
        self.jobs.clone()
    }

    /// What the backend does beside, from now to the end.
    pub(crate) fn keep_up(&mut self, upkeep: Arc<dyn Upkeep>) {
        self.upkeep = Some(upkeep);
    }

    /// Are rows on their way into the index?
    #[cfg(test)]
    pub(crate) fn is_writing_index(&self) -> bool {
        self.shared.layers().is_frozen()
    }

    /// Does it take no changes?
    pub(crate) fn is_latched(&self) -> bool {
        self.shared.latched.get().is_some()
    }

    /// Sends an operation to the sequencer.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        self.run_with(0, operation)
    }

    /// Sends an operation that brings `bytes` of a message with it.
    fn run_with<T: Send + 'static>(
        &self,
        bytes: u64,
        operation: impl FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    ) -> Pending<T> {
        let (done, pending) = Pending::channel();
        self.send(Box::new(Operation::new(operation, done, bytes)));
        pending
    }

    fn send(&self, job: Box<dyn Job>) {
        if !self.shared.pressure.send(job.weight().bytes, WAITING_MAX) {
            return job.answer(Err(Error::Busy));
        }
        // Fails only when the sequencer has ended: the job is dropped and so answers `Closed`.
        let _ = self.jobs.send(Order::Job(job));
    }

    /// Whose keys have this fate.
    #[cfg(test)]
    pub(crate) fn keys_with_fate(&self, fate: Fate) -> Vec<crate::keyring::KeyOwner> {
        self.shared.keyring.with_fate(fate)
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&dyn View) -> Result<T>) -> Result<T> {
        read(&self.shared.layers().view())
    }

    fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    /// Leases the rows that `choose` takes. One that cannot be read stays leased, so that it is
    /// looked at again only later, and holds up no other.
    fn lease(
        &self,
        worker: &str,
        now: Timestamp,
        lease_seconds: i64,
        choose: impl FnOnce(&dyn View, &mut Hands, claim::Hold<'_>) -> Result<Vec<Taken>>,
    ) -> Result<Vec<Lease>> {
        if let Some(reason) = self.shared.latched.get() {
            // What cannot be settled is not begun: the next start would begin it again.
            return Err(Error::Latched(reason.clone()));
        }
        let until = now.plus_seconds(lease_seconds);
        // One for all rows of a claim, and before any lock: the commit that reserves more ids
        // needs what is locked below.
        let epoch = self.shared.ids.next();
        self.read(|view| {
            // The view first, then the leases, here and everywhere: while the view is held
            // nothing is applied, and a settled row's lease ends only after that.
            let mut hands = self.shared.leases.lock();
            let chosen = choose(view, &mut hands, &mut |hands, id, lane| {
                let settling = false;
                hands.hold(
                    id,
                    Held {
                        epoch,
                        until,
                        settling,
                        lane,
                    },
                );
            })?;
            let mut leases = Vec::with_capacity(chosen.len());
            for (domain, id) in chosen {
                let row: WorkRow = match view.row(&keys::queue(domain, id)) {
                    Ok(Some(row)) => row,
                    Ok(None) => {
                        tracing::error!(row = %id, "a row on the agenda is not there");
                        continue;
                    }
                    Err(error) => {
                        tracing::error!(row = %id, %error, "a due row cannot be read");
                        continue;
                    }
                };
                leases.push(Lease {
                    epoch,
                    worker: worker.to_owned(),
                    until,
                    expired: row.parked.is_some() && row.due <= now,
                    row: row.public(id, domain, true),
                });
            }
            Ok(leases)
        })
    }

    /// An operation made of steps, each a commit of its own.
    fn purge(&self, access: &Access, owner: Owner, manner: Manner) -> Pending<Erased> {
        if let Err(error) = access::manage(access, owner) {
            return Pending::ready(Err(error));
        }
        if owner == Owner::Domain && access.domain() == mail::Tenant::HOST.domain() {
            let text = "the host itself cannot be removed".to_owned();
            return Pending::ready(Err(Error::Invalid(text)));
        }
        self.send_purge(access.domain(), owner, manner)
    }

    fn send_purge(&self, domain: mail::DomainId, owner: Owner, manner: Manner) -> Pending<Erased> {
        let (done, pending) = Pending::channel();
        self.send(Box::new(Purge::new(
            domain,
            owner,
            manner,
            Arc::clone(&self.shared),
            self.jobs.clone(),
            done,
        )));
        pending
    }

    /// Erasures that a crash interrupted, and rows of erased owners that a restored backup brought
    /// back: without their keys they are good for nothing.
    fn finish_erasures(&self) -> Result<()> {
        let keyring = &self.shared.keyring;
        let mut unfinished = keyring.with_fate(Fate::Condemned);
        for (domain, owner) in keyring.with_fate(Fate::Erased) {
            if self.read(|view| purge::is_anything_left(view, domain, owner))? {
                unfinished.push((domain, owner));
            }
        }
        // The domain of a person may be among them: then it takes the person with it.
        unfinished.sort_by_key(|(_, owner)| *owner != Owner::Domain);
        for (domain, owner) in unfinished {
            tracing::info!(%domain, ?owner, "an erasure is finished");
            // It logs and latches by itself where it fails.
            drop(self.send_purge(domain, owner, Manner::Erase));
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Reported where it happened; nobody is left to tell.
        let _ = self.close();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine(..)")
    }
}
