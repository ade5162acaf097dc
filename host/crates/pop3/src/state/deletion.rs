//! The host deletes what is marked.

use mail::words;

use super::{State, good_bye, trouble};
use crate::Answer;
use crate::connection::Connection;

/// After QUIT. Whatever comes, the session ends.
#[derive(Debug)]
pub(crate) struct ExpectDeletion;

impl ExpectDeletion {
    pub(super) fn handle(self, answer: &Answer, connection: &mut Connection) -> State {
        match answer {
            Answer::Deleted => good_bye(connection),
            Answer::Unavailable => {
                connection.say(&words::POP3_NOT_DELETED);
                State::Closed
            }
            _ => trouble(connection),
        }
    }
}
