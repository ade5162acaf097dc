//! From bytes to commands: lines and literals, nothing of what they mean.
//!
//! A command is a line, or a line that ends in `{n}` or `{n+}`, n bytes, and again a line. The
//! whole of it is put together here before the parser sees any of it, so the bytes of a literal
//! can never run as a command of their own. Only CRLF ends a line.

use crate::sequence::MAX_NUMBER_DIGITS;

/// How much of a command is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameLimits {
    /// Bytes of its lines, literals aside.
    pub(crate) line: usize,
    /// Bytes of its lines and its literals together.
    pub(crate) total: usize,
    /// Its literals.
    pub(crate) literals: usize,
}

/// What the framer found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framed {
    /// More bytes are needed.
    NeedMore,
    /// A whole command; [`Framer::take`] gives it.
    Command,
    /// A literal of this many bytes comes next; [`Framer::so_far`] is what stands before it.
    Literal { size: u64, form: LiteralForm },
    /// A line over the limit.
    TooLong,
    /// A line that ends in LF alone.
    BareLineFeed,
}

/// Does the client wait for leave to send (RFC 3501 §4.3) or not (RFC 7888)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiteralForm {
    /// `{n}`: it waits.
    Waiting,
    /// `{n+}`: it sends at once.
    AtOnce,
}

/// Puts commands together.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// What came in; the bytes before `start` are used up.
    input: Vec<u8>,
    start: usize,
    /// How much of the unused input was looked through for a line end.
    searched: usize,
    /// The command so far.
    command: Vec<u8>,
    /// Bytes of `command` that are lines.
    line_bytes: usize,
    literals: usize,
    /// Bytes that still belong to a literal of `command`.
    literal_left: usize,
}

impl Framer {
    /// Bytes from the peer.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
        } else if self.start > 16 * 1024 {
            self.input.drain(..self.start);
            self.start = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// Are there bytes nobody has looked at?
    pub(crate) fn has_input(&self) -> bool {
        self.start < self.input.len()
    }

    /// Forgets everything, for a new transport.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What comes next.
    pub(crate) fn poll(&mut self, limits: FrameLimits) -> Framed {
        if !self.fill_literal() {
            return Framed::NeedMore;
        }
        let unused = &self.input[self.start..];
        let found = unused[self.searched..]
            .iter()
            .position(|&byte| byte == b'\n');
        let length = found.map_or(unused.len(), |at| self.searched + at + 1);
        if self.line_bytes + length > limits.line || self.command.len() + length > limits.total {
            return Framed::TooLong;
        }
        if found.is_none() {
            self.searched = length;
            return self.wait();
        }
        let line = &unused[..length];
        let Some(content) = line.strip_suffix(b"\r\n") else {
            return Framed::BareLineFeed;
        };
        let literal = literal_header(content);
        self.command
            .extend_from_slice(if literal.is_some() { line } else { content });
        self.line_bytes += length;
        self.use_up(length);
        match literal {
            Some((size, form)) => Framed::Literal { size, form },
            None => Framed::Command,
        }
    }

    /// The command so far.
    pub(crate) fn so_far(&self) -> &[u8] {
        &self.command
    }

    /// The command, whole or not; the next one begins behind it.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.line_bytes = 0;
        self.literals = 0;
        self.literal_left = 0;
        std::mem::take(&mut self.command)
    }

    /// Does a literal of this size fit into the command?
    pub(crate) fn fits(&self, size: u64, limits: FrameLimits) -> bool {
        let total = size.saturating_add(self.command.len() as u64);
        self.literals < limits.literals && total <= limits.total as u64
    }

    /// Takes the announced literal into the command. Only after [`Framer::fits`] said yes.
    pub(crate) fn accept(&mut self, size: u64) {
        self.literals += 1;
        self.literal_left = usize::try_from(size).unwrap_or(0);
    }

    /// At most `most` bytes of input as they are, for what is streamed.
    pub(crate) fn take_raw(&mut self, most: u64) -> Vec<u8> {
        let available = self.input.len() - self.start;
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(available);
        let bytes = self.input[self.start..self.start + count].to_vec();
        self.use_up(count);
        self.wait();
        bytes
    }

    /// Moves bytes into the literal that is being read; is it complete?
    fn fill_literal(&mut self) -> bool {
        let available = self.input.len() - self.start;
        let count = self.literal_left.min(available);
        if count > 0 {
            self.command
                .extend_from_slice(&self.input[self.start..self.start + count]);
            self.literal_left -= count;
            self.use_up(count);
        }
        self.literal_left == 0
    }

    fn use_up(&mut self, count: usize) {
        self.start += count;
        self.searched = 0;
    }

    /// Gives memory back when nothing is left: thousands of idle sessions hold a framer.
    fn wait(&mut self) -> Framed {
        if self.start == self.input.len() {
            self.input = Vec::new();
            self.start = 0;
        }
        Framed::NeedMore
    }
}

/// ```text
/// literal = "{" number ["+"] "}" CRLF *CHAR8     ; RFC 3501 §9, RFC 7888 §8
/// ```
/// A number too large for 64 bits counts as the largest: it is refused anyway.
fn literal_header(line: &[u8]) -> Option<(u64, LiteralForm)> {
    let inner = line.strip_suffix(b"}")?;
    let (digits, form) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, LiteralForm::AtOnce),
        None => (inner, LiteralForm::Waiting),
    };
    let open = digits.iter().rposition(|byte| !byte.is_ascii_digit())?;
    let (before, number) = digits.split_at(open + 1);
    if number.is_empty() || before.last() != Some(&b'{') {
        return None;
    }
    let size = if number.len() > MAX_NUMBER_DIGITS {
        u64::MAX
    } else {
        str::from_utf8(number).ok()?.parse().ok()?
    };
    Some((size, form))
}

#[cfg(test)]
mod tests;
