//! The end of a message: the host takes it, or does not.

use mail::{Reply, words};

use super::Answer;
use super::ask::Ask;
use super::connection::Connection;
use super::content::Content;
use super::sender::ExpectMail;
use super::state::State;

/// Every byte of the body was handed out: asks for the verdict.
pub(super) fn ask(content: &Content, connection: &mut Connection) -> State {
    connection.ask(Ask::EndOfData {
        size: content.size(),
        head_size: content.head_size(),
        is_eight_bit: content.is_eight_bit(),
    });
    State::EndAnswer(ExpectEndAnswer {
        size: content.size(),
    })
}

/// The host stores the message.
#[derive(Debug)]
pub(super) struct ExpectEndAnswer {
    size: u64,
}

impl ExpectEndAnswer {
    pub(super) fn handle_answer(self, answer: Answer, connection: &mut Connection) -> State {
        let reply = answer
            .reply()
            .unwrap_or_else(|| words::CHUNK_OK.reply_with(&[("bytes", &self.size.to_string())]));
        connection.reply(&reply);
        State::Mail(ExpectMail)
    }
}

impl Answer {
    /// The one reply for the peer; `None` leaves the words to the session.
    pub(super) fn reply(self) -> Option<Reply> {
        match self {
            Self::Accept => None,
            Self::Reply(reply) => Some(reply),
            Self::Replies(replies) => Some(join(replies)),
        }
    }
}

/// One reply for all recipients. Where they differ, the one after which no recipient is lost.
fn join(replies: Vec<Reply>) -> Reply {
    let caution = |reply: &Reply| match reply.code() {
        code if code.is_transient() => 0,
        code if code.is_permanent() => 1,
        _ => 2,
    };
    // No reply at all is a mistake of the host: nothing may be taken for accepted.
    let cautious = replies.into_iter().min_by_key(caution);
    cautious.unwrap_or_else(|| words::TEMPORARY_TROUBLE.reply())
}
