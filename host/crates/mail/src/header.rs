//! Writes header fields that cannot be more than they should be.
//!
//! ```
//! use mail::header::HeaderBuilder;
//!
//! let mut header = HeaderBuilder::new();
//! header.text("Subject", "Grüße")?;
//! assert_eq!(header.finish(), b"Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n");
//! assert!(HeaderBuilder::new().text("Subject", "a\r\nBcc: b@c.test").is_err());
//! # Ok::<(), mail::header::HeaderError>(())
//! ```
//!
//! A line end, NUL, any other control character or a line separator of Unicode in a name or a
//! value is an error, also inside an encoded word: nothing a person or a plugin supplies can
//! begin a field of its own.

#[cfg(test)]
mod tests;

use crate::message::decode_words;
use crate::{Mailbox, Timestamp};

/// Longest line without its line end where a fold is possible (RFC 5322 §2.1.1).
const LINE: usize = 78;
/// Longest value in bytes; longer ones are refused, not cut.
const VALUE_BYTES: usize = 64 * 1024;
/// Longest line without its line end where no fold is possible (RFC 5322 §2.1.1).
const LINE_MAX: usize = 998;
/// Text bytes in one encoded word: 45 are 60 in base64, and with `=?utf-8?B?…?=` 72 of the 75
/// that RFC 2047 §2 allows.
const ENCODED_WORD_BYTES: usize = 45;

/// Why a header field is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name is empty, too long, or has more than printable ASCII without a colon.
    #[error("'{0}' is not the name of a header field")]
    Name(String),
    /// A line end, NUL, control character or line separator.
    #[error("the value of {0} has a line end or a control character")]
    Control(String),
    /// Over 64 KiB, or a word that does not fit on a line.
    #[error("the value of {0} is too long")]
    TooLong(String),
    /// Characters outside ASCII where they cannot be encoded.
    #[error("the value of {0} has characters outside ASCII")]
    NotAscii(String),
}

/// ```text
/// field-name = 1*ftext          ; RFC 5322 §2.2, %d33-57 / %d59-126
/// ```
pub fn check_name(name: &str) -> Result<(), HeaderError> {
    let is_ftext = |b: u8| b.is_ascii_graphic() && b != b':';
    if (1..=76).contains(&name.len()) && name.bytes().all(is_ftext) {
        Ok(())
    } else {
        Err(HeaderError::Name(
            name.chars()
                .filter(|c| !is_forbidden(*c))
                .take(80)
                .collect(),
        ))
    }
}

/// Is this value safe to stand in a field, as text and after its encoded words are decoded?
pub fn check_value(name: &str, value: &str) -> Result<(), HeaderError> {
    if value.len() > VALUE_BYTES {
        return Err(HeaderError::TooLong(name.to_owned()));
    }
    if value.chars().any(is_forbidden) {
        return Err(HeaderError::Control(name.to_owned()));
    }
    Ok(())
}

fn check_encoded(name: &str, value: &str) -> Result<(), HeaderError> {
    if value.contains("=?") && decode_words(value.as_bytes()).chars().any(is_forbidden) {
        return Err(HeaderError::Control(name.to_owned()));
    }
    Ok(())
}

