//! Commands, parsed.

use mail::ModSeq;

use crate::ask::{CopyMode, Mode, StoreMode, Subscription};
use crate::search::Query;
use crate::section::Section;
use crate::sequence::{Numbering, SequenceSet};
use crate::{Flags, Keywords, MailboxName};

/// One command of a client (RFC 3501 §6), without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Capability,
    Noop,
    Logout,
    Id,
    StartTls,
    Login {
        login: String,
        password: String,
    },
    Authenticate {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    Enable(Vec<Extension>),
    /// Usage and limits of this root (RFC 9208 §4.1.1).
    GetQuota(String),
    /// The roots of a mailbox, with their usage and limits (RFC 9208 §4.1.2).
    GetQuotaRoot(MailboxName),
    Namespace,
    Create(MailboxName),
    Delete(MailboxName),
    Rename {
        from: MailboxName,
        to: MailboxName,
    },
    Subscribe {
        name: MailboxName,
        subscription: Subscription,
    },
    List(ListQuery),
    Status {
        name: MailboxName,
        items: Vec<StatusItem>,
    },
    Select {
        name: MailboxName,
        mode: Mode,
        /// With the parameter CONDSTORE (RFC 7162 §3.1.8).
        condstore: bool,
    },
    Check,
    Close,
    Unselect,
    Idle,
    Expunge {
        within: Option<SequenceSet>,
    },
    Search {
        numbering: Numbering,
        query: Query,
    },
    Fetch {
        numbering: Numbering,
        set: SequenceSet,
        items: Vec<Item>,
        /// Only what changed after this (RFC 7162 §3.1.4.1).
        changed_since: Option<ModSeq>,
    },
    Store {
        numbering: Numbering,
        set: SequenceSet,
        change: FlagCommand,
    },
    Copy {
        numbering: Numbering,
        set: SequenceSet,
        target: MailboxName,
        mode: CopyMode,
    },
}

impl Command {
    /// Does it say that the client knows modification sequences (RFC 7162 §3.1)? Then all flags
    /// are told with theirs from here on.
    pub(crate) fn enables_condstore(&self) -> bool {
        match self {
            Self::Select { condstore, .. } => *condstore,
            Self::Enable(extensions) => extensions.contains(&Extension::CondStore),
            Self::Status { items, .. } => items.contains(&StatusItem::HighestModSeq),
            Self::Fetch { items, .. } => items.contains(&Item::ModSeq),
            Self::Store { change, .. } => change.unchanged_since.is_some(),
            Self::Search { query, .. } => query.modseq,
            _ => false,
        }
    }
}

/// What ENABLE can enable (RFC 5161).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// RFC 7162.
    CondStore,
    /// RFC 9755.
    Utf8Accept,
}

impl Extension {
    /// All of them with their names.
    pub(crate) const NAMED: [(Self, &'static str); 2] = [
        (Self::CondStore, "CONDSTORE"),
        (Self::Utf8Accept, "UTF8=ACCEPT"),
    ];
}

/// What STORE does (RFC 3501 §6.4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlagCommand {
    pub(crate) mode: StoreMode,
    pub(crate) flags: Flags,
    pub(crate) keywords: Keywords,
    pub(crate) report: Report,
    /// Only messages that did not change after this (RFC 7162 §3.1.3).
    pub(crate) unchanged_since: Option<ModSeq>,
}

/// Is the client told of the new flags?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    Told,
    Silent,
}

/// LIST and LSUB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ListQuery {
    /// LSUB: the response has another name, and only subscriptions count.
    pub(crate) lsub: bool,
    /// Reference and pattern are joined (RFC 3501 §6.3.8); in modified UTF-7, decoded.
    pub(crate) patterns: Vec<String>,
    /// `LIST "" ""`: asks for the separator only.
    pub(crate) separator_only: bool,
    /// Selection option SUBSCRIBED (RFC 5258 §3.1).
    pub(crate) only_subscribed: bool,
    /// Selection option SPECIAL-USE (RFC 6154 §3).
    pub(crate) only_special: bool,
    /// Selection option RECURSIVEMATCH (RFC 5258 §3.1).
    pub(crate) recursive: bool,
    /// Return option SUBSCRIBED (RFC 5258 §3.2).
    pub(crate) show_subscribed: bool,
    /// Return option STATUS (RFC 5819).
    pub(crate) status: Vec<StatusItem>,
}

/// An item of STATUS (RFC 3501 §6.3.10, RFC 8438 for SIZE, RFC 7162 §3.1.7, RFC 9208 §4.1.4,
/// RFC 8474 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Size,
    HighestModSeq,
    Deleted,
    DeletedStorage,
    MailboxId,
}

impl StatusItem {
    /// All of them with their names.
    pub(crate) const NAMED: [(Self, &'static str); 10] = [
        (Self::Messages, "MESSAGES"),
        (Self::Recent, "RECENT"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Size, "SIZE"),
        (Self::HighestModSeq, "HIGHESTMODSEQ"),
        (Self::Deleted, "DELETED"),
        (Self::DeletedStorage, "DELETED-STORAGE"),
        (Self::MailboxId, "MAILBOXID"),
    ];
}

/// An item of FETCH (RFC 3501 §6.4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    /// MODSEQ (RFC 7162 §3.1.5).
    ModSeq,
    /// EMAILID (RFC 8474 §5.1).
    EmailId,
    /// THREADID (RFC 8474 §5.2).
    ThreadId,
    /// BODY without a section.
    Body,
    BodyStructure,
    Section(SectionItem),
}

/// Bytes of a message, as FETCH asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SectionItem {
    pub(crate) section: Section,
    pub(crate) effect: Effect,
    /// `<start.count>`
    pub(crate) partial: Option<(u64, u64)>,
    pub(crate) label: Label,
}

/// Does reading set `\Seen`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    SetsSeen,
    Peeks,
}

/// By what name the bytes are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// `BODY[…]`
    Body,
    /// `RFC822`, `RFC822.HEADER`, `RFC822.TEXT`
    Old(&'static str),
}

/// The part of APPEND that stands before the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppendCommand {
    pub(crate) name: MailboxName,
    pub(crate) flags: Flags,
    pub(crate) keywords: Keywords,
    pub(crate) date: Option<crate::ask::InternalDate>,
    pub(crate) wrapping: Wrapping,
}

/// How the message stands in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// As a literal.
    Plain,
    /// As `UTF8 (~{…}…)`: a message with UTF-8 in its header (RFC 6855 §4).
    Utf8,
}
