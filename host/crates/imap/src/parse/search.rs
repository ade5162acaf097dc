//! SEARCH.

use mail::limits;

use super::{Cursor, ParseError};
use crate::command::Command;
use crate::search::{Key, Query, Return, TextKey};
use crate::sequence::Numbering;
use crate::{Day, Flags, Keyword};

/// How deep NOT and OR may stand inside each other. Clients chain one OR for each address.
const OPERATOR_DEPTH: usize = 100;

/// ```text
/// search = "SEARCH" [SP "RETURN" SP "(" *option ")"] [SP "CHARSET" SP charset] 1*(SP search-key)
/// ```
/// RFC 3501 §6.4.4, RFC 4731 §3.
pub(super) fn search(cursor: &mut Cursor<'_>, numbering: Numbering) -> Result<Command, ParseError> {
    let result = if cursor.eat_word(b" RETURN ") {
        Some(return_options(cursor)?)
    } else {
        None
    };
    cursor.space()?;
    if cursor.eat_word(b"CHARSET ") {
        let charset = cursor.text()?;
        if !["UTF-8", "US-ASCII"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&charset))
        {
            return Err(ParseError::Charset);
        }
        cursor.space()?;
    }
    let mut reader = Reader {
        keys: 0,
        operators: 0,
        texts: Vec::new(),
    };
    let keys = reader.keys(cursor)?;
    cursor.end()?;
    let query = Query {
        result,
        key: Key::And(keys),
        texts: reader.texts.into(),
        weight: reader.keys,
    };
    Ok(Command::Search { numbering, query })
}

fn return_options(cursor: &mut Cursor<'_>) -> Result<Return, ParseError> {
    let mut result = Return::default();
    let mut any = false;
    cursor.list(|cursor| {
        any = true;
        match cursor.keyword()?.as_str() {
            "MIN" => result.min = true,
            "MAX" => result.max = true,
            "ALL" => result.all = true,
            "COUNT" => result.count = true,
            _ => return Err(ParseError::Syntax("there is no such return option")),
        }
        Ok(())
    })?;
    // RFC 4731 §3.1: `()` means ALL.
    result.all |= !any;
    Ok(result)
}

struct Reader {
    keys: usize,
    operators: usize,
    texts: Vec<TextKey>,
}

impl Reader {
    fn keys(&mut self, cursor: &mut Cursor<'_>) -> Result<Vec<Key>, ParseError> {
        let mut keys = vec![self.key(cursor)?];
        while cursor.eat(b' ') {
            keys.push(self.key(cursor)?);
        }
        Ok(keys)
    }

    fn key(&mut self, cursor: &mut Cursor<'_>) -> Result<Key, ParseError> {
        self.keys += 1;
        if self.keys > limits::IMAP_SEARCH_KEYS {
            return Err(ParseError::Limit);
        }
        match cursor.peek() {
            Some(b'(') => {
                cursor.open()?;
                let keys = self.keys(cursor)?;
                cursor.close()?;
                Ok(Key::And(keys))
            }
            Some(b'*' | b'0'..=b'9') => cursor.sequence_set().map(Key::Sequence),
            _ => {
                let name = cursor.keyword()?;
                self.named(&name, cursor)
            }
        }
    }

    fn named(&mut self, name: &str, cursor: &mut Cursor<'_>) -> Result<Key, ParseError> {
        if let Some(key) = plain(name) {
            return Ok(key);
        }
        cursor.space()?;
        match name {
            "NOT" => self.operator(|reader| Ok(Key::Not(Box::new(reader.key(cursor)?)))),
            "OR" => self.operator(|reader| {
                let first = reader.key(cursor)?;
                cursor.space()?;
                Ok(Key::Or(Box::new((first, reader.key(cursor)?))))
            }),
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
                let text = cursor.text()?;
                self.text(TextKey::Header {
                    field: name.to_owned(),
                    text,
                })
            }
            "HEADER" => {
                let field = cursor.text()?;
                cursor.space()?;
                let text = cursor.text()?;
                self.text(TextKey::Header { field, text })
            }
            "BODY" => {
                let text = cursor.text()?;
                self.text(TextKey::Body(text))
            }
            "TEXT" => {
                let text = cursor.text()?;
                self.text(TextKey::Text(text))
            }
            "SENTBEFORE" => {
                let day = day(cursor)?;
                self.text(TextKey::SentBefore(day))
            }
            "SENTON" => {
                let day = day(cursor)?;
                self.text(TextKey::SentOn(day))
            }
            "SENTSINCE" => {
                let day = day(cursor)?;
                self.text(TextKey::SentSince(day))
            }
            _ => with_value(name, cursor),
        }
    }

    fn operator(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Key, ParseError>,
    ) -> Result<Key, ParseError> {
        self.operators += 1;
        if self.operators > OPERATOR_DEPTH {
            return Err(ParseError::TooDeep);
        }
        let key = read(self)?;
        self.operators -= 1;
        Ok(key)
    }

    fn text(&mut self, key: TextKey) -> Result<Key, ParseError> {
        let index = self
            .texts
            .iter()
            .position(|known| *known == key)
            .unwrap_or_else(|| {
                self.texts.push(key);
                self.texts.len() - 1
            });
        Ok(Key::Text(index))
    }
}

/// Keys without a value.
fn plain(name: &str) -> Option<Key> {
    let flag = |flag| Some(Key::Flag(flag));
    let not = |flag| Some(Key::Not(Box::new(Key::Flag(flag))));
    match name {
        "ALL" => Some(Key::And(Vec::new())),
        "ANSWERED" => flag(Flags::ANSWERED),
        "DELETED" => flag(Flags::DELETED),
        "DRAFT" => flag(Flags::DRAFT),
        "FLAGGED" => flag(Flags::FLAGGED),
        "SEEN" => flag(Flags::SEEN),
        "UNANSWERED" => not(Flags::ANSWERED),
        "UNDELETED" => not(Flags::DELETED),
        "UNDRAFT" => not(Flags::DRAFT),
        "UNFLAGGED" => not(Flags::FLAGGED),
        "UNSEEN" => not(Flags::SEEN),
        // No message is ever \Recent here, as RFC 9051 has it for all.
        "NEW" | "RECENT" => Some(Key::Not(Box::new(Key::And(Vec::new())))),
        "OLD" => Some(Key::And(Vec::new())),
        _ => None,
    }
}

fn with_value(name: &str, cursor: &mut Cursor<'_>) -> Result<Key, ParseError> {
    Ok(match name {
        "BEFORE" => Key::Before(day(cursor)?),
        "ON" => Key::On(day(cursor)?),
        "SINCE" => Key::Since(day(cursor)?),
        "LARGER" => Key::Larger(cursor.number()?),
        "SMALLER" => Key::Smaller(cursor.number()?),
        "KEYWORD" => Key::Keyword(keyword(cursor)?),
        "UNKEYWORD" => Key::Not(Box::new(Key::Keyword(keyword(cursor)?))),
        "UID" => Key::Uid(cursor.sequence_set()?),
        _ => return Err(ParseError::Syntax("there is no such search key")),
    })
}

fn keyword(cursor: &mut Cursor<'_>) -> Result<Keyword, ParseError> {
    Keyword::parse(&cursor.atom()?).ok_or(ParseError::Syntax("a keyword was expected"))
}

/// `date = date-text / DQUOTE date-text DQUOTE`
fn day(cursor: &mut Cursor<'_>) -> Result<Day, ParseError> {
    Day::parse(&cursor.text()?).ok_or(ParseError::Syntax("a date was expected"))
}
