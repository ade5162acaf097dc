//! Between transactions: MAIL, and what is only allowed here.

use mail::words;

use super::Answer;
use super::ask::Ask;
use super::auth;
use super::chunk;
use super::command::Command;
use super::config::Mode;
use super::connection::{Connection, sequence};
use super::hello::{After, ask_hello, handle_common};
use super::parameters::MailParameters;
use super::path;
use super::recipients::{ExpectRecipient, Transaction};
use super::state::State;
use super::tls;

/// The peer is known by name; there is no transaction.
#[derive(Debug)]
pub(super) struct ExpectMail;

impl ExpectMail {
    pub(super) fn handle_command(self, command: Command<'_>, connection: &mut Connection) -> State {
        match command {
            Command::Mail(argument) => self.handle_mail(argument, connection),
            Command::Hello { name, extended } => ask_hello(name, extended, After::Mail, connection),
            Command::Chunk { size, .. } => {
                chunk::refuse(size, sequence("MAIL"), After::Mail, connection)
            }
            Command::Reset => {
                connection.say(&words::RESET_OK);
                State::Mail(self)
            }
            Command::StartTls => tls::start(connection),
            Command::Auth { mechanism, initial } => auth::start(mechanism, initial, connection),
            command => handle_common(&command, State::Mail(self), "MAIL", connection),
        }
    }

    fn handle_mail(self, argument: &str, connection: &mut Connection) -> State {
        // RFC 6409 §4.3: a submission port knows its people.
        if connection.config.mode == Mode::Submission && !connection.is_authenticated {
            let word = if connection.offers_starttls() {
                &words::TLS_REQUIRED
            } else {
                &words::AUTH_REQUIRED
            };
            connection.refuse_command(word);
            return State::Mail(self);
        }
        let (reverse_path, parameters) = match path::parse_mail(argument) {
            Ok(parsed) => parsed,
            Err(word) => {
                connection.refuse_command(word);
                return State::Mail(self);
            }
        };
        // RFC 1870 §6.1: refused here, before a byte of it comes.
        let size_max = connection.config.limits.message_bytes;
        if parameters.size.is_some_and(|size| size > size_max) {
            let bytes = size_max.to_string();
            connection.reply(&words::MESSAGE_TOO_BIG.reply_with(&[("bytes", &bytes)]));
            return State::Mail(self);
        }
        let transaction = Transaction::new(&parameters);
        connection.ask(Ask::Mail {
            reverse_path,
            parameters,
        });
        State::MailAnswer(ExpectMailAnswer { transaction })
    }
}

impl Transaction {
    const fn new(parameters: &MailParameters) -> Self {
        Self {
            declared_size: parameters.size,
            utf8: parameters.utf8,
            recipients: 0,
        }
    }
}

/// The host looks at the sender.
#[derive(Debug)]
pub(super) struct ExpectMailAnswer {
    transaction: Transaction,
}

impl ExpectMailAnswer {
    pub(super) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> State {
        let reply = answer.reply().unwrap_or_else(|| words::SENDER_OK.reply());
        connection.reply(&reply);
        if reply.code().is_positive() {
            State::Recipient(ExpectRecipient {
                transaction: self.transaction,
            })
        } else {
            State::Mail(ExpectMail)
        }
    }
}
