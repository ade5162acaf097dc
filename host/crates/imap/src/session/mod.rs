//! The session: one struct for each thing it may be waiting for.
//!
//! ```text
//!                 ┌──────────────────────── Finish ───────────────────────┐
//!   ExpectCommand ┼─> Running (a Job: asks, sends, writes) ─> Reporting ──┤
//!                 ├─> ExpectResponse (AUTHENTICATE) ─> Running            │
//!                 ├─> Idling (IDLE) <─> Reporting                         │
//!                 ├─> Appending (APPEND) ─────────────> Reporting ────────┤
//!                 └─> Handshaking (STARTTLS)                              v
//!                                                                   ExpectCommand
//! ```

mod append;
mod copy;
mod dispatch;
mod enable;
mod fetch;
mod job;
mod list;
mod login;
mod quota;
mod report;
mod search;
mod select;
mod store;

use std::sync::Arc;
use std::time::Instant;

use mail::words::{self, Word};
use mail::{CloseReason, Session, Step, Transport, limits};

use self::append::Appending;
use self::job::{Context, Finish, Job, Next, Progress};
use self::login::ExpectResponse;
use self::report::{Idling, Reporting};
use crate::ask::{Answer, Ask, Event, SendMessage};
use crate::config::Config;
use crate::frame::{FrameLimits, Framer};
use crate::output::Output;
use crate::parse::Stage;
use crate::view::View;

/// Whoever does not sign in may stay as long as so many single commands, however busy: a
/// connection costs a stranger nothing.
const SIGN_IN_PATIENCE: u32 = 3;

/// The server side of one IMAP connection.
///
/// The greeting is the first thing it writes. See [`mail::Session`] for how it is driven.
pub struct ImapSession {
    config: Arc<Config>,
    encrypted: bool,
    framer: Framer,
    out: Output,
    /// A step that comes when the output before it has been taken.
    held: Option<Step<Ask, SendMessage>>,
    phase: Phase,
    work: Work,
    /// Failed logins.
    failures: usize,
    /// Commands that were none.
    bad_commands: usize,
    /// Are flags told with their modification sequence (RFC 7162 §3.1)?
    condstore: bool,
    /// An event said that the selected mailbox changed.
    changed: bool,
    /// Why the session is to end when the command is done.
    ending: Option<&'static Word>,
    /// When the peer last did something that counts.
    active: Instant,
    /// When it came, or the handshake ended.
    began: Instant,
}

/// How far the session has come (RFC 3501 §3).
enum Phase {
    NotAuthenticated,
    Authenticated,
    Selected(Box<View>),
}

/// What the session is doing.
enum Work {
    ExpectCommand,
    ExpectResponse(ExpectResponse),
    Running(Running),
    Appending(Appending),
    Reporting(Reporting),
    Idling(Idling),
    /// Awaits `handle_transport`.
    Handshaking,
    Closed,
}

/// A command being carried out.
struct Running {
    tag: String,
    job: Box<dyn Job>,
    /// Set by an answer that ended it.
    finished: Option<Finish>,
}

/// What came of going on.
enum Advance {
    /// Something; go on.
    Again,
    Step(Step<Ask, SendMessage>),
}

impl ImapSession {
    /// Begins a session; the connection was made at `now`.
    pub fn new(config: Arc<Config>, transport: &Transport, now: Instant) -> Self {
        let mut session = Self {
            config,
            encrypted: transport.encrypted,
            framer: Framer::default(),
            out: Output::default(),
            held: None,
            phase: Phase::NotAuthenticated,
            work: Work::ExpectCommand,
            failures: 0,
            bad_commands: 0,
            condstore: false,
            changed: false,
            ending: None,
            active: now,
            began: now,
        };
        let greeting = words::IMAP_GREETING.text_with(&[("host", &session.config.host)]);
        let capability = session.capability();
        session
            .out
            .untagged(&format!("OK [CAPABILITY {capability}] {greeting}"));
        session
    }

