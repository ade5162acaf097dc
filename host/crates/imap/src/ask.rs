//! What a session asks its host, and what the host answers.
//!
//! One [`Ask`] is outstanding at a time and is answered by exactly one [`Answer`]; each variant
//! of `Ask` names the variant it wants. Any ask may be answered by [`Answer::Refused`]. An answer
//! of another kind is our own bug: the command ends with `NO [SERVERBUG]`.
//!
//! Right after [`Ask::Select`] the host begins to watch that mailbox and sends
//! [`Event::Changed`] whenever it changes; the watch ends with the next `Select`,
//! [`Ask::Deselect`] or the end of the connection. An event says only "look again": the session
//! then asks [`Ask::Changes`] at the next moment at which the protocol lets it report anything.

use std::ops::Range;
use std::sync::Arc;

use mail::{EmailId, MailboxId, ModSeq, Timestamp, Uid, UidValidity, Uids};
use sasl::Credentials;

use crate::{Flags, Keywords, MailboxName, Shape, TextKey};

/// A question to the host.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Check a login. Wants [`Answer::Login`].
    Authenticate(Credentials),
    /// Every mailbox this person may list: the own ones, the subscribed ones that are gone,
    /// and those shared with them. INBOX is always among them. Wants [`Answer::Mailboxes`].
    List,
    /// Numbers of a mailbox without selecting it. Wants [`Answer::Status`].
    Status {
        /// Which.
        name: MailboxName,
        /// Must [`MailboxStatus::deleted_size`] be right? It takes a look at every message.
        deleted_size: DeletedSize,
    },
    /// What counts against a limit. Wants [`Answer::Quota`].
    Quota {
        /// The limits of what is put into this mailbox; `None` means the person's own.
        name: Option<MailboxName>,
    },
    /// Nothing: the host lets others have their turn. Wants [`Answer::Done`].
    Pause,
    /// Open a mailbox and begin to watch it. Wants [`Answer::Selected`].
    ///
    /// Whatever was selected before is deselected by this, also when it is refused
    /// (RFC 3501 §6.3.1).
    Select {
        /// Which.
        name: MailboxName,
        /// How.
        mode: Mode,
    },
    /// End the watch. Wants [`Answer::Done`].
    Deselect,
    /// Create a mailbox and the missing levels above it (RFC 3501 §6.3.3). Wants
    /// [`Answer::Created`].
    Create {
        /// Which.
        name: MailboxName,
    },
    /// Delete a mailbox; never INBOX, never one with mailboxes below it (answer
    /// [`Refusal::HasChildren`]). Wants [`Answer::Done`].
    Delete {
        /// Which.
        name: MailboxName,
    },
    /// Rename a mailbox and all below it. Renaming INBOX moves its messages to a new mailbox
    /// and leaves it empty (RFC 3501 §6.3.5). Wants [`Answer::Done`].
    Rename {
        /// Which.
        from: MailboxName,
        /// The new name.
        to: MailboxName,
    },
    /// Put a name on the list of subscriptions or take it off. Wants [`Answer::Done`].
    Subscribe {
        /// Which.
        name: MailboxName,
        /// On or off the list.
        subscription: Subscription,
    },
    /// What changed since a state that was seen. Wants [`Answer::Changes`].
    Changes {
        /// The selected mailbox.
        mailbox: MailboxId,
        /// The highest change the session knows of.
        since: ModSeq,
    },
    /// The rows of messages, at most [`ROWS_BATCH`] of them. Wants [`Answer::Rows`].
    Rows {
        /// The selected mailbox.
        mailbox: MailboxId,
        /// Ascending.
        uids: Vec<Uid>,
    },
    /// Which messages are not seen, and which are marked `\\Deleted`: what most searches want to
    /// know, without a row of each. Wants [`Answer::Marked`].
    Marked {
        /// The selected mailbox.
        mailbox: MailboxId,
    },
    /// Open messages for reading, at most [`OPEN_BATCH`] of them. Wants [`Answer::Opened`].
    ///
    /// What is opened for its bytes stays readable by [`SendMessage`] until the next `Open`,
    /// `Select` or `Deselect`, even when it is expunged meanwhile.
    Open {
        /// The selected mailbox.
        mailbox: MailboxId,
        /// Ascending.
        uids: Vec<Uid>,
        /// How much of each message must be looked at.
        depth: Depth,
        /// What comes after.
        reading: Reading,
    },
    /// Which of these messages hold these texts; at most [`SEARCH_BATCH`] messages at a time.
    /// The host reads each message and applies [`crate::match_text`]. Wants
    /// [`Answer::Matches`].
    SearchText {
        /// The selected mailbox.
        mailbox: MailboxId,
        /// Ascending.
        uids: Vec<Uid>,
        /// What to look for.
        keys: Arc<[TextKey]>,
    },
    /// Change flags. Wants [`Answer::Stored`].
    StoreFlags {
        /// The selected mailbox.
        mailbox: MailboxId,
        /// Ascending.
        uids: Vec<Uid>,
        /// How `flags` and `keywords` are applied.
        mode: StoreMode,
        /// System flags.
        flags: Flags,
        /// Keywords.
        keywords: Keywords,
        /// Messages that changed after this stay as they are (RFC 7162 §3.1.3).
        unchanged_since: Option<ModSeq>,
    },
    /// Remove the messages that carry `\Deleted`. Wants [`Answer::Expunged`].
    Expunge {
        /// The selected mailbox.
        mailbox: MailboxId,
        /// Only among these, ascending (UID EXPUNGE, RFC 4315 §2.1); `None` means all.
        within: Option<Vec<Uid>>,
    },
    /// Copy or move messages, all or none (RFC 3501 §6.4.7, RFC 6851). Wants
    /// [`Answer::Copied`].
    Copy {
        /// The selected mailbox.
        mailbox: MailboxId,
        /// Ascending.
        uids: Vec<Uid>,
        /// Where to.
        target: MailboxName,
        /// Do the originals stay?
        mode: CopyMode,
    },
    /// A message of exactly `size` bytes is about to come. Checks mailbox, rights, size and
    /// quota before the client is told to send. Wants [`Answer::Done`]; after it the bytes
    /// come by `Step::Body`, then `AppendFinish`. `Step::DiscardBody` ends it without a trace.
    AppendBegin {
        /// Where to.
        name: MailboxName,
        /// In bytes, more than 0.
        size: u64,
        /// System flags to set.
        flags: Flags,
        /// Keywords to set.
        keywords: Keywords,
        /// INTERNALDATE; now, where there is none.
        date: Option<InternalDate>,
        /// Does the client say that UTF-8 is in its header (RFC 6855 §4)?
        utf8: bool,
    },
    /// All bytes are there: make it durable. Wants [`Answer::Appended`].
    AppendFinish,
}

