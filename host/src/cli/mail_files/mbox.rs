//! mbox: messages one after another, each behind a `From ` line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mail::{Timestamp, limits, words};
use time::{Date, Month, OffsetDateTime, Time};

use super::{Sink, beneath, header, header_date};
use crate::moving::MessageFacts;

/// Fields that programs keep the state of a message in; they are no part of it.
const STATE_FIELDS: [&str; 6] = [
    "status",
    "x-status",
    "x-keywords",
    "x-uid",
    "x-imap",
    "x-imapbase",
];

/// Bytes of a line that are looked at together.
const PIECE: u64 = 64 * 1024;

/// An mbox file.
#[derive(Debug)]
pub(in crate::cli) struct Mbox {
    path: PathBuf,
    file: File,
    mailbox: String,
}

impl Mbox {
    pub(super) fn open(path: &Path, mailbox: Option<String>) -> anyhow::Result<Self> {
        let file =
            beneath::file(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            mailbox: mailbox.unwrap_or_else(|| "INBOX".to_owned()),
        })
    }

    pub(super) fn read(self, sink: &mut Sink<'_>) -> anyhow::Result<()> {
        let shown = self.path.display().to_string();
        let mut lines = BufReader::new(&self.file);
        let mut line = Vec::new();
        let mut number = 0_u64;
        // Before the first `From ` line nothing is a message.
        let mut current: Option<Current> = None;
        let mut after_blank = true;
        let mut at_begin = true;
        loop {
            line.clear();
            // A line of any length: in memory is a piece of it.
            let read = lines
                .by_ref()
                .take(PIECE)
                .read_until(b'\n', &mut line)
                .with_context(|| format!("cannot read {shown}"))?;
            let is_begin = std::mem::replace(&mut at_begin, line.ends_with(b"\n"));
            if let Some(message) = current.as_mut().filter(|_| read > 0 && !is_begin) {
                message.push(&line);
                after_blank = false;
                continue;
            }
            let separator = after_blank.then(|| separator(&line)).flatten();
            if read == 0 || separator.is_some() {
                if let Some(message) = current.take() {
                    message.end(&self.mailbox, sink)?;
                }
                if read == 0 {
                    break;
                }
            }
            after_blank = matches!(&line[..], b"\n" | b"\r\n");
            match (separator, &mut current) {
                (Some(date), _) => {
                    number += 1;
                    current = Some(Current::new(format!("{shown}, message {number}"), date));
                    after_blank = false;
                }
                (None, Some(message)) => message.push(unquoted(&line)),
                (None, None) if after_blank => {}
                (None, None) => {
                    anyhow::bail!(words::CLI_MBOX_NONE.text_with(&[("file", &shown)]));
                }
            }
        }
        Ok(())
    }
}

/// A message on its way in.
struct Current {
    label: String,
    date: Option<Timestamp>,
    bytes: Vec<u8>,
    is_too_large: bool,
}

impl Current {
    const fn new(label: String, date: Option<Timestamp>) -> Self {
        Self {
            label,
            date,
            bytes: Vec::new(),
            is_too_large: false,
        }
    }

    fn push(&mut self, line: &[u8]) {
        if self.bytes.len() as u64 + line.len() as u64 > limits::MAIL_FILE_MESSAGE {
            self.is_too_large = true;
            self.bytes.clear();
        }
        if !self.is_too_large {
            self.bytes.extend_from_slice(line);
        }
    }

    fn end(mut self, mailbox: &str, sink: &mut Sink<'_>) -> anyhow::Result<()> {
        if self.is_too_large {
            sink.skip(self.label, words::CLI_MAIL_FILE_LARGE.text());
            return Ok(());
        }
        // The empty line before the next `From ` belongs to the mbox.
        for end in [&b"\r\n\r\n"[..], b"\n\n"] {
            if self.bytes.ends_with(end) {
                self.bytes.truncate(self.bytes.len() - end.len() / 2);
                break;
            }
        }
        if self.bytes.iter().all(u8::is_ascii_whitespace) {
            sink.skip(self.label, words::CLI_MAIL_FILE_EMPTY.text());
            return Ok(());
        }
        let value = |name| header(&self.bytes, name).unwrap_or_default();
        let state = format!("{}{}", value("status"), value("x-status"));
        let keywords = value("x-keywords");
        let (date, offset) = match self.date {
            Some(date) => (Some(date), 0),
            None => {
                header_date(&self.bytes).map_or((None, 0), |(date, offset)| (Some(date), offset))
            }
        };
        let facts = MessageFacts {
            mailbox: mailbox.to_owned(),
            label: self.label,
            date,
            offset,
            flags: flags(&state),
            keywords: keywords.split_whitespace().map(str::to_owned).collect(),
            copy: 0,
        };
        sink.put(facts, &without_state(&self.bytes))
    }
}

