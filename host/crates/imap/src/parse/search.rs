//! SEARCH.

use mail::limits;
use mail::message::text_in;

use super::{Cursor, ParseError};
use crate::command::Command;
use crate::name::Names;
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
    let charset = charset(cursor)?;
    let mut reader = Reader {
        charset,
        keys: 0,
        operators: 0,
        texts: Vec::new(),
        modseq: false,
    };
    let keys = reader.keys(cursor)?;
    cursor.end()?;
    let query = Query {
        result,
        key: Key::And(keys),
        texts: reader.texts.into(),
        weight: reader.keys,
        modseq: reader.modseq,
    };
    Ok(Command::Search { numbering, query })
}

/// The character set of the strings; UTF-8 where none is named.
fn charset(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, ParseError> {
    if !cursor.eat_word(b"CHARSET ") {
        return Ok(b"UTF-8".to_vec());
    }
    // RFC 6855 §3: where UTF-8 is enabled, another word on it is a contradiction.
    if cursor.names() == Names::Utf8 {
        return Err(ParseError::Syntax("UTF8=ACCEPT is enabled, so no CHARSET"));
    }
    let charset = cursor.astring()?;
    text_in(b"", &charset).ok_or(ParseError::Charset)?;
    cursor.space()?;
    Ok(charset)
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
    charset: Vec<u8>,
    keys: usize,
    operators: usize,
    texts: Vec<TextKey>,
    /// Is there a MODSEQ among the keys?
    modseq: bool,
}

impl Reader {
    /// `astring`, in the character set of the command.
    fn string(&self, cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
        let bytes = cursor.astring()?;
        text_in(&bytes, &self.charset)
            .ok_or(ParseError::Syntax("a string is not in the character set"))
    }

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
                let text = self.string(cursor)?;
                self.text(TextKey::Header {
                    field: name.to_owned(),
                    text,
                })
            }
            "HEADER" => {
                let field = cursor.text()?;
                cursor.space()?;
                let text = self.string(cursor)?;
                self.text(TextKey::Header { field, text })
            }
            "BODY" => {
                let text = self.string(cursor)?;
                self.text(TextKey::Body(text))
            }
            "TEXT" => {
                let text = self.string(cursor)?;
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
            "MODSEQ" => {
                self.modseq = true;
                modseq(cursor)
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
        "NEW" | "RECENT" => Some(none()),
        "OLD" => Some(Key::And(Vec::new())),
        _ => None,
    }
}

/// What no message is.
fn none() -> Key {
    Key::Not(Box::new(Key::And(Vec::new())))
}

/// `objectid = 1*255(ALPHA / DIGIT / "_" / "-")` (RFC 8474 §7)
fn object_id(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let id = cursor.atom()?;
    let is_of_id = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if id.len() > 255 || !id.bytes().all(is_of_id) {
        return Err(ParseError::Syntax("an object id was expected"));
    }
    Ok(id)
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
        "EMAILID" => object_id(cursor)?
            .parse()
            .map_or_else(|_| none(), Key::Email),
        "THREADID" => {
            // No message has one.
            object_id(cursor)?;
            none()
        }
        _ => return Err(ParseError::Syntax("there is no such search key")),
    })
}

/// ```text
/// search-modseq = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer
/// ```
/// RFC 7162 §3.1.5. There is one sequence for all of a message, whatever entry is named.
fn modseq(cursor: &mut Cursor<'_>) -> Result<Key, ParseError> {
    if cursor.peek() == Some(b'"') {
        let entry = cursor.text()?;
        cursor.space()?;
        let kind = cursor.keyword()?;
        cursor.space()?;
        let known = ["PRIV", "SHARED", "ALL"].contains(&kind.as_str());
        if !known || !entry.to_ascii_lowercase().starts_with("/flags/") {
            return Err(ParseError::Syntax("there is no such entry"));
        }
    }
    cursor.modseq().map(Key::ModSeq)
}

fn keyword(cursor: &mut Cursor<'_>) -> Result<Keyword, ParseError> {
    Keyword::parse(&cursor.atom()?).ok_or(ParseError::Syntax("a keyword was expected"))
}

/// `date = date-text / DQUOTE date-text DQUOTE`
fn day(cursor: &mut Cursor<'_>) -> Result<Day, ParseError> {
    Day::parse(&cursor.text()?).ok_or(ParseError::Syntax("a date was expected"))
}