    const fn stage(&self) -> Stage {
        match self.phase {
            Phase::NotAuthenticated => Stage::NotAuthenticated,
            Phase::Authenticated => Stage::Authenticated,
            Phase::Selected(_) => Stage::Selected,
        }
    }

    const fn frame_limits(&self) -> FrameLimits {
        match self.phase {
            // I02: before sign-in all literals together are small.
            Phase::NotAuthenticated => FrameLimits {
                line: limits::IMAP_PREAUTH,
                total: limits::IMAP_PREAUTH,
                literals: limits::IMAP_LITERALS,
            },
            _ => FrameLimits {
                line: limits::IMAP_LINE,
                total: limits::IMAP_LINE + limits::IMAP_LITERAL,
                literals: limits::IMAP_LITERALS,
            },
        }
    }

    fn advance(&mut self) -> Advance {
        match std::mem::replace(&mut self.work, Work::ExpectCommand) {
            Work::ExpectCommand => match self.ending {
                Some(word) => self.say_goodbye(word),
                None => self.expect_command(),
            },
            Work::ExpectResponse(state) => match self.ending {
                Some(word) => self.say_goodbye(word),
                None => self.expect_response(state),
            },
            Work::Idling(state) => match self.ending {
                Some(word) => self.say_goodbye(word),
                None => self.idle(state),
            },
            Work::Running(running) => self.run(running),
            Work::Appending(state) => self.append(state),
            Work::Reporting(state) => self.report(state),
            Work::Handshaking => self.wait(Work::Handshaking),
            Work::Closed => {
                self.work = Work::Closed;
                Advance::Step(Step::Close)
            }
        }
    }

    fn run(&mut self, mut running: Running) -> Advance {
        if let Some(finish) = running.finished {
            return self.finish(running.tag, finish);
        }
        match running.job.poll(&mut self.context()) {
            Progress::Full => {
                self.work = Work::Running(running);
                let written = self.out.take();
                Advance::Step(Step::Write(written))
            }
            Progress::Ask(ask) => self.ask(ask, Work::Running(running)),
            Progress::Send(send) => {
                self.work = Work::Running(running);
                Advance::Step(Step::Send(send))
            }
            Progress::Finish(finish) => self.finish(running.tag, finish),
        }
    }

    /// The work of a command is done: what it does to the session, what is to be told, and at
    /// the end its status response.
    fn finish(&mut self, tag: String, finish: Finish) -> Advance {
        match finish.next {
            Next::Stay => {}
            Next::SignedIn => self.phase = Phase::Authenticated,
            Next::SignInFailed => {
                self.failures += 1;
                if self.failures >= limits::LOGIN_FAILURES {
                    self.ending = Some(&words::IMAP_LOGIN_FAILURES);
                }
            }
            Next::Deselect => {
                self.phase = Phase::Authenticated;
                self.changed = false;
            }
            Next::Select(mut view) => {
                if self.condstore {
                    view.tell_modseqs();
                }
                self.phase = Phase::Selected(view);
                self.changed = false;
            }
        }
        self.work = Work::Reporting(Reporting::at_the_end(
            tag,
            finish.line,
            finish.expunges,
            finish.look,
        ));
        Advance::Again
    }

    /// The status response that ends a command.
    fn complete(&mut self, tag: &str, line: &str) -> Advance {
        self.out.tagged(tag, line);
        self.work = Work::ExpectCommand;
        if line.starts_with("BAD") {
            self.bad_commands += 1;
            if self.bad_commands >= limits::BAD_COMMANDS {
                return self.say_goodbye(&words::IMAP_TOO_MANY_BAD);
            }
        }
        Advance::Again
    }

    fn say_goodbye(&mut self, word: &Word) -> Advance {
        self.out.untagged(&word.line());
        self.work = Work::Closed;
        Advance::Again
    }

