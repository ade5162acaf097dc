//! The TRANSACTION state (RFC 1939 §5).

use mail::words;

use super::{ExpectDeletion, ExpectMessage, Listing, State, good_bye, listing, tell_capabilities};
use crate::command::Command;
use crate::connection::Connection;
use crate::maildrop::{Maildrop, Number};
use crate::{Ask, Extent, Retrieve, Row};

/// Signed in; the maildrop is ours.
#[derive(Debug)]
pub(crate) struct ExpectCommand {
    maildrop: Maildrop,
}

impl ExpectCommand {
    pub(super) const fn new(maildrop: Maildrop) -> Self {
        Self { maildrop }
    }

    pub(super) fn handle(mut self, command: Command, connection: &mut Connection) -> State {
        match command {
            Command::Capa => tell_capabilities(connection),
            Command::Stat => {
                let (count, bytes) = self.maildrop.totals();
                let values = [
                    ("count", &*count.to_string()),
                    ("bytes", &*bytes.to_string()),
                ];
                connection.say_with(&words::POP3_STAT, &values);
            }
            Command::List { number: None } => {
                return Listing::start(self.maildrop, listing::What::Sizes, connection);
            }
            Command::Uidl { number: None } => {
                return Listing::start(self.maildrop, listing::What::Ids, connection);
            }
            Command::List {
                number: Some(number),
            } => self.one(number, listing::What::Sizes, connection),
            Command::Uidl {
                number: Some(number),
            } => self.one(number, listing::What::Ids, connection),
            Command::Retr { number } => return self.open(number, Extent::Whole, connection),
            Command::Top { number, lines } => {
                return self.open(number, Extent::Top { lines }, connection);
            }
            Command::Dele { number } => self.mark(number, connection),
            Command::Noop => connection.say(&words::POP3_NOOP),
            Command::Rset => {
                self.maildrop.unmark_all();
                connection.say(&words::POP3_RESET);
            }
            Command::Quit => return self.quit(connection),
            Command::Stls | Command::User { .. } | Command::Pass { .. } | Command::Auth { .. } => {
                return connection.mistake(&words::POP3_WRONG_STATE, State::ExpectCommand(self));
            }
        }
        State::ExpectCommand(self)
    }

    /// The message of this number, or the reply that there is none.
    fn row(&self, number: Number, connection: &mut Connection) -> Option<Row> {
        let row = self.maildrop.row(number);
        if row.is_none() {
            connection.say(&words::POP3_NO_MESSAGE);
        }
        row
    }

    fn one(&self, number: Number, what: listing::What, connection: &mut Connection) {
        if let Some(row) = self.row(number, connection) {
            let values = [
                ("number", &*number.0.to_string()),
                ("value", &*what.value(&row)),
            ];
            connection.say_with(&words::POP3_SCAN_LINE, &values);
        }
    }

    fn open(self, number: Number, extent: Extent, connection: &mut Connection) -> State {
        let Some(row) = self.row(number, connection) else {
            return State::ExpectCommand(self);
        };
        connection.ask(Ask::Open { uid: row.uid });
        let retrieve = Retrieve {
            uid: row.uid,
            extent,
        };
        State::ExpectMessage(ExpectMessage::new(self.maildrop, retrieve, row.size))
    }

    fn mark(&mut self, number: Number, connection: &mut Connection) {
        if self.row(number, connection).is_some() {
            self.maildrop.mark(number);
            connection.say_with(&words::POP3_DELETED, &[("number", &number.0.to_string())]);
        }
    }

    /// The UPDATE state begins (RFC 1939 §6).
    fn quit(self, connection: &mut Connection) -> State {
        let uids = self.maildrop.marked();
        if uids.is_empty() {
            return good_bye(connection);
        }
        connection.ask(Ask::Delete { uids });
        State::ExpectDeletion(ExpectDeletion)
    }
}
