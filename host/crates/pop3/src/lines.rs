//! Frames first: lines out of bytes.

use mail::limits;

/// Bytes that came in and are not used yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    input: Vec<u8>,
    /// Where the search for the next line end goes on.
    searched: usize,
    /// The rest of a line that is too long is thrown away as it comes.
    skipping: bool,
}

/// What stands at the front.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line without its ending. A bare LF ends one too: people type POP3.
    Whole(Vec<u8>),
    /// A line over the limit; it is gone.
    TooLong,
}

/// Which line is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A command.
    Command,
    /// A response to a challenge, which may be longer than any command (RFC 5034 §4).
    Response,
}

impl Kind {
    /// The longest, with its ending.
    const fn limit(self) -> usize {
        match self {
            Self::Command => limits::POP3_LINE,
            Self::Response => sasl::RESPONSE_BASE64_BYTES,
        }
    }
}

impl Lines {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Forgets everything, and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next line, if it is there.
    pub(crate) fn next(&mut self, kind: Kind) -> Option<Line> {
        let end = self.input[self.searched..]
            .iter()
            .position(|&byte| byte == b'\n');
        let Some(end) = end.map(|end| self.searched + end) else {
            return self.unfinished(kind);
        };
        let mut line: Vec<u8> = self.input.drain(..=end).collect();
        self.searched = 0;
        if self.input.is_empty() {
            // An idle session keeps no buffer.
            self.input = Vec::new();
        }
        if self.skipping {
            self.skipping = false;
            return self.next(kind);
        }
        if line.len() > kind.limit() {
            return Some(Line::TooLong);
        }
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(Line::Whole(line))
    }

    fn unfinished(&mut self, kind: Kind) -> Option<Line> {
        self.searched = self.input.len();
        if self.skipping {
            self.input = Vec::new();
            self.searched = 0;
            return None;
        }
        if self.input.len() <= kind.limit() {
            return None;
        }
        self.input = Vec::new();
        self.searched = 0;
        self.skipping = true;
        Some(Line::TooLong)
    }
}
