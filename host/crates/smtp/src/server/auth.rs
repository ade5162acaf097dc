//! AUTH (RFC 4954).

use mail::words;
use sasl::{Exchange, Mechanism, Progress, SaslError};

use super::Answer;
use super::ask::Ask;
use super::config::Mode;
use super::connection::Connection;
use super::sender::ExpectMail;
use super::state::State;

/// AUTH was sent.
pub(super) fn start(mechanism: &str, initial: Option<&[u8]>, connection: &mut Connection) -> State {
    let refusal = if connection.config.mode == Mode::Mx {
        &words::AUTH_NOT_OFFERED
    } else if !connection.transport.encrypted {
        &words::AUTH_NEEDS_TLS
    } else if connection.is_authenticated {
        &words::AUTH_ALREADY
    } else if let Some(mechanism) = Mechanism::parse(mechanism) {
        return go_on(Exchange::start(mechanism, initial), mechanism, connection);
    } else {
        &words::PARAMETER_NOT_IMPLEMENTED
    };
    connection.refuse_command(refusal);
    State::Mail(ExpectMail)
}

fn go_on(
    progress: Result<Progress, SaslError>,
    mechanism: Mechanism,
    connection: &mut Connection,
) -> State {
    let refusal = match progress {
        Ok(Progress::Challenge { line, exchange }) => {
            connection.reply(&words::AUTH_CONTINUE.reply_with(&[("challenge", &line)]));
            return State::AuthResponse(ExpectAuthResponse {
                exchange,
                mechanism,
            });
        }
        Ok(Progress::Done(credentials)) => {
            connection.ask(Ask::Authenticate {
                credentials,
                mechanism,
            });
            return State::AuthAnswer(ExpectAuthAnswer);
        }
        Err(SaslError::Cancelled) => {
            connection.refuse_command(&words::AUTH_CANCELLED);
            return State::Mail(ExpectMail);
        }
        Err(SaslError::TooLong) => &words::LINE_TOO_LONG,
        Err(SaslError::Empty) => &words::AUTH_FAILED,
        Err(_) => &words::AUTH_MALFORMED,
    };
    connection.refuse_login(&refusal.reply());
    State::Mail(ExpectMail)
}

/// A challenge was sent.
#[derive(Debug)]
pub(super) struct ExpectAuthResponse {
    exchange: Exchange,
    mechanism: Mechanism,
}

impl ExpectAuthResponse {
    pub(super) fn handle_line(self, line: &[u8], connection: &mut Connection) -> State {
        go_on(self.exchange.handle_line(line), self.mechanism, connection)
    }

    pub(super) fn handle_too_long(self, connection: &mut Connection) -> State {
        go_on(Err(SaslError::TooLong), self.mechanism, connection)
    }
}

/// The host checks the password.
#[derive(Debug)]
pub(super) struct ExpectAuthAnswer;

impl ExpectAuthAnswer {
    pub(super) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> State {
        let reply = answer.reply().unwrap_or_else(|| words::AUTH_OK.reply());
        if reply.code().is_permanent() {
            connection.refuse_login(&reply);
        } else {
            connection.is_authenticated = reply.code().is_positive();
            connection.reply(&reply);
        }
        State::Mail(ExpectMail)
    }
}
