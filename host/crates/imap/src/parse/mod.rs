//! From a framed command to a [`Command`].
//!
//! One table says for each command in which state it may be given and how the rest of its line
//! is read. The rest of this folder is the grammar of RFC 3501 §9, one file for each family.

mod cursor;
mod fetch;
mod list;
mod message;
mod search;

use mail::words::{self, Word};

use crate::MailboxName;
use crate::ask::{CopyMode, Mode, Subscription};
use crate::command::{AppendCommand, Command, Extension};
use crate::name::Names;
use crate::sequence::Numbering;

pub(crate) use self::cursor::{Cursor, is_atom};

/// Why a command was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// Not the grammar.
    Syntax(&'static str),
    /// Not a command.
    Unknown,
    /// Not in this state.
    State,
    /// Not a set of messages.
    MessageSet,
    /// Nested too deeply.
    TooDeep,
    /// More search keys than are allowed.
    Limit,
    /// Can be no mailbox's name, where one is to be made.
    Name,
    /// Can be no mailbox's name, so there is none.
    NoSuchName,
    /// As before, for the target of APPEND, COPY or MOVE.
    NoSuchTarget,
    /// A character set that is not offered.
    Charset,
}

impl ParseError {
    /// The status response, without a tag.
    pub(crate) fn line(self) -> String {
        match self {
            Self::Syntax(detail) => words::IMAP_SYNTAX.line_with(&[("detail", detail)]),
            _ => self.word().line(),
        }
    }

    /// Is it the kind of mistake that only a broken client makes?
    pub(crate) fn is_bad(self) -> bool {
        self.line().starts_with("BAD")
    }

    const fn word(self) -> &'static Word {
        match self {
            Self::Syntax(_) => &words::IMAP_SYNTAX,
            Self::Unknown => &words::IMAP_UNKNOWN_COMMAND,
            Self::State => &words::IMAP_WRONG_STATE,
            Self::MessageSet => &words::IMAP_BAD_UID_SET,
            Self::TooDeep => &words::IMAP_TOO_DEEP,
            Self::Limit => &words::IMAP_LIMIT,
            Self::Name => &words::IMAP_MAILBOX_NAME,
            Self::NoSuchName => &words::IMAP_MAILBOX_MISSING,
            // Such a name cannot be created either, so no TRYCREATE.
            Self::NoSuchTarget => &words::IMAP_MAILBOX_NAME,
            Self::Charset => &words::IMAP_BAD_CHARSET,
        }
    }
}

/// How far a session has come (RFC 3501 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    NotAuthenticated,
    Authenticated,
    Selected,
}

/// When a command may be given.
#[derive(Debug, Clone, Copy)]
enum When {
    Always,
    /// Before sign-in.
    Before,
    /// From this stage on.
    From(Stage),
}

