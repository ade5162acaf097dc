//! Mailboxes, messages and the queue, durable: one trait of domain operations, two backends.
//!
//! ```text
//!   host ── Store (trait) ──> operation ──> sequencer (one thread)
//!                                              │ plans against the view, assigns UID and modseq
//!                                              v
//!                                journal: append + one fdatasync for all who wait
//!                                              │
//!                                              v
//!   reads <── view: rows in memory over rows in redb <── applied, then the caller is answered
//! ```
//!
//! [`Store`] is what everybody uses; `Embedded` keeps it in a directory, `Memory` in memory
//! for tests: `Embedded::open(&path, Config::default())?`, `Memory::new(Config::default())`, both
//! used as `Arc<dyn Store>`. `DESIGN.md` beside this crate has every table, key, record and state.
//!
//! Invariants
//! - Every call carries an [`mail::Access`] (or a [`Lease`], which stands for one); every row is
//!   led by its domain; a foreign id answers exactly as a missing one: [`Error::NotFound`].
//! - A durable operation is one record of the journal: all of it or nothing. It is answered
//!   after its record is synced and applied; then everybody sees it, and before nobody.
//! - An [`mail::OperationId`] seen before is answered with the first answer (the last 65,536
//!   operations are remembered).
//! - Ids, UIDs, modification sequences and UIDVALIDITY are never used again.
//!
//! How it fails: a read error is that reader's ([`Error::Damaged`]); a write or sync error
//! latches, and from then on every durable call is [`Error::Latched`] until the process has been
//! restarted; a full disk is [`Error::Full`] and passes by itself.
//!
//! What it does not know: protocols, plugins, the directory, what a message means.
#![warn(missing_docs)]

mod accept;
mod audit;
mod body;
mod brought;
mod cipher;
mod config;
mod content;
mod cut;
mod effect;
mod embedded;
mod engine;
mod error;
mod head;
mod ids;
mod keyring;
mod keys;
mod leases;
mod mailbox;
mod memory;
mod message;
mod pending;
mod pins;
mod pressure;
mod purge;
mod queue;
mod rights;
mod rows;
mod sequencer;
mod service;
mod shared;
mod store;
mod trace;
mod upkeep;
mod usage;
mod view;
mod watch;

pub use accept::{
    Accept, Accepted, Action, Part, Place, Queued, Recipient, Resumed, Stored, TraceEntry,
    TraceLine,
};
pub use body::{BodyRef, BodyWriter, Piece};
pub use brought::{Brought, BroughtMailbox, BroughtMessage, BroughtRow, Mark};
pub use config::{Config, system_clock};
pub use content::Content;
pub use cut::{Cut, CutFile};
pub use effect::{Effect, KvEntry};
pub use embedded::{
    CheckedSegment, Embedded, RestoreRules, Restored, check_segment, keys_beside, mark_restoring,
};
pub use engine::feed::{Feed, FeedCursor, FeedEntry};
pub use error::{Error, OpenError, Result};
pub use head::Head;
pub use mailbox::{Mailbox, NewMailbox, SpecialUse, Status, Survey};
pub use memory::Memory;
pub use message::{
    Appended, Changes, ContentId, Copied, Destination, FlagChange, FlagOperation, Flags, Message,
    NewMessage, Source,
};
pub use pending::Pending;
pub use pins::Pin;
pub use queue::{
    Decision, Depth, Lease, Parked, ParkedReason, Priority, QueueFilter, QueueId, QueueRow,
    QueueState, Settled, Settlement, Started, Work,
};
pub use rights::{Owner, Rights};
pub use service::Engine;
pub use store::{SHARED_ROOT, Store};
pub use trace::{TraceKey, Traced};
pub use upkeep::{Checked, Collected, Files, Problem, Stats, Step, Told};
pub use usage::{Erased, Quota, Space, Standing, Usage};
pub use watch::{Change, Watch, Watched};
