//! The tree of parts of a message (RFC 2045, RFC 2046).

use std::ops::Range;

use super::parameters::{MediaType, ParameterizedValue};

/// All parts of a message; the first is the message itself.
///
/// ```text
///   0 message            multipart/mixed            BODY[]
///   ├ 1 part             text/plain                 BODY[1]
///   └ 2 part             message/rfc822             BODY[2]
///     └ 3 message        multipart/alternative      BODY[2.HEADER], BODY[2.TEXT]
///       ├ 4 part         text/plain                 BODY[2.1]
///       └ 5 part         text/html                  BODY[2.2]
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    pub(super) parts: Vec<Part>,
    pub(super) cut: bool,
}

/// One node: a message, or a part of a multipart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its header section with the empty line, in the message's bytes.
    pub header: Range<usize>,
    /// Its content, undecoded, without the line end that belongs to the next boundary.
    pub body: Range<usize>,
    /// Line ends in `body`.
    pub lines: u64,
    /// How far down: 0 for the message itself.
    pub depth: usize,
    /// Content-Type, or its default (RFC 2045 §5.2, RFC 2046 §5.1.5).
    pub media: MediaType,
    /// Content-Transfer-Encoding as far as we decode it.
    pub encoding: Encoding,
    /// Content-Transfer-Encoding as written, lower case; `7bit` where it is missing.
    pub encoding_name: Vec<u8>,
    /// Content-Disposition.
    pub disposition: Option<ParameterizedValue>,
    /// Content-ID as written, with brackets.
    pub id: Option<Vec<u8>>,
    /// Content-Description as written.
    pub description: Option<Vec<u8>>,
    /// Content-Language, the tags.
    pub language: Vec<Vec<u8>>,
    /// Content-Location as written.
    pub location: Option<Vec<u8>>,
    /// Content-MD5 as written.
    pub md5: Option<Vec<u8>>,
    /// What is in it.
    pub kind: PartKind,
}

/// What a part consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartKind {
    /// Content. Also a multipart without any part in it, and whatever is too deep.
    Leaf,
    /// A multipart with at least one part: indexes into [`Structure::parts`].
    Multipart(Vec<usize>),
    /// A message/rfc822: the index of the message in it.
    Message(usize),
}

/// Transfer encodings that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary, or none named.
    Identity,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
    /// Any other: the bytes stay as they are.
    Unknown,
}

/// What of a part is meant (RFC 3501 §6.4.5, `section-text`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `BODY[]`, `BODY[1.2]`: the whole message, or the content of the part.
    Whole,
    /// `BODY[HEADER]`, `BODY[1.2.HEADER]`: the header of a message.
    Header,
    /// `BODY[TEXT]`, `BODY[1.2.TEXT]`: the body of a message.
    Text,
    /// `BODY[1.2.MIME]`: the header of a part.
    Mime,
}

impl Part {
    /// The type to show: a leaf that calls itself multipart or message/rfc822 was not looked
    /// into and is plain bytes to a client.
    pub fn shown_type(&self) -> (&[u8], &[u8]) {
        let container = self.media.main == b"multipart" || is_message(&self.media);
        if self.kind == PartKind::Leaf && container {
            (b"application", b"octet-stream")
        } else {
            (&self.media.main, &self.media.sub)
        }
    }

    /// Is it text?
    pub fn is_text(&self) -> bool {
        self.media.main == b"text"
    }

    /// Size of the content in bytes, undecoded.
    pub const fn size(&self) -> usize {
        self.body.end - self.body.start
    }
}

/// Does it hold a message (RFC 2046 §5.2.1, RFC 6532 §3.7)?
pub(super) fn is_message(media: &MediaType) -> bool {
    media.is("message", "rfc822") || media.is("message", "global")
}

impl Structure {
    /// The message itself.
    pub fn root(&self) -> &Part {
        // `scan` always makes the first part.
        &self.parts[0]
    }

    /// All parts, the message first, each before what is in it.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Was there more than [`crate::limits::MIME_DEPTH`] or [`crate::limits::MIME_PARTS`]
    /// allow?
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The part with an IMAP number, `1.2` as `[1, 2]` (RFC 3501 §6.4.5); empty is the message.
    pub fn find(&self, path: &[u32]) -> Option<&Part> {
        let mut part = self.root();
        for (step, &number) in path.iter().enumerate() {
            let inner = self.contained_message(part).filter(|_| step > 0);
            part = match (&inner.unwrap_or(part).kind, inner) {
                (PartKind::Multipart(children), _) => {
                    let index = usize::try_from(number).ok()?.checked_sub(1)?;
                    self.parts.get(*children.get(index)?)?
                }
                // The only part of a message that is no multipart is number 1.
                (_, Some(message)) if number == 1 => message,
                (_, None) if number == 1 && step == 0 => part,
                _ => return None,
            };
        }
        Some(part)
    }

    /// The bytes of a section, or `None` where there is no such section. The empty path with
    /// [`Section::Mime`] is none.
    pub fn section(&self, path: &[u32], section: Section) -> Option<Range<usize>> {
        let part = self.find(path)?;
        if path.is_empty() {
            return match section {
                Section::Whole => Some(part.header.start..part.body.end),
                Section::Header => Some(part.header.clone()),
                Section::Text => Some(part.body.clone()),
                Section::Mime => None,
            };
        }
        match section {
            Section::Whole => Some(part.body.clone()),
            Section::Mime => Some(part.header.clone()),
            Section::Header => Some(self.contained_message(part)?.header.clone()),
            Section::Text => Some(self.contained_message(part)?.body.clone()),
        }
    }

    /// The message in a message/rfc822 part.
    pub fn contained_message(&self, part: &Part) -> Option<&Part> {
        match part.kind {
            PartKind::Message(index) => self.parts.get(index),
            _ => None,
        }
    }

    /// The parts in a multipart.
    pub fn children<'s>(&'s self, part: &'s Part) -> impl Iterator<Item = &'s Part> {
        let indexes = match &part.kind {
            PartKind::Multipart(children) => children.as_slice(),
            _ => &[],
        };
        indexes.iter().filter_map(|&index| self.parts.get(index))
    }

    /// The leaves and contained messages with their IMAP numbers, in order, also those inside
    /// contained messages: what a plugin or a person would list.
    pub fn leaves(&self) -> Vec<(Vec<u32>, &Part)> {
        let mut leaves = Vec::new();
        // Each part is pushed once; the flag says that the part is a message, whose number is
        // that of the part it is in.
        let mut pending = vec![(Vec::new(), self.root(), true)];
        while let Some((mut path, part, is_message)) = pending.pop() {
            if let PartKind::Multipart(children) = &part.kind {
                let inner = (1..).zip(children).filter_map(|(number, &index)| {
                    let path = [path.as_slice(), &[number]].concat();
                    Some((path, self.parts.get(index)?, false))
                });
                let inner: Vec<_> = inner.collect();
                pending.extend(inner.into_iter().rev());
                continue;
            }
            if is_message {
                path.push(1);
            }
            if let Some(message) = self.contained_message(part) {
                pending.push((path.clone(), message, true));
            }
            leaves.push((path, part));
        }
        leaves
    }
}
