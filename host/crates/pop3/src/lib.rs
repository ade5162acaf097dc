//! POP3 as a pure protocol session (RFC 1939, 2449, 2595, 3206, 5034).
//!
//! ```text
//!   bytes ─> lines ─> command ─> state ─┬─> Write (replies)
//!                                  ▲    ├─> Ask:  who is it, what is in the maildrop,
//!   Answer ────────────────────────┘    │         open a message, delete what is marked
//!                                       └─> Send: a message, which the host runs through a
//!                                           Stuffer on its way to the peer
//!
//!   ExpectLogin <─> ExpectPassword     USER
//!    │  ▲  └─> ExpectResponse          AUTH, the line that follows
//!    │  └──── ExpectHandshake          STLS
//!    └─> ExpectVerdict ─> ExpectMaildrop ─> ExpectCommand <─> ExpectMessage
//!                                               └─> ExpectDeletion (QUIT) ─> Closed
//! ```
//!
//! Invariants
//! - Messages are deleted by QUIT alone, all that are marked or none, in one [`Ask::Delete`].
//!   Time-out, shutdown and a lost connection delete nothing (RFC 1939 §6).
//! - No name and no password is taken in plaintext.
//! - What comes in plaintext behind STLS is never executed.
//! - While an [`Ask`] is open no input is executed.
//! - What goes out is bounded by what is in the maildrop: lists are made in pieces, messages
//!   stream from the host.
//!
//! How it fails: the peer's fault is `-ERR` with a text of `mail::words`, and after 20 wrong
//! commands or 3 failed logins the end; our trouble is `-ERR [SYS/TEMP]`; an answer of the host
//! that does not fit its question closes the connection.
//!
//! What it does not know: people, passwords, the store, when a mailbox is in use.
#![warn(missing_docs)]

mod ask;
mod capability;
mod command;
mod config;
mod connection;
mod lines;
mod maildrop;
mod session;
mod state;
mod stuffer;
#[cfg(test)]
mod tests;

pub use ask::{Answer, Ask, Event, Extent, Retrieve};
pub use config::{Config, Tls};
pub use maildrop::Row;
pub use session::Pop3;
pub use stuffer::{Progress, Stuffer};
