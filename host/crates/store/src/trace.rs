//! What became of a message, line by line, and what it is found by.

use mail::{EnvelopeId, Mailbox};

use crate::{QueueId, TraceLine};

/// What the trace of a message is found by, inside a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceKey {
    /// The address of the sender or of a recipient.
    Address(Mailbox),
    /// The Message-ID, without its brackets.
    MessageId(String),
    /// A queue row that the message has or had.
    Row(QueueId),
}

impl TraceKey {
    /// One word for each kind, and the text that is looked for.
    pub(crate) fn parts(&self) -> (u8, String) {
        match self {
            Self::Address(address) => (1, address.key()),
            Self::MessageId(id) => (2, id.clone()),
            Self::Row(row) => (3, row.to_string()),
        }
    }
}

/// Lines for the trace of a message beside those of its [`crate::Part`], and what it is found by.
/// It lies with the domain of the operation that carries it, for as long as every trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Which message.
    pub envelope: EnvelopeId,
    /// The lines.
    pub lines: Vec<TraceLine>,
    /// What it is found by.
    pub found_by: Vec<TraceKey>,
    /// Did somebody of this domain send it? Then what the host wrote about it (its copies for
    /// other servers, which belong to no domain) is shown to this domain too.
    pub is_sender: bool,
}

impl Traced {
    /// Nothing yet.
    pub const fn new(envelope: EnvelopeId) -> Self {
        Self {
            envelope,
            lines: Vec::new(),
            found_by: Vec::new(),
            is_sender: false,
        }
    }
}
