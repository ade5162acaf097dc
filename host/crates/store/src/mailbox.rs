//! Mailboxes as their users see them.

use mail::{MailboxId, ModSeq, Uid, UidValidity, Uids};
use serde::{Deserialize, Serialize};

use crate::{Owner, Rights};

/// What a mailbox is for (RFC 6154 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl SpecialUse {
    /// The attribute as LIST shows it.
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

/// A mailbox seen by one viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Never reused, the same after a rename.
    pub id: MailboxId,
    /// Whose it is.
    pub owner: Owner,
    /// The whole name as the viewer sees it, NFC, levels divided by `/`; `INBOX` in capitals;
    /// a group's begins with [`crate::SHARED_ROOT`].
    pub name: String,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// What the viewer may do: everything for its owner and for the system.
    pub rights: Rights,
    /// Are there mailboxes below it?
    pub has_children: bool,
    /// Counters.
    pub status: Status,
    /// The keywords known in it, by number; messages name them as text.
    pub keywords: Vec<String>,
}

/// Counters of a mailbox (RFC 3501 §6.3.10, RFC 7162 §3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Epoch of the UIDs.
    pub uid_validity: UidValidity,
    /// The UID of the next message.
    pub uid_next: Uid,
    /// Modification sequence of the last change.
    pub highest_modseq: ModSeq,
    /// Messages in it.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted` (RFC 9051 §6.3.11).
    pub deleted: u32,
    /// Sum of the composed sizes in bytes.
    pub bytes: u64,
}

/// What there is to know of a mailbox that is opened, all of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// The UIDs there are.
    pub uids: Uids,
    /// Those of messages without `\Seen`.
    pub unseen: Uids,
}

/// A mailbox to be made. Missing levels above it are made too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMailbox {
    /// Whose it is: a person or a group.
    pub owner: Owner,
    /// Name with levels divided by `/`, without [`crate::SHARED_ROOT`]; brought into NFC here.
    pub name: String,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
}
