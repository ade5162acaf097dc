//! Messages in mailboxes.

use std::fmt;

use mail::{EmailId, MailboxId, ModSeq, ThreadId, Timestamp, Uid, UidValidity};
use serde::{Deserialize, Serialize};

use crate::{Piece, QueueId, Quota};

/// The stored content of a message: a list of extents. Copies inside a domain share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(pub u64);

/// A mailbox that messages are copied or moved to, with the limits in force there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// Which.
    pub mailbox: MailboxId,
    /// Limit of its owner.
    pub owner_quota: Quota,
    /// Limit of the domain.
    pub domain_quota: Quota,
}

/// Without limits.
impl From<MailboxId> for Destination {
    fn from(mailbox: MailboxId) -> Self {
        Self {
            mailbox,
            owner_quota: Quota::NONE,
            domain_quota: Quota::NONE,
        }
    }
}

/// System flags (RFC 3501 §2.3.2) as a set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Flags(u8);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(1 << 2);
    /// `\Deleted`
    pub const DELETED: Self = Self(1 << 3);
    /// `\Draft`
    pub const DRAFT: Self = Self(1 << 4);
    /// Every one of them.
    pub const ALL: Self = Self(31);

    const NAMES: [&'static str; 5] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"];

    /// Does it have all of `other`?
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flag of this name, compared without case; `None` if it is not a system flag.
    pub fn parse(name: &str) -> Option<Self> {
        let bit = Self::NAMES
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))?;
        Some(Self(1 << bit))
    }

    /// The names, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & 1 << bit != 0)
            .map(|(_, name)| *name)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A message in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number there.
    pub uid: Uid,
    /// Its lasting id, also the UIDL. A moved message keeps it, a copy has its own (a POP3 drop
    /// may hold both, and RFC 1939 §7 wants them apart).
    pub email: EmailId,
    /// RFC 8474 EMAILID: the same, or with a copy that of its source.
    pub object: EmailId,
    /// RFC 8474 THREADID.
    pub thread: ThreadId,
    /// Modification sequence of its arrival here.
    pub created: ModSeq,
    /// Modification sequence of its last change.
    pub changed: ModSeq,
    /// INTERNALDATE, the instant.
    pub internal_date: Timestamp,
    /// INTERNALDATE, the offset shown, in minutes east of UTC.
    pub internal_offset_minutes: i16,
    /// When this server accepted it.
    pub received: Timestamp,
    /// When it came into this mailbox (RFC 8514 SAVEDATE).
    pub saved: Timestamp,
    /// Bytes of the composed message: SIZE, BODY[] and quota count these.
    pub size: u64,
    /// Does it need SMTPUTF8 to be sent on?
    pub utf8: bool,
    /// System flags.
    pub flags: Flags,
    /// Keywords, in the order they were first used in the mailbox.
    pub keywords: Vec<String>,
    /// Where its bytes are; read them with [`crate::Store::content`].
    pub content: ContentId,
}

/// A message to be put into a mailbox.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The bytes, in order.
    pub pieces: Vec<Piece>,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<String>,
    /// INTERNALDATE and its offset in minutes; `None` is now, UTC.
    pub internal_date: Option<(Timestamp, i16)>,
    /// When this server accepted it; `None` is now.
    pub received: Option<Timestamp>,
    /// The conversation it belongs to; `None` begins one.
    pub thread: Option<ThreadId>,
    /// Does it need SMTPUTF8?
    pub utf8: bool,
    /// Limit of the mailbox's owner, checked in the same commit.
    pub owner_quota: Quota,
    /// Limit of the domain, checked in the same commit.
    pub domain_quota: Quota,
}

impl NewMessage {
    /// A message with these bytes, no flags, dated now, without limits.
    pub fn new(pieces: Vec<Piece>) -> Self {
        Self {
            pieces,
            flags: Flags::NONE,
            keywords: Vec::new(),
            internal_date: None,
            received: None,
            thread: None,
            utf8: false,
            owner_quota: Quota::NONE,
            domain_quota: Quota::NONE,
        }
    }
}

/// Where an appended message went (RFC 4315 APPENDUID).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Epoch of its UIDs.
    pub uid_validity: UidValidity,
    /// The message's.
    pub uid: Uid,
    /// Its id.
    pub email: EmailId,
}

/// What a copy or move did (RFC 4315 COPYUID).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Epoch of the target.
    pub uid_validity: UidValidity,
    /// Source and target, ascending by source. UIDs that did not exist are left out.
    pub uids: Vec<(Uid, Uid)>,
}

/// How flags are changed (RFC 3501 §6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlagOperation {
    /// Exactly these.
    Set,
    /// These too.
    Add,
    /// Not these.
    Remove,
}

/// A change of flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    /// How.
    pub operation: FlagOperation,
    /// Which system flags.
    pub flags: Flags,
    /// Which keywords, compared without case.
    pub keywords: Vec<String>,
    /// Only messages not changed after this (RFC 7162 §3.1.3 UNCHANGEDSINCE).
    pub unchanged_since: Option<ModSeq>,
}

/// What happened in a mailbox since a modification sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Messages that came or changed, ascending by UID.
    pub changed: Vec<Message>,
    /// UIDs expunged, ascending.
    pub expunged: Vec<Uid>,
    /// Is `expunged` complete? The log of expunges is bounded (10,000 a mailbox); when the
    /// asked sequence is older, the caller compares with the UIDs that exist.
    pub complete: bool,
    /// Ask from here next time.
    pub highest_modseq: ModSeq,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A message of a mailbox the principal may read.
    Message(MailboxId, Uid),
    /// A queue row of the domain. Not for persons.
    Queue(QueueId),
    /// A content seen in a row before. Not for persons.
    Content(ContentId),
}
