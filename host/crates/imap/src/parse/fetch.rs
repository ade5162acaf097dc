//! FETCH.

use mail::ModSeq;

use super::{Cursor, ParseError};
use crate::command::{Command, Effect, Item, Label, SectionItem};
use crate::section::{FieldChoice, Section, SectionText};
use crate::sequence::Numbering;

/// Longest path to a part, in numbers.
const PART_DEPTH: usize = mail::limits::MIME_DEPTH;

/// ```text
/// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
///         "(" fetch-att *(SP fetch-att) ")") [SP "(" "CHANGEDSINCE" SP mod-sequence ")"]
/// ```
pub(super) fn fetch(cursor: &mut Cursor<'_>, numbering: Numbering) -> Result<Command, ParseError> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    cursor.space()?;
    let mut items = Vec::new();
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| {
            let item = item(cursor)?;
            items.push(item);
            Ok(())
        })?;
        if items.is_empty() {
            return Err(ParseError::Syntax("nothing is asked for"));
        }
    } else {
        match macro_items(cursor) {
            Some(all) => items = all,
            None => items.push(item(cursor)?),
        }
    }
    // RFC 3501 §6.4.8: UID FETCH always tells the UID.
    if numbering == Numbering::Uid && !items.contains(&Item::Uid) {
        items.insert(0, Item::Uid);
    }
    let changed_since = changed_since(cursor)?;
    if changed_since.is_some() && !items.contains(&Item::ModSeq) {
        items.push(Item::ModSeq);
    }
    Ok(Command::Fetch {
        numbering,
        set,
        items,
        changed_since,
    })
}

/// RFC 7162 §3.1.4.1: it asks for MODSEQ too.
fn changed_since(cursor: &mut Cursor<'_>) -> Result<Option<ModSeq>, ParseError> {
    let mut since = None;
    if cursor.eat(b' ') {
        cursor.list(|cursor| {
            if !cursor.eat_word(b"CHANGEDSINCE ") {
                return Err(ParseError::Syntax("there is no such modifier"));
            }
            since = Some(cursor.modseq()?);
            Ok(())
        })?;
    }
    Ok(since)
}

/// ALL, FAST, FULL (RFC 3501 §6.4.5).
fn macro_items(cursor: &mut Cursor<'_>) -> Option<Vec<Item>> {
    let fast = [Item::Flags, Item::InternalDate, Item::Size];
    let more: &[Item] = if cursor.eat_word(b"FAST") {
        &[]
    } else if cursor.eat_word(b"ALL") {
        &[Item::Envelope]
    } else if cursor.eat_word(b"FULL") {
        &[Item::Envelope, Item::Body]
    } else {
        return None;
    };
    Some(fast.iter().chain(more).cloned().collect())
}

fn item(cursor: &mut Cursor<'_>) -> Result<Item, ParseError> {
    let name = cursor.keyword()?;
    if cursor.peek() == Some(b'[') {
        let effect = match name.as_str() {
            "BODY" => Effect::SetsSeen,
            "BODY.PEEK" => Effect::Peeks,
            _ => return Err(ParseError::Syntax("there is no such item")),
        };
        let section = section(cursor)?;
        let partial = partial(cursor)?;
        return Ok(Item::Section(SectionItem {
            section,
            effect,
            partial,
            label: Label::Body,
        }));
    }
    let old = |text, effect, label| {
        let section = Section {
            part: Vec::new(),
            text,
        };
        Item::Section(SectionItem {
            section,
            effect,
            partial: None,
            label: Label::Old(label),
        })
    };
    Ok(match name.as_str() {
        "FLAGS" => Item::Flags,
        "UID" => Item::Uid,
        "INTERNALDATE" => Item::InternalDate,
        "RFC822.SIZE" => Item::Size,
        "ENVELOPE" => Item::Envelope,
        "MODSEQ" => Item::ModSeq,
        "EMAILID" => Item::EmailId,
        "THREADID" => Item::ThreadId,
        "BODY" => Item::Body,
        "BODYSTRUCTURE" => Item::BodyStructure,
        "RFC822" => old(SectionText::All, Effect::SetsSeen, "RFC822"),
        "RFC822.HEADER" => old(SectionText::Header, Effect::Peeks, "RFC822.HEADER"),
        "RFC822.TEXT" => old(SectionText::Text, Effect::SetsSeen, "RFC822.TEXT"),
        _ => return Err(ParseError::Syntax("there is no such item")),
    })
}

/// ```text
/// section      = "[" [section-spec] "]"
/// section-spec = section-msgtext / (section-part ["." section-text])
/// ```
fn section(cursor: &mut Cursor<'_>) -> Result<Section, ParseError> {
    cursor.expect(b'[', "a section was expected")?;
    let mut part = Vec::new();
    let mut text = SectionText::All;
    loop {
        if cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            let number = u32::try_from(cursor.number()?).unwrap_or(u32::MAX);
            if number == 0 || part.len() == PART_DEPTH {
                return Err(ParseError::Syntax("there is no such part"));
            }
            part.push(number);
            if cursor.eat(b'.') {
                continue;
            }
        } else if cursor.peek() != Some(b']') || !part.is_empty() {
            text = section_text(cursor, !part.is_empty())?;
        }
        cursor.expect(b']', "a section is not closed")?;
        return Ok(Section { part, text });
    }
}

fn section_text(cursor: &mut Cursor<'_>, in_part: bool) -> Result<SectionText, ParseError> {
    Ok(match cursor.keyword()?.as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if in_part => SectionText::Mime,
        "HEADER.FIELDS" => SectionText::Fields {
            choice: FieldChoice::These,
            names: field_names(cursor)?,
        },
        "HEADER.FIELDS.NOT" => SectionText::Fields {
            choice: FieldChoice::Others,
            names: field_names(cursor)?,
        },
        _ => return Err(ParseError::Syntax("there is no such section")),
    })
}

fn field_names(cursor: &mut Cursor<'_>) -> Result<Vec<String>, ParseError> {
    cursor.space()?;
    let mut names = Vec::new();
    cursor.list(|cursor| {
        let name = cursor.text()?;
        // RFC 5322 §3.6.8: printable ASCII without a colon.
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b':')
        {
            return Err(ParseError::Syntax(
                "the name of a header field was expected",
            ));
        }
        names.push(name);
        Ok(())
    })?;
    if names.is_empty() {
        Err(ParseError::Syntax("no header field is named"))
    } else {
        Ok(names)
    }
}

/// `"<" number "." nz-number ">"`
fn partial(cursor: &mut Cursor<'_>) -> Result<Option<(u64, u64)>, ParseError> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let start = cursor.number()?;
    cursor.expect(b'.', "a range has a start and a length")?;
    let count = cursor.number()?;
    cursor.expect(b'>', "a range is not closed")?;
    if count == 0 {
        Err(ParseError::Syntax("a range is empty"))
    } else {
        Ok(Some((start, count)))
    }
}