/// `>From `, `>>From ` lose one `>`.
fn unquoted(line: &[u8]) -> &[u8] {
    let rest = line.iter().position(|byte| *byte != b'>').unwrap_or(0);
    if rest > 0 && line[rest..].starts_with(b"From ") {
        &line[1..]
    } else {
        line
    }
}

/// `R` read, `A` answered, `F` flagged, `D` deleted, `T` draft.
fn flags(state: &str) -> Vec<String> {
    let flag = |letter| match letter {
        'R' => Some("\\Seen"),
        'A' => Some("\\Answered"),
        'F' => Some("\\Flagged"),
        'D' => Some("\\Deleted"),
        'T' => Some("\\Draft"),
        _ => None,
    };
    state.chars().filter_map(flag).map(str::to_owned).collect()
}

fn without_state(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    let mut is_state = false;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            is_state = STATE_FIELDS
                .iter()
                .any(|field| field.eq_ignore_ascii_case(name.trim_end()));
        }
        if !is_state {
            out.extend_from_slice(line);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// `From SENDER Www Mmm dd hh:mm:ss yyyy`, with a zone here or there. `None`: it is text.
/// `Some(None)`: it divides, and its date makes no sense.
fn separator(line: &[u8]) -> Option<Option<Timestamp>> {
    let text = std::str::from_utf8(line.strip_prefix(b"From ")?).ok()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_clock = |word: &&str| word.len() >= 5 && word.as_bytes()[2] == b':';
    let clock = words
        .iter()
        .position(|word| word.is_ascii() && is_clock(word))?;
    let year = words[clock..]
        .iter()
        .filter(|word| word.len() == 4)
        .find_map(|word| word.parse::<i32>().ok())?;
    let date = clock.checked_sub(2).and_then(|month| {
        let at = date(year, words[month], words[month + 1], words[clock])?;
        Some(Timestamp::from_seconds(at.unix_timestamp()))
    });
    Some(date)
}

fn date(year: i32, month: &str, day: &str, clock: &str) -> Option<OffsetDateTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let number = MONTHS.iter().position(|known| *known == month)? + 1;
    let month = Month::try_from(u8::try_from(number).ok()?).ok()?;
    let mut clock = clock.split(':').map(|part| part.parse::<u8>().ok());
    let mut next = || clock.next().unwrap_or(Some(0));
    let time = Time::from_hms(next()?, next()?, next()?).ok()?;
    let date = Date::from_calendar_date(year, month, day.parse().ok()?).ok()?;
    Some(date.with_time(time).assume_utc())
}

#[cfg(test)]
mod tests {
    use super::{separator, unquoted, without_state};

    #[test]
    fn from_lines_divide_and_text_does_not() {
        for (line, seconds) in [
            (
                "From ann@abc.test Thu Jan  1 00:00:10 2015\n",
                1_420_070_410,
            ),
            ("From - Thu Jan  1 00:00:10 2015\r\n", 1_420_070_410),
            ("From ann@abc.test Thu Jan  1 00:00 2015\n", 1_420_070_400),
            ("From a b Thu Jan  1 00:00:10 UTC 2015\n", 1_420_070_410),
        ] {
            let found = separator(line.as_bytes()).flatten();
            assert_eq!(found.map(|at| at.seconds()), Some(seconds), "{line}");
        }
        for text in [
            "From here to there\n",
            "from a Thu Jan 1 00:00:10 2015\n",
            "",
            ">From x\n",
        ] {
            assert_eq!(separator(text.as_bytes()), None, "{text}");
        }
        assert_eq!(separator(b"From x Xxx Foo 99 00:00:10 2015\n"), Some(None));
    }

    #[test]
    fn quoting_goes_one_step_back() {
        for (line, text) in [
            (">From x", "From x"),
            (">>From x", ">From x"),
            ("> From x", "> From x"),
            (">Fromage", ">Fromage"),
            ("From x", "From x"),
        ] {
            assert_eq!(unquoted(line.as_bytes()), text.as_bytes());
        }
    }

    #[test]
    fn state_is_taken_out_of_the_header_alone() {
        let message = b"Status: RO\nSubject: x\nX-Keywords: a\n b\nTo: y\n\nStatus: body\n";
        assert_eq!(
            without_state(message),
            b"Subject: x\nTo: y\n\nStatus: body\n"
        );
    }
}
