//! The message, read piece by piece.

use crate::border;

/// The message of the call. Each function asks the host, so a hook costs what it reads.
#[derive(Debug, Clone, Copy)]
pub struct Message<'call>(pub(crate) border::Message<'call>);

/// Bytes that one [`Message::raw`] returns at most.
const RAW_PIECE: u32 = 1024 * 1024;

impl Message<'_> {
    /// Size in bytes, with CRLF line endings.
    pub fn size(&self) -> u64 {
        border::message_size(self.0)
    }

    /// The first header field of that name as text: unfolded, encoded words decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        border::message_header(self.0, name)
    }

    /// All header fields of that name as text, in order.
    pub fn headers(&self, name: &str) -> Vec<String> {
        border::message_headers(self.0, name)
    }

    /// All header fields in order: name as written, and the bytes after the colon, still folded.
    pub fn raw_headers(&self) -> Vec<(String, Vec<u8>)> {
        border::message_raw_headers(self.0)
    }

    /// Bytes from `offset`: fewer than `length` at the end, and never more than 1 MiB at once.
    pub fn raw(&self, offset: u64, length: u32) -> Vec<u8> {
        border::message_raw(self.0, offset, length)
    }

    /// All bytes, in pieces of at most 1 MiB.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let (message, mut offset) = (*self, 0);
        std::iter::from_fn(move || {
            let piece = message.raw(offset, RAW_PIECE);
            offset += piece.len() as u64;
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// The MIME parts that are not multiparts themselves, at most 500.
    pub fn parts(&self) -> Vec<Part> {
        border::message_parts(self.0)
            .into_iter()
            .map(Part)
            .collect()
    }

    /// What the host found out about the sender: one `method=result` each (RFC 8601 §2.2).
    pub fn auth_results(&self) -> Vec<String> {
        border::message_auth_results(self.0)
    }

    /// Capability `edit`: puts a field in front of the header. The error says why it was refused.
    pub fn prepend_header(&self, name: &str, value: &str) -> Result<(), String> {
        border::prepend_header(self.0, name, value)
    }

    /// Capability `edit`: adds a field after the last one.
    pub fn append_header(&self, name: &str, value: &str) -> Result<(), String> {
        border::append_header(self.0, name, value)
    }

    /// Capability `edit`: one field of that name with this value, instead of all there are.
    pub fn replace_header(&self, name: &str, value: &str) -> Result<(), String> {
        border::replace_header(self.0, name, value)
    }

    /// Capability `edit`: removes every field of that name.
    pub fn remove_header(&self, name: &str) -> Result<(), String> {
        border::remove_header(self.0, name)
    }
}

/// One part of a message.
#[derive(Debug)]
pub struct Part(border::Part);

impl Part {
    /// Where it is, numbered as in IMAP: `1`, `2.1`.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// Media type in lower case, `text/plain` where none is given.
    pub fn media_type(&self) -> String {
        self.0.media_type()
    }

    /// `attachment`, `inline` or what else is written, in lower case.
    pub fn disposition(&self) -> Option<String> {
        self.0.disposition()
    }

    /// File name, decoded.
    pub fn name(&self) -> Option<String> {
        self.0.name()
    }

    /// Size in bytes as transferred, before decoding.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// Content with its transfer encoding taken off, cut after 8 MiB.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes()
    }

    /// Content as text, converted from its character set.
    pub fn text(&self) -> String {
        self.0.text()
    }
}
