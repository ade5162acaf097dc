//! What every state of a session needs: the way out, the way in, and the counters.

use std::collections::VecDeque;
use std::sync::Arc;

use mail::words::Word;
use mail::{Step, Transport, limits, words};

use crate::lines::Lines;
use crate::state::{ExpectLogin, State};
use crate::{Ask, Config, Retrieve};

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) config: Arc<Config>,
    pub(crate) transport: Transport,
    pub(crate) lines: Lines,
    pub(crate) steps: VecDeque<Step<Ask, Retrieve>>,
    wrong_commands: usize,
    failed_logins: usize,
}

impl Connection {
    pub(crate) fn new(config: Arc<Config>, transport: Transport) -> Self {
        Self {
            config,
            transport,
            lines: Lines::default(),
            steps: VecDeque::new(),
            wrong_commands: 0,
            failed_logins: 0,
        }
    }

    pub(crate) fn say(&mut self, word: &Word) {
        self.say_with(word, &[]);
    }

    pub(crate) fn say_with(&mut self, word: &Word, values: &[(&str, &str)]) {
        self.write(format!("{}\r\n", word.line_with(values)));
    }

    pub(crate) fn write(&mut self, text: String) {
        self.steps.push_back(Step::Write(text.into_bytes()));
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.steps.push_back(Step::Ask(ask));
    }

    pub(crate) fn send(&mut self, retrieve: Retrieve) {
        self.steps.push_back(Step::Send(retrieve));
    }

    /// The peer's mistake: says so and goes on in `state`, unless it was one too many.
    pub(crate) fn mistake(&mut self, word: &Word, state: State) -> State {
        self.wrong_commands += 1;
        if self.wrong_commands >= limits::BAD_COMMANDS {
            self.say(&words::POP3_TOO_MANY_BAD);
            return State::Closed;
        }
        self.say(word);
        state
    }

    /// The host did not let the peer in.
    pub(crate) fn login_failed(&mut self) -> State {
        self.failed_logins += 1;
        if self.failed_logins >= limits::LOGIN_FAILURES {
            self.say(&words::POP3_LOGIN_FAILURES);
            return State::Closed;
        }
        self.say(&words::POP3_AUTH_FAILED);
        State::ExpectLogin(ExpectLogin)
    }
}
