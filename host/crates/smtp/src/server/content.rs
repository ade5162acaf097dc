//! What every message must be, whether it came by DATA or by BDAT.

use mail::limits::{HEADER_BYTES, HEADER_COUNT};
use mail::words::{self, Word};

use super::Config;

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// Larger than `limits.message_bytes`.
    Size,
    /// A line longer than `text_line`.
    Line,
    /// Too many header fields, or too large a header section.
    Header,
    /// A NUL byte: no text (RFC 2045 §2.7), and IMAP has no way to hand it out.
    Nul,
    /// CR or LF alone (RFC 5321 §2.3.8). With DATA the end of the message is in doubt then.
    BareLineEnding,
}

impl Violation {
    pub(super) fn word(self) -> &'static Word {
        match self {
            Self::Size => &words::MESSAGE_TOO_BIG,
            Self::Line => &words::TEXT_LINE_TOO_LONG,
            Self::Header => &words::HEADER_TOO_BIG,
            Self::Nul => &words::NUL_IN_MESSAGE,
            Self::BareLineEnding => &words::BARE_LINE_ENDING,
        }
    }
}

/// Watches the bytes of a message on their way out. Holds none of them back but a CR whose LF
/// has not come yet.
#[derive(Debug)]
pub(super) struct Content {
    size: u64,
    size_max: u64,
    /// Bytes of the line so far, without its CR.
    line: usize,
    line_max: usize,
    has_cr: bool,
    head: Head,
    is_eight_bit: bool,
    /// Refused already: only line endings matter, and nothing goes out.
    is_refused: bool,
}

#[derive(Debug)]
enum Head {
    Open { fields: usize },
    Closed { size: u64 },
}

impl Content {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            size: 0,
            size_max: config.limits.message_bytes,
            line: 0,
            line_max: config.text_line.max(mail::limits::SMTP_TEXT_LINE),
            has_cr: false,
            head: Head::Open { fields: 0 },
            is_eight_bit: false,
            is_refused: false,
        }
    }

    /// Bytes that went out.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the header section with the empty line behind it.
    pub(super) const fn head_size(&self) -> u64 {
        match self.head {
            Head::Open { .. } => self.size,
            Head::Closed { size } => size,
        }
    }

    pub(super) const fn is_eight_bit(&self) -> bool {
        self.is_eight_bit
    }

    /// Is the next byte the first of a line?
    pub(super) const fn is_at_line_start(&self) -> bool {
        self.line == 0 && !self.has_cr
    }

    /// From here on only line endings are looked at.
    pub(super) fn refuse(&mut self) {
        self.is_refused = true;
    }

    /// Takes bytes up to the end of a line, or all. Returns how many were taken, always at least
    /// one of at least one, unless there is a violation: then those before it were.
    pub(super) fn take_line(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> (usize, Result<(), Violation>) {
        let mut taken = 0;
        while let Some(&byte) = bytes.get(taken) {
            if self.has_cr {
                if byte != b'\n' {
                    return (taken, Err(Violation::BareLineEnding));
                }
                let ended = self.end_line(out);
                return (taken + usize::from(ended.is_ok()), ended);
            }
            let run = self.run_length(&bytes[taken..]);
            let (count, result) = self.take_run(&bytes[taken..taken + run], out);
            taken += count;
            if result.is_err() {
                return (taken, result);
            }
            match bytes.get(taken) {
                None => break,
                Some(b'\r') => {
                    self.has_cr = true;
                    taken += 1;
                }
                Some(b'\n') => return (taken, Err(Violation::BareLineEnding)),
                Some(_) => return (taken, Err(Violation::Nul)),
            }
        }
        (taken, Ok(()))
    }

    /// The message is complete. One that came by BDAT may lack the CRLF of its last line; it is
    /// stored with it, for every way out of the store counts in lines.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Violation> {
        if self.has_cr {
            return Err(Violation::BareLineEnding);
        }
        if self.line > 0 {
            self.end_line(out)
        } else {
            Ok(())
        }
    }

    /// Bytes before the next one that needs a look.
    fn run_length(&self, bytes: &[u8]) -> usize {
        let special = if self.is_refused {
            memchr::memchr2(b'\r', b'\n', bytes)
        } else {
            memchr::memchr3(b'\r', b'\n', 0, bytes)
        };
        special.unwrap_or(bytes.len())
    }

    /// Takes text without line endings, as far as the limits go.
    fn take_run(&mut self, run: &[u8], out: &mut Vec<u8>) -> (usize, Result<(), Violation>) {
        let Some(&first) = run.first() else {
            return (0, Ok(()));
        };
        if self.is_refused {
            self.line += run.len();
            return (run.len(), Ok(()));
        }
        if self.line == 0
            && let Err(violation) = self.begin_line(first)
        {
            return (0, Err(violation));
        }
        let (room, violation) = self.room();
        let count = usize::try_from(room).map_or(run.len(), |room| room.min(run.len()));
        let taken = &run[..count];
        self.line += count;
        self.size += count as u64;
        self.is_eight_bit |= !taken.is_ascii();
        out.extend_from_slice(taken);
        (
            count,
            if count < run.len() {
                Err(violation)
            } else {
                Ok(())
            },
        )
    }

    /// Text bytes that may still come, and what is wrong with one more.
    fn room(&self) -> (u64, Violation) {
        let line = (self.line_max - 2).saturating_sub(self.line) as u64;
        let head = match self.head {
            Head::Open { .. } => (HEADER_BYTES as u64).saturating_sub(self.size),
            Head::Closed { .. } => u64::MAX,
        };
        let size = self.size_max.saturating_sub(self.size);
        if size <= line && size <= head {
            (size, Violation::Size)
        } else if head <= line {
            (head, Violation::Header)
        } else {
            (line, Violation::Line)
        }
    }

    fn begin_line(&mut self, first: u8) -> Result<(), Violation> {
        // RFC 5322 §2.2.3: a line that begins with white space goes on with the field before.
        if let Head::Open { fields } = &mut self.head
            && !matches!(first, b' ' | b'\t')
        {
            *fields += 1;
            if *fields > HEADER_COUNT {
                return Err(Violation::Header);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<u8>) -> Result<(), Violation> {
        if !self.is_refused {
            if self.size + 2 > self.size_max {
                return Err(Violation::Size);
            }
            out.extend_from_slice(b"\r\n");
            self.size += 2;
        }
        if self.line == 0 && matches!(self.head, Head::Open { .. }) {
            self.head = Head::Closed { size: self.size };
        }
        self.line = 0;
        self.has_cr = false;
        Ok(())
    }
}
