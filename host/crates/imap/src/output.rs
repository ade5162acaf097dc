//! Responses as bytes.

use std::io::Write as _;

use mail::limits;

use crate::{Flags, Keyword, Keywords, MailboxName};

/// Output is handed to the driver when so much has come together.
pub(crate) const WRITE_AT: usize = 32 * 1024;

/// What is to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Output(Vec<u8>);

impl Output {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Should the driver get it before more is made?
    pub(crate) const fn is_full(&self) -> bool {
        self.0.len() >= WRITE_AT
    }

    /// At most [`limits::OUTPUT_BUFFER`] bytes.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        if self.0.len() <= limits::OUTPUT_BUFFER {
            return std::mem::take(&mut self.0);
        }
        let rest = self.0.split_off(limits::OUTPUT_BUFFER);
        std::mem::replace(&mut self.0, rest)
    }

    /// A whole line; CRLF is added. No CR or LF may be in it.
    pub(crate) fn line(&mut self, line: &str) {
        debug_assert!(!line.contains(['\r', '\n']), "a line holds a line end");
        self.0.extend_from_slice(line.as_bytes());
        self.0.extend_from_slice(b"\r\n");
    }

    /// `tag line`
    pub(crate) fn tagged(&mut self, tag: &str, line: &str) {
        self.text(tag);
        self.0.push(b' ');
        self.line(line);
    }

    /// `* line`
    pub(crate) fn untagged(&mut self, line: &str) {
        self.tagged("*", line);
    }

    /// A piece of a line.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A piece of a line.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A piece of a line.
    pub(crate) fn number(&mut self, number: impl std::fmt::Display) {
        // Writing to a vector cannot fail.
        let _ = write!(self.0, "{number}");
    }

    /// The end of a line.
    pub(crate) fn end(&mut self) {
        self.0.extend_from_slice(b"\r\n");
    }

    /// A mailbox name, quoted, in modified UTF-7.
    pub(crate) fn mailbox(&mut self, name: &MailboxName) {
        string(name.to_wire().as_bytes(), &mut self.0);
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
        self.0.push(b'(');
        for (index, flag) in system
            .chain(keywords.map(Keyword::as_str))
            .chain(more)
            .enumerate()
        {
            if index > 0 {
                self.0.push(b' ');
            }
            self.text(flag);
        }
        self.0.push(b')');
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
        out.push(b'"');
        for &byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
        return;
    }
    let length = text.iter().filter(|&&byte| byte != 0).count();
    out.extend_from_slice(format!("{{{length}}}\r\n").as_bytes());
    out.extend(text.iter().filter(|&&byte| byte != 0));
}