/// Messages in one [`Ask::Rows`].
pub const ROWS_BATCH: usize = 1024;
/// Messages in one [`Ask::Open`].
pub const OPEN_BATCH: usize = 16;
/// Messages in one [`Ask::SearchText`].
pub const SEARCH_BATCH: usize = 32;

/// The answer to an [`Ask`].
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; there is nothing to tell.
    Done,
    /// How a login went.
    Login(LoginOutcome),
    /// All mailboxes, in any order.
    Mailboxes(Vec<MailboxEntry>),
    /// The new mailbox.
    Created(MailboxId),
    /// Numbers of a mailbox.
    Status(MailboxStatus),
    /// The mailbox is open.
    Selected(Selected),
    /// What changed.
    Changes(Changes),
    /// The rows of the messages that are there, ascending. What is not among them is gone.
    Rows(Vec<Row>),
    /// Messages by what is set on them, as they are now.
    Marked(Marked),
    /// The messages that could be opened, ascending. What is not among them is gone.
    Opened(Vec<Opened>),
    /// For each message that is still there, one verdict a key, in the order of the keys.
    Matches(Vec<(Uid, Vec<bool>)>),
    /// What became of the flags.
    Stored(Stored),
    /// Usage and limits; `None` where there is nothing this person may know.
    Quota(Option<QuotaStatus>),
    /// The UIDs removed, ascending.
    Expunged(Vec<Uid>),
    /// Where the copies are.
    Copied(Copied),
    /// Where the message is.
    Appended(Appended),
    /// It was not done; nothing has changed.
    Refused(Refusal),
}

