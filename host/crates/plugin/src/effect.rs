//! What a call wants to happen, as values. The host applies them together, in the commit that
//! settles the recipient.

use bytes::Bytes;
use mail::header::{HeaderBuilder, HeaderError};
use mail::{Mailbox, ReversePath, Timestamp};

/// Longest line of a text that is sent as it is (RFC 5322 §2.1.1), with its CR.
const TEXT_LINE: usize = 999;

/// Something that a call wants to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A write to the plugin's table. Kept also when the answer is a refusal or a deferral.
    Kv(KvWrite),
    /// A new message.
    Submit(Submission),
    /// The message, sent on unchanged.
    Forward(Forward),
    /// A copy of the message in a mailbox.
    File(MailboxAppend),
    /// Bytes at the end of a file.
    Append(FileAppend),
}

impl Effect {
    /// The word for it, as in `docs/hooks.tsv`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Kv(_) => "kv",
            Self::Submit(_) => "submit",
            Self::Forward(_) => "forward",
            Self::File(_) => "mailbox",
            Self::Append(_) => "file",
        }
    }

    /// Is it kept with a refusal and a deferral?
    pub const fn survives_refusal(&self) -> bool {
        matches!(self, Self::Kv(_))
    }
}

/// One write to the table of a plugin in a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvWrite {
    /// The plugin whose table it is.
    pub plugin: String,
    /// The key, 1 to 256 bytes.
    pub key: String,
    /// The value, at most 64 KiB; `None` removes the key.
    pub value: Option<Vec<u8>>,
    /// How long it stays, in seconds; `None`: until it is removed.
    pub ttl_seconds: Option<u64>,
    /// Where set: what the key must hold at the commit (`Some(None)`: nothing), or the call is run
    /// again.
    pub expected: Option<Option<Vec<u8>>>,
}

/// A message made by a plugin. The host adds the marks that stop loops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Envelope sender: null, or of the own domain.
    pub reverse_path: ReversePath,
    /// Envelope recipients, at least one.
    pub recipients: Vec<Mailbox>,
    /// Header fields as the plugin gave them, checked.
    pub headers: Vec<(String, String)>,
    /// The text.
    pub text: String,
    /// Is the message of the call attached?
    pub attach: bool,
}

impl Submission {
    /// The message, with `Date`, `Message-ID`, `From`, MIME fields and `Auto-Submitted` where they are
    /// missing (RFC 5322 §3.6, RFC 3834 §5).
    ///
    /// `message_id` is without angle brackets, `boundary` a token that the content does not have,
    /// `original` the message of the call, used where it is to be attached.
    pub fn render(
        &self,
        date: Timestamp,
        message_id: &str,
        default_from: &Mailbox,
        original: &[u8],
        boundary: &str,
    ) -> Result<Vec<u8>, HeaderError> {
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let mut header = HeaderBuilder::new();
        for (name, value) in &self.headers {
            header.text(name, value)?;
        }
        if !has("From") {
            header.structured("From", &default_from.to_string())?;
        }
        if !has("Date") {
            header.date("Date", date)?;
        }
        if !has("Message-ID") {
            header.structured("Message-ID", &format!("<{message_id}>"))?;
        }
        if !has("Auto-Submitted") {
            header.structured("Auto-Submitted", "auto-generated")?;
        }
        header.structured("MIME-Version", "1.0")?;
        if !self.attach {
            let text = text_part(&mut header, self.text_lines())?;
            return Ok([header.finish().as_slice(), b"\r\n", &text].concat());
        }
        header.structured(
            "Content-Type",
            &format!("multipart/mixed; boundary=\"{boundary}\""),
        )?;
        let mut part = HeaderBuilder::new();
        let text = text_part(&mut part, self.text_lines())?;
        let open = format!("\r\n--{boundary}\r\n");
        let middle = format!("\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n");
        let close = format!("\r\n--{boundary}--\r\n");
        let pieces: [&[u8]; 8] = [
            &header.finish(),
            open.as_bytes(),
            &part.finish(),
            b"\r\n",
            &text,
            middle.as_bytes(),
            original,
            close.as_bytes(),
        ];
        Ok(pieces.concat())
    }

    /// The text with CRLF line ends.
    fn text_lines(&self) -> Vec<u8> {
        let mut lines = Vec::with_capacity(self.text.len() + 64);
        for line in self.text.lines() {
            lines.extend(line.bytes().filter(|&byte| byte != b'\r' && byte != 0));
            lines.extend(b"\r\n");
        }
        lines
    }
}

/// The fields of a text part, and the text as they say it is encoded.
fn text_part(header: &mut HeaderBuilder, text: Vec<u8>) -> Result<Vec<u8>, HeaderError> {
    let is_short = |line: &[u8]| line.len() < TEXT_LINE;
    let is_plain = text.is_ascii() && text.split(|&byte| byte == b'\n').all(is_short);
    header.structured("Content-Type", "text/plain; charset=utf-8")?;
    let encoding = if is_plain { "7bit" } else { "quoted-printable" };
    header.structured("Content-Transfer-Encoding", encoding)?;
    Ok(if is_plain {
        text
    } else {
        quoted_printable(&text)
    })
}

/// RFC 2045 §6.7: every byte outside printable ASCII as `=XX`, lines of at most 76.
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len() * 2);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let mut column = 0;
        for (index, &byte) in line.iter().enumerate() {
            let is_last = index + 1 == line.len();
            let is_literal =
                (byte.is_ascii_graphic() && byte != b'=') || (byte == b' ' && !is_last);
            let width = if is_literal { 1 } else { 3 };
            if column + width > 75 {
                encoded.extend(b"=\r\n");
                column = 0;
            }
            if is_literal {
                encoded.push(byte);
            } else {
                encoded.extend(format!("={byte:02X}").bytes());
            }
            column += width;
        }
        encoded.extend(b"\r\n");
    }
    encoded
}

/// The message of the call, sent on with its bytes unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Envelope sender: null, that of the message, or of the own domain.
    pub reverse_path: ReversePath,
    /// Envelope recipients, at least one.
    pub recipients: Vec<Mailbox>,
}

/// A copy of the message of the call in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxAppend {
    /// The mailbox, as it was asked about with `mailbox_accepts`.
    pub mailbox: String,
    /// IMAP flags, checked to be flags.
    pub flags: Vec<String>,
}

/// Something at the end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAppend {
    /// The file's label.
    pub label: String,
    /// What.
    pub content: FileContent,
}

/// What is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The message of the call as an entry of an mbox file (RFC 4155).
    Mbox,
}

/// The header section of a message after the edits of a domain. The body is the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedHeader {
    /// The new header section with its empty line.
    pub header: Bytes,
    /// Where the body begins in the original.
    pub body_offset: u64,
}
