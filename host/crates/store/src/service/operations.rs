//! The store's trait: reads go to the view, changes to the sequencer.

use std::ops::RangeInclusive;
use std::sync::mpsc::channel;
use std::sync::{Arc, PoisonError};

use crate::engine::claim::{self, Wanted};
use crate::engine::messages::Which;
use crate::engine::names::{self, INBOX};
use crate::engine::presence::{self, Surveyed};
use crate::engine::{access, brought, feed, owners, purge, reads};
use crate::pending::Pending;
use crate::purge::Manner;
use crate::sequencer::Message as Order;
use crate::service::Engine;
use crate::shared::Event;
use crate::view::View;
use crate::{
    Accept, Accepted, Appended, BodyWriter, Brought, Change, Changes, Checked, Collected, Content,
    Copied, Cut, Decision, Depth, Destination, Effect, Erased, Error, Feed, FeedCursor, FlagChange,
    Head, KvEntry, Lease, Mailbox, Mark, Message, NewMailbox, NewMessage, Owner, Piece, Pin, Place,
    QueueFilter, QueueId, QueueRow, Result, Rights, Settlement, Source, Space, Standing, Started,
    Stats, Store, Survey, Told, TraceEntry, TraceKey, Usage, Watch, Watched, audit,
};
use mail::{
    Access, EnvelopeId, MailboxId, ModSeq, OperationId, PersonId, RecipientId, Timestamp, Uid,
};

impl Store for Engine {
    fn envelope_id(&self) -> EnvelopeId {
        EnvelopeId(self.shared.ids.next())
    }

    fn recipient_id(&self) -> RecipientId {
        RecipientId(self.shared.ids.next())
    }

    fn operation_id(&self) -> OperationId {
        OperationId(
            u128::from(self.shared.ids.next()) << 64 | u128::from(self.now().0.unsigned_abs()),
        )
    }

    fn begin_body(&self) -> Result<BodyWriter> {
        if let Some(reason) = self.shared.latched.get() {
            return Err(Error::Latched(reason.clone()));
        }
        self.shared.bodies.begin()
    }

    fn accept(&self, accept: Accept) -> Pending<Accepted> {
        let pieces = accept.parts.iter().flat_map(|part| &part.pieces);
        let bytes = pieces.map(Piece::in_memory).sum();
        self.run_with(bytes, move |tx| tx.accept(&accept))
    }

