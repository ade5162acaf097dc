//! A purge: one operation for the caller, many commits for the store.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use mail::DomainId;

use crate::engine::Tx;
use crate::engine::purge::Progress;
use crate::pending::Completer;
use crate::sequencer::{Job, Message, Weight};
use crate::shared::Shared;
use crate::view::ViewExt;
use crate::{Erased, Error, Owner, Result, Usage, keys};

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The rows.
    Remove,
    /// The rows and then the keys, so that no copy can be read any more.
    Erase,
}

/// Sends itself again until nothing is left. A crash between two steps of a removal leaves the
/// rest, and the caller asks again. An erasure is written down first: the next start ends it.
pub(crate) struct Purge {
    domain: DomainId,
    owner: Owner,
    manner: Manner,
    shared: Arc<Shared>,
    jobs: Sender<Message>,
    /// What there was, once it has begun.
    found: Option<Erased>,
    step: Result<Progress>,
    done: Completer<Erased>,
}

impl Purge {
    pub(crate) fn new(
        domain: DomainId,
        owner: Owner,
        manner: Manner,
        shared: Arc<Shared>,
        jobs: Sender<Message>,
        done: Completer<Erased>,
    ) -> Self {
        Self {
            domain,
            owner,
            manner,
            shared,
            jobs,
            found: None,
            step: Err(Error::Closed),
            done,
        }
    }

    fn begin(&mut self, tx: &Tx<'_>) -> Result<()> {
        if self.found.is_some() {
            return Ok(());
        }
        let usage = match tx.row::<Usage>(&keys::usage(self.domain, self.owner)) {
            Ok(usage) => usage.unwrap_or_default(),
            Err(error) if self.manner == Manner::Remove => return Err(error),
            // A count that cannot be read is no reason to keep a key.
            Err(_) => Usage::default(),
        };
        self.found = Some(Erased {
            messages: usage.messages,
            bytes: usage.bytes,
        });
        if self.manner == Manner::Remove {
            return Ok(());
        }
        let condemned = self.shared.keyring.condemn(self.domain, self.owner);
        condemned.map_err(|error| self.failed(&error))
    }

    /// As with a sync of the journal: what the file has now is not known.
    fn failed(&self, error: &std::io::Error) -> Error {
        let reason = format!("writing the key file failed: {error}");
        self.shared.latch(&reason);
        Error::Latched(reason)
    }

    /// Does the key go although rows are left? Whoever asked for an erasure asked for that; the
    /// rows say nothing without it, and the next start tries again to remove them.
    fn ends_anyway(&self, error: &Error) -> bool {
        let is_stopped = matches!(error, Error::Latched(_) | Error::Closed);
        self.manner == Manner::Erase && self.found.is_some() && !is_stopped
    }

    fn end(&self) -> Result<Erased> {
        if self.manner == Manner::Erase {
            let destroyed = self.shared.keyring.destroy(self.domain, self.owner);
            destroyed.map_err(|error| self.failed(&error))?;
        }
        Ok(self.found.unwrap_or_default())
    }
}

impl Job for Purge {
    fn plan(&mut self, tx: &mut Tx<'_>) -> bool {
        let step = match self.begin(tx) {
            Ok(()) => {
                tx.allow_closed();
                tx.remove_owner(self.domain, self.owner)
            }
            Err(error) => Err(error),
        };
        let step = step.and_then(|step| tx.write_feed().map(|()| step));
        self.step = tx.checked(step);
        self.step.is_ok()
    }

    fn weight(&self) -> Weight {
        Weight::new(0)
    }

    fn answer(mut self: Box<Self>, commit: Result<()>) {
        let step = std::mem::replace(&mut self.step, Err(Error::Closed));
        match commit.and(step) {
            Ok(Progress::More) => {
                // A step of what is under way is never refused.
                self.shared.pressure.send(0, usize::MAX);
                let jobs = self.jobs.clone();
                // Fails when the sequencer ended: dropped, it answers `Closed`.
                let _ = jobs.send(Message::Job(self));
            }
            Ok(Progress::Done) => {
                let ended = self.end();
                self.done.complete(ended);
            }
            Err(error) if self.ends_anyway(&error) => {
                tracing::error!(
                    domain = %self.domain, owner = ?self.owner, %error,
                    "an erasure could not remove every row; the key is destroyed, the next start goes on"
                );
                let ended = self.end();
                self.done.complete(ended);
            }
            Err(error) => self.done.complete(Err(error)),
        }
    }
}
