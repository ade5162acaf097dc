//! A purge: one operation for the caller, many commits for the store.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use mail::Access;

use crate::engine::Tx;
use crate::engine::purge::Progress;
use crate::pending::Completer;
use crate::sequencer::{Job, Message, Weight};
use crate::shared::Shared;
use crate::{Error, Owner, Result};

/// Sends itself again until nothing is left. A crash between two steps leaves the rest: the
/// caller asks again.
pub(crate) struct Purge {
    access: Access,
    owner: Owner,
    shared: Arc<Shared>,
    jobs: Sender<Message>,
    step: Result<Progress>,
    done: Completer<()>,
}

impl Purge {
    pub(crate) fn new(
        access: Access,
        owner: Owner,
        shared: Arc<Shared>,
        jobs: Sender<Message>,
        done: Completer<()>,
    ) -> Self {
        Self {
            access,
            owner,
            shared,
            jobs,
            step: Err(Error::Closed),
            done,
        }
    }
}

impl Job for Purge {
    fn plan(&mut self, tx: &mut Tx<'_>) -> bool {
        self.step = tx
            .remove_owner(&self.access, self.owner)
            .and_then(|step| tx.write_feed().map(|()| step));
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
            Ok(Progress::Done) => self.done.complete(Ok(())),
            Err(error) => self.done.complete(Err(error)),
        }
    }
}
