//! The trait: what the rest of Postroom can do with the store.

use std::ops::RangeInclusive;

use mail::{
    Access, EnvelopeId, MailboxId, ModSeq, OperationId, PersonId, RecipientId, Timestamp, Uid,
};

use crate::{
    Accept, Accepted, Appended, BodyWriter, Brought, Change, Changes, Checked, Collected, Content,
    Copied, Cut, Decision, Depth, Destination, Effect, Erased, Feed, FeedCursor, FlagChange, Head,
    KvEntry, Lease, Mailbox, Mark, Message, NewMailbox, NewMessage, Owner, Pending, Pin, Place,
    QueueFilter, QueueId, QueueRow, Result, Rights, Settlement, Source, Space, Standing, Started,
    Stats, Survey, Told, TraceEntry, TraceKey, Usage, Watch, Watched,
};

/// First level of the names of groups' mailboxes as people see them.
pub const SHARED_ROOT: &str = "Shared Folders";

/// Domain operations, each atomic. Object safe: used as `Arc<dyn Store>`.
///
/// Reads block shortly and are safe to call from anywhere; durable operations answer by
/// [`Pending`] once they are on the disk and visible.
///
/// Principals: a person reaches the own mailboxes and those whose rights say so, nothing else.
/// A domain administrator manages (queue, usage, mailboxes' names and rights, erasure) and reads
/// no mail. The site and the system may do everything in the domain of the access.
pub trait Store: Send + Sync {
    // ---- ids ---------------------------------------------------------------------------

    /// A new envelope id; never given out again, also after a crash.
    fn envelope_id(&self) -> EnvelopeId;
    /// A new recipient id.
    fn recipient_id(&self) -> RecipientId;
    /// A new operation id.
    fn operation_id(&self) -> OperationId;

    // ---- taking mail -------------------------------------------------------------------

    /// Begins a body. It belongs to nobody until a commit names it.
    fn begin_body(&self) -> Result<BodyWriter>;
    /// Takes responsibility for a message: envelope, body, rows and effects in one commit.
    fn accept(&self, accept: Accept) -> Pending<Accepted>;
    /// Commits effects alone, in the domain of the access (kv of a hook that refused).
    fn commit(&self, access: &Access, operation: OperationId, effects: Vec<Effect>) -> Pending<()>;

    // ---- reading messages --------------------------------------------------------------

