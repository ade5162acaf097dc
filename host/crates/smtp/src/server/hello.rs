//! The beginning and the end of a session: greeting, EHLO, QUIT.

use mail::{Reply, words};

use super::Answer;
use super::ask::Ask;
use super::chunk;
use super::command::Command;
use super::connection::{Connection, sequence};
use super::sender::ExpectMail;
use super::state::State;

/// The host looks at the peer.
#[derive(Debug)]
pub(super) struct ExpectConnectAnswer;

impl ExpectConnectAnswer {
    pub(super) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> State {
        // RFC 5321 §4.3.1: the client waits for the greeting.
        if !connection.input.is_empty() {
            connection.say(&words::PIPELINING_UNEXPECTED);
            connection.close();
            return State::Closed;
        }
        match answer.reply() {
            None => connection.say(&words::GREETING),
            Some(reply) if reply.code().is_positive() => {
                let host = connection.config.hostname.as_str();
                connection.reply(&Reply::plain(220, format!("{host} {}", reply.text())));
            }
            Some(reply) => {
                connection.reply(&reply);
                return State::Refused(ExpectQuit);
            }
        }
        State::Hello(ExpectHello)
    }
}

/// The greeting was a refusal. RFC 5321 §3.1: everything but QUIT gets 503.
#[derive(Debug)]
pub(super) struct ExpectQuit;

impl ExpectQuit {
    pub(super) fn handle_command(
        self,
        command: &Command<'_>,
        connection: &mut Connection,
    ) -> State {
        match command {
            Command::Quit => return quit(connection),
            Command::Chunk { .. } => {
                connection.refuse_sequence("QUIT");
                connection.close();
            }
            _ => connection.refuse_sequence("QUIT"),
        }
        State::Refused(self)
    }
}

/// Greeted; the peer has not said who it is, or has to say it again after STARTTLS.
#[derive(Debug)]
pub(super) struct ExpectHello;

impl ExpectHello {
    pub(super) fn handle_command(self, command: Command<'_>, connection: &mut Connection) -> State {
        match command {
            Command::Hello { name, extended } => {
                ask_hello(name, extended, After::Hello, connection)
            }
            Command::Chunk { size, .. } => {
                chunk::refuse(size, sequence("EHLO"), After::Hello, connection)
            }
            Command::Reset => {
                connection.say(&words::RESET_OK);
                State::Hello(self)
            }
            command => handle_common(&command, State::Hello(self), "EHLO", connection),
        }
    }
}

/// Where a session goes on after something that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Hello,
    Mail,
}

impl From<After> for State {
    fn from(after: After) -> Self {
        match after {
            After::Hello => Self::Hello(ExpectHello),
            After::Mail => Self::Mail(ExpectMail),
        }
    }
}

/// The host looks at the name.
#[derive(Debug)]
pub(super) struct ExpectHelloAnswer {
    name: String,
    extended: bool,
    before: After,
}

/// Asks whether the name is welcome. `before` is where a refusal leads back to (RFC 5321
/// §4.1.4: a failing EHLO changes nothing).
pub(super) fn ask_hello(
    name: &str,
    extended: bool,
    before: After,
    connection: &mut Connection,
) -> State {
    connection.ask(Ask::Hello {
        name: name.to_owned(),
        extended,
        transport: connection.transport.clone(),
    });
    State::HelloAnswer(ExpectHelloAnswer {
        name: name.to_owned(),
        extended,
        before,
    })
}

impl ExpectHelloAnswer {
    pub(super) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> State {
        if let Some(reply) = answer.reply().filter(|reply| !reply.code().is_positive()) {
            connection.reply(&reply);
            return self.before.into();
        }
        let names = [
            ("host", connection.config.hostname.as_str()),
            ("client", self.name.as_str()),
        ];
        let mut lines = vec![words::EHLO_GREETING.text_with(&names)];
        if self.extended {
            lines.extend(extensions(connection));
        }
        connection.reply(&Reply::plain(250, lines.join("\n")));
        State::Mail(ExpectMail)
    }
}

/// The extensions as they are now: STARTTLS and AUTH depend on the transport.
fn extensions(connection: &Connection) -> Vec<String> {
    let limits = &connection.config.limits;
    let mut lines = vec![
        "PIPELINING".to_owned(),                         // RFC 2920
        format!("SIZE {}", limits.message_bytes),        // RFC 1870
        "8BITMIME".to_owned(),                           // RFC 6152
        "SMTPUTF8".to_owned(),                           // RFC 6531
        "ENHANCEDSTATUSCODES".to_owned(),                // RFC 2034
        "CHUNKING".to_owned(),                           // RFC 3030
        format!("LIMITS RCPTMAX={}", limits.recipients), // RFC 9422
    ];
    if connection.config.dsn {
        lines.push("DSN".to_owned()); // RFC 3461
    }
    if connection.offers_starttls() {
        lines.push("STARTTLS".to_owned()); // RFC 3207
    }
    if connection.offers_auth() && !connection.is_authenticated {
        let names = sasl::Mechanism::ALL.map(sasl::Mechanism::name).join(" ");
        lines.push(format!("AUTH {names}")); // RFC 4954
    }
    lines
}

/// Commands that mean the same in every state; what is left came too early.
pub(super) fn handle_common(
    command: &Command<'_>,
    state: State,
    expected: &str,
    connection: &mut Connection,
) -> State {
    match command {
        Command::Noop => connection.say(&words::NOOP_OK),
        Command::Help => connection.say(&words::HELP),
        // RFC 5321 §7.3: nothing is told, so that nothing can be harvested.
        Command::Verify => connection.say(&words::VERIFY_NOT_TOLD),
        Command::Quit => return quit(connection),
        _ => connection.refuse_sequence(expected),
    }
    state
}

pub(super) fn quit(connection: &mut Connection) -> State {
    connection.ask(Ask::Quit);
    State::QuitAnswer(ExpectQuitAnswer)
}

/// The host was told of QUIT.
#[derive(Debug)]
pub(super) struct ExpectQuitAnswer;

impl ExpectQuitAnswer {
    pub(super) fn handle_answer(self, connection: &mut Connection) -> State {
        connection.say(&words::CLOSING);
        connection.close();
        State::Closed
    }
}