type Read = fn(&mut Cursor<'_>) -> Result<Command, ParseError>;

const SIGNED_IN: When = When::From(Stage::Authenticated);
const SELECTED: When = When::From(Stage::Selected);

const COMMANDS: &[(&str, When, Read)] = &[
    ("CAPABILITY", When::Always, |_| Ok(Command::Capability)),
    ("NOOP", When::Always, |_| Ok(Command::Noop)),
    ("LOGOUT", When::Always, |_| Ok(Command::Logout)),
    ("ID", When::Always, id),
    ("STARTTLS", When::Before, |_| Ok(Command::StartTls)),
    ("LOGIN", When::Before, login),
    ("AUTHENTICATE", When::Before, authenticate),
    ("ENABLE", SIGNED_IN, enable),
    ("NAMESPACE", SIGNED_IN, |_| Ok(Command::Namespace)),
    ("CREATE", SIGNED_IN, |cursor| {
        new_name(cursor).map(Command::Create)
    }),
    ("DELETE", SIGNED_IN, |cursor| {
        known_name(cursor).map(Command::Delete)
    }),
    ("RENAME", SIGNED_IN, rename),
    ("SUBSCRIBE", SIGNED_IN, |cursor| {
        Ok(Command::Subscribe {
            name: new_name(cursor)?,
            subscription: Subscription::On,
        })
    }),
    ("UNSUBSCRIBE", SIGNED_IN, |cursor| {
        Ok(Command::Subscribe {
            name: known_name(cursor)?,
            subscription: Subscription::Off,
        })
    }),
    ("LIST", SIGNED_IN, list::list),
    ("LSUB", SIGNED_IN, list::lsub),
    ("STATUS", SIGNED_IN, list::status),
    ("SELECT", SIGNED_IN, |cursor| {
        select(cursor, Mode::ReadWrite)
    }),
    ("EXAMINE", SIGNED_IN, |cursor| {
        select(cursor, Mode::ReadOnly)
    }),
    ("GETQUOTA", SIGNED_IN, |cursor| {
        cursor.space()?;
        cursor.text().map(Command::GetQuota)
    }),
    ("GETQUOTAROOT", SIGNED_IN, |cursor| {
        known_name(cursor).map(Command::GetQuotaRoot)
    }),
    ("IDLE", SIGNED_IN, |_| Ok(Command::Idle)),
    ("CHECK", SELECTED, |_| Ok(Command::Check)),
    ("CLOSE", SELECTED, |_| Ok(Command::Close)),
    ("UNSELECT", SELECTED, |_| Ok(Command::Unselect)),
    ("EXPUNGE", SELECTED, |_| {
        Ok(Command::Expunge { within: None })
    }),
    ("SEARCH", SELECTED, |cursor| {
        search::search(cursor, Numbering::Sequence)
    }),
    ("FETCH", SELECTED, |cursor| {
        fetch::fetch(cursor, Numbering::Sequence)
    }),
    ("STORE", SELECTED, |cursor| {
        message::store(cursor, Numbering::Sequence)
    }),
    ("COPY", SELECTED, |cursor| {
        message::copy(cursor, Numbering::Sequence, CopyMode::Copy)
    }),
    ("MOVE", SELECTED, |cursor| {
        message::copy(cursor, Numbering::Sequence, CopyMode::Move)
    }),
    ("UID", SELECTED, uid),
];

/// What stands behind UID (RFC 3501 §6.4.8, RFC 4315 §2.1, RFC 6851 §3.2).
const UID_COMMANDS: &[(&str, Read)] = &[
    ("FETCH", |cursor| fetch::fetch(cursor, Numbering::Uid)),
    ("STORE", |cursor| message::store(cursor, Numbering::Uid)),
    ("SEARCH", |cursor| search::search(cursor, Numbering::Uid)),
    ("COPY", |cursor| {
        message::copy(cursor, Numbering::Uid, CopyMode::Copy)
    }),
    ("MOVE", |cursor| {
        message::copy(cursor, Numbering::Uid, CopyMode::Move)
    }),
    ("EXPUNGE", |cursor| {
        cursor.space()?;
        Ok(Command::Expunge {
            within: Some(cursor.sequence_set()?),
        })
    }),
];

/// The tag of a framed command and what stands behind it. `None`: not even a tag.
pub(crate) fn split_tag(frame: &[u8]) -> Option<(String, &[u8])> {
    let mut cursor = Cursor::new(frame, Names::Utf7);
    let tag = cursor.tag().ok()?;
    cursor.space().ok()?;
    Some((tag, cursor.rest()))
}

/// Reads a command behind its tag.
pub(crate) fn parse_command(
    bytes: &[u8],
    stage: Stage,
    names: Names,
) -> Result<Command, ParseError> {
    let mut cursor = Cursor::new(bytes, names);
    let name = cursor.atom()?;
    let &(_, when, read) = COMMANDS
        .iter()
        .find(|(known, ..)| known.eq_ignore_ascii_case(&name))
        .ok_or_else(|| unknown(&name, stage))?;
    let allowed = match when {
        When::Always => true,
        When::Before => stage == Stage::NotAuthenticated,
        When::From(first) => stage >= first,
    };
    if !allowed {
        return Err(ParseError::State);
    }
    let command = read(&mut cursor)?;
    cursor.end()?;
    Ok(command)
}

/// APPEND is read by [`parse_append`] when its message is announced; here only one that
/// announces none comes by.
fn unknown(name: &str, stage: Stage) -> ParseError {
    match (name.eq_ignore_ascii_case("APPEND"), stage) {
        (true, Stage::NotAuthenticated) => ParseError::State,
        (true, _) => ParseError::Syntax("the message must be a literal"),
        (false, _) => ParseError::Unknown,
    }
}

/// What stands before a literal, if that literal is the message of an APPEND.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AppendPrefix {
    /// Another command, or the name of the mailbox is the literal.
    NotYet,
    /// The message comes next.
    Message {
        tag: String,
        command: Result<AppendCommand, ParseError>,
    },
}

