//! The view of a message: header fields, structure, parts. Bytes stay bytes.
//!
//! ```text
//!   &[u8] ── Message::new ──> header()     fields in order, raw and decoded
//!                             structure()  tree of parts: byte ranges, types, line counts
//!                             decoded(), text()   one part's content
//! ```
//!
//! Everything is made when it is asked for, and kept. All ranges are offsets into the bytes of
//! the message and lie inside them. Line ends may be CRLF or a bare LF.
//!
//! How it fails: not at all. What is malformed, too deep or too much is opaque: a field without
//! a name, a part without children. Work is linear in the size of the message, whatever is in
//! it; see [`limits`] for the bounds.

mod address;
mod content;
mod header;
mod parameters;
mod scan;
mod structure;
mod summary;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

pub use self::address::{AddressListEntry, HeaderAddress, parse_address_list};
pub use self::content::{decode_words, text_in};
pub use self::header::{Field, Header};
pub use self::parameters::{MediaType, Parameter, ParameterizedValue};
pub use self::structure::{Encoding, Part, PartKind, Section, Structure};
pub use self::summary::Summary;
use crate::limits;

/// A message, read lazily.
#[derive(Debug)]
pub struct Message<'a> {
    raw: &'a [u8],
    header: OnceCell<Header<'a>>,
    structure: OnceCell<Structure>,
}

impl<'a> Message<'a> {
    /// Looks at `raw` as a message (RFC 5322 §2.1). Nothing is read yet.
    pub const fn new(raw: &'a [u8]) -> Self {
        Self {
            raw,
            header: OnceCell::new(),
            structure: OnceCell::new(),
        }
    }

    /// All bytes.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The header section of the message.
    pub fn header(&self) -> &Header<'a> {
        self.header.get_or_init(|| Header::parse(self.raw))
    }

    /// The tree of parts.
    pub fn structure(&self) -> &Structure {
        self.structure.get_or_init(|| scan::scan(self.raw))
    }

    /// What IMAP calls the envelope (RFC 3501 §7.4.2).
    pub fn summary(&self) -> Summary {
        Summary::of(self.header())
    }

    /// The header section of a part.
    pub fn part_header(&self, part: &Part) -> Header<'a> {
        Header::parse(self.bytes(part.header.clone()))
    }

    /// The bytes of a part as they are in the message, undecoded.
    pub fn part_bytes(&self, part: &Part) -> &'a [u8] {
        self.bytes(part.body.clone())
    }

    /// The content of a part without its transfer encoding. Where the encoding is broken the
    /// undecoded bytes.
    pub fn decoded(&self, part: &Part) -> Cow<'a, [u8]> {
        content::decode(self.part_bytes(part), part.encoding)
    }

    /// The content of a part as UTF-8 text, from the character set it names. Bytes that are no
    /// text become U+FFFD.
    pub fn text(&self, part: &Part) -> String {
        content::to_text(&self.decoded(part), part.media.parameter(b"charset"))
    }

    /// The name a part wants to have as a file, decoded (RFC 2183 §2.3, RFC 2231).
    pub fn file_name(&self, part: &Part) -> Option<String> {
        let disposition = part.disposition.as_ref();
        disposition
            .and_then(|disposition| disposition.decoded_parameter("filename"))
            .or_else(|| part.media.decoded_parameter("name"))
    }

    /// The header section and the first `lines` lines of the body (POP3 TOP, RFC 1939 §7).
    pub fn top(&self, lines: u64) -> Range<usize> {
        let body = self.header().body_offset();
        let mut end = body;
        for _ in 0..lines {
            match self.raw[end..].iter().position(|&b| b == b'\n') {
                Some(newline) => end += newline + 1,
                None => return 0..self.raw.len(),
            }
        }
        0..end
    }

    /// Is the message within the bounds of [`limits::HEADER_COUNT`] and
    /// [`limits::HEADER_BYTES`]?
    pub fn header_is_within_limits(&self) -> bool {
        let header = self.header();
        !header.is_cut() && header.body_offset() <= limits::HEADER_BYTES
    }

    /// Does the message have bytes outside ASCII anywhere?
    pub fn has_8bit(&self) -> bool {
        !self.raw.is_ascii()
    }

    fn bytes(&self, range: Range<usize>) -> &'a [u8] {
        self.raw.get(range).unwrap_or_default()
    }
}
