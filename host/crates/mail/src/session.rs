//! The shape of every protocol session.
//!
//! A session is a pure state machine: it never touches a socket, a clock or a disk. Bytes and
//! answers go in by `handle_*`, steps come out by `poll_step`. `net` has the one loop that
//! drives all of them.
//!
//! ```text
//!   socket ── handle_input ──> ┌─────────┐ ── Write ──────────> socket
//!   clock  ── handle_timeout ─>│ session │ ── Ask / Body ─────> handler (host)
//!   store  ── handle_event ───>│         │ ── Send ───────────> bytes streamed from the store
//!   handler ─ handle_answer ──>└─────────┘ ── StartTls, Close
//! ```
//!
//! The rules the driver keeps:
//! - it calls `poll_step` until it gets [`Step::NeedInput`], [`Step::Ask`] or [`Step::Close`];
//! - after [`Step::Ask`] nothing but `handle_answer`, `handle_event` or `handle_closed` is
//!   called until the answer is there; input waits in the socket (and so the peer waits);
//! - after [`Step::Send`] the handler's bytes are written first, then polling goes on;
//! - after [`Step::StartTls`] with `residue: true` the connection is closed: what came in
//!   plaintext behind the command is never executed (CVE-2011-0411);
//!   with `residue: false` the handshake runs and then `handle_transport` tells the result.
//!
//! The rule a session keeps: the same bytes in any chunking give the same steps, adjacent
//! `Body` and `Write` joined, up to the first `StartTls`.

use std::net::IpAddr;
use std::time::Instant;

/// What the session knows about the connection under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// The peer.
    pub peer: IpAddr,
    /// The peer's port.
    pub peer_port: u16,
    /// Is it encrypted now?
    pub encrypted: bool,
    /// Name given by SNI, once encrypted.
    pub server_name: Option<String>,
}

/// Why a connection ended from outside the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed cleanly.
    PeerClosed,
    /// The connection broke, or TLS ended without `close_notify`.
    Broken,
    /// The server is stopping; the session may say good-bye.
    Shutdown,
}

/// What the driver shall do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<Ask, Send> {
    /// Write these bytes to the peer.
    Write(Vec<u8>),
    /// Stream bytes from the handler to the peer, then go on polling.
    Send(Send),
    /// Ask the handler, then call `handle_answer`.
    Ask(Ask),
    /// Bytes of the message that is coming in, as they are to be stored.
    Body(Vec<u8>),
    /// Forget the body bytes handed out so far; the message will not be finished.
    DiscardBody,
    /// Begin TLS. `residue` says that plaintext followed the command.
    StartTls {
        /// Did plaintext follow the command?
        residue: bool,
    },
    /// Nothing to do until there is input, an event or a time-out.
    NeedInput,
    /// Close the connection; all bytes before are written first.
    Close,
}

/// A pure protocol session.
pub trait Session {
    /// What it asks its handler.
    type Ask;
    /// What the handler answers.
    type Answer;
    /// What may happen beside (changes in a mailbox).
    type Event;
    /// What it lets the driver stream from the handler.
    type Send;

    /// Bytes from the peer.
    fn handle_input(&mut self, bytes: &[u8], now: Instant);
    /// The answer to the last `Ask`.
    fn handle_answer(&mut self, answer: Self::Answer, now: Instant);
    /// Something happened beside.
    fn handle_event(&mut self, event: Self::Event, now: Instant);
    /// The time of `poll_timeout` has come.
    fn handle_timeout(&mut self, now: Instant);
    /// The transport changed: the TLS handshake after `StartTls` is done.
    fn handle_transport(&mut self, transport: Transport, now: Instant);
    /// The connection ended, or the server stops.
    fn handle_closed(&mut self, reason: CloseReason);
    /// When `handle_timeout` is due, if ever.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What to do next.
    fn poll_step(&mut self) -> Step<Self::Ask, Self::Send>;
}
