//! A message on its way to the peer: line endings, dots, and the end.

use crate::Extent;

/// Turns the bytes of a message into a multi-line response (RFC 1939 §3): a dot before every
/// line that begins with one, CRLF at every line end, and the line with the lone dot behind the
/// last. A bare LF becomes CRLF, so that no client finds an end that is none.
#[derive(Debug)]
pub struct Stuffer {
    at: At,
    /// `None` in the header section; then how many lines of the body are still wanted.
    body_lines_left: Option<u64>,
    wanted: Extent,
}

/// Is more of the message wanted?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Yes, if there is more.
    More,
    /// No: all lines that were asked for are out.
    Enough,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    InLine,
    /// A CR came; what follows decides what it was.
    AfterCr {
        line_was_empty: bool,
    },
}

impl Stuffer {
    /// At the beginning of a message.
    pub const fn new(extent: Extent) -> Self {
        Self {
            at: At::LineStart,
            body_lines_left: None,
            wanted: extent,
        }
    }

    /// Takes the next bytes of the message, in pieces of any size, and appends what the peer
    /// shall get to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        out.reserve(bytes.len() + bytes.len() / 64);
        for &byte in bytes {
            if self.body_lines_left == Some(0) {
                return Progress::Enough;
            }
            self.push_byte(byte, out);
        }
        if self.body_lines_left == Some(0) {
            Progress::Enough
        } else {
            Progress::More
        }
    }

    /// The end of the response.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.at {
            At::LineStart => {}
            At::InLine => out.extend_from_slice(b"\r\n"),
            At::AfterCr { .. } => out.push(b'\n'),
        }
        out.extend_from_slice(b".\r\n");
    }

    fn push_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.at, byte) {
            (At::AfterCr { line_was_empty }, b'\n') => {
                out.push(b'\n');
                self.end_line(line_was_empty);
            }
            (at, b'\n') => {
                out.extend_from_slice(b"\r\n");
                self.end_line(at == At::LineStart);
            }
            (at, b'\r') => {
                out.push(b'\r');
                self.at = At::AfterCr {
                    line_was_empty: at == At::LineStart,
                };
            }
            (at, _) => {
                if at == At::LineStart && byte == b'.' {
                    out.push(b'.');
                }
                out.push(byte);
                self.at = At::InLine;
            }
        }
    }

    fn end_line(&mut self, line_was_empty: bool) {
        self.at = At::LineStart;
        let Extent::Top { lines } = self.wanted else {
            return;
        };
        match &mut self.body_lines_left {
            Some(left) => *left -= 1,
            // The empty line ends the header section and is sent with it.
            None if line_was_empty => self.body_lines_left = Some(lines),
            None => {}
        }
    }
}
