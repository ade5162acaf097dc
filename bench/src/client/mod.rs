//! Clients that say little and count what comes back.

mod imap;
mod pop3;
mod smtp;
mod tls;
mod wire;

pub(crate) use imap::Imap;
pub(crate) use pop3::Pop3;
pub(crate) use smtp::{Begun, Sent, Smtp, transaction};
