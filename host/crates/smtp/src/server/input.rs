//! Bytes from the peer that were not used yet, cut into lines.

use mail::limits;

/// One step of framing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// No whole line yet.
    Incomplete,
    /// A line without its CRLF.
    Line(Vec<u8>),
    /// A line that was longer than it may be. Its first bytes, enough to tell the command.
    TooLong(Vec<u8>),
    /// LF without CR. What follows cannot be trusted to be a command.
    BareLineFeed,
}

/// What kind of line is awaited, for its longest length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    /// A command; AUTH has its own limit (RFC 4954 §4).
    Command,
    /// An answer to a challenge.
    AuthResponse,
}

impl LineKind {
    /// Longest line of the kind that begins with `start`, in bytes with CRLF.
    fn longest(self, start: &[u8]) -> usize {
        let is_auth = start.len() >= 5 && start[..5].eq_ignore_ascii_case(b"AUTH ");
        if self == Self::AuthResponse || is_auth {
            limits::SMTP_AUTH_LINE
        } else {
            limits::SMTP_COMMAND_LINE
        }
    }
}

/// How much of a line that is too long is kept to tell the command.
const START: usize = 5;

/// The input buffer. Between two calls of `handle_input` it holds less than one line.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// Bytes before this are used up.
    used: usize,
    /// Bytes before this hold no LF.
    searched: usize,
    /// A line that is too long is being skipped.
    skipping: Option<Skipped>,
}

#[derive(Debug)]
struct Skipped {
    start: Vec<u8>,
    last: u8,
}

impl Input {
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.searched -= self.used;
            self.used = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// What is there and not used yet.
    pub(super) fn unused(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unused().is_empty()
    }

    /// Uses up `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.used += count;
        self.searched = self.searched.max(self.used);
        if self.used == self.bytes.len() {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.used = 0;
        self.searched = 0;
    }

    /// The next line. Which bytes arrived together makes no difference: a line that is too long
    /// is reported where it ends.
    pub(super) fn next_line(&mut self, kind: LineKind) -> Frame {
        match memchr::memchr(b'\n', &self.bytes[self.searched..]) {
            Some(offset) => self.line_until(self.searched + offset, kind),
            None => {
                self.searched = self.bytes.len();
                self.skip_if_too_long(kind);
                Frame::Incomplete
            }
        }
    }

    /// A line that ends with the LF at `end`.
    fn line_until(&mut self, end: usize, kind: LineKind) -> Frame {
        let line = &self.bytes[self.used..end];
        let skipped = self.skipping.take();
        let before = line
            .last()
            .copied()
            .or_else(|| skipped.as_ref().map(|skipped| skipped.last));
        let frame = if before != Some(b'\r') {
            Frame::BareLineFeed
        } else if let Some(skipped) = skipped {
            Frame::TooLong(skipped.start)
        } else if line.len() + 1 > kind.longest(line) {
            Frame::TooLong(start_of(line))
        } else {
            Frame::Line(line[..line.len() - 1].to_vec())
        };
        self.consume(end + 1 - self.used);
        frame
    }

    /// Drops what is there of a line that has no end within the limit.
    fn skip_if_too_long(&mut self, kind: LineKind) {
        let line = &self.bytes[self.used..];
        let Some(&last) = line.last() else { return };
        match &mut self.skipping {
            Some(skipped) => skipped.last = last,
            None if line.len() >= kind.longest(line) => {
                self.skipping = Some(Skipped {
                    start: start_of(line),
                    last,
                });
            }
            None => return,
        }
        self.clear();
    }
}

fn start_of(line: &[u8]) -> Vec<u8> {
    line[..line.len().min(START)].to_vec()
}
