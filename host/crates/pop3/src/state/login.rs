//! The AUTHORIZATION state (RFC 1939 §4).

use mail::{Step, words};
use sasl::{Credentials, Exchange, Mechanism};

use super::{ExpectHandshake, ExpectVerdict, State, good_bye, response, tell_capabilities};
use crate::Ask;
use crate::command::Command;
use crate::config::Tls;
use crate::connection::Connection;

/// Nobody is signed in.
#[derive(Debug)]
pub(crate) struct ExpectLogin;

/// USER was given.
#[derive(Debug)]
pub(crate) struct ExpectPassword {
    name: String,
}

impl ExpectLogin {
    pub(super) fn handle(self, command: Command, connection: &mut Connection) -> State {
        match command {
            Command::Capa => {
                tell_capabilities(connection);
                State::ExpectLogin(self)
            }
            Command::Stls => self.stls(connection),
            Command::User { .. } | Command::Auth { .. } if !connection.transport.encrypted => {
                connection.say(&words::POP3_NEEDS_TLS);
                State::ExpectLogin(self)
            }
            Command::User { name } => {
                connection.say(&words::POP3_USER_OK);
                State::ExpectPassword(ExpectPassword { name })
            }
            Command::Auth { mechanism, initial } => {
                self.auth(&mechanism, initial.as_deref(), connection)
            }
            Command::Quit => good_bye(connection),
            _ => connection.mistake(&words::POP3_WRONG_STATE, State::ExpectLogin(self)),
        }
    }

    /// RFC 2595 §4. The line that asked is used up; anything behind it came too early.
    fn stls(self, connection: &mut Connection) -> State {
        if connection.config.tls != Tls::Available || connection.transport.encrypted {
            return connection.mistake(&words::POP3_TLS_NOT_OFFERED, State::ExpectLogin(self));
        }
        connection.say(&words::POP3_TLS_READY);
        let residue = !connection.lines.is_empty();
        connection.lines.clear();
        connection.steps.push_back(Step::StartTls { residue });
        if residue {
            State::Closed
        } else {
            State::ExpectHandshake(ExpectHandshake)
        }
    }

    fn auth(self, mechanism: &str, initial: Option<&str>, connection: &mut Connection) -> State {
        match Mechanism::parse(mechanism) {
            Some(mechanism @ Mechanism::Plain) => response::go_on(
                Exchange::start(mechanism, initial.map(str::as_bytes)),
                connection,
            ),
            // LOGIN is not standardised and not announced here.
            _ => connection.mistake(&words::POP3_MECHANISM_UNKNOWN, State::ExpectLogin(self)),
        }
    }
}

impl ExpectPassword {
    pub(super) fn handle(self, command: Command, connection: &mut Connection) -> State {
        let Command::Pass { password } = command else {
            // RFC 1939 §7: without PASS next, the name is forgotten.
            return ExpectLogin.handle(command, connection);
        };
        match Credentials::new(None, self.name, password) {
            Ok(credentials) => {
                connection.ask(Ask::Authenticate(credentials));
                State::ExpectVerdict(ExpectVerdict)
            }
            Err(_) => {
                connection.mistake(&words::POP3_AUTH_MALFORMED, State::ExpectLogin(ExpectLogin))
            }
        }
    }
}