    fn commit(&self, access: &Access, operation: OperationId, effects: Vec<Effect>) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.commit(&access, operation, &effects))
    }

    fn content(&self, access: &Access, source: Source) -> Result<Content> {
        self.read(|view| {
            let opened = reads::content(view, access, source)?;
            self.shared.open_content(view, opened)
        })
    }

    fn contents(
        &self,
        access: &Access,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Content)>> {
        self.read(|view| {
            reads::contents(view, access, mailbox, uids)?
                .into_iter()
                .map(|(uid, opened)| Ok((uid, self.shared.open_content(view, opened)?)))
                .collect()
        })
    }

    fn leased_content(&self, lease: &Lease) -> Result<Content> {
        self.shared.leases.check(lease)?;
        let access = Access::system(lease.tenant());
        self.content(&access, Source::Content(lease.row.content))
    }

    fn mailboxes(&self, access: &Access, viewer: Owner) -> Result<Vec<Mailbox>> {
        self.read(|view| reads::mailboxes(view, access, viewer))
    }

    fn mailbox_named(&self, access: &Access, viewer: Owner, name: &str) -> Result<Mailbox> {
        self.read(|view| reads::mailbox_named(view, access, viewer, name))
    }

    fn mailbox(&self, access: &Access, mailbox: MailboxId) -> Result<Mailbox> {
        self.read(|view| reads::mailbox(view, access, mailbox))
    }

    fn inbox(&self, access: &Access, person: PersonId) -> Pending<MailboxId> {
        let access = *access;
        let find = |view: &dyn View| {
            access::act_for(&access, Owner::Person(person))?;
            names::id_at(view, access.domain(), Owner::Person(person), 0, INBOX)
        };
        match self.read(find) {
            Ok(Some(id)) => Pending::ready(Ok(MailboxId(id))),
            Ok(None) => self.run(move |tx| {
                tx.ensure(access.domain(), Owner::Person(person), &[INBOX.to_owned()])
            }),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    fn create_mailbox(
        &self,
        access: &Access,
        operation: OperationId,
        new: NewMailbox,
    ) -> Pending<MailboxId> {
        let access = *access;
        self.run(move |tx| tx.create_mailbox(&access, operation, &new))
    }

    fn delete_mailbox(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
    ) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.delete_mailbox(&access, operation, mailbox))
    }

    fn rename_mailbox(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        name: String,
    ) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.rename_mailbox(&access, operation, mailbox, &name))
    }

    fn subscribe(
        &self,
        access: &Access,
        person: PersonId,
        name: String,
        subscribed: bool,
    ) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.subscribe(&access, person, &name, subscribed))
    }

    fn subscriptions(&self, access: &Access, person: PersonId) -> Result<Vec<String>> {
        self.read(|view| reads::subscriptions(view, access, person))
    }

    fn set_rights(
        &self,
        access: &Access,
        mailbox: MailboxId,
        person: PersonId,
        rights: Rights,
    ) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.set_rights(&access, mailbox, person, rights))
    }

    fn set_members(
        &self,
        access: &Access,
        group: Owner,
        members: Vec<(PersonId, Rights)>,
    ) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.set_members(&access, group, &members))
    }

    fn rights(&self, access: &Access, mailbox: MailboxId) -> Result<Vec<(PersonId, Rights)>> {
        self.read(|view| reads::rights_list(view, access, mailbox))
    }

    fn survey(&self, access: &Access, mailbox: MailboxId) -> Result<Survey> {
        let Surveyed { survey, missing } =
            self.read(|view| presence::survey(view, access, mailbox))?;
        if !missing.is_empty() {
            let domain = access.domain();
            let seen = survey.mailbox.status.highest_modseq;
            // Nobody waits: where it is not done, the next opening does it.
            drop(self.run(move |tx| tx.keep_blocks(domain, mailbox, seen, &missing)));
        }
        Ok(survey)
    }

    fn messages(&self, access: &Access, mailbox: MailboxId, uids: &[Uid]) -> Result<Vec<Message>> {
        self.read(|view| reads::messages(view, access, mailbox, uids))
    }

    fn rows(
        &self,
        access: &Access,
        mailbox: MailboxId,
        uids: RangeInclusive<u32>,
    ) -> Result<Vec<Message>> {
        self.read(|view| reads::rows(view, access, mailbox, &uids))
    }

    fn deleted(&self, access: &Access, mailbox: MailboxId) -> Result<Vec<(Uid, u64)>> {
        self.read(|view| reads::deleted(view, access, mailbox))
    }

    fn feed(&self, access: &Access, of: Owner, after: FeedCursor, max: usize) -> Result<Feed> {
        self.read(|view| feed::feed(view, access, of, after, max))
    }

    fn full_since(&self, access: &Access, owner: Owner) -> Result<Option<Timestamp>> {
        self.read(|view| owners::full_since(view, access, owner))
    }

    fn note_full(&self, access: &Access, owner: Owner) -> Pending<Timestamp> {
        let access = *access;
        self.run(move |tx| tx.note_full(&access, owner))
    }

    fn changes_since(&self, access: &Access, mailbox: MailboxId, since: ModSeq) -> Result<Changes> {
        self.read(|view| reads::changes_since(view, access, mailbox, since))
    }

    fn append(
        &self,
        access: &Access,
        operation: OperationId,
        place: Place,
        messages: Vec<NewMessage>,
    ) -> Pending<Vec<Appended>> {
        let access = *access;
        let pieces = messages.iter().flat_map(|message| &message.pieces);
        let bytes = pieces.map(Piece::in_memory).sum();
        self.run_with(bytes, move |tx| {
            tx.append(&access, operation, &place, &messages)
        })
    }

    fn store_flags(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        change: FlagChange,
    ) -> Pending<Vec<Message>> {
        let access = *access;
        self.run(move |tx| tx.store_flags(&access, operation, mailbox, &uids, &change))
    }

    fn copy(
        &self,
        access: &Access,
        operation: OperationId,
        from: MailboxId,
        uids: Vec<Uid>,
        to: Destination,
    ) -> Pending<Copied> {
        let access = *access;
        self.run(move |tx| tx.copy(&access, operation, from, &uids, &to))
    }

    fn move_messages(
        &self,
        access: &Access,
        operation: OperationId,
        from: MailboxId,
        uids: Vec<Uid>,
        to: Destination,
    ) -> Pending<Copied> {
        let access = *access;
        self.run(move |tx| tx.move_messages(&access, operation, from, &uids, &to))
    }

    fn expunge(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
    ) -> Pending<Vec<Uid>> {
        let access = *access;
        self.run(move |tx| tx.expunge(&access, operation, mailbox, &uids, Which::All))
    }

    fn expunge_deleted(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
    ) -> Pending<Vec<Uid>> {
        let access = *access;
        self.run(move |tx| tx.expunge(&access, operation, mailbox, &uids, Which::Deleted))
    }

    fn watch(
        &self,
        access: &Access,
        what: Watched,
        callback: Box<dyn Fn(Change) + Send + Sync>,
    ) -> Result<Watch> {
        match what {
            Watched::Mailbox(id) => {
                drop(self.read(|view| access::mailbox(view, access, id, Rights::READ))?);
            }
            Watched::Owner(owner) => access::act_for(access, owner)?,
        }
        let domain = access.domain();
        let id = self.shared.watches.watch(domain, what, callback.into());
        let shared = Arc::clone(&self.shared);
        Ok(Watch::new(move || shared.watches.unwatch(domain, what, id)))
    }

    fn claim_within(
        &self,
        worker: &str,
        now: Timestamp,
        lease_seconds: i64,
        max: usize,
        room: usize,
    ) -> Result<Vec<Lease>> {
        let wanted = Wanted {
            now,
            clock: self.now(),
            max,
            room,
        };
        self.lease(worker, now, lease_seconds, |view, hands, hold| {
            claim::claim(view, hands, wanted, hold)
        })
    }

    fn claim_started(
        &self,
        worker: &str,
        now: Timestamp,
        lease_seconds: i64,
        after: Option<QueueId>,
        max: usize,
    ) -> Result<Vec<Lease>> {
        self.lease(worker, now, lease_seconds, |view, hands, hold| {
            claim::started(view, hands, now, after, max, hold)
        })
    }

    fn extend(&self, lease: &Lease, until: Timestamp) -> Result<()> {
        self.shared.leases.extend(lease, until)
    }

    fn give_back(&self, lease: &Lease) -> Result<()> {
        self.shared.leases.check(lease)?;
        self.shared.leases.end(&[lease.row.id]);
        self.shared.watches.notify(&Event {
            touched: Vec::new(),
            due: true,
        });
        Ok(())
    }

    fn note_started(&self, lease: &Lease, started: Started) -> Pending<()> {
        let lease = lease.clone();
        self.run(move |tx| tx.note_started(&lease, &started))
    }

    fn complete(&self, lease: &Lease, settlement: Settlement) -> Pending<Vec<Accepted>> {
        let lease = lease.clone();
        self.run(move |tx| tx.complete(&lease, &settlement))
    }

    fn next_due(&self) -> Option<Timestamp> {
        if self.shared.latched.get().is_some() {
            return None;
        }
        let found = self.read(|view| claim::next_due(view, &self.shared.leases.lock()));
        found.unwrap_or_else(|error| {
            tracing::error!(%error, "looking for the next due row failed");
            None
        })
    }

    fn on_due(&self, callback: Box<dyn Fn() + Send + Sync>) -> Watch {
        let id = self.shared.watches.on_due(callback.into());
        let shared = Arc::clone(&self.shared);
        Watch::new(move || shared.watches.forget_due(id))
    }

    fn queue(&self, access: &Access, filter: &QueueFilter) -> Result<Vec<QueueRow>> {
        let now = self.now();
        let mut filter = filter.clone();
        let mut found = Vec::new();
        loop {
            let (rows, next) = self.read(|view| {
                reads::queue(view, access, &filter, &|id| {
                    self.shared.leases.is_held(id, now)
                })
            })?;
            filter.max -= rows.len();
            found.extend(rows);
            let Some(after) = next else {
                return Ok(found);
            };
            filter.after = Some(after);
        }
    }

    fn queue_row(&self, access: &Access, id: QueueId) -> Result<QueueRow> {
        let is_leased = self.shared.leases.is_held(id, self.now());
        self.read(|view| reads::queue_row(view, access, id, is_leased))
    }

    fn decide(&self, access: &Access, id: QueueId, decision: Decision, by: &str) -> Pending<()> {
        let (access, by) = (*access, by.to_owned());
        self.run(move |tx| tx.decide(&access, id, decision, &by))
    }

    fn depth(&self) -> Result<Vec<Depth>> {
        self.read(reads::depth)
    }

    fn kv(&self, access: &Access, plugin: &str, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|view| reads::kv(view, access, plugin, key, self.now()))
    }

    fn kv_list(
        &self,
        access: &Access,
        plugin: &str,
        prefix: &[u8],
        max: usize,
    ) -> Result<Vec<KvEntry>> {
        self.read(|view| reads::kv_list(view, access, plugin, prefix, max, self.now()))
    }

    fn setting(&self, access: &Access, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|view| reads::setting(view, access, key))
    }

    fn settings(&self, access: &Access, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.read(|view| reads::settings(view, access, prefix))
    }

    fn set_settings(
        &self,
        access: &Access,
        operation: OperationId,
        changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.set_settings(&access, operation, &changes))
    }

    fn kv_all(
        &self,
        access: &Access,
        after: Option<(&str, &[u8])>,
        max: usize,
    ) -> Result<Vec<(String, KvEntry)>> {
        self.read(|view| brought::kv_all(view, access, after, max))
    }

    fn bring(&self, access: &Access, brought: Vec<Brought>, mark: Mark) -> Pending<()> {
        let access = *access;
        self.run(move |tx| tx.bring(&access, &brought, &mark))
    }

    fn head(&self) -> Result<Head> {
        Ok(self.shared.head()?.0)
    }

    fn cut(&self) -> Result<Cut> {
        // Held first: a file that the position needs cannot go between the two.
        let pin = self.shared.bodies.pin();
        let (head, position) = self.shared.head()?;
        let files = self.shared.bodies.files(position)?;
        Ok(Cut {
            head,
            files,
            _pin: pin,
        })
    }

    fn trace(&self, access: &Access, envelope: EnvelopeId) -> Result<Vec<TraceEntry>> {
        self.read(|view| reads::trace(view, access, envelope))
    }

    fn traced(&self, access: &Access, by: &TraceKey, max: usize) -> Result<Vec<EnvelopeId>> {
        self.read(|view| reads::traced(view, access, by, max))
    }

    fn recent_traces(&self, access: &Access, max: usize) -> Result<Vec<TraceEntry>> {
        self.read(|view| reads::recent_traces(view, access, max))
    }

    fn usage(&self, access: &Access, owner: Owner) -> Result<Usage> {
        self.read(|view| reads::usage(view, access, owner))
    }

    fn remove_owner(&self, access: &Access, owner: Owner) -> Pending<Erased> {
        self.purge(access, owner, Manner::Remove)
    }

    fn erase_owner(&self, access: &Access, owner: Owner) -> Pending<Erased> {
        self.purge(access, owner, Manner::Erase)
    }

    fn standing(&self, access: &Access, owner: Owner) -> Result<Standing> {
        access::manage(access, owner)?;
        let (domain, keyring) = (access.domain(), &self.shared.keyring);
        if !keyring.is_open(domain, owner) {
            return Ok(Standing::Erased);
        }
        let is_known = keyring.find(domain, owner).is_some()
            || self.read(|view| purge::is_anything_left(view, domain, owner))?;
        Ok(if is_known {
            Standing::Known
        } else {
            Standing::Unknown
        })
    }

    fn expire(&self, now: Timestamp, max: usize) -> Pending<usize> {
        self.run(move |tx| tx.expire(now, max))
    }

    fn pin(&self) -> Pin {
        self.shared.bodies.pin()
    }

    fn compact(&self, told: &mut dyn FnMut(Collected)) -> Result<Collected> {
        match &self.upkeep {
            Some(upkeep) => upkeep.compact(told),
            None => Ok(Collected::default()),
        }
    }

    fn stats(&self, told: Told<'_>) -> Result<Stats> {
        match &self.upkeep {
            Some(upkeep) => upkeep.stats(told),
            None => self.read(|view| audit::stats(view, told)),
        }
    }

    fn check(&self, deep: bool, told: Told<'_>) -> Result<Checked> {
        match &self.upkeep {
            Some(upkeep) => upkeep.check(deep, told),
            None => self.read(|view| audit::check(view, told)),
        }
    }

    fn space(&self) -> Result<Space> {
        self.shared.space()
    }

    fn close(&self) -> Result<()> {
        if let Some(upkeep) = &self.upkeep {
            upkeep.stop();
        }
        let threads = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        if threads.is_empty() {
            return Ok(());
        }
        let (done, closed) = channel();
        if self.jobs.send(Order::Close(done)).is_ok() {
            // An error says that the thread ended without answering: then it has ended.
            let _ = closed.recv();
        }
        for thread in threads {
            // A callback may have held the last handle: then this is the notifier, on its way out.
            if thread.thread().id() == std::thread::current().id() {
                continue;
            }
            if thread.join().is_err() {
                return Err(Error::Latched("a thread of the store panicked".to_owned()));
            }
        }
        match self.shared.latched.get() {
            Some(reason) => Err(Error::Latched(reason.clone())),
            None => Ok(()),
        }
    }
}
