//! Identities: numbers that are never used again.
//!
//! Names, aliases and addresses map to them, so that a rename, or a delete followed by a new
//! account of the same name, never shows old mail to a new owner.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An id that could not be read from its text form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an id")]
pub struct IdError(pub String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:x}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                    .map(Self)
                    .ok_or_else(|| IdError(text.to_owned()))
            }
        }
    };
}

id!(
    /// A virtual domain.
    DomainId, "d"
);
id!(
    /// A person of a domain.
    PersonId, "p"
);
id!(
    /// A group (distribution list or shared mailbox owner) of a domain.
    GroupId, "g"
);
id!(
    /// A mailbox (IMAP "folder"), whatever it is called at the moment.
    MailboxId, "b"
);
id!(
    /// One stored message in one mailbox (RFC 8474 EMAILID); also the POP3 UIDL.
    EmailId, "m"
);
id!(
    /// A conversation (RFC 8474 THREADID).
    ThreadId, "t"
);
id!(
    /// A body: bytes written once, shared by every row that names them.
    BodyId, "y"
);
id!(
    /// One accepted transaction; in logs, `Received` and reports as the queue id.
    EnvelopeId, "q"
);
id!(
    /// One recipient of one accepted transaction, with one queue row for each action.
    RecipientId, "r"
);

/// An operation on the store, chosen by the caller, so that a repeat is recognised (the store
/// answers a repeated operation with the first answer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId(pub u128);

/// A message's number in its mailbox, strictly ascending and never reused (RFC 3501 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub u32);

/// The epoch of a mailbox's UIDs (RFC 3501 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UidValidity(pub u32);

/// A change's number in its mailbox (RFC 7162 §3.1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct ModSeq(pub u64);
