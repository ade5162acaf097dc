//! What outlives the states of a client: the way out, the settings, the message that waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mail::words::{self, Word};
use mail::{Class, EnhancedStatus, Outcome, Reply};

use super::offers::Offers;
use super::state::State;
use super::types::{Config, Message, Report, Stage, Step};

/// One connection, whatever state it is in.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) config: Config,
    pub(super) offers: Offers,
    pub(super) is_encrypted: bool,
    pub(super) is_authenticated: bool,
    /// The message to send once the connection is ready.
    pub(super) pending: Option<Message>,
    /// QUIT was asked for.
    pub(super) is_quitting: bool,
    steps: VecDeque<Step>,
    now: Instant,
    deadline: Option<Instant>,
}

impl Link {
    pub(super) fn new(config: Config, now: Instant) -> Self {
        let is_encrypted = config.encrypted;
        let mut link = Self {
            config,
            offers: Offers::default(),
            is_encrypted,
            is_authenticated: false,
            pending: None,
            is_quitting: false,
            steps: VecDeque::new(),
            now,
            deadline: None,
        };
        link.wait(link.config.timeouts.greeting);
        link
    }

    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Something is awaited, from now on.
    pub(super) fn wait(&mut self, timeout: Duration) {
        self.deadline = self.now.checked_add(timeout);
    }

    /// A reply to a command is awaited.
    pub(super) fn wait_for_command(&mut self) {
        self.wait(self.config.timeouts.command);
    }

    /// Nothing is awaited.
    pub(super) const fn wait_for_nothing(&mut self) {
        self.deadline = None;
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn is_due(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.now >= deadline)
    }

    /// Bytes to the server; adjacent ones are joined.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        match self.steps.back_mut() {
            Some(Step::Write(before)) => before.extend_from_slice(bytes),
            _ => self.steps.push_back(Step::Write(bytes.to_vec())),
        }
    }

    /// A command line without its CRLF.
    pub(super) fn command(&mut self, line: &str) {
        self.write(line.as_bytes());
        self.write(b"\r\n");
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push_back(step);
    }

    pub(super) fn next_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Hands out how a message went.
    pub(super) fn report(&mut self, outcomes: Vec<Outcome>) {
        self.push(Step::Done(Report {
            outcomes,
            stage: Stage::Transaction,
        }));
    }

    /// Ends the connection; a message that waits shares the outcome.
    pub(super) fn close(&mut self, outcome: &Outcome) -> State {
        if let Some(message) = self.pending.take() {
            let outcomes = vec![outcome.clone(); message.recipients.len()];
            self.push(Step::Done(Report {
                outcomes,
                stage: Stage::Connection,
            }));
        }
        self.wait_for_nothing();
        self.push(Step::Close);
        State::Closed
    }

    /// What a word of the table says of the server.
    pub(super) fn outcome(&self, word: &Word, values: &[(&str, &str)]) -> Outcome {
        let mut all = vec![("host", self.config.peer.as_str())];
        all.extend_from_slice(values);
        word.outcome_with(&all)
    }

    /// What a reply says of a recipient. The server's own status counts, where it gave one.
    pub(super) fn reply_outcome(&self, reply: &Reply) -> Outcome {
        let shown = reply.to_string();
        let code = reply.code();
        let (word, class) = if code.is_transient() {
            (&words::REMOTE_DEFERRED, Class::Transient)
        } else if code.is_permanent() {
            (&words::REMOTE_REFUSED, Class::Permanent)
        } else {
            return self.outcome(&words::DELIVERED, &[("reply", &shown)]);
        };
        let text = word.text_with(&[("host", &self.config.peer), ("reply", &shown)]);
        let status = reply
            .enhanced()
            .unwrap_or_else(|| EnhancedStatus::new(class, 0, 0));
        match class {
            Class::Permanent => Outcome::Failed { status, text },
            _ => Outcome::Deferred { status, text },
        }
    }

    /// As [`Self::reply_outcome`] for a phase in which no recipient was judged: a refusal is no
    /// reason to give a message up.
    pub(super) fn session_outcome(&self, reply: &Reply) -> Outcome {
        match self.reply_outcome(reply) {
            Outcome::Failed { status, text } => Outcome::Deferred {
                status: status.with_class(Class::Transient),
                text,
            },
            // Positive where it makes no sense.
            Outcome::Done { .. } => self.outcome(&words::REMOTE_GARBAGE, &[]),
            outcome => outcome,
        }
    }
}
