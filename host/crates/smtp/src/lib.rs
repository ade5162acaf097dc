//! SMTP as pure protocol sessions: [`server`] for mail that comes in, [`client`] for mail that
//! goes out.
//!
//! ```text
//!              MX, submission                                     next hop, smart host
//!   peer ─ bytes ─> server::Server ─ Ask ─> host     delivery ─> client::Client ─ bytes ─> peer
//!        <─ reply ─                <─ Answer ─                <─ Report ─
//!                        Body ─> store                   store ─> body
//! ```
//!
//! Invariants, on both sides:
//! - only CRLF ends a line, and only CRLF "." CRLF ends a message (RFC 5321 §2.3.8, §4.1.1.4):
//!   the server refuses what is not so, the client never writes it;
//! - whatever came in plaintext behind STARTTLS is never used (RFC 3207 §6);
//! - no buffer grows with what the peer sends: a line, a reply or a chunk has its bound in
//!   [`mail::limits`] or in the constants here;
//! - the same bytes in any chunking give the same steps.
//!
//! It fails by replies (server) and by outcomes (client), never by panicking.
//!
//! It does not know sockets, clocks, TLS, DNS, the directory, the store or plugins. Who may send
//! what to whom is the host's answer.
#![warn(missing_docs)]

pub mod client;
pub mod server;