    fn ask(&mut self, ask: Ask, awaiting: Work) -> Advance {
        self.work = awaiting;
        Advance::Step(Step::Ask(ask))
    }

    fn wait(&mut self, work: Work) -> Advance {
        self.work = work;
        Advance::Step(Step::NeedInput)
    }

    fn context(&mut self) -> Context<'_> {
        let view = match &mut self.phase {
            Phase::Selected(view) => Some(&mut **view),
            _ => None,
        };
        Context {
            out: &mut self.out,
            view,
            config: &self.config,
        }
    }

    fn start(&mut self, tag: String, job: Box<dyn Job>) -> Advance {
        self.work = Work::Running(Running {
            tag,
            job,
            finished: None,
        });
        Advance::Again
    }

    /// When its patience ends.
    fn deadline(&self) -> Instant {
        match self.phase {
            Phase::NotAuthenticated => {
                let limits = &self.config.limits;
                let one = limits.sign_in().min(limits.imap_idle());
                (self.active + one).min(self.began + one * SIGN_IN_PATIENCE)
            }
            _ => self.active + self.config.limits.imap_idle(),
        }
    }
}

impl Session for ImapSession {
    type Ask = Ask;
    type Answer = Answer;
    type Event = Event;
    type Send = SendMessage;

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        if matches!(self.work, Work::Closed) {
            return;
        }
        self.framer.push(bytes);
        // Before sign-in only a whole line counts, so that single bytes do not hold a connection.
        if bytes.contains(&b'\n') || !matches!(self.phase, Phase::NotAuthenticated) {
            self.active = now;
        }
    }

    fn handle_answer(&mut self, answer: Answer, now: Instant) {
        match std::mem::replace(&mut self.work, Work::Closed) {
            Work::Running(mut running) => {
                if let Err(finish) = running.job.answer(answer, &mut self.context()) {
                    running.finished = Some(finish);
                }
                self.work = Work::Running(running);
            }
            Work::Appending(state) => self.append_answered(state, answer),
            Work::Reporting(state) => self.report_answered(state, answer),
            // Nothing was asked, or the connection ended meanwhile.
            other => self.work = other,
        }
        self.active = now;
    }

    fn handle_event(&mut self, event: Event, _now: Instant) {
        match event {
            Event::Changed => self.changed = true,
            Event::Revoked => {
                self.ending = Some(&words::IMAP_REVOKED);
                // A message on its way would hold the session as long as it likes.
                if let Work::Appending(state) = &self.work {
                    self.held = state.discard();
                    self.say_goodbye(&words::IMAP_REVOKED);
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if now < self.deadline() {
            return;
        }
        if let Work::Appending(state) = &self.work {
            self.held = state.discard();
        }
        self.say_goodbye(&words::IMAP_IDLE_TIMEOUT);
    }

    fn handle_transport(&mut self, transport: Transport, now: Instant) {
        self.encrypted = transport.encrypted;
        // RFC 3501 §6.2.1: nothing from before the handshake counts.
        self.framer.clear();
        self.failures = 0;
        self.work = Work::ExpectCommand;
        self.active = now;
        self.began = now;
    }

    fn handle_closed(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::Shutdown => self.ending = Some(&words::IMAP_SHUTTING_DOWN),
            CloseReason::PeerClosed | CloseReason::Broken => {
                if let Work::Appending(state) = &self.work {
                    self.held = state.discard();
                }
                self.work = Work::Closed;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (!matches!(self.work, Work::Closed)).then_some(self.deadline())
    }

    fn poll_step(&mut self) -> Step<Ask, SendMessage> {
        loop {
            if self.out.is_full() || self.held.is_some() && !self.out.is_empty() {
                return Step::Write(self.out.take());
            }
            if let Some(step) = self.held.take() {
                return step;
            }
            match self.advance() {
                Advance::Again => {}
                Advance::Step(step) => self.held = Some(step),
            }
        }
    }
}

#[cfg(test)]
mod tests;
