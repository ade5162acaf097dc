//! AUTH, after its challenge (RFC 5034 §4).

use mail::words;
use sasl::{Exchange, Progress, SaslError};

use super::{ExpectLogin, ExpectVerdict, State};
use crate::Ask;
use crate::connection::Connection;

/// The next line is the response.
#[derive(Debug)]
pub(crate) struct ExpectResponse {
    exchange: Exchange,
}

impl ExpectResponse {
    pub(super) fn handle_line(self, line: &[u8], connection: &mut Connection) -> State {
        go_on(self.exchange.handle_line(line), connection)
    }
}

/// Carries out what an exchange came to.
pub(super) fn go_on(progress: Result<Progress, SaslError>, connection: &mut Connection) -> State {
    match progress {
        Ok(Progress::Challenge { line, exchange }) => {
            connection.write(format!("+ {line}\r\n"));
            State::ExpectResponse(ExpectResponse { exchange })
        }
        Ok(Progress::Done(credentials)) => {
            connection.ask(Ask::Authenticate(credentials));
            State::ExpectVerdict(ExpectVerdict)
        }
        Err(SaslError::Cancelled) => {
            connection.mistake(&words::POP3_AUTH_CANCELLED, State::ExpectLogin(ExpectLogin))
        }
        Err(_) => connection.mistake(&words::POP3_AUTH_MALFORMED, State::ExpectLogin(ExpectLogin)),
    }
}
