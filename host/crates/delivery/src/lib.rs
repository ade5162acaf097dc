//! Channels and their outcomes: remote, program, file; and the reports about them.
//!
//! ```text
//!   outflow (host) ── body, envelope, label or next hop ──> remote   next hop, SMTP
//!                                                           program  approved program
//!                                                           file     mbox of the domain
//!                 <── mail::Outcome ───────────────────────
//!                 ── failed or delayed recipients ────────> report   message to the sender
//! ```
//!
//! Invariants
//! - A message goes out byte for byte as it is stored. What a transport needs (dots, `From `
//!   quoting) is added on the way and taken away by the reader of the other side.
//! - A program or file is named by a label of the operator's list, never by a path from a domain.
//! - No value of a message or an address is ever read as an option, a path or a command.
//! - Every wait has an end.
//!
//! How it fails: each attempt ends in an [`mail::Outcome`]; trouble here or there is `Deferred`,
//! a refusal is `Failed`. Delivery outside the store is at least once: what is interrupted
//! between acting and noting it is repeated.
//!
//! What it does not know: the store, the queue, the directory, plugins, which attempt is due.
#![warn(missing_docs)]

pub mod exec_helper;
pub mod file;
pub mod program;
pub mod remote;
pub mod report;
