//! A header section: its fields in order (RFC 5322 §2.2).

use std::ops::Range;

use super::address::{AddressListEntry, parse_address_list};
use super::content::{decode_words, unfold};
use super::parameters::ParameterizedValue;
use crate::limits;

/// The fields of one header section, as they are in the message.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    raw: &'a [u8],
    fields: Vec<FieldRange>,
    body_offset: usize,
    cut: bool,
}

/// Where a field is. `name` is empty for a line that is no field.
#[derive(Debug, Clone)]
struct FieldRange {
    whole: Range<usize>,
    name: Range<usize>,
    value: Range<usize>,
}

impl<'a> Header<'a> {
    /// Reads the header section at the start of `raw`: up to an empty line or the end.
    pub fn parse(raw: &'a [u8]) -> Self {
        Self::parse_until(raw, |_| false)
    }

    /// Reads up to an empty line, the end, or a line for which `ends` holds (a MIME boundary
    /// inside a header section). That line does not belong to the section.
    pub(super) fn parse_until(raw: &'a [u8], ends: impl Fn(&[u8]) -> bool) -> Self {
        let mut header = Self {
            raw,
            fields: Vec::new(),
            body_offset: raw.len(),
            cut: false,
        };
        let mut at = 0;
        while at < raw.len() {
            let end = line_end(raw, at);
            let line = &raw[at..end];
            if matches!(line, b"\n" | b"\r\n") {
                header.body_offset = end;
                return header;
            }
            if ends(line) {
                header.body_offset = at;
                return header;
            }
            if matches!(line[0], b' ' | b'\t') && !header.fields.is_empty() {
                header.extend_last(end);
            } else {
                header.push(at, end);
            }
            at = end;
        }
        header
    }

    fn push(&mut self, start: usize, end: usize) {
        if self.fields.len() >= limits::HEADER_COUNT || end > limits::HEADER_BYTES {
            self.cut = true;
            return;
        }
        let line = &self.raw[start..end];
        let colon = line.iter().position(|&b| b == b':').unwrap_or(0);
        // RFC 5322 §4.5.8: the obsolete form allows white space before the colon.
        let name = line[..colon].trim_ascii_end();
        let is_field = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
        let (name, value) = if is_field {
            (start..start + name.len(), start + colon + 1..end)
        } else {
            (start..start, start..end)
        };
        self.fields.push(FieldRange {
            whole: start..end,
            name,
            value,
        });
    }

    fn extend_last(&mut self, end: usize) {
        if self.cut || end > limits::HEADER_BYTES {
            self.cut = true;
        } else if let Some(last) = self.fields.last_mut() {
            last.whole.end = end;
            last.value.end = end;
        }
    }

    /// The fields in order.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = Field<'a>> + '_ {
        self.fields.iter().map(|range| Field {
            whole: &self.raw[range.whole.clone()],
            name: &self.raw[range.name.clone()],
            value: &self.raw[range.value.clone()],
        })
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields of that name, without case, in order.
    pub fn all<'h>(&'h self, name: &'h str) -> impl DoubleEndedIterator<Item = Field<'a>> + 'h {
        self.fields()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The first field of that name, without case.
    pub fn first(&self, name: &str) -> Option<Field<'a>> {
        self.all(name).next()
    }

    /// Is there a field of that name?
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The first field of that name, unfolded and decoded.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(|field| field.text())
    }

    /// How many servers it has passed: its `Received` fields (RFC 5321 §6.3).
    pub fn hops(&self) -> usize {
        self.all("received").count()
    }

    /// The whole section with the empty line that ends it.
    pub fn raw(&self) -> &'a [u8] {
        &self.raw[..self.body_offset]
    }

    /// Where the body begins: the length of the section with its empty line.
    pub const fn body_offset(&self) -> usize {
        self.body_offset
    }

    /// Were there more fields or bytes than [`limits`] allow? The fields beyond are not listed.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// One header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    whole: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The name as written; empty for a line that is no field.
    pub fn name(&self) -> &'a str {
        // A name is printable ASCII by `Header::push`.
        std::str::from_utf8(self.name).unwrap_or_default()
    }

    /// Name, colon, value and line end, as in the message.
    pub const fn raw(&self) -> &'a [u8] {
        self.whole
    }

    /// What follows the colon up to the last line end, as in the message: folded, not trimmed.
    pub fn raw_value(&self) -> &'a [u8] {
        let value = self.value;
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.strip_suffix(b"\r").unwrap_or(value)
    }

    /// The value without folding and without white space around it (RFC 5322 §2.2.3).
    pub fn unfolded(&self) -> Vec<u8> {
        unfold(self.raw_value())
    }

    /// The value unfolded, with encoded words decoded (RFC 2047), at most
    /// [`limits::HEADER_DECODED`] bytes of it.
    pub fn text(&self) -> String {
        decode_words(self.raw_value())
    }

    /// The value as a list of addresses (RFC 5322 §3.4).
    pub fn addresses(&self) -> Vec<AddressListEntry> {
        parse_address_list(self.raw_value())
    }

    /// The value as word and parameters: `attachment; filename=a` (RFC 2045 §5.1, RFC 2183).
    pub fn parameterized(&self) -> ParameterizedValue {
        ParameterizedValue::parse(self.raw_value())
    }
}

/// The offset behind the line that begins at `at`.
pub(super) fn line_end(raw: &[u8], at: usize) -> usize {
    raw[at..]
        .iter()
        .position(|&b| b == b'\n')
        .map_or(raw.len(), |newline| at + newline + 1)
}
