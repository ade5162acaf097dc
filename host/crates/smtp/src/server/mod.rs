//! The receiving side: one [`Server`] for each connection, driven as [`mail::Session`] says.
//!
//! ```text
//!   bytes ─> input ─┬─ lines ──> command ─> state ─┬─> Write (replies)
//!                   └─ bodies ─> dots, content ────┼─> Body, DiscardBody
//!   Answer ──────────────────────────> state ──────┴─> Ask
//! ```
//! `state` has the states and the ways between them; each is a struct named for what it awaits,
//! and handling something consumes it.
//!
//! Invariants:
//! - while an [`Ask`] is open no input is executed;
//! - a body byte goes out only between an accepted [`Ask::Data`] and [`Ask::EndOfData`] or
//!   `DiscardBody`, unstuffed, every line with CRLF;
//! - a body that was refused is never continued, and a chunk after it never begins a new one;
//! - octets of a chunk are never commands: a chunk is read to its end or the connection closed;
//! - between two calls of `handle_input` at most one unfinished line is held; what the driver
//!   brings in one call is held until it is used, so a driver reads only on `NeedInput`.
//!
//! Limits beside those of [`mail::limits`]: a line of a message may have [`Config::text_line`]
//! bytes; a refused message or chunk is read to its end for at most the size limit once more; a
//! message slower than [`Config::minimum_rate`] and a session older than [`Config::session_life`]
//! end with 421.
//!
//! From the twentieth recipient that is not here the replies come slower, and then comes 421.
//!
//! On shutdown it says 421 between commands, after a message that was coming in.
//!
//! It does not know which address exists, who may relay, or what hooks say.

mod ask;
mod auth;
mod chunk;
mod clock;
mod command;
mod config;
mod connection;
mod content;
mod dots;
mod end;
mod hello;
mod input;
mod parameters;
mod path;
mod recipients;
mod sender;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod tls;

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use mail::{CloseReason, Session, Step, Transport, limits, words};

pub use ask::{Answer, Ask};
pub use config::{Config, Mode, Tls};
pub use parameters::{MailParameters, Notify, OriginalRecipient, RecipientParameters, Return};

use clock::Clock;
use connection::Connection;
use hello::ExpectConnectAnswer;
use input::Frame;
use state::{Awaits, State};

/// One connection from a peer.
#[derive(Debug)]
pub struct Server {
    state: State,
    connection: Connection,
    clock: Clock,
    is_draining: bool,
}

impl Server {
    /// A session on a connection that was just made; the first step is [`Ask::Connect`]. With
    /// [`Tls::Implicit`] the handshake is done before.
    pub fn new(config: Arc<Config>, transport: Transport, now: Instant) -> Self {
        let clock = Clock::new(&config, now);
        let mut connection = Connection::new(config, transport.clone());
        connection.ask(Ask::Connect { transport });
        Self {
            state: State::ConnectAnswer(ExpectConnectAnswer),
            connection,
            clock,
            is_draining: false,
        }
    }

    /// Did somebody log in?
    pub const fn is_authenticated(&self) -> bool {
        self.connection.is_authenticated
    }

    /// Unused input in bytes: for tests of how much a peer can make a session hold.
    pub fn buffered(&self) -> usize {
        self.connection.input.unused().len()
    }

    /// Uses input, if there is any for this state. Returns whether something happened.
    fn advance(&mut self) -> bool {
        match self.state.awaits() {
            Awaits::Line(kind) => {
                if self.is_draining && !self.state.is_in_body() {
                    self.change(|state, connection| {
                        connection.say(&words::SHUTTING_DOWN);
                        state
                    });
                    return true;
                }
                match self.connection.input.next_line(kind) {
                    Frame::Incomplete => return false,
                    frame => {
                        self.change(|state, connection| state.handle_frame(&frame, connection));
                    }
                }
                self.clock.restart();
                true
            }
            Awaits::Body => self.advance_body(),
            Awaits::Pause(_) => self.advance_pause(),
            Awaits::Answer | Awaits::Nothing => false,
        }
    }

