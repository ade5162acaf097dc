//! Responses as bytes.

use std::io::Write as _;

use mail::{ModSeq, limits};

use crate::name::Names;
use crate::{Flags, Keyword, Keywords, MailboxName};

/// Output is handed to the driver when so much has come together.
pub(crate) const WRITE_AT: usize = 32 * 1024;

/// What is to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    names: Names,
}

impl Output {
    /// From here on names of mailboxes are written so.
    pub(crate) const fn set_names(&mut self, names: Names) {
        self.names = names;
    }

    /// How names of mailboxes are written.
    pub(crate) const fn names(&self) -> Names {
        self.names
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Should the driver get it before more is made?
    pub(crate) const fn is_full(&self) -> bool {
        self.bytes.len() >= WRITE_AT
    }

    /// At most [`limits::OUTPUT_BUFFER`] bytes.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        if self.bytes.len() <= limits::OUTPUT_BUFFER {
            return std::mem::take(&mut self.bytes);
        }
        let rest = self.bytes.split_off(limits::OUTPUT_BUFFER);
        std::mem::replace(&mut self.bytes, rest)
    }

    /// A whole line; CRLF is added. No CR or LF may be in it.
    pub(crate) fn line(&mut self, line: &str) {
        debug_assert!(!line.contains(['\r', '\n']), "a line holds a line end");
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// `tag line`
    pub(crate) fn tagged(&mut self, tag: &str, line: &str) {
        self.text(tag);
        self.bytes.push(b' ');
        self.line(line);
    }

    /// `* line`
    pub(crate) fn untagged(&mut self, line: &str) {
        self.tagged("*", line);
    }

    /// A piece of a line.
    pub(crate) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A piece of a line.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A piece of a line.
    pub(crate) fn number(&mut self, number: impl std::fmt::Display) {
        // Writing to a vector cannot fail.
        let _ = write!(self.bytes, "{number}");
    }

    /// `MODSEQ (7)`
    pub(crate) fn modseq(&mut self, modseq: ModSeq) {
        self.text("MODSEQ (");
        self.number(modseq.0);
        self.text(")");
    }

    /// The end of a line.
    pub(crate) fn end(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// A mailbox name, quoted. No control character is in it, so both forms can be.
    pub(crate) fn mailbox(&mut self, name: &MailboxName) {
        quoted(self.names.encode(name).as_bytes(), &mut self.bytes);
    }

    /// `(\Seen $Junk)`
    pub(crate) fn flags(&mut self, flags: Flags, keywords: &Keywords) {
        self.flag_list(flags, keywords.iter(), "");
    }

    /// A list of flags, with one more at its end.
    pub(crate) fn flag_list<'a>(
        &mut self,
        flags: Flags,
        keywords: impl Iterator<Item = &'a Keyword>,
        more: &'a str,
    ) {
        let system = Flags::NAMED
            .iter()
            .filter(|(flag, _)| flags.contains(*flag))
            .map(|&(_, name)| name);
        let more = Some(more).filter(|more| !more.is_empty());
        self.bytes.push(b'(');
        for (index, flag) in system
            .chain(keywords.map(Keyword::as_str))
            .chain(more)
            .enumerate()
        {
            if index > 0 {
                self.bytes.push(b' ');
            }
            self.text(flag);
        }
        self.bytes.push(b')');
    }
}

/// `nstring`
pub(crate) fn nstring(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        Some(text) => string(text, out),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Longest text that is quoted; some clients read lines into small buffers.
const QUOTED: usize = 1000;

/// `string`: quoted where it is short printable ASCII, else a literal. NUL has no place in
/// either (RFC 3501 §9, CHAR8) and is left out.
pub(crate) fn string(text: &[u8], out: &mut Vec<u8>) {
    let printable = text.iter().all(|&byte| (b' '..0x7f).contains(&byte));
    if printable && text.len() <= QUOTED {
        return quoted(text, out);
    }
    let length = text.iter().filter(|&&byte| byte != 0).count();
    out.extend_from_slice(format!("{{{length}}}\r\n").as_bytes());
    out.extend(text.iter().filter(|&&byte| byte != 0));
}

fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}
