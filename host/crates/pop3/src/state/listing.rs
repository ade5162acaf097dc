//! LIST and UIDL over the whole maildrop, a piece at a time.

use std::fmt::Write as _;

use mail::words;

use super::{ExpectCommand, State};
use crate::Row;
use crate::connection::Connection;
use crate::maildrop::{Maildrop, Number};

/// Messages in one piece: some 20 KiB, so that a list of any length needs no more memory.
const PIECE: usize = 1000;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// LIST.
    Sizes,
    /// UIDL.
    Ids,
}

impl What {
    pub(super) fn value(self, row: &Row) -> String {
        match self {
            Self::Sizes => row.size.to_string(),
            Self::Ids => row.email.to_string(),
        }
    }
}

/// A list of which everything up to `after` is said.
#[derive(Debug)]
pub(crate) struct Listing {
    maildrop: Maildrop,
    what: What,
    after: Number,
}

impl Listing {
    pub(super) fn start(maildrop: Maildrop, what: What, connection: &mut Connection) -> State {
        match what {
            What::Sizes => {
                let (count, bytes) = maildrop.totals();
                let values = [
                    ("count", &*count.to_string()),
                    ("bytes", &*bytes.to_string()),
                ];
                connection.say_with(&words::POP3_LISTING, &values);
            }
            What::Ids => connection.say(&words::POP3_UNIQUE_IDS),
        }
        State::Listing(Self {
            maildrop,
            what,
            after: Number(0),
        })
    }

    /// Says the next piece.
    pub(crate) fn go_on(mut self, connection: &mut Connection) -> State {
        let mut text = String::new();
        let mut last = None;
        for (number, row) in self.maildrop.remaining(self.after).take(PIECE) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{} {}\r\n", number.0, self.what.value(&row));
            last = Some(number);
        }
        match last {
            Some(number) => {
                self.after = number;
                connection.write(text);
                State::Listing(self)
            }
            None => {
                connection.write(".\r\n".to_owned());
                State::ExpectCommand(ExpectCommand::new(self.maildrop))
            }
        }
    }
}