/// How a login went. Why it was refused is for the log, never for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// Welcome.
    Accepted,
    /// Refused, for whatever reason.
    Refused,
    /// Could not be checked now.
    Unavailable,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such mailbox, **or this person may not know that there is**: the client
    /// must not be able to tell (RFC 4314 §6).
    NoSuchMailbox,
    /// The mailbox may be seen, but not used in this way.
    NoPermission,
    /// The name is taken.
    AlreadyExists,
    /// There are mailboxes below it.
    HasChildren,
    /// It may be listed but holds no messages.
    NotSelectable,
    /// This can never be done (deleting INBOX, a mailbox into itself).
    Cannot,
    /// Over quota.
    OverQuota,
    /// Larger than any message may be.
    TooLarge,
    /// Some limit was reached.
    Limit,
    /// Not now.
    Unavailable,
    /// Our fault, or stored data is damaged; the log has it.
    ServerBug,
}

/// How a mailbox is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// SELECT.
    ReadWrite,
    /// EXAMINE, or a mailbox this person may not change.
    ReadOnly,
}

/// On or off the list of subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// SUBSCRIBE.
    On,
    /// UNSUBSCRIBE.
    Off,
}

/// How much of a message must be looked at to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Only that it is there.
    Bytes,
    /// Its header: [`Shape::of_header`] is enough.
    Header,
    /// All its parts: [`Shape::of_message`].
    Parts,
}

/// Are the bytes of messages marked `\Deleted` counted?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedSize {
    /// Yes.
    Counted,
    /// Nobody asks.
    Unknown,
}

/// What is done with opened messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nothing but looking at their shapes.
    Shapes,
    /// Their bytes are sent too.
    Bytes,
}

/// STORE FLAGS, +FLAGS, -FLAGS (RFC 3501 §6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// Exactly these.
    Replace,
    /// These too.
    Add,
    /// Not these.
    Remove,
}

/// COPY or MOVE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyMode {
    /// The originals stay.
    Copy,
    /// The originals go.
    Move,
}

/// A point in time and the offset it was given with (RFC 3501 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalDate {
    /// The instant.
    pub at: Timestamp,
    /// Minutes east of UTC.
    pub offset_minutes: i16,
}

/// One message of the selected mailbox, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub uid: Uid,
    /// The change that last touched it.
    pub modseq: ModSeq,
    /// RFC 8474 EMAILID: copies have it too.
    pub email: EmailId,
    /// RFC822.SIZE in bytes, as composed.
    pub size: u64,
    /// INTERNALDATE.
    pub date: InternalDate,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Keywords,
}

/// A mailbox that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Its id, for the asks that follow.
    pub mailbox: MailboxId,
    /// As asked for, or read-only where there is no right to change anything.
    pub mode: Mode,
    /// The epoch of its UIDs.
    pub uid_validity: UidValidity,
    /// The next UID.
    pub uid_next: Uid,
    /// The highest change up to this moment.
    pub modseq: ModSeq,
    /// The messages.
    pub uids: Uids,
    /// The first of them without `\Seen`.
    pub first_unseen: Option<Uid>,
    /// Keywords in use.
    pub keywords: Keywords,
}

/// The answer to [`Ask::Marked`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marked {
    /// Messages without `\Seen`.
    pub unseen: Uids,
    /// Messages with `\Deleted`.
    pub deleted: Uids,
}

