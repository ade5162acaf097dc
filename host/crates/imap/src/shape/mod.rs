//! What FETCH needs to know of a message besides its bytes.
//!
//! The host makes a [`Shape`] from the bytes (it may keep it by the message's id: a shape never
//! changes), the session answers from it. ENVELOPE, BODY and BODYSTRUCTURE are in it ready for
//! the wire; sections are byte ranges.

mod body;
mod envelope;

use std::ops::Range;

use mail::limits;
use mail::message::{Header, Message, Part, PartKind, Structure, Summary};

use crate::ask::Depth;

/// The outline of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    envelope: Box<[u8]>,
    /// Of the message itself, then of the messages in it.
    headers: Vec<HeaderShape>,
    parts: Option<Parts>,
}

/// What only the whole message tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    structure: Structure,
    body: Box<[u8]>,
    body_structure: Box<[u8]>,
}

/// The outline of a header section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderShape {
    /// With the empty line.
    pub(crate) whole: Range<usize>,
    pub(crate) fields: Vec<FieldShape>,
    /// Of no length where the message has none.
    pub(crate) empty_line: Range<usize>,
}

/// Where a field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldShape {
    pub(crate) name: Box<str>,
    pub(crate) range: Range<usize>,
}

impl Shape {
    /// Bytes of a message that hold its header section, if any do: what [`Shape::of_header`]
    /// should be given at first.
    pub const HEADER_PIECE: usize = 16 * 1024;

    /// From the whole message.
    pub fn of_message(raw: &[u8]) -> Self {
        let message = Message::new(raw);
        let structure = message.structure().clone();
        let inner = structure.parts().iter().filter_map(|part| match part.kind {
            PartKind::Message(index) => structure.parts().get(index),
            _ => None,
        });
        let headers = [structure.root()].into_iter().chain(inner);
        let headers =
            headers.map(|part| HeaderShape::of(&message.part_header(part), part.header.start));
        Self {
            envelope: rendered(|out| envelope::write(&message.summary(), out)),
            headers: headers.collect(),
            parts: Some(Parts {
                body: rendered(|out| body::write(&message, body::Form::Body, out)),
                body_structure: rendered(|out| {
                    body::write(&message, body::Form::BodyStructure, out);
                }),
                structure,
            }),
        }
    }

    /// From the first bytes of a message. `None` where they may be only a part of its header
    /// section: then give more. `all` says that there are no more.
    pub fn of_header(raw: &[u8], all: bool) -> Option<Self> {
        let header = Header::parse(raw);
        let complete = all || header.body_offset() < raw.len() || ends_in_empty_line(header.raw());
        if !complete && raw.len() <= limits::HEADER_BYTES {
            return None;
        }
        Some(Self {
            envelope: rendered(|out| envelope::write(&Summary::of(&header), out)),
            headers: vec![HeaderShape::of(&header, 0)],
            parts: None,
        })
    }

    /// Does it tell as much as is asked for?
    pub const fn reaches(&self, depth: Depth) -> bool {
        matches!(depth, Depth::Bytes | Depth::Header) || self.parts.is_some()
    }

    /// Roughly how many bytes it takes in memory, for a cache.
    pub fn weight(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|header| 64 + 64 * header.fields.len())
            .sum();
        let parts = self.parts.as_ref().map_or(0, |parts| {
            parts.body.len() + parts.body_structure.len() + 512 * parts.structure.parts().len()
        });
        256 + self.envelope.len() + headers + parts
    }

    /// ENVELOPE, as sent.
    pub(crate) fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// BODY, as sent.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.parts.as_ref().map(|parts| &*parts.body)
    }

    /// BODYSTRUCTURE, as sent.
    pub(crate) fn body_structure(&self) -> Option<&[u8]> {
        self.parts.as_ref().map(|parts| &*parts.body_structure)
    }

    pub(crate) fn structure(&self) -> Option<&Structure> {
        self.parts.as_ref().map(|parts| &parts.structure)
    }

    /// The header of the message itself.
    pub(crate) fn root_header(&self) -> &HeaderShape {
        // Both constructors put it there.
        &self.headers[0]
    }

    /// The header of the message itself, or of the message in a part.
    pub(crate) fn header(&self, path: &[u32]) -> Option<&HeaderShape> {
        if path.is_empty() {
            return Some(self.root_header());
        }
        let structure = self.structure()?;
        let message: &Part = structure.contained_message(structure.find(path)?)?;
        self.headers
            .iter()
            .find(|header| header.whole.start == message.header.start)
    }
}

impl HeaderShape {
    fn of(header: &Header<'_>, start: usize) -> Self {
        let raw = header.raw();
        let mut at = start;
        let fields = header.fields().map(|field| {
            let range = at..at + field.raw().len();
            at = range.end;
            FieldShape {
                name: field.name().into(),
                range,
            }
        });
        let fields = fields.collect();
        let end = start + raw.len();
        let empty_line = match raw {
            _ if !ends_in_empty_line(raw) => end..end,
            [.., b'\r', b'\n'] => end - 2..end,
            _ => end - 1..end,
        };
        Self {
            whole: start..end,
            fields,
            empty_line,
        }
    }
}

fn ends_in_empty_line(header: &[u8]) -> bool {
    let before = header
        .strip_suffix(b"\n")
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    before.is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
}

fn rendered(write: impl FnOnce(&mut Vec<u8>)) -> Box<[u8]> {
    let mut out = Vec::new();
    write(&mut out);
    out.into_boxed_slice()
}

#[cfg(test)]
mod tests;
