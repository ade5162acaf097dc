//! A message as it stands in an mbox.

use std::io::{self, Read};

use mail::Timestamp;

use super::Postmark;

/// Reads a message as mboxrd: `From ` line, LF line ends, `From ` lines quoted, an empty line
/// at the end. The same message and postmark give the same bytes.
///
/// ```text
/// From ann@abc.test Mon Nov 23 14:00:00 2026
/// Subject: x
///
/// >From here on quoted, and what was quoted is quoted once more: ">From " is ">>From ".
/// ```
#[derive(Debug)]
pub struct MboxReader<R> {
    message: R,
    /// Made and not read yet, from `given` on.
    ready: Vec<u8>,
    given: usize,
    line: Line,
    ended: bool,
}

/// What is known of the line that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of `>`, then so many of `From `, held back until it is clear.
    Start { quotes: usize, letters: usize },
    /// Not one to be quoted, or dealt with.
    Middle,
    /// As `Middle`, and a CR is held back: only CRLF becomes LF.
    HeldCr,
}

const FROM: &[u8] = b"From ";
const LINE_START: Line = Line::Start {
    quotes: 0,
    letters: 0,
};

impl<R: Read> MboxReader<R> {
    /// Around the bytes of a message.
    pub fn new(postmark: &Postmark, message: R) -> Self {
        Self {
            message,
            ready: from_line(postmark),
            given: 0,
            line: LINE_START,
            ended: false,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let length = self.message.read(&mut piece)?;
        self.ready.clear();
        self.given = 0;
        if length == 0 {
            self.end();
        }
        for &b in &piece[..length] {
            self.take(b);
        }
        Ok(())
    }

    fn take(&mut self, b: u8) {
        match self.line {
            Line::Start { quotes, letters } => {
                if letters == 0 && b == b'>' {
                    self.line = Line::Start {
                        quotes: quotes + 1,
                        letters,
                    };
                } else if b == FROM[letters] {
                    self.line = Line::Start {
                        quotes,
                        letters: letters + 1,
                    };
                    if letters + 1 == FROM.len() {
                        self.ready.push(b'>');
                        self.release();
                    }
                } else {
                    self.release();
                    self.take(b);
                }
                self.bound_quotes();
            }
            Line::Middle => match b {
                b'\r' => self.line = Line::HeldCr,
                b'\n' => self.newline(),
                _ => self.ready.push(b),
            },
            Line::HeldCr => {
                if b == b'\n' {
                    self.newline();
                } else {
                    self.ready.push(b'\r');
                    self.line = Line::Middle;
                    self.take(b);
                }
            }
        }
    }

    /// Writes what was held back at the start of a line.
    fn release(&mut self) {
        if let Line::Start { quotes, letters } = self.line {
            self.ready.resize(self.ready.len() + quotes, b'>');
            self.ready.extend_from_slice(&FROM[..letters]);
        }
        self.line = Line::Middle;
    }

    /// A line of nothing but `>` is held back as a number, so this only keeps `release` small.
    fn bound_quotes(&mut self) {
        if let Line::Start {
            quotes: quotes @ 4096..,
            letters: 0,
        } = self.line
        {
            // Written early; the one `>` more goes in front of the rest, which reads the same.
            self.ready.resize(self.ready.len() + quotes - 1, b'>');
            self.line = Line::Start {
                quotes: 1,
                letters: 0,
            };
        }
    }

    fn newline(&mut self) {
        self.ready.push(b'\n');
        self.line = LINE_START;
    }

    /// The rest of the last line, and the empty line that divides messages.
    fn end(&mut self) {
        self.ended = true;
        let at_line_start = self.line == LINE_START;
        if self.line == Line::HeldCr {
            self.ready.push(b'\r');
        }
        self.release();
        if !at_line_start {
            self.ready.push(b'\n');
        }
        self.ready.push(b'\n');
    }
}

impl<R: Read> Read for MboxReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            if self.ended {
                return Ok(0);
            }
            self.refill()?;
        }
        let rest = &self.ready[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

/// `From sender date`, RFC 4155 appendix A. Spaces in a quoted local part would divide the line
/// in the wrong place.
fn from_line(postmark: &Postmark) -> Vec<u8> {
    let sender = match postmark.sender.mailbox() {
        Some(mailbox) => mailbox.to_string(),
        None => "MAILER-DAEMON".to_owned(),
    };
    let sender: String = sender
        .chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() {
                '_'
            } else {
                c
            }
        })
        .collect();
    format!("From {sender} {}\n", asctime(postmark.received)).into_bytes()
}

/// `Mon Nov 23 14:00:00 2026`, from `Mon, 23 Nov 2026 14:00:00 +0000`.
fn asctime(at: Timestamp) -> String {
    let text = at.rfc5322();
    let parts: Vec<&str> = text
        .split([' ', ','])
        .filter(|part| !part.is_empty())
        .collect();
    match parts[..] {
        [weekday, day, month, year, clock, _] => {
            format!("{weekday} {month} {day:>2} {clock} {year}")
        }
        _ => "Thu Jan  1 00:00:00 1970".to_owned(),
    }
}
