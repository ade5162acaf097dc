//! The lines in front of the message, one after the other, with their numbers.

use std::fmt::Write as _;
use std::str::FromStr;

use super::{DIVIDER, HEAD_BYTES};

/// Why a file is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct Malformed {
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong with it.
    pub(crate) problem: String,
}

/// Lines that are read in order.
pub(super) struct Lines<'f> {
    lines: Vec<(&'f str, &'f str)>,
    /// How many were taken.
    taken: usize,
}

impl<'f> Lines<'f> {
    /// The lines, and the message behind them.
    pub(super) fn split(bytes: &'f [u8]) -> Result<(Self, &'f [u8]), Malformed> {
        let mut lines = Vec::new();
        let mut rest = bytes;
        let wrong = |line: usize, problem: &str| Malformed {
            line,
            problem: problem.to_owned(),
        };
        loop {
            let number = lines.len() + 1;
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                return Err(wrong(number, "it ends before the line of two CTRL/A"));
            };
            let (line, behind) = rest.split_at(end + 1);
            if line == DIVIDER {
                let lines = Self { lines, taken: 0 };
                return Ok((lines, behind));
            }
            rest = behind;
            if bytes.len() - rest.len() > HEAD_BYTES {
                return Err(wrong(number, "there are too many lines before the message"));
            }
            let text = std::str::from_utf8(&line[..end]);
            let text = text.map_err(|_| wrong(number, "it is not UTF-8"))?;
            let pair = text.split_once(": ");
            // An empty value may have lost its blank in an editor.
            let pair = pair.or_else(|| Some((text.strip_suffix(':')?, "")));
            let pair = pair.ok_or_else(|| wrong(number, "it is no 'Name: value'"))?;
            lines.push(pair);
        }
    }

    /// Something is wrong with the line that was taken last.
    pub(super) fn wrong(&self, problem: &str) -> Malformed {
        Malformed {
            line: self.taken.max(1),
            problem: problem.to_owned(),
        }
    }

    pub(super) fn are_over(&self) -> bool {
        self.taken == self.lines.len()
    }

    /// The value of the next line, if it has this name.
    pub(super) fn optional(&mut self, name: &str) -> Option<&'f str> {
        let (_, value) = *self
            .lines
            .get(self.taken)
            .filter(|(found, _)| *found == name)?;
        self.taken += 1;
        Some(value)
    }

    /// The value of the next line, which must have this name.
    pub(super) fn value(&mut self, name: &str) -> Result<&'f str, Malformed> {
        let line = self.taken + 1;
        self.optional(name).ok_or_else(|| Malformed {
            line,
            problem: format!("here stands '{name}: …'"),
        })
    }

    /// A text that may be escaped.
    pub(super) fn text(&mut self, name: &str) -> Result<String, Malformed> {
        let value = self.value(name)?;
        self.unescaped(value)
    }

    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        let value = self.optional(name);
        value.map(|value| self.unescaped(value)).transpose()
    }

    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<T, Malformed> {
        let value = self.value(name)?;
        value.parse().map_err(|_| self.wrong("it is no number"))
    }

    pub(super) fn one_of<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<T, Malformed> {
        let value = self.value(name)?;
        let found = words.iter().find(|(word, _)| *word == value);
        found.map(|(_, meant)| *meant).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(&format!("'{value}' is none of {}", known.join(", ")))
        })
    }

    pub(super) fn unescaped(&self, value: &str) -> Result<String, Malformed> {
        let mut text = String::with_capacity(value.len());
        let mut rest = value.chars();
        while let Some(next) = rest.next() {
            if next != '\\' {
                text.push(next);
                continue;
            }
            let meant = match rest.next() {
                Some('n') => Some('\n'),
                Some('r') => Some('\r'),
                Some('\\') => Some('\\'),
                Some('x') => {
                    let digits: String = rest.by_ref().take(2).collect();
                    let code = u8::from_str_radix(&digits, 16).ok();
                    code.filter(|_| digits.len() == 2).map(char::from)
                }
                _ => None,
            };
            text.push(meant.ok_or_else(|| self.wrong("a backslash stands before nothing known"))?);
        }
        Ok(text)
    }
}

/// A text in one line.
pub(super) fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\\' => line.push_str("\\\\"),
            control if control.is_ascii_control() => {
                // Writing into a String cannot fail.
                let _ = write!(line, "\\x{:02x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
    line
}
