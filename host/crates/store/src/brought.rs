//! What is brought from another store, with the numbers it had there.

use mail::{
    EmailId, EnhancedStatus, Envelope, ModSeq, PersonId, RecipientId, ThreadId, Timestamp, Uid,
    UidValidity,
};

use crate::{KvEntry, NewMessage, Owner, ParkedReason, Piece, Rights, SpecialUse, Work};

/// One thing brought in by [`crate::Store::bring`].
#[derive(Debug, Clone)]
pub enum Brought {
    /// A mailbox, with the missing levels above it.
    Mailbox(BroughtMailbox),
    /// A message.
    Message(Box<BroughtMessage>),
    /// A name that a person is subscribed to.
    Subscription(PersonId, String),
    /// Rights on a mailbox that is there.
    Rights {
        /// Whose mailbox.
        owner: Owner,
        /// Its name.
        mailbox: String,
        /// Who may.
        person: PersonId,
        /// What.
        rights: Rights,
    },
    /// A row of the queue.
    Queued(Box<BroughtRow>),
    /// A plugin's value.
    Kv(String, KvEntry),
    /// A setting of the domain.
    Setting(Vec<u8>, Vec<u8>),
}

/// How far an import is: a setting of the domain that changes with what is brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value now; another one means that somebody else brings the same.
    pub before: Option<Vec<u8>>,
    /// Its value then.
    pub after: Vec<u8>,
}

/// A mailbox with the epoch and the counters it had.
///
/// A new one gets exactly these, so clients go on with what they know. One that is there (a level
/// made for another, an INBOX made on demand) gets them too while no message is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroughtMailbox {
    /// Whose it is.
    pub owner: Owner,
    /// Name with levels divided by `/`, without [`crate::SHARED_ROOT`].
    pub name: String,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Epoch of its UIDs.
    pub uid_validity: UidValidity,
    /// The next UID; lower ones are never given out again.
    pub uid_next: Uid,
    /// Modification sequence of its last change; what was expunged before is not known here.
    pub highest_modseq: ModSeq,
}

/// A message with the numbers it had.
#[derive(Debug, Clone)]
pub struct BroughtMessage {
    /// Whose mailbox.
    pub owner: Owner,
    /// The mailbox, which is there.
    pub mailbox: String,
    /// Its number there.
    pub uid: Uid,
    /// Its id; a later one of this store is never the same.
    pub email: EmailId,
    /// Its EMAILID: with a copy, the id of its source.
    pub object: EmailId,
    /// Its conversation.
    pub thread: ThreadId,
    /// Modification sequence of its arrival.
    pub created: ModSeq,
    /// Modification sequence of its last change.
    pub changed: ModSeq,
    /// When it came into the mailbox.
    pub saved: Timestamp,
    /// Bytes, flags, dates, limits.
    pub message: NewMessage,
}

/// A row of the queue. Attempts under way are not brought.
#[derive(Debug, Clone)]
pub struct BroughtRow {
    /// The envelope.
    pub envelope: Envelope,
    /// The recipient.
    pub recipient: RecipientId,
    /// As given in RCPT TO.
    pub original: String,
    /// What it became.
    pub address: mail::Mailbox,
    /// What to do.
    pub work: Work,
    /// Why it is parked, if it is.
    pub parked: Option<(ParkedReason, String)>,
    /// When it is tried next.
    pub due: Timestamp,
    /// Attempts made.
    pub attempts: u32,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// How the last attempt ended.
    pub last: Option<(Option<EnhancedStatus>, String)>,
    /// Was the sender told of the delay?
    pub delay_told: bool,
    /// The bytes.
    pub pieces: Vec<Piece>,
}
