//! What outlives the states of a session: the way out, the counters, the settings.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use mail::words::{self, Word};
use mail::{Reply, Step, Transport, limits};

use super::ask::Ask;
use super::config::{Config, Mode, Tls};
use super::content::Violation;
use super::input::Input;

pub(super) type ServerStep = Step<Ask, Infallible>;

/// Largest amount of a refused message or chunk that is read to its end for the sake of a reply
/// the peer understands. More closes the connection.
const DISCARD_AT_LEAST: u64 = 1024 * 1024;

/// Pauses before the replies to recipients that are not here, from the twentieth on; the next
/// one is the end.
const TARPIT: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// What the refusal of a recipient brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The reply.
    Reply,
    /// The reply, after a pause.
    After(Duration),
    /// The reply, and the end of the session.
    End,
}

/// One connection, whatever state it is in.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) config: Arc<Config>,
    pub(super) transport: Transport,
    pub(super) input: Input,
    pub(super) is_authenticated: bool,
    steps: VecDeque<ServerStep>,
    bad_commands: usize,
    bad_recipients: usize,
    login_failures: usize,
    is_closed: bool,
}

impl Connection {
    pub(super) fn new(config: Arc<Config>, transport: Transport) -> Self {
        Self {
            config,
            transport,
            input: Input::default(),
            is_authenticated: false,
            steps: VecDeque::new(),
            bad_commands: 0,
            bad_recipients: 0,
            login_failures: 0,
            is_closed: false,
        }
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Is AUTH offered now? Never where a password would cross the wire in the clear, and never
    /// to other servers.
    pub(super) fn offers_auth(&self) -> bool {
        self.config.mode == Mode::Submission && self.transport.encrypted
    }

    /// Is STARTTLS offered now?
    pub(super) fn offers_starttls(&self) -> bool {
        self.config.tls == Tls::Available && !self.transport.encrypted
    }

    /// How much may be read only to be thrown away.
    pub(super) fn discard_limit(&self) -> u64 {
        self.config.limits.message_bytes.max(DISCARD_AT_LEAST)
    }

    /// Writes a reply; 421 closes (RFC 5321 §3.8).
    pub(super) fn reply(&mut self, reply: &Reply) {
        self.write(reply.wire());
        if reply.code().number() == 421 {
            self.close();
        }
    }

    /// Writes a reply from the table.
    pub(super) fn say(&mut self, word: &Word) {
        self.reply(&word.reply_with(&[("host", self.config.hostname.as_str())]));
    }

    /// Writes a reply to a command that should not have come, and counts it.
    pub(super) fn refuse_command(&mut self, word: &Word) {
        self.refuse_command_with(&word.reply());
    }

    /// "Not now: `expected` comes first", counted.
    pub(super) fn refuse_sequence(&mut self, expected: &str) {
        self.refuse_command_with(&sequence(expected));
    }

    /// As [`Self::refuse_command`], with the reply itself.
    pub(super) fn refuse_command_with(&mut self, reply: &Reply) {
        self.reply(reply);
        self.count_bad_command();
        self.check_bad_commands();
    }

    pub(super) const fn count_bad_command(&mut self) {
        self.bad_commands += 1;
    }

    /// Closes after too many commands that should not have come.
    pub(super) fn check_bad_commands(&mut self) {
        if self.bad_commands >= limits::BAD_COMMANDS {
            self.say(&words::TOO_MANY_BAD_COMMANDS);
        }
    }

    /// Counts the refusal of a recipient, unless it may be taken later. How long the reply
    /// waits: from the last that is free on it comes slower each time, and at last is the end.
    pub(super) fn count_bad_recipient(&mut self, reply: &Reply) -> Patience {
        if !reply.code().is_permanent() {
            return Patience::Reply;
        }
        self.bad_recipients += 1;
        match self.bad_recipients.checked_sub(limits::BAD_RECIPIENTS) {
            None => Patience::Reply,
            Some(slow) => TARPIT
                .get(slow)
                .map_or(Patience::End, |pause| Patience::After(*pause)),
        }
    }

    /// Writes the refusal of a login, and counts it.
    pub(super) fn refuse_login(&mut self, reply: &Reply) {
        self.reply(reply);
        self.login_failures += 1;
        if self.login_failures >= limits::LOGIN_FAILURES {
            self.say(&words::TOO_MANY_LOGIN_FAILURES);
        }
    }

    /// What a violation is answered with.
    pub(super) fn violation_reply(&self, violation: Violation) -> Reply {
        let bytes = self.config.limits.message_bytes.to_string();
        violation.word().reply_with(&[("bytes", &bytes)])
    }

    pub(super) fn ask(&mut self, ask: Ask) {
        self.push(Step::Ask(ask));
    }

    pub(super) fn body(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.push(Step::Body(bytes));
        }
    }

    pub(super) fn discard_body(&mut self) {
        self.push(Step::DiscardBody);
    }

    /// Whatever came behind STARTTLS in plaintext is dropped, and its presence told.
    pub(super) fn start_tls(&mut self) {
        let residue = !self.input.is_empty();
        self.input.clear();
        self.push(Step::StartTls { residue });
        if residue {
            self.close();
        }
    }

    /// Nothing is said or executed after this.
    pub(super) fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.input.clear();
            self.steps.push_back(Step::Close);
        }
    }

    /// Drops what was to be written to a peer that is gone.
    pub(super) fn forget_writes(&mut self) {
        self.steps.retain(|step| !matches!(step, Step::Write(_)));
    }

    /// Is a reply all there is to hand out, and still short, so that the next may join it?
    pub(super) fn may_join_writes(&self) -> bool {
        const JOINED: usize = 4096;
        self.steps.len() == 1
            && matches!(self.steps.front(), Some(Step::Write(bytes)) if bytes.len() < JOINED)
    }

    pub(super) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    pub(super) fn next_step(&mut self) -> Option<ServerStep> {
        self.steps.pop_front()
    }

    fn write(&mut self, bytes: Vec<u8>) {
        if self.is_closed {
            return;
        }
        match self.steps.back_mut() {
            Some(Step::Write(before)) => before.extend_from_slice(&bytes),
            _ => self.steps.push_back(Step::Write(bytes)),
        }
    }

    fn push(&mut self, step: ServerStep) {
        if !self.is_closed {
            self.steps.push_back(step);
        }
    }
}

/// "Not now: `expected` comes first".
pub(super) fn sequence(expected: &str) -> Reply {
    words::BAD_SEQUENCE.reply_with(&[("expected", expected)])
}
