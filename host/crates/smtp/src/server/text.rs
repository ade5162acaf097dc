//! DATA: a message as dot-stuffed text (RFC 5321 §4.1.1.4).

use mail::{Reply, words};

use super::Answer;
use super::ask::Ask;
use super::chunk::{self, FirstChunk};
use super::connection::Connection;
use super::content::{Content, Violation};
use super::dots::{DotDecoder, Dots};
use super::end;
use super::recipients::{ExpectRecipient, Then, Transaction, reset};
use super::sender::ExpectMail;
use super::state::State;

/// How the body comes.
#[derive(Debug)]
pub(super) enum Framing {
    /// By DATA.
    Text,
    /// By BDAT, of which this is the first.
    Chunks(FirstChunk),
}

/// The host looks whether there is room for a body.
#[derive(Debug)]
pub(super) struct ExpectDataAnswer {
    transaction: Transaction,
    framing: Framing,
}

/// DATA: asks whether the body may come.
pub(super) fn ask(transaction: Transaction, connection: &mut Connection) -> State {
    if transaction.recipients == 0 {
        // Not counted: with PIPELINING it is what follows refused recipients.
        connection.say(&words::NO_VALID_RECIPIENTS);
        return State::Recipient(ExpectRecipient { transaction });
    }
    ask_room(transaction, Framing::Text, connection)
}

pub(super) fn ask_room(
    transaction: Transaction,
    framing: Framing,
    connection: &mut Connection,
) -> State {
    connection.ask(Ask::Data {
        declared_size: transaction.declared_size,
    });
    State::DataAnswer(ExpectDataAnswer {
        transaction,
        framing,
    })
}

impl ExpectDataAnswer {
    pub(super) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> State {
        let refusal = answer.reply().filter(|reply| !reply.code().is_positive());
        match (self.framing, refusal) {
            (Framing::Text, None) => {
                connection.say(&words::SEND_MESSAGE);
                let content = Content::new(&connection.config);
                State::Text(ExpectText {
                    decoder: DotDecoder::default(),
                    content,
                })
            }
            (Framing::Text, Some(reply)) => {
                connection.reply(&reply);
                State::Recipient(ExpectRecipient {
                    transaction: self.transaction,
                })
            }
            (Framing::Chunks(first), None) => chunk::begin(first, connection),
            // The chunk is on its way already. The transaction ends with it: a later chunk must
            // not become the beginning of the message.
            (Framing::Chunks(first), Some(reply)) => reset(
                Then::RefuseOctets {
                    size: first.size,
                    reply,
                },
                connection,
            ),
        }
    }
}

/// The text, up to the line that has only a dot.
#[derive(Debug)]
pub(super) struct ExpectText {
    decoder: DotDecoder,
    content: Content,
}

impl ExpectText {
    pub(super) fn handle_body(
        mut self,
        bytes: &[u8],
        connection: &mut Connection,
    ) -> (usize, State) {
        let mut out = Vec::with_capacity(bytes.len());
        let (used, dots) = self.decoder.decode(bytes, &mut self.content, &mut out);
        connection.body(out);
        let state = match dots {
            Dots::More => State::Text(self),
            Dots::End => end::ask(&self.content, connection),
            Dots::Violation(Violation::BareLineEnding) => {
                connection.discard_body();
                give_up(connection)
            }
            Dots::Violation(violation) => self.refuse(violation, connection),
        };
        (used, state)
    }

    /// RFC 1870 §6.3: the reply waits for the end of the text.
    fn refuse(mut self, violation: Violation, connection: &mut Connection) -> State {
        connection.discard_body();
        self.content.refuse();
        State::RefuseText(RefuseText {
            decoder: self.decoder,
            content: self.content,
            reply: connection.violation_reply(violation),
            budget: connection.discard_limit(),
        })
    }
}

/// A text that was refused, on its way to its end.
#[derive(Debug)]
pub(super) struct RefuseText {
    decoder: DotDecoder,
    content: Content,
    reply: Reply,
    /// Bytes that may still come.
    budget: u64,
}

impl RefuseText {
    pub(super) fn handle_body(
        mut self,
        bytes: &[u8],
        connection: &mut Connection,
    ) -> (usize, State) {
        let most = usize::try_from(self.budget)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (used, dots) = self
            .decoder
            .decode(&bytes[..most], &mut self.content, &mut Vec::new());
        self.budget -= used as u64;
        let state = match dots {
            Dots::End => {
                connection.reply(&self.reply);
                State::Mail(ExpectMail)
            }
            Dots::Violation(_) => give_up(connection),
            Dots::More if self.budget == 0 => {
                connection.reply(&self.reply);
                connection.close();
                State::Closed
            }
            Dots::More => State::RefuseText(self),
        };
        (used, state)
    }
}

/// Where the text ends is in doubt, so nothing that follows is looked at.
fn give_up(connection: &mut Connection) -> State {
    connection.say(&words::BARE_LINE_ENDING);
    connection.close();
    State::Closed
}
