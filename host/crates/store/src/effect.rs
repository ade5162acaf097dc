//! Effects that join a commit.

use mail::{MailboxId, Timestamp};

use crate::{Accept, NewMessage, Place, Traced};

/// Something to be done in the same commit as the operation that carries it, in the domain of
/// that operation. If one is refused, nothing of the commit happens.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Write a value of a plugin.
    KvPut {
        /// The plugin's name.
        plugin: String,
        /// The key, up to 1 KiB.
        key: Vec<u8>,
        /// The value, up to 256 KiB.
        value: Vec<u8>,
        /// When it ends by itself.
        expires: Option<Timestamp>,
    },
    /// Delete a value of a plugin; none there is fine.
    KvDelete {
        /// The plugin's name.
        plugin: String,
        /// The key.
        key: Vec<u8>,
    },
    /// Write a value only if the present one is `expected`; else the commit is refused with
    /// [`crate::Error::Conflict`].
    KvCompareAndSet {
        /// The plugin's name.
        plugin: String,
        /// The key.
        key: Vec<u8>,
        /// What must be there; `None`: nothing.
        expected: Option<Vec<u8>>,
        /// What will be there; `None`: nothing.
        value: Option<Vec<u8>>,
        /// When it ends by itself.
        expires: Option<Timestamp>,
    },
    /// Put a message into a mailbox of the same domain.
    Append {
        /// Where.
        place: Place,
        /// What.
        message: Box<NewMessage>,
    },
    /// Accept another message: a forward, a reply, a report. Its parts carry their own access.
    Accept(Box<Accept>),
    /// Write about a message. In the [`crate::Part`] of that message it joins the part's trace.
    Trace(Box<Traced>),
    /// Remove messages of a mailbox of the same domain.
    Expunge {
        /// Where.
        mailbox: MailboxId,
        /// Which.
        uids: Vec<mail::Uid>,
    },
}

/// A value of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
}
