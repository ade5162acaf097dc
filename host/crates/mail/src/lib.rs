//! The vocabulary of mail: what every other part of Postroom speaks in.
//!
//! Addresses, envelopes, status codes, ids, limits, the view of a message, the shape of a pure
//! protocol session, and the table of all texts that people see. A value that exists here has
//! been checked: parsing happens once, at the edge, and inside there are no raw strings for
//! meaning.
//!
//! Invariants: no I/O, no clock, no async; nothing here knows a protocol, the store, the
//! directory or a plugin. It fails only by returning an error of the type that was parsed.
#![warn(missing_docs)]

mod access;
mod address;
mod domain;
mod envelope;
pub mod header;
mod ids;
pub mod limits;
mod localpart;
pub mod message;
mod outcome;
mod secret;
mod session;
mod status;
mod time;
pub mod trace;
mod uids;
pub mod words;

pub use access::{Access, Principal, Tenant};
pub use address::{AddressError, ForwardPath, Mailbox, ReversePath};
pub use domain::{Domain, DomainError};
pub use envelope::{Body, Direction, Envelope, Service};
pub use ids::{
    BodyId, DomainId, EmailId, EnvelopeId, GroupId, IdError, MailboxId, ModSeq, OperationId,
    PersonId, RecipientId, ThreadId, Uid, UidValidity,
};
pub use localpart::{Localpart, LocalpartError};
pub use outcome::Outcome;
pub use secret::Secret;
pub use session::{CloseReason, Session, Step, Transport};
pub use status::{Class, EnhancedStatus, Reply, ReplyCode, StatusError};
pub use time::Timestamp;
pub use uids::Uids;
