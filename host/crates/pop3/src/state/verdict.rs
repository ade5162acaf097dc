//! The host checks the credentials.

use mail::words;

use super::{ExpectLogin, ExpectMaildrop, State, trouble};
use crate::connection::Connection;
use crate::{Answer, Ask};

/// After PASS or AUTH.
#[derive(Debug)]
pub(crate) struct ExpectVerdict;

impl ExpectVerdict {
    pub(super) fn handle(self, answer: Answer, connection: &mut Connection) -> State {
        match answer {
            Answer::SignedIn => {
                connection.ask(Ask::OpenMaildrop);
                State::ExpectMaildrop(ExpectMaildrop)
            }
            Answer::Refused => connection.login_failed(),
            Answer::Unavailable => {
                connection.say(&words::POP3_TEMPORARY);
                State::ExpectLogin(ExpectLogin)
            }
            _ => trouble(connection),
        }
    }
}
