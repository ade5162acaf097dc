//! The host's state: what the test set up, and what the calls left.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::log::Level;
use crate::program::Ended;
use crate::{
    CheckConfig, Connect, Context, Data, Deliver, Ehlo, Mail, Message, Outcome, Rcpt, Start,
    Verdict,
};

/// Something that a call wanted to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// `submit`: a new message.
    Sent {
        /// Envelope sender, empty for `<>`.
        sender: String,
        /// Envelope recipients.
        recipients: Vec<String>,
        /// Header fields.
        headers: Vec<(String, String)>,
        /// Body.
        text: String,
        /// Was the message of the call attached?
        attached: bool,
    },
    /// `submit`: the message of the call, sent on.
    Forwarded {
        /// Envelope sender, empty for `<>`.
        sender: String,
        /// Envelope recipients.
        recipients: Vec<String>,
    },
    /// `mailbox`: a copy in a mailbox.
    Filed {
        /// The mailbox.
        mailbox: String,
        /// IMAP flags.
        flags: Vec<String>,
    },
    /// `file`: bytes at the end of a file.
    Appended {
        /// The file's label.
        label: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// `file`: the message at the end of an mbox.
    AppendedMbox {
        /// The file's label.
        label: String,
    },
    /// `edit`: a field in front.
    Prepended {
        /// Field name.
        name: String,
        /// Field value.
        value: String,
    },
    /// `edit`: a field at the end.
    AppendedHeader {
        /// Field name.
        name: String,
        /// Field value.
        value: String,
    },
    /// `edit`: one field instead of all of the name.
    Replaced {
        /// Field name.
        name: String,
        /// Field value.
        value: String,
    },
    /// `edit`: no field of the name.
    Removed {
        /// Field name.
        name: String,
    },
}

/// The fake host. Set it up with the functions that take `self`, then call hooks.
#[derive(Debug, Clone, Default)]
pub struct Host {
    pub(super) facts: Vec<(String, String)>,
    pub(super) settings: Vec<(String, String)>,
    pub(super) notes: BTreeMap<String, String>,
    pub(super) config: serde_json::Map<String, serde_json::Value>,
    pub(super) now_ms: u64,
    pub(super) kv: BTreeMap<String, (Vec<u8>, Option<u64>)>,
    pub(super) mailboxes: BTreeSet<String>,
    pub(super) files: BTreeSet<String>,
    pub(super) programs: BTreeMap<String, Ended>,
    pub(super) ran: Vec<String>,
    pub(super) message: Vec<u8>,
    pub(super) auth_results: Vec<String>,
    pub(super) effects: Vec<Effect>,
    pub(super) lines: Vec<(Level, String)>,
}

