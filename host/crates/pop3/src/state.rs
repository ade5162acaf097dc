//! The states, one struct for each, named for what it awaits. Handling something consumes it.

mod deletion;
mod handshake;
mod listing;
mod login;
mod maildrop;
mod message;
mod response;
mod transaction;
mod verdict;

use mail::words;

use crate::Answer;
use crate::command::{Command, Mistake};
use crate::connection::Connection;
use crate::lines::{Kind, Line};

pub(crate) use deletion::ExpectDeletion;
pub(crate) use handshake::ExpectHandshake;
pub(crate) use listing::Listing;
pub(crate) use login::{ExpectLogin, ExpectPassword};
pub(crate) use maildrop::ExpectMaildrop;
pub(crate) use message::ExpectMessage;
pub(crate) use response::ExpectResponse;
pub(crate) use transaction::ExpectCommand;
pub(crate) use verdict::ExpectVerdict;

#[derive(Debug)]
pub(crate) enum State {
    ExpectLogin(ExpectLogin),
    ExpectPassword(ExpectPassword),
    ExpectResponse(ExpectResponse),
    ExpectHandshake(ExpectHandshake),
    ExpectVerdict(ExpectVerdict),
    ExpectMaildrop(ExpectMaildrop),
    ExpectCommand(ExpectCommand),
    ExpectMessage(ExpectMessage),
    /// Says the next piece of a list; awaits nothing.
    Listing(Listing),
    ExpectDeletion(ExpectDeletion),
    Closed,
}

/// What a state waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaits {
    Line(Kind),
    /// An answer, or the handshake.
    Host,
    Nothing,
}

impl State {
    pub(crate) const fn awaits(&self) -> Awaits {
        match self {
            Self::ExpectLogin(_) | Self::ExpectPassword(_) | Self::ExpectCommand(_) => {
                Awaits::Line(Kind::Command)
            }
            Self::ExpectResponse(_) => Awaits::Line(Kind::Response),
            Self::ExpectHandshake(_)
            | Self::ExpectVerdict(_)
            | Self::ExpectMaildrop(_)
            | Self::ExpectMessage(_)
            | Self::ExpectDeletion(_) => Awaits::Host,
            Self::Listing(_) | Self::Closed => Awaits::Nothing,
        }
    }

    /// Is there a person with an open maildrop?
    pub(crate) const fn is_signed_in(&self) -> bool {
        matches!(
            self,
            Self::ExpectCommand(_)
                | Self::ExpectMessage(_)
                | Self::Listing(_)
                | Self::ExpectDeletion(_)
        )
    }

    /// A line came; only for states that await one.
    pub(crate) fn handle_line(self, line: Line, connection: &mut Connection) -> Self {
        let line = match line {
            Line::Whole(line) => line,
            Line::TooLong => {
                let state = self.without_response();
                return connection.mistake(&words::POP3_LINE_TOO_LONG, state);
            }
        };
        match self {
            Self::ExpectResponse(state) => state.handle_line(&line, connection),
            state => match Command::parse(&line) {
                Ok(command) => state.handle_command(command, connection),
                Err(Mistake::Unknown) => connection.mistake(&words::POP3_UNKNOWN_COMMAND, state),
                Err(Mistake::Syntax) => connection.mistake(&words::POP3_SYNTAX, state),
            },
        }
    }

    fn handle_command(self, command: Command, connection: &mut Connection) -> Self {
        match self {
            Self::ExpectLogin(state) => state.handle(command, connection),
            Self::ExpectPassword(state) => state.handle(command, connection),
            Self::ExpectCommand(state) => state.handle(command, connection),
            other => other,
        }
    }

    /// The host's answer. One that fits no question is our bug: the connection ends.
    pub(crate) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> Self {
        match self {
            Self::ExpectVerdict(state) => state.handle(answer, connection),
            Self::ExpectMaildrop(state) => state.handle(answer, connection),
            Self::ExpectMessage(state) => state.handle(answer, connection),
            Self::ExpectDeletion(state) => state.handle(&answer, connection),
            // It ended while the host was asked.
            Self::Closed => Self::Closed,
            _ => trouble(connection),
        }
    }

    /// An exchange does not outlive a line that was none.
    fn without_response(self) -> Self {
        match self {
            Self::ExpectResponse(_) => Self::ExpectLogin(ExpectLogin),
            other => other,
        }
    }
}

/// Our bug: says that it is ours, and ends.
fn trouble(connection: &mut Connection) -> State {
    connection.say(&words::POP3_TROUBLE);
    State::Closed
}

/// CAPA, in every state.
fn tell_capabilities(connection: &mut Connection) {
    connection.say(&words::POP3_CAPABILITIES);
    let list = crate::capability::capabilities(connection);
    connection.write(format!("{}\r\n.\r\n", list.join("\r\n")));
}

/// QUIT with nothing to delete.
fn good_bye(connection: &mut Connection) -> State {
    let host = connection.config.host.to_string();
    connection.say_with(&words::POP3_BYE, &[("host", &host)]);
    State::Closed
}
