//! STORE, COPY, MOVE, APPEND.

use super::{Cursor, ParseError, is_atom, name};
use crate::ask::{CopyMode, StoreMode};
use crate::command::{AppendCommand, Command, FlagCommand, Report, Wrapping};
use crate::date::parse_date_time;
use crate::sequence::Numbering;
use crate::{Flags, Keyword, Keywords};

/// ```text
/// store = "STORE" SP sequence-set [SP "(" "UNCHANGEDSINCE" SP mod-sequence ")"] SP
///         ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / flags)     ; RFC 7162 §3.1.3
/// ```
pub(super) fn store(cursor: &mut Cursor<'_>, numbering: Numbering) -> Result<Command, ParseError> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| {
            if !cursor.eat_word(b"UNCHANGEDSINCE ") {
                return Err(ParseError::Syntax("there is no such modifier"));
            }
            unchanged_since = Some(cursor.modseq()?);
            Ok(())
        })?;
        cursor.space()?;
    }
    let mode = if cursor.eat(b'+') {
        StoreMode::Add
    } else if cursor.eat(b'-') {
        StoreMode::Remove
    } else {
        StoreMode::Replace
    };
    let report = match cursor.keyword()?.as_str() {
        "FLAGS" => Report::Told,
        "FLAGS.SILENT" => Report::Silent,
        _ => return Err(ParseError::Syntax("FLAGS was expected")),
    };
    cursor.space()?;
    let (flags, keywords) = flags(cursor)?;
    Ok(Command::Store {
        numbering,
        set,
        change: FlagCommand {
            mode,
            flags,
            keywords,
            report,
            unchanged_since,
        },
    })
}

pub(super) fn copy(
    cursor: &mut Cursor<'_>,
    numbering: Numbering,
    mode: CopyMode,
) -> Result<Command, ParseError> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    let target = name(cursor, ParseError::NoSuchTarget)?;
    Ok(Command::Copy {
        numbering,
        set,
        target,
        mode,
    })
}

/// ```text
/// append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP
///          (literal / "UTF8" SP "(" "~" literal ")")     ; the second one by RFC 6855 §4
/// ```
/// Read from the mailbox to the header of the literal, which ends what is there.
pub(super) fn append(cursor: &mut Cursor<'_>) -> Result<AppendCommand, ParseError> {
    let wire = cursor.astring()?;
    cursor.space()?;
    let (flags, keywords) = if cursor.peek() == Some(b'(') {
        let flags = flags(cursor)?;
        cursor.space()?;
        flags
    } else {
        (Flags::NONE, Keywords::NONE)
    };
    let date = if cursor.peek() == Some(b'"') {
        let text = cursor.text()?;
        cursor.space()?;
        Some(parse_date_time(&text).ok_or(ParseError::Syntax("a date was expected"))?)
    } else {
        None
    };
    let wrapping = if cursor.eat_word(b"UTF8 (~") {
        Wrapping::Utf8
    } else {
        Wrapping::Plain
    };
    cursor.expect(b'{', "the message must be a literal")?;
    cursor.number()?;
    cursor.eat(b'+');
    if !cursor.eat_word(b"}\r\n") {
        return Err(ParseError::Syntax("the message must be a literal"));
    }
    cursor.end()?;
    let name = crate::MailboxName::parse_written(&wire, cursor.names())
        .map_err(|_| ParseError::NoSuchTarget)?;
    Ok(AppendCommand {
        name,
        flags,
        keywords,
        date,
        wrapping,
    })
}

/// `flag-list`, or flags without parentheses. `\Recent` is passed over, as a client cannot set
/// it; any other flag with a backslash is refused.
fn flags(cursor: &mut Cursor<'_>) -> Result<(Flags, Keywords), ParseError> {
    let mut system = Flags::NONE;
    let mut keywords = Vec::new();
    let mut flag = |cursor: &mut Cursor<'_>| {
        if cursor.eat(b'\\') {
            let name = format!("\\{}", cursor.atom()?);
            match Flags::parse(&name) {
                Some(flag) => system = system | flag,
                None if name.eq_ignore_ascii_case("\\Recent") => {}
                None => return Err(ParseError::Syntax("there is no such system flag")),
            }
            return Ok(());
        }
        let text = cursor.take_while(is_atom);
        let keyword = str::from_utf8(text).ok().and_then(Keyword::parse);
        keywords.push(keyword.ok_or(ParseError::Syntax("a flag was expected"))?);
        Ok(())
    };
    if cursor.peek() == Some(b'(') {
        cursor.list(flag)?;
    } else {
        flag(cursor)?;
        while cursor.eat(b' ') {
            flag(cursor)?;
        }
    }
    Ok((system, keywords.into_iter().collect()))
}