/// What changed in the selected mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The highest change seen; the next `since`.
    pub modseq: ModSeq,
    /// The rows created or changed since, ascending by UID, as they are now.
    pub rows: Vec<Row>,
    /// UIDs expunged since. May name more than the session ever knew.
    pub expunged: Vec<Uid>,
    /// Where the store cannot tell all that was expunged since: every UID there is. What is not
    /// among them is gone.
    pub existing: Option<Uids>,
    /// The mailbox itself is gone, or this person may no longer read it.
    pub gone: bool,
}

/// Flags of one message after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    /// Which.
    pub uid: Uid,
    /// The change that made it so.
    pub modseq: ModSeq,
    /// System flags, all of them.
    pub flags: Flags,
    /// Keywords, all of them.
    pub keywords: Keywords,
}

impl From<&Row> for FlagChange {
    fn from(row: &Row) -> Self {
        Self {
            uid: row.uid,
            modseq: row.modseq,
            flags: row.flags,
            keywords: row.keywords.clone(),
        }
    }
}

/// The answer to [`Ask::StoreFlags`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// The rows as they are now, ascending. What is in neither list is gone.
    pub changes: Vec<FlagChange>,
    /// Left alone because of `unchanged_since`, ascending.
    pub modified: Vec<Uid>,
}

/// A quota root (RFC 9208 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaStatus {
    /// Bytes in use.
    pub bytes: u64,
    /// Most bytes.
    pub bytes_limit: Option<u64>,
    /// Messages there are.
    pub messages: u64,
    /// Most messages.
    pub messages_limit: Option<u64>,
}

/// A message that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Which, and what stands beside its bytes.
    pub row: Row,
    /// Its outline, where [`Depth::Header`] or [`Depth::Parts`] was asked for.
    pub shape: Option<Arc<Shape>>,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxEntry {
    /// Its name.
    pub name: MailboxName,
    /// What is there.
    pub kind: MailboxKind,
    /// On the list of subscriptions?
    pub subscribed: bool,
    /// What it is for (RFC 6154).
    pub special_use: Option<SpecialUse>,
}

/// What a listed name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailboxKind {
    /// It holds messages.
    Selectable,
    /// Only a level above others.
    NoSelect,
    /// Subscribed, but gone.
    NonExistent,
}

/// What a mailbox is for (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialUse {
    /// `\All`
    All,
    /// `\Archive`
    Archive,
    /// `\Drafts`
    Drafts,
    /// `\Flagged`
    Flagged,
    /// `\Junk`
    Junk,
    /// `\Sent`
    Sent,
    /// `\Trash`
    Trash,
}

/// Numbers of a mailbox (RFC 3501 §6.3.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Its lasting id (RFC 8474 MAILBOXID).
    pub id: MailboxId,
    /// Messages.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// The next UID.
    pub uid_next: Uid,
    /// The epoch of its UIDs.
    pub uid_validity: UidValidity,
    /// Bytes of all messages.
    pub size: u64,
    /// The highest change.
    pub modseq: ModSeq,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Bytes of the messages with `\Deleted`, where [`DeletedSize::Counted`] was asked for.
    pub deleted_size: u64,
}

/// The answer to [`Ask::Copy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Epoch of the target.
    pub uid_validity: UidValidity,
    /// Original and copy, ascending by original. A message that was gone is not among them.
    pub pairs: Vec<(Uid, Uid)>,
}

/// The answer to [`Ask::AppendFinish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Epoch of the mailbox.
    pub uid_validity: UidValidity,
    /// The new message.
    pub uid: Uid,
}

/// Bytes of an opened message, for the driver to stream from the store.
///
/// The length has been announced as a literal: the host writes exactly the bytes of `ranges`,
/// one after the other, or breaks the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// The selected mailbox.
    pub mailbox: MailboxId,
    /// Which message.
    pub uid: Uid,
    /// Its lasting id.
    pub email: EmailId,
    /// Ascending, within the message, in bytes of the composed message.
    pub ranges: Vec<Range<u64>>,
}

/// What may happen beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The watched mailbox changed.
    Changed,
    /// This person may no longer be logged in (state, password): the session says good-bye.
    Revoked,
}
