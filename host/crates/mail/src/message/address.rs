//! Lists of addresses in header fields (RFC 5322 §3.4), read as leniently as real mail needs.
//!
//! The values stay as written: encoded words are not decoded here, since IMAP wants them so.

use super::content::{decode_words, unfold};
use crate::{Mailbox, limits};

/// One address of a header field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderAddress {
    /// The display name, unquoted, encoded words kept.
    pub name: Option<Vec<u8>>,
    /// The source route, obsolete (RFC 5322 §4.4).
    pub route: Option<Vec<u8>>,
    /// What stands before the last `@`, as written.
    pub localpart: Vec<u8>,
    /// What stands behind the last `@`; empty where there is none.
    pub domain: Vec<u8>,
}

/// One entry of a list; a group is divided into its beginning, its members and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressListEntry {
    /// An address.
    Address(HeaderAddress),
    /// A group begins; its name.
    GroupStart(Vec<u8>),
    /// The group ends.
    GroupEnd,
}

impl HeaderAddress {
    /// As an address, if it is one.
    pub fn mailbox(&self) -> Option<Mailbox> {
        let text = [self.localpart.as_slice(), b"@", self.domain.as_slice()].concat();
        std::str::from_utf8(&text)
            .ok()
            .and_then(|text| Mailbox::parse(text).ok())
    }

    /// The display name decoded.
    pub fn display_name(&self) -> Option<String> {
        self.name.as_deref().map(decode_words)
    }
}

impl AddressListEntry {
    /// The address, unless it is the beginning or end of a group.
    pub const fn address(&self) -> Option<&HeaderAddress> {
        match self {
            Self::Address(address) => Some(address),
            _ => None,
        }
    }
}

/// Reads a list of addresses and groups, at most [`limits::HEADER_ADDRESSES`] entries.
pub fn parse_address_list(value: &[u8]) -> Vec<AddressListEntry> {
    let value = unfold(value);
    let mut reader = Reader {
        bytes: &value,
        at: 0,
    };
    let mut entries = Vec::new();
    let mut words = Words::default();
    let mut in_group = false;
    while entries.len() < limits::HEADER_ADDRESSES {
        match reader.next() {
            None => break,
            Some(Token::Byte(b',')) => entries.extend(words.take_address()),
            Some(Token::Byte(b':')) if !in_group && !words.is_empty() && words.angle.is_none() => {
                entries.push(AddressListEntry::GroupStart(words.take_phrase()));
                in_group = true;
            }
            Some(Token::Byte(b';')) if in_group => {
                entries.extend(words.take_address());
                entries.push(AddressListEntry::GroupEnd);
                in_group = false;
            }
            Some(Token::Byte(b'<')) => words.angle = Some(reader.angle()),
            Some(token) => words.push(token),
        }
    }
    entries.extend(words.take_address());
    if in_group {
        entries.push(AddressListEntry::GroupEnd);
    }
    entries
}

enum Token {
    /// A special that has a meaning of its own.
    Byte(u8),
    /// White space.
    Space,
    /// Text outside quotes.
    Text(Vec<u8>),
    /// A quoted string: as written, and unquoted.
    Quoted(Vec<u8>, Vec<u8>),
    /// A comment, unquoted.
    Comment(Vec<u8>),
}

