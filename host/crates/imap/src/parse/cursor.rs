//! A place in a framed command, and the small rules of the grammar (RFC 3501 §9).

use mail::{ModSeq, limits};

use super::ParseError;
use crate::name::Names;
use crate::sequence::{MAX_NUMBER_DIGITS, SequenceSet};

/// Reads a framed command from left to right.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    names: Names,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8], names: Names) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
            names,
        }
    }

    /// How names of mailboxes are written.
    pub(crate) const fn names(&self) -> Names {
        self.names
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Reads one byte if it is this one.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    pub(crate) fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), ParseError> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(ParseError::Syntax(otherwise))
        }
    }

    pub(crate) fn space(&mut self) -> Result<(), ParseError> {
        self.expect(b' ', "a space is missing")
    }

    pub(crate) fn end(&self) -> Result<(), ParseError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(ParseError::Syntax("there is more than was expected"))
        }
    }

    /// Goes one parenthesis deeper.
    pub(crate) fn open(&mut self) -> Result<(), ParseError> {
        self.expect(b'(', "a list was expected")?;
        self.depth += 1;
        if self.depth > limits::IMAP_NESTING {
            Err(ParseError::TooDeep)
        } else {
            Ok(())
        }
    }

    pub(crate) fn close(&mut self) -> Result<(), ParseError> {
        self.expect(b')', "a list is not closed")?;
        self.depth -= 1;
        Ok(())
    }

    /// The items of `"(" item *(SP item) ")"`, or of `"()"`.
    pub(crate) fn list(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        self.open()?;
        if self.peek() != Some(b')') {
            item(self)?;
            while self.eat(b' ') {
                item(self)?;
            }
        }
        self.close()
    }

    /// The bytes up to the first that does not belong.
    pub(crate) fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|&byte| !belongs(byte))
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    pub(crate) fn tag(&mut self) -> Result<String, ParseError> {
        let tag = self.take_while(|byte| is_astring(byte) && byte != b'+');
        if tag.is_empty() || tag.len() > 255 {
            return Err(ParseError::Syntax("a tag was expected"));
        }
        Ok(ascii(tag))
    }

    /// `atom`, as text.
    pub(crate) fn atom(&mut self) -> Result<String, ParseError> {
        let atom = self.take_while(is_atom);
        if atom.is_empty() {
            Err(ParseError::Syntax("a word was expected"))
        } else {
            Ok(ascii(atom))
        }
    }

    /// A word in capitals: letters, digits, `.` and `-`.
    pub(crate) fn keyword(&mut self) -> Result<String, ParseError> {
        let word =
            self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
        if word.is_empty() {
            return Err(ParseError::Syntax("a word was expected"));
        }
        Ok(ascii(word).to_ascii_uppercase())
    }

    /// `string = quoted / literal`
    pub(crate) fn string(&mut self) -> Result<Vec<u8>, ParseError> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            _ => Err(ParseError::Syntax("a string was expected")),
        }
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub(crate) fn astring(&mut self) -> Result<Vec<u8>, ParseError> {
        self.string_or(is_astring)
    }

    /// `list-mailbox = 1*list-char / string`
    pub(crate) fn list_mailbox(&mut self) -> Result<Vec<u8>, ParseError> {
        self.string_or(|byte| is_astring(byte) || byte == b'*' || byte == b'%')
    }

    fn string_or(&mut self, belongs: fn(u8) -> bool) -> Result<Vec<u8>, ParseError> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string();
        }
        let text = self.take_while(belongs);
        if text.is_empty() {
            Err(ParseError::Syntax("a string was expected"))
        } else {
            Ok(text.to_vec())
        }
    }

    /// `astring`, as UTF-8.
    pub(crate) fn text(&mut self) -> Result<String, ParseError> {
        String::from_utf8(self.astring()?).map_err(|_| ParseError::Syntax("a string is not UTF-8"))
    }

    /// `NIL` or a string; only that it is one matters.
    pub(crate) fn skip_nstring(&mut self) -> Result<(), ParseError> {
        if self.eat_word(b"NIL") {
            Ok(())
        } else {
            self.string().map(drop)
        }
    }

    /// Reads a word without regard to case if it is this one.
    pub(crate) fn eat_word(&mut self, word: &[u8]) -> bool {
        let there = self
            .rest()
            .get(..word.len())
            .is_some_and(|text| text.eq_ignore_ascii_case(word));
        if there {
            self.at += word.len();
        }
        there
    }

    pub(crate) fn number(&mut self) -> Result<u64, ParseError> {
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > MAX_NUMBER_DIGITS {
            return Err(ParseError::Syntax("a number was expected"));
        }
        // Up to 19 digits always fit.
        Ok(digits
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    /// `mod-sequence-valzer` (RFC 7162 §7): 63 bits.
    pub(crate) fn modseq(&mut self) -> Result<ModSeq, ParseError> {
        match self.number()? {
            number if number <= i64::MAX as u64 => Ok(ModSeq(number)),
            _ => Err(ParseError::Syntax("a modification sequence was expected")),
        }
    }

    pub(crate) fn sequence_set(&mut self) -> Result<SequenceSet, ParseError> {
        let text = self.take_while(|byte| byte.is_ascii_digit() || b"*:,".contains(&byte));
        SequenceSet::parse(text).ok_or(ParseError::MessageSet)
    }

    /// ```text
    /// quoted = DQUOTE *QUOTED-CHAR DQUOTE      ; no CR, no LF; "\" only before DQUOTE and "\"
    /// ```
    fn quoted(&mut self) -> Result<Vec<u8>, ParseError> {
        self.expect(b'"', "a string was expected")?;
        let mut text = Vec::new();
        loop {
            text.extend_from_slice(self.take_while(|byte| !b"\"\\\r\n\0".contains(&byte)));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(byte @ (b'"' | b'\\')) => text.push(byte),
                        _ => {
                            return Err(ParseError::Syntax(
                                "a backslash stands before a wrong character",
                            ));
                        }
                    }
                    self.at += 1;
                }
                _ => return Err(ParseError::Syntax("a quoted string is not closed")),
            }
        }
    }

    /// The bytes are there: the framer put them behind their header.
    fn literal(&mut self) -> Result<Vec<u8>, ParseError> {
        self.expect(b'{', "a string was expected")?;
        let size = self.number()?;
        self.eat(b'+');
        if !self.eat_word(b"}\r\n") {
            return Err(ParseError::Syntax("a literal is not at the end of a line"));
        }
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| self.at.checked_add(size));
        let bytes = end.and_then(|end| self.bytes.get(self.at..end));
        let bytes = bytes.ok_or(ParseError::Syntax("a literal is cut off"))?;
        // RFC 3501 §9: CHAR8 is any byte but NUL.
        if bytes.contains(&0) {
            return Err(ParseError::Syntax("a literal holds a NUL byte"));
        }
        self.at += bytes.len();
        Ok(bytes.to_vec())
    }
}

/// `ATOM-CHAR`
pub(crate) fn is_atom(byte: u8) -> bool {
    byte > b' ' && byte < 0x7f && !b"(){%*\"\\]".contains(&byte)
}

/// `ASTRING-CHAR`
pub(crate) fn is_astring(byte: u8) -> bool {
    is_atom(byte) || byte == b']'
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
