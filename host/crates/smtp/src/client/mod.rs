//! The sending side: one connection to one server, any number of messages over it.
//!
//! ```text
//!   let mut client = Client::new(config, now);       // the TCP connection stands
//!   client.send(message, now);
//!   loop {
//!       match client.poll_step() {
//!           Step::Write(bytes) => socket.write_all(&bytes),
//!           Step::NeedInput    => select {           // never both at once without the clock
//!               0 or error from socket.read() => client.handle_closed(),
//!               n bytes                       => client.handle_input(&bytes[..n], now),
//!               client.poll_timeout()         => client.handle_timeout(now),
//!           },
//!           Step::NeedBody     => match body.next_piece() {    // 16 KiB or so at a time
//!               Some(piece) => client.handle_body(&piece, now),
//!               None        => client.handle_body_end(now),
//!           },
//!           Step::StartTls     => match handshake(socket) {
//!               Ok(tls)  => { socket = tls; client.handle_encrypted(now) }
//!               Err(why) => client.handle_tls_failed(&why.to_string()),
//!           },
//!           Step::Done(report) => { settle(report); next message: client.send(..) or client.quit(now) }
//!           Step::Ready        => client.send(..) or client.quit(now) or keep the connection,
//!           Step::Close        => break,
//!       }
//!   }
//! ```
//! Writing may block too: a driver gives each `write_all` until `poll_timeout`.
//! If the body cannot be read, drop the connection instead of ending the body: a message cut
//! short must never be followed by its final dot.

//!
//! Invariants:
//! - what goes out between 354 and the final dot holds CRLF "." CRLF once, at its end;
//! - no message is changed beyond its line endings: what the server cannot take fails;
//! - a recipient is `Done` only by a positive reply to the final dot;
//! - bytes that came before the TLS handshake ended are never read as replies.
//!
//! How it fails: every end of the connection hands out a [`Report`] for the message under way or
//! waiting, then [`Step::Close`]. What the server did not judge is deferred.

mod link;
mod offers;
mod opening;
mod ready;
mod reply;
mod state;
mod stuffing;
#[cfg(test)]
mod tests;
mod transaction;
mod types;

use std::mem;
use std::time::Instant;

use mail::words;

pub use types::{Config, Message, Protocol, Report, Stage, Step, Timeouts, TlsPolicy};

use link::Link;
use opening::{ExpectGreeting, LEFTOVER};
use reply::{Garbage, ReplyReader};
use state::State;

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    state: State,
    link: Link,
    replies: ReplyReader,
}

impl Client {
    /// A client on a connection that was just made; the server speaks first.
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            state: State::Greeting(ExpectGreeting),
            link: Link::new(config, now),
            replies: ReplyReader::default(),
        }
    }

    /// The next message. It begins when the connection is ready; one waits at a time, and a
    /// second replaces the one that waits.
    ///
    /// A client that is closed reports it at once, at [`Stage::Connection`].
    pub fn send(&mut self, message: Message, now: Instant) {
        self.link.set_now(now);
        self.link.pending = Some(message);
        self.change(|state, link| match state {
            State::Ready(state) => state.go_on(link),
            State::Closed => {
                let outcome = State::Closed.loss(link);
                link.close(&outcome)
            }
            state => state,
        });
    }

    /// Says QUIT, after the message under way.
    pub fn quit(&mut self, now: Instant) {
        self.link.set_now(now);
        self.link.is_quitting = true;
        self.change(|state, link| match state {
            State::Ready(state) => state.go_on(link),
            state => state,
        });
    }

    /// Is the connection encrypted?
    pub const fn is_encrypted(&self) -> bool {
        self.link.is_encrypted
    }

    /// Bytes from the server.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.link.set_now(now);
        if matches!(self.state, State::Closed) {
            return;
        }
        self.replies.extend(bytes);
        while !self.state.is_handshake() {
            match self.replies.next_reply() {
                Ok(None) => return,
                Ok(Some(reply)) => {
                    let has_more = !self.replies.is_empty();
                    self.change(|state, link| state.handle_reply(&reply, has_more, link));
                }
                Err(Garbage) => {
                    self.replies.clear();
                    self.change(|state, link| {
                        let outcome = link.outcome(&words::REMOTE_GARBAGE, &[]);
                        state.give_up(&outcome, link)
                    });
                }
            }
        }
        if !self.replies.is_empty() {
            self.replies.clear();
            self.change(|state, link| state.fail_tls(LEFTOVER, link));
        }
    }

    /// The next piece of the message, to `NeedBody`.
    pub fn handle_body(&mut self, piece: &[u8], now: Instant) {
        self.link.set_now(now);
        self.change(|state, link| match state {
            State::Body(state) => state.handle_body(piece, link),
            state => state,
        });
    }

    /// The message is complete, to `NeedBody`.
    pub fn handle_body_end(&mut self, now: Instant) {
        self.link.set_now(now);
        self.change(|state, link| match state {
            State::Body(state) => state.handle_body_end(link),
            state => state,
        });
    }

    /// The handshake after `StartTls` is done.
    pub fn handle_encrypted(&mut self, now: Instant) {
        self.link.set_now(now);
        self.change(|state, link| match state {
            State::Handshake(state) => state.handle_encrypted(link),
            state => state,
        });
    }

    /// The handshake failed. `detail` is for the operator and the report.
    pub fn handle_tls_failed(&mut self, detail: &str) {
        self.change(|state, link| state.fail_tls(detail, link));
    }

    /// The time of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.link.set_now(now);
        if !self.link.is_due() {
            return;
        }
        self.change(|state, link| {
            let phase = state.phase();
            let outcome = link.outcome(&words::REMOTE_TIMEOUT, &[("phase", phase)]);
            state.give_up(&outcome, link)
        });
    }

    /// The connection ended, or a write failed.
    pub fn handle_closed(&mut self) {
        self.change(|state, link| {
            let outcome = state.loss(link);
            state.give_up(&outcome, link)
        });
    }

    /// When `handle_timeout` is due, if ever.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.link.deadline()
    }

    /// What to do next.
    pub fn poll_step(&mut self) -> Step {
        self.link.next_step().unwrap_or(match self.state {
            State::Body(_) => Step::NeedBody,
            State::Ready(_) => Step::Ready,
            State::Closed => Step::Close,
            _ => Step::NeedInput,
        })
    }

    fn change(&mut self, change: impl FnOnce(State, &mut Link) -> State) {
        self.state = change(mem::take(&mut self.state), &mut self.link);
    }
}
