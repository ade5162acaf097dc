//! The message as one domain's plugins see it: with the edits made so far, read when asked.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use mail::limits;
use mail::message::{Header, Message, Part};

use crate::edit::HeaderEdit;
use crate::effect::EditedHeader;
use crate::source::MessageSource;

/// Most bytes that one read hands to a guest.
const READ_BYTES: usize = 1024 * 1024;
/// Bytes of a message that are looked at for its parts.
const PARSED_BYTES: usize = 32 * 1024 * 1024;
/// Parts that are shown.
const PARTS: usize = 500;
/// Bytes of one part's content.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// First read for the header.
const HEADER_READ: usize = 16 * 1024;

/// A message and what was found out about it.
pub(crate) struct MessageView {
    source: Arc<dyn MessageSource>,
    /// The header section with its empty line, edited.
    header: Bytes,
    /// Where the body begins in the source.
    body_offset: u64,
    is_edited: bool,
    auth_results: Vec<String>,
    parsed: OnceLock<Result<Parsed, String>>,
}

/// The whole message and its parts.
struct Parsed {
    raw: Vec<u8>,
    parts: Vec<PartView>,
    /// The same parts, as they are found in `raw`.
    leaves: Vec<Part>,
}

/// What is known of one part without decoding it.
#[derive(Debug, Clone)]
pub(crate) struct PartView {
    pub(crate) path: String,
    pub(crate) media_type: String,
    pub(crate) disposition: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) size: u64,
}

impl MessageView {
    /// Reads the header section only.
    pub(crate) fn open(
        source: Arc<dyn MessageSource>,
        auth_results: Vec<String>,
    ) -> io::Result<Self> {
        let mut length = HEADER_READ;
        let (mut header, body_offset) = loop {
            let start = source.read(0, length)?;
            let is_all = start.len() < length || length >= limits::HEADER_BYTES;
            if let Some(end) = header_end(&start) {
                break (start, end);
            }
            if is_all {
                let end = start.len();
                break (start, end);
            }
            length = (length * 4).min(limits::HEADER_BYTES);
        };
        header.truncate(body_offset);
        Ok(Self {
            source,
            header,
            body_offset: body_offset as u64,
            is_edited: false,
            auth_results,
            parsed: OnceLock::new(),
        })
    }

    /// The same message after some edits.
    pub(crate) fn edited(&self, edits: &[HeaderEdit]) -> Self {
        let mut header = self.header.to_vec();
        for edit in edits {
            header = edit.apply(&header);
        }
        Self {
            source: Arc::clone(&self.source),
            header: header.into(),
            body_offset: self.body_offset,
            is_edited: true,
            auth_results: self.auth_results.clone(),
            parsed: OnceLock::new(),
        }
    }

    pub(crate) fn edited_header(&self) -> Option<EditedHeader> {
        self.is_edited.then(|| EditedHeader {
            header: self.header.clone(),
            body_offset: self.body_offset,
        })
    }

    pub(crate) fn auth_results(&self) -> &[String] {
        &self.auth_results
    }

    /// The decoded values of the fields of a name.
    pub(crate) fn headers(&self, name: &str) -> Vec<String> {
        Header::parse(&self.header)
            .all(name)
            .map(|field| field.text())
            .collect()
    }

    /// All fields: name and bytes after the colon.
    pub(crate) fn raw_headers(&self) -> Vec<(String, Vec<u8>)> {
        let header = Header::parse(&self.header);
        header
            .fields()
            .map(|field| (field.name().to_owned(), field.raw_value().to_vec()))
            .collect()
    }

    /// Bytes for a guest.
    pub(crate) fn raw(&self, offset: u64, length: u32) -> io::Result<Bytes> {
        self.read(offset, (length as usize).min(READ_BYTES))
    }

    pub(crate) fn parts(&self) -> Result<&[PartView], String> {
        Ok(&self.parsed()?.parts)
    }

    /// The decoded content of a part.
    pub(crate) fn part_bytes(&self, index: usize) -> Result<Vec<u8>, String> {
        let parsed = self.parsed()?;
        let Some(part) = parsed.leaves.get(index) else {
            return Ok(Vec::new());
        };
        let message = Message::new(&parsed.raw);
        let mut bytes = message.decoded(part).into_owned();
        bytes.truncate(PART_BYTES);
        Ok(bytes)
    }

    /// The content of a part as text.
    pub(crate) fn part_text(&self, index: usize) -> Result<String, String> {
        let parsed = self.parsed()?;
        let Some(part) = parsed.leaves.get(index) else {
            return Ok(String::new());
        };
        let message = Message::new(&parsed.raw);
        let mut text = message.text(part);
        let mut end = text.len().min(PART_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Ok(text)
    }

    fn parsed(&self) -> Result<&Parsed, String> {
        let parsed = self.parsed.get_or_init(|| {
            let raw = self
                .read(0, PARSED_BYTES)
                .map_err(|error| error.to_string())?
                .to_vec();
            let (parts, leaves) = parts(&raw);
            Ok(Parsed { raw, parts, leaves })
        });
        parsed.as_ref().map_err(Clone::clone)
    }
}

impl MessageSource for MessageView {
    fn is_in_memory(&self) -> bool {
        self.source.is_in_memory()
    }

    fn size(&self) -> u64 {
        self.header.len() as u64 + self.source.size().saturating_sub(self.body_offset)
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let header_length = self.header.len() as u64;
        if offset >= header_length {
            return self
                .source
                .read(self.body_offset + (offset - header_length), length);
        }
        let start = self.header.read(offset, length)?;
        if start.len() == length {
            return Ok(start);
        }
        let rest = self.source.read(self.body_offset, length - start.len())?;
        Ok([start, rest].concat().into())
    }
}

fn parts(raw: &[u8]) -> (Vec<PartView>, Vec<Part>) {
    let message = Message::new(raw);
    let leaves = message.structure().leaves();
    let shown = leaves.into_iter().take(PARTS);
    shown
        .map(|(path, part)| (part_view(&message, &path, part), part.clone()))
        .unzip()
}

fn part_view(message: &Message<'_>, path: &[u32], part: &Part) -> PartView {
    let (main, sub) = part.shown_type();
    let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
    PartView {
        path: path
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join("."),
        media_type: format!("{}/{}", lower(main), lower(sub)),
        disposition: part.disposition.as_ref().map(|found| lower(&found.word)),
        name: message.file_name(part),
        size: part.size() as u64,
    }
}

/// Where the body begins: behind the first empty line.
fn header_end(start: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    while let Some(length) = start[line_start..].iter().position(|&byte| byte == b'\n') {
        let line = &start[line_start..line_start + length];
        line_start += length + 1;
        if line.is_empty() || line == b"\r" {
            return Some(line_start);
        }
    }
    None
}

#[cfg(test)]
mod tests;
