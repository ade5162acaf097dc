//! BDAT: a message in chunks of declared size (RFC 3030 §2).

use mail::{Reply, words};

use super::command::Command;
use super::connection::Connection;
use super::content::{Content, Violation};
use super::end;
use super::hello::{After, ask_hello, handle_common, quit};
use super::recipients::{Then, Transaction, reset};
use super::sender::ExpectMail;
use super::state::State;
use super::text::{Framing, ask_room};

/// The chunk that began the body.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstChunk {
    pub(super) size: u64,
    last: bool,
}

/// The first BDAT of a transaction: asks whether the body may come.
pub(super) fn ask(
    transaction: Transaction,
    size: u64,
    last: bool,
    connection: &mut Connection,
) -> State {
    if transaction.recipients == 0 {
        let reply = words::NO_VALID_RECIPIENTS.reply();
        return reset(Then::RefuseOctets { size, reply }, connection);
    }
    ask_room(
        transaction,
        Framing::Chunks(FirstChunk { size, last }),
        connection,
    )
}

/// The host has room: the octets of the first chunk follow.
pub(super) fn begin(first: FirstChunk, connection: &mut Connection) -> State {
    let content = Content::new(&connection.config);
    expect_octets(content, first.size, first.last, connection)
}

fn expect_octets(content: Content, size: u64, last: bool, connection: &mut Connection) -> State {
    // A size over the limit is refused before anything of it is read, let alone allocated.
    if content.size().saturating_add(size) > connection.config.limits.message_bytes {
        return refuse_body(Violation::Size, size, connection);
    }
    let state = ExpectOctets {
        content,
        size,
        remaining: size,
        last,
    };
    if size == 0 {
        state.complete(connection)
    } else {
        State::Octets(state)
    }
}

/// Inside a chunk. Nothing in it is a command.
#[derive(Debug)]
pub(super) struct ExpectOctets {
    content: Content,
    size: u64,
    remaining: u64,
    last: bool,
}

impl ExpectOctets {
    pub(super) fn handle_body(
        mut self,
        bytes: &[u8],
        connection: &mut Connection,
    ) -> (usize, State) {
        let most = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let mut out = Vec::with_capacity(most);
        let mut used = 0;
        let mut result = Ok(());
        while used < most && result.is_ok() {
            let (taken, line) = self.content.take_line(&bytes[used..most], &mut out);
            used += taken;
            result = line;
        }
        self.remaining -= used as u64;
        connection.body(out);
        let state = match result {
            Err(violation) => refuse_body(violation, self.remaining, connection),
            Ok(()) if self.remaining == 0 => self.complete(connection),
            Ok(()) => State::Octets(self),
        };
        (used, state)
    }

    fn complete(mut self, connection: &mut Connection) -> State {
        if !self.last {
            let size = self.size.to_string();
            connection.reply(&words::CHUNK_OK.reply_with(&[("bytes", &size)]));
            return State::Chunk(ExpectChunk {
                content: self.content,
            });
        }
        let mut out = Vec::new();
        match self.content.finish(&mut out) {
            Ok(()) => {
                connection.body(out);
                end::ask(&self.content, connection)
            }
            Err(violation) => refuse_body(violation, 0, connection),
        }
    }
}

/// Between two chunks of one message.
#[derive(Debug)]
pub(super) struct ExpectChunk {
    content: Content,
}

impl ExpectChunk {
    pub(super) fn handle_command(self, command: Command<'_>, connection: &mut Connection) -> State {
        match command {
            Command::Chunk { size, last } => expect_octets(self.content, size, last, connection),
            Command::Reset => {
                connection.discard_body();
                connection.say(&words::RESET_OK);
                State::Mail(ExpectMail)
            }
            Command::Hello { name, extended } => {
                connection.discard_body();
                ask_hello(name, extended, After::Mail, connection)
            }
            Command::Quit => {
                connection.discard_body();
                quit(connection)
            }
            Command::Mail(_) | Command::Recipient(_) | Command::Data => {
                connection.refuse_command(&words::BDAT_SEQUENCE);
                State::Chunk(self)
            }
            command => handle_common(&command, State::Chunk(self), "BDAT LAST", connection),
        }
    }
}

/// Gives the message up; `remaining` octets of the chunk are still to come.
fn refuse_body(violation: Violation, remaining: u64, connection: &mut Connection) -> State {
    connection.discard_body();
    let reply = connection.violation_reply(violation);
    discard(remaining, reply, After::Mail, connection)
}

/// A chunk that should not have come: read to its end, answered, and counted.
pub(super) fn refuse(size: u64, reply: Reply, after: After, connection: &mut Connection) -> State {
    connection.count_bad_command();
    discard(size, reply, after, connection)
}

/// RFC 3030 §2: the octets of a refused chunk are read, so that the next command is found. A
/// size that would keep us reading for nothing closes instead.
pub(super) fn discard(size: u64, reply: Reply, after: After, connection: &mut Connection) -> State {
    if size > connection.discard_limit() {
        connection.reply(&reply);
        connection.close();
        return State::Closed;
    }
    let state = RefuseOctets {
        remaining: size,
        reply,
        after,
    };
    if size == 0 {
        state.complete(connection)
    } else {
        State::RefuseOctets(state)
    }
}

/// A chunk that was refused, on its way to its end.
#[derive(Debug)]
pub(super) struct RefuseOctets {
    remaining: u64,
    reply: Reply,
    after: After,
}

impl RefuseOctets {
    pub(super) fn handle_body(
        mut self,
        bytes: &[u8],
        connection: &mut Connection,
    ) -> (usize, State) {
        let used = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.remaining -= used as u64;
        let state = if self.remaining == 0 {
            self.complete(connection)
        } else {
            State::RefuseOctets(self)
        };
        (used, state)
    }

    fn complete(self, connection: &mut Connection) -> State {
        connection.reply(&self.reply);
        connection.check_bad_commands();
        self.after.into()
    }
}
