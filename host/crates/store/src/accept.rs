//! Taking responsibility for a message.

use mail::{
    Access, EmailId, EnhancedStatus, Envelope, EnvelopeId, MailboxId, OperationId, PersonId,
    RecipientId, ThreadId, Timestamp, Uid, UidValidity,
};
use serde::{Deserialize, Serialize};

use crate::{Effect, Flags, Owner, Parked, ParkedReason, Piece, QueueId, Quota, Work};

/// A message with all its recipients, for one commit.
#[derive(Debug, Clone)]
pub struct Accept {
    /// A repeat with the same id gets the first answer.
    pub operation: OperationId,
    /// The envelope; its id from [`crate::Store::envelope_id`].
    pub envelope: Envelope,
    /// The recipients by domain. Remote recipients that no local domain answers for go into a
    /// part of [`mail::Tenant::HOST`].
    pub parts: Vec<Part>,
}

/// The recipients of one domain, and the message as that domain has it.
#[derive(Debug, Clone)]
pub struct Part {
    /// The domain's proof, and the principal.
    pub access: Access,
    /// The message: private bytes and ranges of the shared body, in order.
    pub pieces: Vec<Piece>,
    /// The conversation, if known.
    pub thread: Option<ThreadId>,
    /// What was decided and why, for `explain`.
    pub trace: Vec<TraceLine>,
    /// The recipients.
    pub recipients: Vec<Recipient>,
    /// Effects of the hooks of this domain.
    pub effects: Vec<Effect>,
    /// Limit of the domain.
    pub domain_quota: Quota,
}

/// One recipient.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// From [`crate::Store::recipient_id`].
    pub id: RecipientId,
    /// As given in RCPT TO, without brackets.
    pub original: String,
    /// What it became: the address that is delivered to.
    pub address: mail::Mailbox,
    /// Private bytes before the part's pieces: `Delivered-To` and the like.
    pub prefix: Vec<u8>,
    /// What is to be done; each is a row of its own with its own outcome.
    pub actions: Vec<Action>,
}

/// Something to be done for one recipient.
#[derive(Debug, Clone)]
pub enum Action {
    /// Into a mailbox, at once.
    Mailbox {
        /// Which.
        place: Place,
        /// System flags.
        flags: Flags,
        /// Limit of the mailbox's owner.
        quota: Quota,
    },
    /// Later by a worker: a hook or a delivery option.
    Process {
        /// Which: `deliver:autoreply`, `queued`, …
        stage: String,
        /// What the worker needs, up to 4 KiB.
        context: Vec<u8>,
        /// When.
        due: Timestamp,
        /// When it is given up.
        expires: Timestamp,
    },
    /// To another host.
    Remote {
        /// Channel by name.
        channel: String,
        /// Where to, if the route says so; else by MX.
        next_hop: Option<String>,
        /// When.
        due: Timestamp,
        /// When it is given up.
        expires: Timestamp,
    },
    /// Kept until somebody decides.
    Parked(Parked),
    /// A queue row as it was in another queue.
    Resumed(Box<Resumed>),
}

/// What a queue row has beside its message, to go on where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// What to do.
    pub work: Work,
    /// Kept aside: why, by kind and for people.
    pub parked: Option<(ParkedReason, String)>,
    /// When it is tried next; for a parked row when it expires.
    pub due: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// When it was accepted first.
    pub created: Timestamp,
    /// Attempts made.
    pub attempts: u32,
    /// How the last attempt ended: status and text.
    pub last: Option<(Option<EnhancedStatus>, String)>,
    /// Was the sender told of the delay?
    pub delay_told: bool,
}

/// A mailbox, by id or by what it is to its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// This one.
    Mailbox(MailboxId),
    /// The person's INBOX, made on demand.
    Inbox(PersonId),
    /// The mailbox of this name, made on demand; `/` divides levels. A group's name is without
    /// [`crate::SHARED_ROOT`].
    Named(Owner, String),
}

/// One thing decided, for `explain` and the trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// When.
    pub at: Timestamp,
    /// For which recipient; `None`: for all.
    pub recipient: Option<RecipientId>,
    /// Which step: `intake.state`, `hook.data spamfilter@1.2`, `outflow.smtp` …
    pub step: String,
    /// What it decided, and why.
    pub text: String,
}

/// A trace line as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEntry {
    /// Which message.
    pub envelope: EnvelopeId,
    /// What was decided.
    pub line: TraceLine,
}

/// What became of an [`Accept`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The envelope.
    pub envelope: EnvelopeId,
    /// Rows written into mailboxes, in the order of the actions.
    pub stored: Vec<Stored>,
    /// Rows written into the queue, in the order of the actions.
    pub queued: Vec<Queued>,
}

/// A message put into a mailbox by an accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// For whom.
    pub recipient: RecipientId,
    /// Where.
    pub mailbox: MailboxId,
    /// Epoch of its UIDs.
    pub uid_validity: UidValidity,
    /// Its number there.
    pub uid: Uid,
    /// Its id.
    pub email: EmailId,
}

/// A queue row made by an accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// For whom.
    pub recipient: RecipientId,
    /// Its id.
    pub id: QueueId,
}
