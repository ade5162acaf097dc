//! SASL mechanisms as pure state machines, shared by SMTP, IMAP and POP3.
//!
//! A protocol reads a line, this crate reads what the line means, and the host checks what comes
//! out. Nothing here compares a password.
//!
//! ```text
//!   AUTH PLAIN [initial] ─ Exchange::start ─┬─> Done(Credentials) ───────> host
//!                                           ├─> Challenge { line, exchange } ─> peer: "334 line"
//!   next line ─ exchange.handle_line ───────┤       (the state for the answer is in it)
//!                                           └─> Err(SaslError) ─────────────> peer: "501 …"
//! ```
//!
//! Invariants: every state is consumed by the line it awaited; a login name and a password are
//! never empty, never hold NUL, are UTF-8 and at most [`IDENTITY_BYTES`] and [`PASSWORD_BYTES`]
//! long; passwords live in [`mail::Secret`] from the moment they are decoded; no error names
//! what was in the line.
//!
//! It fails by [`SaslError`] only; a failure ends the exchange, not the session.
//!
//! It does not know whether the connection is encrypted, which mechanisms a listener offers, or
//! who may act for whom: `authorization` is handed on as it was asked for.
#![warn(missing_docs)]

mod base64;
pub mod client;
mod credentials;
mod error;
mod exchange;
mod mechanism;
#[cfg(test)]
mod tests;

pub use self::base64::{decode, encode};
pub use self::credentials::{Credentials, IDENTITY_BYTES, PASSWORD_BYTES};
pub use self::error::SaslError;
pub use self::exchange::{Exchange, Progress};
pub use self::mechanism::Mechanism;

/// Longest base64 text of one response that is decoded (RFC 4954 §4 sets 12,288 for a line).
pub const RESPONSE_BASE64_BYTES: usize = mail::limits::SMTP_AUTH_LINE;
