//! The host opens a message.

use mail::words;

use super::{ExpectCommand, State, trouble};
use crate::connection::Connection;
use crate::maildrop::Maildrop;
use crate::{Answer, Extent, Retrieve};

/// After RETR or TOP. Only when the message is open is `+OK` said: nothing can be taken back.
#[derive(Debug)]
pub(crate) struct ExpectMessage {
    maildrop: Maildrop,
    retrieve: Retrieve,
    size: u64,
}

impl ExpectMessage {
    pub(super) const fn new(maildrop: Maildrop, retrieve: Retrieve, size: u64) -> Self {
        Self {
            maildrop,
            retrieve,
            size,
        }
    }

    pub(super) fn handle(self, answer: Answer, connection: &mut Connection) -> State {
        match answer {
            Answer::Opened => {
                match self.retrieve.extent {
                    Extent::Whole => {
                        let bytes = self.size.to_string();
                        connection.say_with(&words::POP3_MESSAGE_FOLLOWS, &[("bytes", &bytes)]);
                    }
                    Extent::Top { .. } => connection.say(&words::POP3_TOP_FOLLOWS),
                }
                connection.send(self.retrieve);
            }
            Answer::Gone => connection.say(&words::POP3_NO_MESSAGE),
            Answer::Damaged => connection.say(&words::POP3_DAMAGED),
            Answer::Unavailable => connection.say(&words::POP3_TEMPORARY),
            _ => return trouble(connection),
        }
        State::ExpectCommand(ExpectCommand::new(self.maildrop))
    }
}
