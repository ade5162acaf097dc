//! The session: bytes and answers in, steps out.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use mail::words::{self, Word};
use mail::{CloseReason, Session, Step, Transport};

use crate::connection::Connection;
use crate::state::{Awaits, ExpectLogin, State};
use crate::{Answer, Ask, Config, Event, Retrieve};

/// One connection.
#[derive(Debug)]
pub struct Pop3 {
    state: State,
    connection: Connection,
    /// When the peer last did something that counts.
    active: Instant,
    /// When it came, or the handshake ended.
    began: Instant,
}

/// Whoever does not sign in may stay as long as so many single commands, however busy: a
/// connection costs a stranger nothing.
const SIGN_IN_PATIENCE: u32 = 3;

impl Pop3 {
    /// A session on a connection that was just made; the first step is the greeting. With
    /// [`crate::Tls::Implicit`] the handshake is done before.
    pub fn new(config: Arc<Config>, transport: Transport, now: Instant) -> Self {
        let host = config.host.to_string();
        let mut connection = Connection::new(config, transport);
        connection.say_with(&words::POP3_GREETING, &[("host", &host)]);
        Self {
            state: State::ExpectLogin(ExpectLogin),
            connection,
            active: now,
            began: now,
        }
    }

    /// Its last word.
    fn end(&mut self, word: &Word) {
        self.connection.lines.clear();
        if !matches!(self.state, State::Closed) {
            self.connection.say(word);
        }
        self.state = State::Closed;
    }

    /// Takes the state out, which is for a moment `Closed`, and puts its successor in.
    fn step(&mut self, handle: impl FnOnce(State, &mut Connection) -> State) {
        let state = mem::replace(&mut self.state, State::Closed);
        self.state = handle(state, &mut self.connection);
    }

    fn stay_awake(&mut self, now: Instant) {
        self.active = now;
    }

    fn deadline(&self) -> Instant {
        let config = &self.connection.config;
        if self.state.is_signed_in() {
            return self.active + config.idle;
        }
        let one = config.sign_in;
        (self.active + one).min(self.began + one * SIGN_IN_PATIENCE)
    }
}

impl Session for Pop3 {
    type Ask = Ask;
    type Answer = Answer;
    type Event = Event;
    type Send = Retrieve;

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        // Before sign-in only a whole line counts, so that single bytes do not hold a connection.
        if bytes.contains(&b'\n') || self.state.is_signed_in() {
            self.stay_awake(now);
        }
        if !matches!(self.state, State::Closed) {
            self.connection.lines.push(bytes);
        }
    }

    fn handle_answer(&mut self, answer: Answer, now: Instant) {
        self.stay_awake(now);
        self.step(|state, connection| state.handle_answer(answer, connection));
    }

    /// Nothing is deleted.
    fn handle_event(&mut self, event: Event, _: Instant) {
        match event {
            Event::Revoked => self.end(&words::POP3_REVOKED),
        }
    }

    /// RFC 1939 §3: closed without a word, and nothing is deleted.
    fn handle_timeout(&mut self, _: Instant) {
        self.state = State::Closed;
    }

    fn handle_transport(&mut self, transport: Transport, now: Instant) {
        self.stay_awake(now);
        self.began = now;
        self.step(|state, connection| match state {
            State::ExpectHandshake(state) => state.handle(transport, connection),
            other => other,
        });
    }

    /// Nothing is deleted, whatever the reason.
    fn handle_closed(&mut self, reason: CloseReason) {
        if reason == CloseReason::Shutdown {
            self.end(&words::POP3_SHUTTING_DOWN);
        }
        self.connection.lines.clear();
        self.state = State::Closed;
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.deadline())
    }

    fn poll_step(&mut self) -> Step<Ask, Retrieve> {
        loop {
            if let Some(step) = self.connection.steps.pop_front() {
                return step;
            }
            match self.state.awaits() {
                Awaits::Line(kind) => match self.connection.lines.next(kind) {
                    Some(line) => {
                        self.step(|state, connection| state.handle_line(line, connection));
                    }
                    None => return Step::NeedInput,
                },
                Awaits::Host => return Step::NeedInput,
                Awaits::Nothing => match &self.state {
                    State::Listing(_) => self.step(|state, connection| match state {
                        State::Listing(listing) => listing.go_on(connection),
                        other => other,
                    }),
                    _ => return Step::Close,
                },
            }
        }
    }
}
