//! LIST, LSUB, STATUS.

use mail::limits;

use super::{Cursor, ParseError, known_name};
use crate::command::{Command, ListQuery, StatusItem};

/// ```text
/// list = "LIST" [SP "(" selection-options ")"] SP mailbox SP (pattern / "(" patterns ")")
///        [SP "RETURN" SP "(" return-options ")"]     ; RFC 5258 §6
/// ```
pub(super) fn list(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    let mut query = ListQuery::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| selection_option(cursor, &mut query))?;
        cursor.space()?;
        // RFC 5258 §3.1: RECURSIVEMATCH needs an option to apply it to.
        if query.recursive && !query.only_subscribed {
            return Err(ParseError::Syntax("RECURSIVEMATCH alone selects nothing"));
        }
    }
    let reference = cursor.astring()?;
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        cursor.list(|cursor| pattern(cursor, &reference, &mut query))?;
    } else {
        let at = cursor.rest();
        pattern(cursor, &reference, &mut query)?;
        let empty = at.len() - cursor.rest().len() == 2 && at.starts_with(b"\"\"");
        query.separator_only = empty;
    }
    if cursor.eat_word(b" RETURN ") {
        cursor.list(|cursor| return_option(cursor, &mut query))?;
    }
    Ok(Command::List(query))
}

pub(super) fn lsub(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    let mut query = ListQuery {
        lsub: true,
        only_subscribed: true,
        ..ListQuery::default()
    };
    cursor.space()?;
    let reference = cursor.astring()?;
    cursor.space()?;
    pattern(cursor, &reference, &mut query)?;
    Ok(Command::List(query))
}

pub(super) fn status(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    let name = known_name(cursor)?;
    cursor.space()?;
    Ok(Command::Status {
        name,
        items: status_items(cursor)?,
    })
}

fn status_items(cursor: &mut Cursor<'_>) -> Result<Vec<StatusItem>, ParseError> {
    let mut items = Vec::new();
    cursor.list(|cursor| {
        let name = cursor.keyword()?;
        let known = StatusItem::NAMED.iter().find(|(_, known)| *known == name);
        let &(item, _) = known.ok_or(ParseError::Syntax("there is no such status item"))?;
        if !items.contains(&item) {
            items.push(item);
        }
        Ok(())
    })?;
    Ok(items)
}

fn selection_option(cursor: &mut Cursor<'_>, query: &mut ListQuery) -> Result<(), ParseError> {
    match cursor.keyword()?.as_str() {
        "SUBSCRIBED" => {
            query.only_subscribed = true;
            query.show_subscribed = true;
        }
        "SPECIAL-USE" => query.only_special = true,
        "RECURSIVEMATCH" => query.recursive = true,
        // There is nothing remote.
        "REMOTE" => {}
        _ => return Err(ParseError::Syntax("there is no such selection option")),
    }
    Ok(())
}

fn return_option(cursor: &mut Cursor<'_>, query: &mut ListQuery) -> Result<(), ParseError> {
    match cursor.keyword()?.as_str() {
        "SUBSCRIBED" => query.show_subscribed = true,
        "STATUS" => {
            cursor.space()?;
            query.status = status_items(cursor)?;
        }
        // Always returned.
        "CHILDREN" | "SPECIAL-USE" => {}
        _ => return Err(ParseError::Syntax("there is no such return option")),
    }
    Ok(())
}

fn pattern(
    cursor: &mut Cursor<'_>,
    reference: &[u8],
    query: &mut ListQuery,
) -> Result<(), ParseError> {
    let pattern = cursor.list_mailbox()?;
    let wire = [reference, &pattern].concat();
    if wire.len() > 5 * limits::MAILBOX_NAME || query.patterns.len() == limits::IMAP_LITERALS {
        return Err(ParseError::Limit);
    }
    // What cannot be decoded is no name's and matches nothing.
    if let Some(text) = cursor.names().decode(&wire) {
        query.patterns.push(text);
    }
    Ok(())
}