    /// A peer that has to wait may have sent some commands already, but goes on sending at its
    /// own risk; a server that stops keeps nobody waiting.
    fn advance_pause(&mut self) -> bool {
        if self.is_draining {
            self.change(State::handle_pause_end);
            return true;
        }
        if self.connection.input.unused().len() <= limits::SESSION_BUFFER {
            return false;
        }
        self.change(|state, connection| {
            connection.say(&words::TOO_MANY_BAD_RECIPIENTS);
            state
        });
        true
    }

    fn advance_body(&mut self) -> bool {
        if self.connection.input.is_empty() {
            return false;
        }
        let mut input = mem::take(&mut self.connection.input);
        let bytes = &input.unused()[..input.unused().len().min(limits::SESSION_BUFFER)];
        let mut used = 0;
        self.change(|state, connection| {
            let (count, state) = state.handle_body(bytes, connection);
            used = count;
            state
        });
        self.clock.credit(used);
        if !self.connection.is_closed() {
            input.consume(used);
            self.connection.input = input;
        }
        if self.state.awaits() != Awaits::Body {
            self.clock.restart();
        }
        true
    }

    fn change(&mut self, change: impl FnOnce(State, &mut Connection) -> State) {
        let state = change(mem::take(&mut self.state), &mut self.connection);
        self.state = if self.connection.is_closed() {
            State::Closed
        } else {
            state
        };
    }
}

impl Session for Server {
    type Ask = Ask;
    type Answer = Answer;
    type Event = Infallible;
    type Send = Infallible;

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.clock.set(now);
        if !self.connection.is_closed() {
            self.connection.input.extend(bytes);
        }
    }

    fn handle_answer(&mut self, answer: Answer, now: Instant) {
        self.clock.set(now);
        self.clock.restart();
        self.change(|state, connection| state.handle_answer(answer, connection));
    }

    fn handle_event(&mut self, event: Infallible, _now: Instant) {
        match event {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.clock.set(now);
        if let Awaits::Pause(pause) = self.state.awaits()
            && self.clock.is_pause_over(pause)
        {
            self.clock.restart();
            self.change(State::handle_pause_end);
            return;
        }
        if self.poll_timeout().is_none() || !self.clock.is_due() {
            return;
        }
        if self.state.is_in_body() {
            self.connection.discard_body();
        }
        self.connection.say(&words::IDLE_TIMEOUT);
        self.state = State::Closed;
    }

    fn handle_transport(&mut self, transport: Transport, now: Instant) {
        self.clock.set(now);
        self.clock.restart();
        self.connection.transport = transport;
        self.change(|state, connection| match state {
            State::Handshake(state) => state.handle_encrypted(connection),
            state => state,
        });
    }

    fn handle_closed(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::Shutdown => self.is_draining = true,
            CloseReason::PeerClosed | CloseReason::Broken => {
                self.connection.forget_writes();
                if self.state.is_in_body() {
                    self.connection.discard_body();
                }
                self.connection.close();
                self.state = State::Closed;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if let Awaits::Pause(pause) = self.state.awaits() {
            return Some(self.clock.pause_due(pause));
        }
        // Not while the host thinks or the driver shakes hands: those have limits of their own.
        let is_waiting = matches!(self.state.awaits(), Awaits::Line(_) | Awaits::Body);
        is_waiting.then(|| self.clock.due())
    }

    fn poll_step(&mut self) -> Step<Ask, Infallible> {
        while !self.connection.has_steps() || self.connection.may_join_writes() {
            if !self.advance() {
                break;
            }
        }
        match self.connection.next_step() {
            Some(step) => step,
            None if self.connection.is_closed() => Step::Close,
            None => Step::NeedInput,
        }
    }
}
