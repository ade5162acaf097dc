//! How much is used, and how much there is.

use serde::{Deserialize, Serialize};

/// What an owner uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Composed bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// A limit on an owner's usage; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Composed bytes.
    pub bytes: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

impl Quota {
    /// No limit.
    pub const NONE: Self = Self {
        bytes: None,
        messages: None,
    };

    /// Is `usage` within it?
    pub fn allows(&self, usage: Usage) -> bool {
        self.bytes.is_none_or(|limit| usage.bytes <= limit)
            && self.messages.is_none_or(|limit| usage.messages <= limit)
    }
}

/// Room on the disk, and how the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Bytes free.
    pub free: u64,
    /// Bytes of the whole file system.
    pub total: u64,
    /// Bytes that must stay free.
    pub reserve: u64,
    /// Bytes of records not yet in the durable index.
    pub lag: u64,
    /// Bytes of operations that wait for their sync.
    pub waiting_bytes: u64,
    /// How long the oldest of these has waited, in milliseconds.
    pub waiting_ms: u64,
    /// Is the store so far behind that no mail should be taken now (451)? The bounds: 64 MiB or 2 s
    /// of waiting operations, three checkpoints of rows not yet in the index.
    pub behind: bool,
    /// Why the store takes no more changes, if so.
    pub latched: Option<String>,
}

impl Space {
    /// Is there more free than the reserve? Asked before MAIL and DATA (452 4.3.1).
    pub const fn has_room(&self) -> bool {
        self.free > self.reserve
    }
}

/// What a removal or an erasure found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// Messages there were.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How an owner stands with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is here of the owner, and never was.
    Unknown,
    /// The owner has a key, or rows.
    Known,
    /// The owner, or the whole domain, was erased or is being erased, and gets nothing again.
    Erased,
}