thread_local! {
    /// The host of the call that runs on this thread.
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Asks the host of the running call. A capability used outside of a call is a fault of the test.
pub(super) fn with_host<T>(ask: impl FnOnce(&mut Host) -> T) -> T {
    CURRENT.with_borrow_mut(|host| {
        ask(host
            .as_mut()
            .expect("capabilities are there only while fake::Host calls a hook"))
    })
}

impl Host {
    /// An inbound call for the domain `abc.test`, at 2026-01-01T00:00:00Z, with an empty
    /// configuration and an empty message.
    pub fn new() -> Self {
        let host = Self {
            now_ms: 1_767_225_600_000,
            ..Self::default()
        };
        host.fact("domain", "abc.test")
            .fact("direction", "inbound")
            .fact("encrypted", "false")
    }

    /// Sets a fact of the context, in place of what it was. `recipient` and others with several
    /// values: [`Host::another_fact`].
    pub fn fact(mut self, key: &str, value: &str) -> Self {
        self.facts.retain(|(known, _)| known != key);
        self.another_fact(key, value)
    }

    /// Adds a further value of a fact.
    pub fn another_fact(mut self, key: &str, value: &str) -> Self {
        self.facts.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Adds a value of a setting of the recipient.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the configuration, a JSON object.
    ///
    /// # Panics
    ///
    /// If it is not one: then the test is wrong.
    pub fn config(mut self, json: &str) -> Self {
        self.config = serde_json::from_str(json).expect("the configuration is a JSON object");
        self
    }

    /// Sets the time, in milliseconds since the Unix epoch.
    pub fn now_ms(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    /// Moves the time on.
    pub fn advance_seconds(&mut self, seconds: u64) {
        self.now_ms += seconds * 1000;
    }

    /// Makes a mailbox known.
    pub fn mailbox(mut self, name: &str) -> Self {
        self.mailboxes.insert(name.to_owned());
        self
    }

    /// Makes the label of a file known.
    pub fn file(mut self, label: &str) -> Self {
        self.files.insert(label.to_owned());
        self
    }

    /// Makes the label of a program known that ends with this exit code and output.
    pub fn program(self, label: &str, exit_code: i32, output: &str) -> Self {
        let output = output.as_bytes().to_vec();
        self.program_ended(
            label,
            Ended {
                exit_code: Some(exit_code),
                timed_out: false,
                output,
            },
        )
    }

    /// Makes the label of a program known that ends in this way.
    pub fn program_ended(mut self, label: &str, ended: Ended) -> Self {
        self.programs.insert(label.to_owned(), ended);
        self
    }

    /// Sets the message.
    pub fn message(mut self, message: impl AsRef<[u8]>) -> Self {
        self.message = message.as_ref().to_vec();
        self
    }

    /// Adds an authentication result, `spf=pass`.
    pub fn auth_result(mut self, result: &str) -> Self {
        self.auth_results.push(result.to_owned());
        self
    }

    /// Writes a kv value before the call.
    pub fn kv(mut self, key: &str, value: &[u8]) -> Self {
        self.kv.insert(key.to_owned(), (value.to_vec(), None));
        self
    }

    /// Calls hook `connect`.
    pub fn connect<T: Connect>(&mut self) -> Verdict {
        self.policy(|| T::connect(&CONTEXT))
    }

    /// Calls hook `ehlo`.
    pub fn ehlo<T: Ehlo>(&mut self) -> Verdict {
        self.policy(|| T::ehlo(&CONTEXT))
    }

    /// Calls hook `mail`.
    pub fn mail<T: Mail>(&mut self) -> Verdict {
        self.policy(|| T::mail(&CONTEXT))
    }

    /// Calls hook `rcpt` with a recipient, which stays known as one unless it is refused.
    pub fn rcpt<T: Rcpt>(&mut self, recipient: &str) -> Verdict {
        self.facts
            .push(("recipient".to_owned(), recipient.to_owned()));
        let verdict = self.policy(|| T::rcpt(&CONTEXT, recipient));
        if verdict.is_refusal() {
            self.facts.pop();
        }
        verdict
    }

    /// Calls hook `data`.
    pub fn data<T: Data>(&mut self) -> Verdict {
        self.policy(|| T::data(&CONTEXT, &MESSAGE))
    }

    /// Calls hook `deliver`.
    pub fn deliver<T: Deliver>(&mut self) -> Outcome {
        let before = self.effects.len();
        let outcome = self.call(|| T::deliver(&CONTEXT, &MESSAGE));
        if !outcome.is_done() {
            self.effects.truncate(before);
        }
        outcome
    }

    /// Calls hook `start`.
    pub fn start<T: Start>(&mut self) -> Result<(), String> {
        self.call(T::start)
    }

    /// Calls hook `check-config`.
    pub fn check_config<T: CheckConfig>(&mut self, config: &str) -> Result<(), String> {
        self.call(|| T::check_config(config))
    }

    /// What would happen: the effects of the calls that returned well, in order. What a refusal,
    /// or a delivery that is not done, wanted to happen is not among them.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// The value of a kv key.
    pub fn kv_value(&self, key: &str) -> Option<&[u8]> {
        let (value, ends_ms) = self.kv.get(key)?;
        ends_ms
            .is_none_or(|end| end > self.now_ms)
            .then_some(value.as_slice())
    }

    /// The labels of the programs that were run.
    pub fn programs_run(&self) -> &[String] {
        &self.ran
    }

    /// The log.
    pub fn log_lines(&self) -> &[(Level, String)] {
        &self.lines
    }

    fn policy(&mut self, hook: impl FnOnce() -> Verdict) -> Verdict {
        let before = self.effects.len();
        let verdict = self.call(hook);
        if verdict.is_refusal() {
            self.effects.truncate(before);
        }
        verdict
    }

    fn call<T>(&mut self, hook: impl FnOnce() -> T) -> T {
        CURRENT.set(Some(std::mem::take(self)));
        let answer = hook();
        if let Some(host) = CURRENT.take() {
            *self = host;
        }
        answer
    }
}

const CONTEXT: Context<'_> = Context(super::border::CONTEXT);
const MESSAGE: Message<'_> = Message(super::border::MESSAGE);
