//! Work that is due later.

use std::fmt;
use std::str::FromStr;

use mail::{
    Access, Direction, DomainId, EnhancedStatus, Envelope, EnvelopeId, IdError, OperationId,
    RecipientId, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{Action, ContentId, Effect, TraceLine};

/// One row of the queue: one action for one recipient of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QueueId(pub u64);

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{:x}", self.0)
    }
}

impl FromStr for QueueId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text
            .strip_prefix('w')
            .ok_or_else(|| IdError(text.to_owned()))?;
        u64::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| IdError(text.to_owned()))
    }
}

/// What a queue row is waiting for. A row that is finished is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueState {
    /// For its due time.
    Ready,
    /// For the worker that has it; never on the disk, so a restart makes it ready.
    Leased,
    /// For somebody's decision.
    Parked(ParkedReason),
}

/// Why a row is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParkedReason {
    /// A verdict.
    Quarantine,
    /// A list's moderator.
    Moderation,
    /// State `hold` of domain or person, or an administrator.
    Hold,
    /// A plugin's circuit is open.
    Circuit,
    /// Came back with a backup.
    Restored,
}

impl ParkedReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Quarantine,
        Self::Moderation,
        Self::Hold,
        Self::Circuit,
        Self::Restored,
    ];

    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::Moderation => "moderation",
            Self::Hold => "hold",
            Self::Circuit => "circuit",
            Self::Restored => "restored",
        }
    }
}

/// A row that is kept until somebody decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Why.
    pub reason: ParkedReason,
    /// One line for people.
    pub text: String,
    /// What it becomes when released.
    pub resume: Work,
    /// When it is claimed with [`Lease::expired`] set, to be discarded or reported.
    pub expires: Option<Timestamp>,
}

/// What a worker does with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Run a hook or delivery option.
    Process {
        /// Which.
        stage: String,
        /// What it needs, up to 4 KiB.
        context: Vec<u8>,
    },
    /// Send to another host.
    Remote {
        /// Channel by name.
        channel: String,
        /// Where to, if the route says so.
        next_hop: Option<String>,
    },
}

impl Work {
    /// The name under which metrics count it: the channel, or the stage.
    pub fn channel(&self) -> &str {
        match self {
            Self::Process { stage, .. } => stage,
            Self::Remote { channel, .. } => channel,
        }
    }
}

/// Which rows are claimed first. Nobody starves: see [`crate::Store::claim_within`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A person waits: mail handed in by somebody who signed in, or by a local program.
    Submitted,
    /// Mail of other servers.
    Relayed,
    /// Made on this host: what lists and forwards send on, replies, reports.
    Made,
    /// What was tried before.
    Retried,
    /// Kept aside, and its time is over.
    Parked,
}

impl Priority {
    /// The highest first.
    pub const ALL: [Self; 5] = [
        Self::Submitted,
        Self::Relayed,
        Self::Made,
        Self::Retried,
        Self::Parked,
    ];

    pub(crate) const fn of(direction: Direction, attempts: u32, is_parked: bool) -> Self {
        match direction {
            _ if is_parked => Self::Parked,
            _ if attempts > 0 => Self::Retried,
            Direction::Submission => Self::Submitted,
            Direction::Inbound => Self::Relayed,
            Direction::Internal => Self::Made,
        }
    }
}

/// An attempt that began and may have acted outside the store (`file`, `program`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Number of the attempt.
    pub attempt: u32,
    /// The label of the file or program.
    pub label: String,
    /// Length of the file before it, in bytes.
    pub file_length: Option<u64>,
    /// When.
    pub at: Timestamp,
}