/// Line ends, NUL and all other controls (C0, DEL, C1 with NEL), and the separators of Unicode
/// that some programs take for line ends. A tab may stand in a value.
fn is_forbidden(c: char) -> bool {
    (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Header fields, written one after the other.
#[derive(Debug, Clone, Default)]
pub struct HeaderBuilder {
    bytes: Vec<u8>,
}

impl HeaderBuilder {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// A field of free text, encoded where it is not ASCII (RFC 2047), folded.
    pub fn text(&mut self, name: &str, text: &str) -> Result<&mut Self, HeaderError> {
        check_name(name)?;
        check_value(name, text)?;
        let words = if text.is_ascii() && !text.contains("=?") && fits(text) {
            text.split(' ').map(str::to_owned).collect()
        } else {
            encoded_words(text)
        };
        self.fold(name, words)
    }

    /// A field whose value is written as it is: ASCII, already in its grammar. Folded at spaces.
    pub fn structured(&mut self, name: &str, value: &str) -> Result<&mut Self, HeaderError> {
        if !value.is_ascii() {
            return Err(HeaderError::NotAscii(name.to_owned()));
        }
        self.raw(name, value)
    }

    /// A field as a plugin or a domain wrote it: UTF-8 stays (RFC 6532). Encoded words that
    /// would decode to control characters are refused.
    pub fn raw(&mut self, name: &str, value: &str) -> Result<&mut Self, HeaderError> {
        check_name(name)?;
        check_value(name, value)?;
        check_encoded(name, value)?;
        self.fold(name, value.split(' ').map(str::to_owned).collect())
    }

    /// A field of addresses, each with a display name that may be empty. A local part outside
    /// ASCII is written as UTF-8 (RFC 6532 §3.1).
    pub fn addresses(
        &mut self,
        name: &str,
        list: &[(&str, &Mailbox)],
    ) -> Result<&mut Self, HeaderError> {
        check_name(name)?;
        let mut words = Vec::new();
        for (index, (display, mailbox)) in list.iter().enumerate() {
            check_value(name, display)?;
            words.extend(phrase(display));
            let comma = if index + 1 < list.len() { "," } else { "" };
            let address = mailbox.to_string();
            check_value(name, &address)?;
            words.push(if display.is_empty() {
                format!("{address}{comma}")
            } else {
                format!("<{address}>{comma}")
            });
        }
        self.fold(name, words)
    }

    /// `Date` or another field with a point in time.
    pub fn date(&mut self, name: &str, at: Timestamp) -> Result<&mut Self, HeaderError> {
        self.structured(name, &at.rfc5322())
    }

    /// The fields, each with CRLF, without the empty line behind them.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes `name: words…`, beginning a new line where one would be too long.
    fn fold(&mut self, name: &str, words: Vec<String>) -> Result<&mut Self, HeaderError> {
        let mut line = format!("{name}:");
        let mut field = String::new();
        // A line of nothing but white space would end the header for some readers (RFC 5322 §3.2.2).
        let mut has_word = false;
        for word in words {
            if line.len() + 1 + word.len() > LINE && has_word && !word.is_empty() {
                field.push_str(&line);
                field.push_str("\r\n");
                line.clear();
                has_word = false;
            }
            line.push(' ');
            line.push_str(&word);
            has_word |= !word.trim().is_empty();
            if line.len() > LINE_MAX {
                return Err(HeaderError::TooLong(name.to_owned()));
            }
        }
        field.push_str(&line);
        field.push_str("\r\n");
        self.bytes.extend_from_slice(field.as_bytes());
        Ok(self)
    }
}

/// Does every word fit on a line?
fn fits(text: &str) -> bool {
    text.split(' ').all(|word| word.len() < LINE_MAX - 80)
}

/// RFC 2047 §2, base64 of UTF-8, never dividing a character (§5).
fn encoded_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chunk = String::new();
    for c in text.chars() {
        if chunk.len() + c.len_utf8() > ENCODED_WORD_BYTES {
            words.push(encoded_word(&chunk));
            chunk.clear();
        }
        chunk.push(c);
    }
    if !chunk.is_empty() {
        words.push(encoded_word(&chunk));
    }
    words
}

fn encoded_word(text: &str) -> String {
    format!("=?utf-8?B?{}?=", base64(text.as_bytes()))
}

/// A display name: atoms, a quoted string, or encoded words (RFC 5322 §3.2.5, RFC 2047 §5).
fn phrase(display: &str) -> Vec<String> {
    let is_atom = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    if display.is_empty() {
        Vec::new()
    } else if !display.is_ascii() || display.contains("=?") || display.len() > 60 {
        encoded_words(display)
    } else if display.split(' ').all(is_atom) {
        display.split(' ').map(str::to_owned).collect()
    } else {
        vec![format!(
            "\"{}\"",
            display.replace('\\', "\\\\").replace('"', "\\\"")
        )]
    }
}

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, &b| group << 8 | u32::from(b))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (group >> (18 - 6 * place)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}
