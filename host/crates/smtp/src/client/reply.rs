//! Replies as they come from a server (RFC 5321 §4.2).

use mail::{Class, EnhancedStatus, Reply, ReplyCode};

/// Longest reply, all lines together, in bytes.
const REPLY: usize = 64 * 1024;

/// Not a reply: no code, another code within it, or no end to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbage;

/// Cuts the bytes of a server into replies.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    bytes: Vec<u8>,
    /// Bytes of whole lines of the reply that is not complete.
    parsed: usize,
    lines: Vec<String>,
    code: Option<u16>,
}

impl ReplyReader {
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Is there anything that was not handed out?
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next reply. A lone LF ends a line as well: there is nothing to smuggle towards us.
    pub(super) fn next_reply(&mut self) -> Result<Option<Reply>, Garbage> {
        while let Some(length) = memchr::memchr(b'\n', &self.bytes[self.parsed..]) {
            let line = &self.bytes[self.parsed..self.parsed + length];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (code, is_last, text) = parse_line(line)?;
            if self.code.is_some_and(|before| before != code) {
                return Err(Garbage);
            }
            self.code = Some(code);
            self.lines.push(text);
            self.parsed += length + 1;
            if self.parsed > REPLY {
                return Err(Garbage);
            }
            if is_last {
                self.bytes.drain(..self.parsed);
                self.parsed = 0;
                self.code = None;
                return Ok(Some(build(code, &std::mem::take(&mut self.lines))));
            }
        }
        if self.bytes.len() > REPLY {
            Err(Garbage)
        } else {
            Ok(None)
        }
    }
}

/// ```text
/// Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
/// ```
fn parse_line(line: &[u8]) -> Result<(u16, bool, String), Garbage> {
    let digits = line.get(..3).ok_or(Garbage)?;
    let code = str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<u16>().ok());
    let is_code = digits.iter().all(u8::is_ascii_digit);
    let code = code
        .filter(|&code| is_code && ReplyCode::new(code).is_some())
        .ok_or(Garbage)?;
    let is_last = match line.get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return Err(Garbage),
    };
    let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned();
    Ok((code, is_last, text))
}

/// The enhanced status is what all lines begin with, if they do and its class is the code's
/// (RFC 2034 §4).
fn build(code: u16, lines: &[String]) -> Reply {
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let word = first.split(' ').next().unwrap_or_default();
    let status = word
        .parse::<EnhancedStatus>()
        .ok()
        .filter(|status| class(code) == Some(status.class()));
    let Some(status) = status else {
        return Reply::plain(code, lines.join("\n"));
    };
    let strip = |line: &String| {
        let rest = line.strip_prefix(word).unwrap_or(line);
        rest.strip_prefix(' ').unwrap_or(rest).to_owned()
    };
    Reply::new(
        code,
        status,
        lines.iter().map(strip).collect::<Vec<_>>().join("\n"),
    )
}

const fn class(code: u16) -> Option<Class> {
    match code / 100 {
        2 => Some(Class::Success),
        4 => Some(Class::Transient),
        5 => Some(Class::Permanent),
        _ => None,
    }
}