    /// Opens a message for reading.
    fn content(&self, access: &Access, source: Source) -> Result<Content>;
    /// Opens messages of a mailbox, ascending; those that are not there are left out. One look at
    /// the mailbox and its rights for all of them.
    fn contents(
        &self,
        access: &Access,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<(Uid, Content)>>;
    /// Opens the bytes of a leased row.
    fn leased_content(&self, lease: &Lease) -> Result<Content>;

    // ---- mailboxes ---------------------------------------------------------------------

    /// The mailboxes a person sees (own and shared), or a group's, by name.
    fn mailboxes(&self, access: &Access, viewer: Owner) -> Result<Vec<Mailbox>>;
    /// The mailbox of this name as `viewer` sees it (a shared one begins with [`SHARED_ROOT`]).
    /// `INBOX` is found without case.
    fn mailbox_named(&self, access: &Access, viewer: Owner, name: &str) -> Result<Mailbox>;
    /// A mailbox by id, seen by the access's principal.
    fn mailbox(&self, access: &Access, mailbox: MailboxId) -> Result<Mailbox>;
    /// The person's INBOX, made if it is not there.
    fn inbox(&self, access: &Access, person: PersonId) -> Pending<MailboxId>;
    /// Makes a mailbox. `Exists`, `Invalid` (name rules), `Denied` (no right above it).
    fn create_mailbox(
        &self,
        access: &Access,
        operation: OperationId,
        new: NewMailbox,
    ) -> Pending<MailboxId>;
    /// Deletes a mailbox with its messages. One with mailboxes below it, and INBOX, are refused
    /// as `Invalid`.
    fn delete_mailbox(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
    ) -> Pending<()>;
    /// Moves a mailbox and all below it to a new name of the same owner (without
    /// [`SHARED_ROOT`]). Renaming INBOX moves its messages and leaves it empty (RFC 3501 §6.3.5).
    fn rename_mailbox(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        name: String,
    ) -> Pending<()>;
    /// Adds or removes a name in the list of subscriptions; it need not exist.
    fn subscribe(
        &self,
        access: &Access,
        person: PersonId,
        name: String,
        subscribed: bool,
    ) -> Pending<()>;
    /// The names subscribed to, sorted.
    fn subscriptions(&self, access: &Access, person: PersonId) -> Result<Vec<String>>;
    /// Gives a person rights on a mailbox; [`Rights::NONE`] takes them.
    fn set_rights(
        &self,
        access: &Access,
        mailbox: MailboxId,
        person: PersonId,
        rights: Rights,
    ) -> Pending<()>;
    /// Makes exactly these the people with rights on all mailboxes of a group.
    fn set_members(
        &self,
        access: &Access,
        group: Owner,
        members: Vec<(PersonId, Rights)>,
    ) -> Pending<()>;
    /// Who has which rights on a mailbox, its owner aside.
    fn rights(&self, access: &Access, mailbox: MailboxId) -> Result<Vec<(PersonId, Rights)>>;

    // ---- messages ----------------------------------------------------------------------

    /// A mailbox that is to be read, with its UIDs: what it takes hangs on gaps between these,
    /// not on how many messages there are.
    fn survey(&self, access: &Access, mailbox: MailboxId) -> Result<Survey>;
    /// Messages by UID, ascending.
    fn rows(
        &self,
        access: &Access,
        mailbox: MailboxId,
        uids: RangeInclusive<u32>,
    ) -> Result<Vec<Message>>;
    /// The messages with these UIDs, ascending; those that are not there are left out.
    fn messages(&self, access: &Access, mailbox: MailboxId, uids: &[Uid]) -> Result<Vec<Message>>;
    /// The messages with `\\Deleted` and their sizes, by UID, ascending.
    fn deleted(&self, access: &Access, mailbox: MailboxId) -> Result<Vec<(Uid, u64)>>;
    /// What happened in a mailbox after `since`.
    fn changes_since(&self, access: &Access, mailbox: MailboxId, since: ModSeq) -> Result<Changes>;
    /// Appends messages, all or none.
    fn append(
        &self,
        access: &Access,
        operation: OperationId,
        place: Place,
        messages: Vec<NewMessage>,
    ) -> Pending<Vec<Appended>>;
    /// Changes flags; answers the rows as they are now, of those that exist and passed
    /// `unchanged_since`. Rows that would not change keep their modification sequence.
    fn store_flags(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        change: FlagChange,
    ) -> Pending<Vec<Message>>;
    /// Copies messages to another mailbox of the domain: all, or none where they go over a
    /// quota of the destination.
    fn copy(
        &self,
        access: &Access,
        operation: OperationId,
        from: MailboxId,
        uids: Vec<Uid>,
        to: Destination,
    ) -> Pending<Copied>;
    /// Moves messages to another mailbox of the domain (RFC 6851). What stays with its owner
    /// takes no more room, and moves also over quota.
    fn move_messages(
        &self,
        access: &Access,
        operation: OperationId,
        from: MailboxId,
        uids: Vec<Uid>,
        to: Destination,
    ) -> Pending<Copied>;
    /// Removes messages, whatever their flags; answers the UIDs that were there.
    fn expunge(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
    ) -> Pending<Vec<Uid>>;
    /// Removes those of the messages that are marked `\Deleted` when it is done (RFC 3501 §6.4.3):
    /// a mark that was taken back meanwhile counts. Answers the UIDs that went.
    fn expunge_deleted(
        &self,
        access: &Access,
        operation: OperationId,
        mailbox: MailboxId,
        uids: Vec<Uid>,
    ) -> Pending<Vec<Uid>>;
    /// Which mailboxes changed after a cursor, at most `max`: those of a person with what is
    /// shared with it, those of a group, or with [`Owner::Domain`] all of the domain. The cursor
    /// may be kept: it goes on after a restart.
    fn feed(&self, access: &Access, of: Owner, after: FeedCursor, max: usize) -> Result<Feed>;
    /// Calls back after changes are visible, from a thread of the store; do not block in it.
    /// A call may come for nothing, none is missed from the moment this returns.
    fn watch(
        &self,
        access: &Access,
        what: Watched,
        callback: Box<dyn Fn(Change) + Send + Sync>,
    ) -> Result<Watch>;

    // ---- queue -------------------------------------------------------------------------

    /// As [`Store::claim_within`], for a worker that has room for everything.
    fn claim(
        &self,
        worker: &str,
        now: Timestamp,
        lease_seconds: i64,
        max: usize,
    ) -> Result<Vec<Lease>> {
        self.claim_within(worker, now, lease_seconds, max, usize::MAX)
    }
    /// Leases up to `max` rows that are due, for `lease_seconds`, to a worker with `room` for so
    /// many more.
    ///
    /// Places are shared by [`crate::Priority`] (each gets twice what the next one gets; what one
    /// does not use the others get), then equally among domains (mail that leaves: the senders'),
    /// then equally among the destinations of each; within these the message that is due longest
    /// comes first, its rows together. A domain, and a destination over all domains, has at most
    /// as many rows in hand as places are left, so that one that is slow or dead does not use up
    /// the workers. Nothing is leased that could not be settled: [`crate::Error::Latched`].
    fn claim_within(
        &self,
        worker: &str,
        now: Timestamp,
        lease_seconds: i64,
        max: usize,
        room: usize,
    ) -> Result<Vec<Lease>>;
    /// Leases rows with an attempt that began and was never settled, due or not: ascending by
    /// id, behind `after`.
    fn claim_started(
        &self,
        worker: &str,
        now: Timestamp,
        lease_seconds: i64,
        after: Option<QueueId>,
        max: usize,
    ) -> Result<Vec<Lease>>;
    /// Prolongs a lease. [`crate::Error::Stale`] when it is no longer the current one.
    fn extend(&self, lease: &Lease, until: Timestamp) -> Result<()>;
    /// Gives a row back untouched.
    fn give_back(&self, lease: &Lease) -> Result<()>;
    /// Writes down, durably, that an attempt begins that acts outside the store.
    fn note_started(&self, lease: &Lease, started: Started) -> Pending<()>;
    /// Settles a leased row with everything that joins the commit. `Stale`, `Conflict`.
    /// Answers what the follow-up mail became.
    fn complete(&self, lease: &Lease, settlement: Settlement) -> Pending<Vec<Accepted>>;
    /// When something is due next, leased rows counted by the end of their lease.
    fn next_due(&self) -> Option<Timestamp>;
    /// Calls back when [`Store::next_due`] may have become earlier.
    fn on_due(&self, callback: Box<dyn Fn() + Send + Sync>) -> Watch;
    /// Rows of the domain; with [`mail::Tenant::HOST`] and the site or the system as principal
    /// those of all domains. Ascending by id.
    fn queue(&self, access: &Access, filter: &QueueFilter) -> Result<Vec<QueueRow>>;
    /// One row (of any domain, as with [`Store::queue`]).
    fn queue_row(&self, access: &Access, id: QueueId) -> Result<QueueRow>;
    /// Carries out a decision about a row, with a line for its trace that says `by` whom. A leased
    /// row is `Stale`, unless it is removed: then the lease becomes stale.
    fn decide(&self, access: &Access, id: QueueId, decision: Decision, by: &str) -> Pending<()>;
    /// Makes a row due at once; without a line for the trace, as the next three.
    fn retry_now(&self, access: &Access, id: QueueId) -> Pending<()> {
        self.decide(access, id, Decision::Retry, "")
    }
    /// Removes a row without a report.
    fn remove(&self, access: &Access, id: QueueId) -> Pending<()> {
        self.decide(access, id, Decision::Remove, "")
    }
    /// Parks a row as `hold`.
    fn hold(&self, access: &Access, id: QueueId) -> Pending<()> {
        self.decide(access, id, Decision::Hold, "")
    }
    /// Releases a parked row: it goes on with what it was parked before.
    fn release(&self, access: &Access, id: QueueId) -> Pending<()> {
        self.decide(access, id, Decision::Release, "")
    }
    /// Depth by domain and channel, over all domains, for metrics.
    fn depth(&self) -> Result<Vec<Depth>>;

    // ---- plugins' state and settings ---------------------------------------------------

    /// A plugin's value, unless its time is over.
    fn kv(&self, access: &Access, plugin: &str, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// A plugin's values whose keys begin with `prefix`, ascending, at most `max`.
    fn kv_list(
        &self,
        access: &Access,
        plugin: &str,
        prefix: &[u8],
        max: usize,
    ) -> Result<Vec<KvEntry>>;
    /// A setting of the domain, or with [`mail::Tenant::HOST`] of the site.
    fn setting(&self, access: &Access, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Settings whose keys begin with `prefix`, ascending.
    fn settings(&self, access: &Access, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;
    /// Writes settings, all or none; `None` deletes.
    fn set_settings(
        &self,
        access: &Access,
        operation: OperationId,
        changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    ) -> Pending<()>;

    // ---- moving ------------------------------------------------------------------------

    /// Values of all plugins of the domain, also those whose time is over, in the order in which
    /// they are kept, from behind one (plugin and key) on, at most `max`. Not for persons.
    fn kv_all(
        &self,
        access: &Access,
        after: Option<(&str, &[u8])>,
        max: usize,
    ) -> Result<Vec<(String, KvEntry)>>;
    /// Brings in what another store had, with the numbers it had there: all of these and the
    /// setting `mark`, or nothing. Who brings much does it in several calls and goes on behind
    /// the last mark. For the site and the system. `Conflict`: the mark is not as it was
    /// expected, somebody else brings the same; `Exists`: a message with that UID, or a
    /// mailbox with messages, is there; `OverQuota`.
    fn bring(&self, access: &Access, brought: Vec<Brought>, mark: Mark) -> Pending<()>;
    /// How far the store is. All of it is durable.
    fn head(&self) -> Result<Head>;
    /// The files that make up the store at this moment, kept while the answer lives. `Invalid`
    /// for a store in memory.
    fn cut(&self) -> Result<Cut>;

    // ---- trace, usage, upkeep ----------------------------------------------------------

    /// What was decided about a message, in order, as far as this domain is concerned: also what
    /// the host did with it, where somebody of the domain sent it ([`crate::Traced::is_sender`]).
    fn trace(&self, access: &Access, envelope: EnvelopeId) -> Result<Vec<TraceEntry>>;
    /// The messages of the domain that are found by this, the newest first, at most `max`.
    fn traced(&self, access: &Access, by: &TraceKey, max: usize) -> Result<Vec<EnvelopeId>>;
    /// The newest trace lines of the domain, newest message first.
    fn recent_traces(&self, access: &Access, max: usize) -> Result<Vec<TraceEntry>>;
    /// What an owner uses.
    fn usage(&self, access: &Access, owner: Owner) -> Result<Usage>;
    /// Since when mail for this owner was refused for want of room ([`Store::note_full`]), with
    /// nothing stored or removed in between. Not for persons.
    fn full_since(&self, access: &Access, owner: Owner) -> Result<Option<Timestamp>>;
    /// Writes down that mail for this owner is refused for want of room; answers since when. A
    /// repeat keeps the first time for as long as the usage stays the same. Not for persons.
    fn note_full(&self, access: &Access, owner: Owner) -> Pending<Timestamp>;
    /// Removes all rows of a person, a group or, with [`Owner::Domain`], of the whole domain:
    /// mailboxes, messages, rights, subscriptions; with the domain also queue, kv, settings and
    /// trace. Works in steps of bounded size; each is a commit of its own.
    fn remove_owner(&self, access: &Access, owner: Owner) -> Pending<Erased>;
    /// As [`Store::remove_owner`], and then destroys the key of the owner, with [`Owner::Domain`]
    /// those of everybody of the domain: what the disk still has of them, and what backups have,
    /// can never be read again. Nothing new is taken for the owner from the moment it begins. It
    /// is written down first: what a crash interrupts, the next start ends.
    fn erase_owner(&self, access: &Access, owner: Owner) -> Pending<Erased>;
    /// Whether an owner was erased, or has anything here.
    fn standing(&self, access: &Access, owner: Owner) -> Result<Standing>;
    /// Deletes kv values and trace lines whose time is over, at most `max`; answers how many.
    fn expire(&self, now: Timestamp, max: usize) -> Pending<usize>;
    /// Keeps every file of the store from now on, for who copies them.
    fn pin(&self) -> Pin;
    /// Collects what nobody names any more until nothing worth it is left, without a pause;
    /// `told` hears how much it was so far. Blocks.
    fn compact(&self, told: &mut dyn FnMut(Collected)) -> Result<Collected>;
    /// What there is and what it takes. Walks all rows; blocks.
    fn stats(&self, told: Told<'_>) -> Result<Stats>;
    /// Compares rows with each other and with what they name, as of a checkpoint made for it, and
    /// changes nothing; `deep` also reads every body. Blocks.
    fn check(&self, deep: bool, told: Told<'_>) -> Result<Checked>;
    /// Room on the disk and health.
    fn space(&self) -> Result<Space>;
    /// Waits for what is under way, brings the index up to date and stops. Later durable calls
    /// are [`crate::Error::Closed`].
    fn close(&self) -> Result<()>;
}
