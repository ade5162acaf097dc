//! A transaction that collects recipients: RCPT, RSET, and the way into DATA or BDAT.

use std::time::Duration;

use mail::{Reply, words};

use super::Answer;
use super::ask::Ask;
use super::chunk;
use super::command::Command;
use super::connection::{Connection, Patience};
use super::hello::{After, ask_hello, handle_common};
use super::path;
use super::sender::ExpectMail;
use super::state::State;
use super::text;

/// What the session itself must know of a transaction.
#[derive(Debug)]
pub(super) struct Transaction {
    /// SIZE of MAIL.
    pub(super) declared_size: Option<u64>,
    /// SMTPUTF8 of MAIL.
    pub(super) utf8: bool,
    /// Recipients that were accepted.
    pub(super) recipients: usize,
}

/// MAIL was accepted, and no body has begun.
#[derive(Debug)]
pub(super) struct ExpectRecipient {
    pub(super) transaction: Transaction,
}

impl ExpectRecipient {
    pub(super) fn handle_command(self, command: Command<'_>, connection: &mut Connection) -> State {
        match command {
            Command::Recipient(argument) => self.handle_recipient(argument, connection),
            Command::Data => text::ask(self.transaction, connection),
            Command::Chunk { size, last } => chunk::ask(self.transaction, size, last, connection),
            Command::Reset => reset(Then::Say, connection),
            // RFC 5321 §4.1.4: EHLO in a transaction is a RSET as well.
            Command::Hello { name, extended } => reset(
                Then::Hello {
                    name: name.to_owned(),
                    extended,
                },
                connection,
            ),
            command => handle_common(&command, State::Recipient(self), "RSET", connection),
        }
    }

    fn handle_recipient(self, argument: &str, connection: &mut Connection) -> State {
        // RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction.
        if self.transaction.recipients >= connection.config.limits.recipients {
            connection.say(&words::TOO_MANY_RECIPIENTS);
            return State::Recipient(self);
        }
        match path::parse_recipient(argument, self.transaction.utf8) {
            Ok((forward_path, parameters)) => {
                connection.ask(Ask::Recipient {
                    forward_path,
                    parameters,
                });
                State::RecipientAnswer(ExpectRecipientAnswer {
                    transaction: self.transaction,
                })
            }
            Err(word) => refuse(self.transaction, word.reply(), connection),
        }
    }
}

/// The host looks at a recipient.
#[derive(Debug)]
pub(super) struct ExpectRecipientAnswer {
    transaction: Transaction,
}

impl ExpectRecipientAnswer {
    pub(super) fn handle_answer(mut self, answer: Answer, connection: &mut Connection) -> State {
        let reply = answer
            .reply()
            .unwrap_or_else(|| words::RECIPIENT_OK.reply());
        if reply.code().is_positive() {
            self.transaction.recipients += 1;
            connection.reply(&reply);
            return State::Recipient(ExpectRecipient {
                transaction: self.transaction,
            });
        }
        refuse(self.transaction, reply, connection)
    }
}

/// Refuses a recipient: at once, or after a pause where there were many.
fn refuse(transaction: Transaction, reply: Reply, connection: &mut Connection) -> State {
    match connection.count_bad_recipient(&reply) {
        Patience::Reply => connection.reply(&reply),
        Patience::After(pause) => {
            return State::Pause(ExpectPause {
                transaction,
                reply,
                pause,
            });
        }
        Patience::End => {
            connection.reply(&reply);
            connection.say(&words::TOO_MANY_BAD_RECIPIENTS);
        }
    }
    State::Recipient(ExpectRecipient { transaction })
}

/// Too many recipients that are not here: the reply waits, and so does the peer.
#[derive(Debug)]
pub(super) struct ExpectPause {
    transaction: Transaction,
    reply: Reply,
    pause: Duration,
}

impl ExpectPause {
    /// How long.
    pub(super) const fn pause(&self) -> Duration {
        self.pause
    }

    /// The pause is over.
    pub(super) fn handle_end(self, connection: &mut Connection) -> State {
        connection.reply(&self.reply);
        State::Recipient(ExpectRecipient {
            transaction: self.transaction,
        })
    }
}

/// What comes once the host has forgotten the transaction.
#[derive(Debug)]
pub(super) enum Then {
    /// "250", to RSET.
    Say,
    /// The EHLO that ended the transaction.
    Hello { name: String, extended: bool },
    /// The chunk that ended it, to be refused at its end.
    RefuseOctets { size: u64, reply: Reply },
}

/// Tells the host that the transaction is given up before its body began.
pub(super) fn reset(then: Then, connection: &mut Connection) -> State {
    connection.ask(Ask::Reset);
    State::ResetAnswer(ExpectResetAnswer { then })
}

/// The host forgets the transaction.
#[derive(Debug)]
pub(super) struct ExpectResetAnswer {
    then: Then,
}

impl ExpectResetAnswer {
    pub(super) fn handle_answer(self, connection: &mut Connection) -> State {
        match self.then {
            Then::Say => {
                connection.say(&words::RESET_OK);
                State::Mail(ExpectMail)
            }
            Then::Hello { name, extended } => ask_hello(&name, extended, After::Mail, connection),
            Then::RefuseOctets { size, reply } => {
                chunk::discard(size, reply, After::Mail, connection)
            }
        }
    }
}