/// Looks at a command that stops before a literal.
pub(crate) fn parse_append(so_far: &[u8], names: Names) -> AppendPrefix {
    let Some((tag, rest)) = split_tag(so_far) else {
        return AppendPrefix::NotYet;
    };
    let mut cursor = Cursor::new(rest, names);
    let is_append = cursor.eat_word(b"APPEND ");
    if !is_append || cursor.peek() == Some(b'{') && ends_in_header(cursor.rest()) {
        return AppendPrefix::NotYet;
    }
    AppendPrefix::Message {
        tag,
        command: message::append(&mut cursor),
    }
}

/// Is this nothing but the header of one literal, whose bytes are not there yet?
fn ends_in_header(rest: &[u8]) -> bool {
    rest.iter().position(|&byte| byte == b'\n') == Some(rest.len() - 1)
}

fn uid(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    cursor.space()?;
    let name = cursor.atom()?;
    let known = UID_COMMANDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(&name));
    let &(_, read) = known.ok_or(ParseError::Unknown)?;
    read(cursor)
}

fn login(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    cursor.space()?;
    let login = cursor.text()?;
    cursor.space()?;
    Ok(Command::Login {
        login,
        password: cursor.text()?,
    })
}

/// `"AUTHENTICATE" SP auth-type [SP (base64 / "=")]` (RFC 3501 §6.2.2, RFC 4959 §3)
fn authenticate(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    cursor.space()?;
    let mechanism = cursor.atom()?;
    let initial = if cursor.eat(b' ') {
        Some(
            cursor
                .take_while(|byte| byte > b' ' && byte < 0x7f)
                .to_vec(),
        )
    } else {
        None
    };
    Ok(Command::Authenticate { mechanism, initial })
}

/// The client's account of itself is read and forgotten (RFC 2971 §3.3: 30 pairs at most).
fn id(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    cursor.space()?;
    if !cursor.eat_word(b"NIL") {
        let mut strings = 0;
        cursor.list(|cursor| {
            strings += 1;
            cursor.skip_nstring()
        })?;
        if strings > 60 || strings % 2 != 0 {
            return Err(ParseError::Syntax("at most 30 pairs were expected"));
        }
    }
    Ok(Command::Id)
}

/// What is not known is passed over (RFC 5161 §3.1).
fn enable(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    let mut extensions = Vec::new();
    cursor.space()?;
    loop {
        let name = cursor.atom()?;
        let known = Extension::NAMED
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(&name));
        extensions.extend(known.map(|&(extension, _)| extension));
        if !cursor.eat(b' ') {
            return Ok(Command::Enable(extensions));
        }
    }
}

/// ```text
/// select = ("SELECT" / "EXAMINE") SP mailbox [SP "(" select-param *(SP select-param) ")"]
/// ```
/// RFC 4466 §2.4; the one parameter is CONDSTORE (RFC 7162 §3.1.8).
fn select(cursor: &mut Cursor<'_>, mode: Mode) -> Result<Command, ParseError> {
    let name = known_name(cursor)?;
    let mut condstore = false;
    if cursor.eat(b' ') {
        cursor.list(|cursor| {
            condstore = cursor.eat_word(b"CONDSTORE");
            if condstore {
                Ok(())
            } else {
                Err(ParseError::Syntax("there is no such parameter"))
            }
        })?;
    }
    Ok(Command::Select {
        name,
        mode,
        condstore,
    })
}

fn rename(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    Ok(Command::Rename {
        from: known_name(cursor)?,
        to: new_name(cursor)?,
    })
}

/// `SP mailbox`, where a wrong name can be no mailbox's.
fn known_name(cursor: &mut Cursor<'_>) -> Result<MailboxName, ParseError> {
    name(cursor, ParseError::NoSuchName)
}

/// `SP mailbox`, where it is to be made.
fn new_name(cursor: &mut Cursor<'_>) -> Result<MailboxName, ParseError> {
    name(cursor, ParseError::Name)
}

fn name(cursor: &mut Cursor<'_>, otherwise: ParseError) -> Result<MailboxName, ParseError> {
    cursor.space()?;
    let wire = cursor.astring()?;
    MailboxName::parse_written(&wire, cursor.names()).map_err(|_| otherwise)
}

#[cfg(test)]
mod tests;