/// A row of the queue with everything a worker needs but the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// Its id.
    pub id: QueueId,
    /// Whose.
    pub domain: DomainId,
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
    /// Waiting for what.
    pub state: QueueState,
    /// Why it is parked, for people.
    pub parked: Option<String>,
    /// When it is tried next; for a parked row when it expires.
    pub due: Timestamp,
    /// Attempts made.
    pub attempts: u32,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// How the last attempt ended: status and text.
    pub last: Option<(Option<EnhancedStatus>, String)>,
    /// The attempt that began and was never settled, if the server stopped meanwhile.
    pub started: Option<Started>,
    /// Was the sender told of the delay?
    pub delay_told: bool,
    /// The bytes.
    pub content: ContentId,
    /// How many bytes.
    pub size: u64,
    /// Does it need SMTPUTF8?
    pub utf8: bool,
}

/// The right to work on a row for a while. It stands for the row's domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Never used twice; a later lease of the same row fences this one off.
    pub epoch: u64,
    /// Who has it.
    pub worker: String,
    /// Until when.
    pub until: Timestamp,
    /// Is this a parked row whose time has come, to be discarded or reported?
    pub expired: bool,
    /// The row.
    pub row: QueueRow,
}

/// How an attempt ended, with everything that joins the commit.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// A repeat with the same id gets the first answer.
    pub operation: OperationId,
    /// The row's fate.
    pub settled: Settled,
    /// Effects, in the row's domain. [`Effect::Accept`] carries follow-up mail; pieces that
    /// name a content mean one of the row's domain.
    pub effects: Vec<Effect>,
    /// For `explain`.
    pub trace: Vec<TraceLine>,
}

/// The fate of a row.
#[derive(Debug, Clone)]
pub enum Settled {
    /// Finished well: gone.
    Done,
    /// Finished badly: gone. The report is an effect, if there is one.
    Failed,
    /// Again later; counts an attempt.
    Retry {
        /// When.
        due: Timestamp,
        /// A 4.x.x status.
        status: Option<EnhancedStatus>,
        /// One line.
        text: String,
        /// Was the sender told of the delay, now or before?
        delay_told: bool,
    },
    /// Kept until somebody decides.
    Parked(Parked),
    /// Gone, and these actions instead: the next stages. The bytes may be others; `None`: the
    /// row's.
    Continue {
        /// For the same recipient.
        actions: Vec<Action>,
        /// The message as edited.
        pieces: Option<Vec<crate::Piece>>,
        /// Limit of the domain, checked in the same commit.
        domain_quota: crate::Quota,
    },
}

/// Which rows to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueFilter {
    /// Only of this message.
    pub envelope: Option<EnvelopeId>,
    /// Only of this channel or stage.
    pub channel: Option<String>,
    /// Only parked (`true`) or only not parked (`false`) rows.
    pub parked: Option<bool>,
    /// Only rows behind this one.
    pub after: Option<QueueId>,
    /// At most so many.
    pub max: usize,
}

/// What an administrator decides about a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is due at once. A parked row is refused: it is released or removed.
    Retry,
    /// It is kept aside until it is released.
    Hold,
    /// A parked row goes on with what it was parked before.
    Release,
    /// It goes for good, and nobody is told.
    Remove,
}

impl Decision {
    /// One word, as in the trace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Remove => "remove",
        }
    }
}

/// How deep the queue is for one domain and channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// The domain.
    pub domain: DomainId,
    /// The channel or stage.
    pub channel: String,
    /// Rows waiting or leased.
    pub rows: u64,
    /// Rows parked.
    pub parked: u64,
    /// When the oldest was accepted.
    pub oldest: Option<Timestamp>,
}

impl Lease {
    /// The proof of the row's domain. The row was written under that proof, and only the store
    /// makes leases.
    pub fn tenant(&self) -> mail::Tenant {
        mail::Tenant::vouch(self.row.domain)
    }
}

impl Settlement {
    /// One without effects and trace.
    pub fn new(operation: OperationId, settled: Settled) -> Self {
        Self {
            operation,
            settled,
            effects: Vec::new(),
            trace: Vec::new(),
        }
    }
}

/// The access of the whole site's queue, for lists over all domains.
pub(crate) fn is_site(access: &Access) -> bool {
    access.tenant == mail::Tenant::HOST
        && matches!(
            access.principal,
            mail::Principal::System | mail::Principal::Site
        )
}
