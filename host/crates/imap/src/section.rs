//! Which bytes of a message a section is (RFC 3501 §6.4.5).

use std::fmt::{self, Write as _};
use std::ops::Range;

use mail::message;

use crate::ask::Depth;
use crate::shape::{HeaderShape, Shape};

/// `1.2.HEADER`, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// Empty for the message itself.
    pub(crate) part: Vec<u32>,
    pub(crate) text: SectionText,
}

/// What of the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SectionText {
    All,
    Header,
    Fields {
        choice: FieldChoice,
        names: Vec<String>,
    },
    Text,
    Mime,
}

/// HEADER.FIELDS or HEADER.FIELDS.NOT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldChoice {
    These,
    Others,
}

impl Section {
    /// How much of the message must be looked at to know the bytes.
    pub(crate) fn depth(&self) -> Depth {
        match (&self.text, self.part.is_empty()) {
            (_, false) => Depth::Parts,
            (SectionText::All, true) => Depth::Bytes,
            (_, true) => Depth::Header,
        }
    }

    /// The byte ranges of the section in a message of `size` bytes, ascending. `None` where
    /// there is no such section, or the shape does not tell.
    pub(crate) fn ranges(&self, shape: Option<&Shape>, size: u64) -> Option<Vec<Range<u64>>> {
        if self.part.is_empty() && self.text == SectionText::All {
            let whole: Range<u64> = 0..size;
            return Some(vec![whole]);
        }
        let shape = shape?;
        let range = match &self.text {
            SectionText::Fields { choice, names } => {
                return Some(fields(shape.header(&self.part)?, *choice, names));
            }
            SectionText::Header if self.part.is_empty() => {
                to_u64(shape.root_header().whole.clone())
            }
            SectionText::Text if self.part.is_empty() => shape.root_header().whole.end as u64..size,
            SectionText::All => self.in_structure(shape, message::Section::Whole)?,
            SectionText::Header => self.in_structure(shape, message::Section::Header)?,
            SectionText::Text => self.in_structure(shape, message::Section::Text)?,
            SectionText::Mime => self.in_structure(shape, message::Section::Mime)?,
        };
        Some(vec![range])
    }

    fn in_structure(&self, shape: &Shape, section: message::Section) -> Option<Range<u64>> {
        shape.structure()?.section(&self.part, section).map(to_u64)
    }
}

/// The fields of a header, and the empty line, which always comes with them
/// (RFC 3501 §6.4.5, HEADER.FIELDS).
fn fields(header: &HeaderShape, choice: FieldChoice, names: &[String]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let chosen = header.fields.iter().filter(|field| {
        let named = names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&field.name));
        named == (choice == FieldChoice::These)
    });
    for range in chosen.map(|field| &field.range).chain([&header.empty_line]) {
        let range = to_u64(range.clone());
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    ranges.retain(|range| !range.is_empty());
    ranges
}

/// Only the bytes from `start` on, at most `count` of them (`<start.count>`).
pub(crate) fn cut(ranges: Vec<Range<u64>>, start: u64, count: u64) -> Vec<Range<u64>> {
    let (mut skip, mut left) = (start, count);
    let mut kept = Vec::new();
    for range in ranges {
        let length = range.end - range.start;
        let from = range.start + skip.min(length);
        skip -= skip.min(length);
        let to = from + left.min(range.end - from);
        left -= to - from;
        if from < to {
            kept.push(from..to);
        }
    }
    kept
}

/// Bytes in all the ranges.
pub(crate) fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn to_u64(range: Range<usize>) -> Range<u64> {
    range.start as u64..range.end as u64
}

/// As asked for: `1.2.HEADER.FIELDS (DATE FROM)`.
impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.part.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{number}")?;
        }
        if !self.part.is_empty() && self.text != SectionText::All {
            f.write_char('.')?;
        }
        match &self.text {
            SectionText::All => Ok(()),
            SectionText::Header => f.write_str("HEADER"),
            SectionText::Text => f.write_str("TEXT"),
            SectionText::Mime => f.write_str("MIME"),
            SectionText::Fields { choice, names } => {
                let not = if *choice == FieldChoice::Others {
                    ".NOT"
                } else {
                    ""
                };
                write!(f, "HEADER.FIELDS{not} (")?;
                for (index, name) in names.iter().enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    write!(f, "{space}{}", FieldName(name))?;
                }
                f.write_char(')')
            }
        }
    }
}

/// An atom where it can be one, else quoted. It is printable ASCII by the parser.
struct FieldName<'a>(&'a str);

impl fmt::Display for FieldName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.bytes().all(crate::parse::is_atom) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(character)?;
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
