//! The host locks the maildrop.

use mail::words;

use super::{ExpectCommand, ExpectLogin, State, trouble};
use crate::Answer;
use crate::connection::Connection;
use crate::maildrop::Maildrop;

/// The credentials were right.
#[derive(Debug)]
pub(crate) struct ExpectMaildrop;

impl ExpectMaildrop {
    pub(super) fn handle(self, answer: Answer, connection: &mut Connection) -> State {
        match answer {
            Answer::Maildrop(rows) => {
                connection.say(&words::POP3_SIGNED_IN);
                State::ExpectCommand(ExpectCommand::new(Maildrop::new(rows)))
            }
            Answer::InUse => {
                connection.say(&words::POP3_IN_USE);
                State::ExpectLogin(ExpectLogin)
            }
            Answer::Unavailable => {
                connection.say(&words::POP3_TEMPORARY);
                State::ExpectLogin(ExpectLogin)
            }
            _ => trouble(connection),
        }
    }
}