struct Reader<'v> {
    bytes: &'v [u8],
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Token> {
        let &first = self.bytes.get(self.at)?;
        match first {
            b' ' | b'\t' => {
                self.at += 1;
                Some(Token::Space)
            }
            b'"' => {
                let start = self.at;
                let unquoted = self.delimited(b'"', b'"');
                Some(Token::Quoted(self.bytes[start..self.at].to_vec(), unquoted))
            }
            b'(' => Some(Token::Comment(self.delimited(b'(', b')'))),
            b',' | b':' | b';' | b'<' => {
                self.at += 1;
                Some(Token::Byte(first))
            }
            _ => {
                let rest = &self.bytes[self.at..];
                let end = rest
                    .iter()
                    .position(|b| b" \t\"(,:;<".contains(b))
                    .unwrap_or(rest.len());
                // An IPv6 literal has colons of its own: [IPv6:…].
                let end = match rest[..end].iter().position(|&b| b == b'[') {
                    Some(open) => literal_end(rest, open).max(end),
                    None => end,
                };
                self.at += end;
                Some(Token::Text(rest[..end].to_vec()))
            }
        }
    }

    /// What stands between `open` and `close`, quoted pairs resolved; comments may nest.
    fn delimited(&mut self, open: u8, close: u8) -> Vec<u8> {
        let mut inner = Vec::new();
        let mut depth = 1_usize;
        self.at += 1;
        while let Some(&b) = self.bytes.get(self.at) {
            self.at += 1;
            if b == b'\\' {
                inner.extend(self.bytes.get(self.at));
                self.at = self.bytes.len().min(self.at + 1);
                continue;
            }
            if b == close {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            } else if b == open {
                depth += 1;
            }
            inner.push(b);
        }
        inner
    }

    /// What stands between `<` and `>`; quoted strings may hold a `>`.
    fn angle(&mut self) -> Vec<u8> {
        let mut inner = Vec::new();
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b'>' => {
                    self.at += 1;
                    break;
                }
                b'"' => {
                    let start = self.at;
                    self.delimited(b'"', b'"');
                    inner.extend_from_slice(&self.bytes[start..self.at]);
                }
                b'(' => {
                    self.delimited(b'(', b')');
                }
                b' ' | b'\t' => self.at += 1,
                _ => {
                    inner.push(b);
                    self.at += 1;
                }
            }
        }
        inner
    }
}

/// Behind the `]` that ends the literal at `open`, or before a comma, or the end.
fn literal_end(bytes: &[u8], open: usize) -> usize {
    match bytes[open..].iter().position(|&b| matches!(b, b']' | b',')) {
        Some(close) => open + close + usize::from(bytes[open + close] == b']'),
        None => bytes.len(),
    }
}

/// What was read since the last comma.
#[derive(Default)]
struct Words {
    /// As a display name: unquoted, with spaces.
    phrase: Vec<u8>,
    /// As an address: as written, without spaces.
    bare: Vec<u8>,
    angle: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
}

impl Words {
    fn is_empty(&self) -> bool {
        self.phrase.is_empty()
    }

    fn push(&mut self, token: Token) {
        match token {
            Token::Space if self.phrase.last().is_some_and(|&b| b != b' ') => {
                self.phrase.push(b' ');
            }
            Token::Space => {}
            Token::Text(text) => {
                self.phrase.extend_from_slice(&text);
                self.bare.extend(text);
            }
            Token::Quoted(written, unquoted) => {
                self.phrase.extend(unquoted);
                self.bare.extend(written);
            }
            Token::Comment(comment) => self.comment = Some(comment),
            Token::Byte(b) => {
                self.phrase.push(b);
                self.bare.push(b);
            }
        }
    }

    fn take_phrase(&mut self) -> Vec<u8> {
        let phrase = std::mem::take(self).phrase;
        phrase.trim_ascii().to_vec()
    }

    fn take_address(&mut self) -> Option<AddressListEntry> {
        let words = std::mem::take(self);
        let phrase = words.phrase.trim_ascii();
        let (name, written) = match words.angle {
            Some(angle) => (Some(phrase).filter(|name| !name.is_empty()), angle),
            None if words.bare.is_empty() => return None,
            None => (None, words.bare),
        };
        let name = name.map(<[u8]>::to_vec).or(words.comment);
        // `@a,@b:user@c` (RFC 5322 §4.4).
        let (route, address) = match written.iter().position(|&b| b == b':') {
            Some(colon) if written.starts_with(b"@") => (
                Some(written[..colon].to_vec()),
                written[colon + 1..].to_vec(),
            ),
            _ => (None, written),
        };
        let (localpart, domain) = match address.iter().rposition(|&b| b == b'@') {
            Some(at) => (address[..at].to_vec(), address[at + 1..].to_vec()),
            None => (address, Vec::new()),
        };
        Some(AddressListEntry::Address(HeaderAddress {
            name,
            route,
            localpart,
            domain,
        }))
    }
}
