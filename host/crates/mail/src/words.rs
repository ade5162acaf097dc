//! Every text that people see, in one table.
//!
//! A row has the text as sent, its codes, what causes it and what helps. `docs/replies.md` is
//! printed from this table (`postroom docs replies`), and a test holds the two together.
//!
//! ```
//! use mail::words;
//!
//! let reply = words::UNKNOWN_USER.reply_with(&[("address", "nobody@abc.test")]);
//! assert_eq!(reply.to_string(), "550 5.1.1 nobody@abc.test: there is no such mailbox here");
//! assert_eq!(words::IMAP_MAILBOX_MISSING.line(), "NO [NONEXISTENT] There is no such mailbox");
//! ```
//!
//! A text may have named places, `{address}`. What is put in is cut to one printable line, so
//! that no value can forge a line of its own.

mod cli;
mod imap;
mod pop3;
mod report;
mod smtp;

#[cfg(test)]
mod tests;

pub use cli::*;
pub use imap::*;
pub use pop3::*;
pub use report::*;
pub use smtp::*;

use crate::{Class, EnhancedStatus, Outcome, Reply};

/// Longest value put into a named place, in characters.
const VALUE_CHARS: usize = 320;

/// What stands in front of a text where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codes {
    /// An SMTP reply: code and enhanced status (none with greeting, EHLO, 334, 354).
    Smtp(u16, Option<EnhancedStatus>),
    /// An IMAP status response: `OK`, `NO`, `BAD`, `BYE`, `PREAUTH` and a response code
    /// (RFC 9051 §7.1, RFC 5530).
    Imap(&'static str, Option<&'static str>),
    /// A POP3 reply: `+OK` or `-ERR` and a response code (RFC 2449 §8).
    Pop3(&'static str, Option<&'static str>),
    /// A text of a report or the reason of an outcome, with the status of the outcome.
    Report(Option<EnhancedStatus>),
    /// A message of the command line, with the exit code of the command.
    Cli(u8),
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    /// The name of the row: the constant in this module.
    pub id: &'static str,
    /// What stands in front of it.
    pub codes: Codes,
    /// The text, with named places.
    pub text: &'static str,
    /// When it is shown.
    pub cause: &'static str,
    /// What helps; `-` where nothing needs help.
    pub remedy: &'static str,
}

impl Word {
    /// As an SMTP reply. A row that is no SMTP reply becomes one of the class of its status,
    /// 451 where it has none.
    pub fn reply(&self) -> Reply {
        self.reply_with(&[])
    }

    /// As an SMTP reply with named places filled.
    pub fn reply_with(&self, values: &[(&str, &str)]) -> Reply {
        let text = fill(self.text, values);
        match self.codes {
            Codes::Smtp(code, Some(enhanced)) => Reply::new(code, enhanced, text),
            Codes::Smtp(code, None) => Reply::plain(code, text),
            Codes::Report(Some(enhanced)) => Reply::new(basic_code(enhanced), enhanced, text),
            _ => Reply::new(451, EnhancedStatus::new(Class::Transient, 3, 0), text),
        }
    }

    /// The text; with IMAP and POP3 the response code in brackets stands before it.
    pub fn text(&self) -> String {
        self.text_with(&[])
    }

    /// [`Word::text`] with named places filled.
    pub fn text_with(&self, values: &[(&str, &str)]) -> String {
        let text = fill(self.text, values);
        match self.codes {
            Codes::Imap(_, Some(code)) | Codes::Pop3(_, Some(code)) => format!("[{code}] {text}"),
            _ => text,
        }
    }

    /// The whole line without CRLF and, with IMAP, without tag: `NO [LIMIT] …`, `-ERR …`.
    pub fn line(&self) -> String {
        self.line_with(&[])
    }

    /// [`Word::line`] with named places filled.
    pub fn line_with(&self, values: &[(&str, &str)]) -> String {
        match self.codes {
            Codes::Imap(status, _) | Codes::Pop3(status, _) => {
                format!("{status} {}", self.text_with(values))
            }
            Codes::Smtp(..) => self.reply_with(values).to_string(),
            Codes::Report(_) | Codes::Cli(_) => self.text_with(values),
        }
    }

    /// The enhanced status, where the row has one.
    pub const fn enhanced(&self) -> Option<EnhancedStatus> {
        match self.codes {
            Codes::Smtp(_, enhanced) | Codes::Report(enhanced) => enhanced,
            _ => None,
        }
    }

    /// As the outcome of a delivery attempt: the class of the status says which. A row without
    /// a status is deferred.
    pub fn outcome_with(&self, values: &[(&str, &str)]) -> Outcome {
        let text = fill(self.text, values);
        let status = self
            .enhanced()
            .unwrap_or(EnhancedStatus::new(Class::Transient, 3, 0));
        match status.class() {
            Class::Success => Outcome::Done { text },
            Class::Transient => Outcome::Deferred { status, text },
            Class::Permanent => Outcome::Failed { status, text },
        }
    }

    /// What failed and why, then on its own line what to do next; named places filled in both.
    pub fn help_with(&self, values: &[(&str, &str)]) -> String {
        let text = fill(self.text, values);
        if self.remedy == "-" {
            text
        } else {
            format!("{text}\n{}", fill(self.remedy, values))
        }
    }

    /// The exit code of the command line; 1 for rows of other places.
    pub const fn exit_code(&self) -> u8 {
        match self.codes {
            Codes::Cli(code) => code,
            _ => 1,
        }
    }
}

/// Every row, in the order of the page.
pub fn all() -> impl Iterator<Item = &'static Word> {
    tables()
        .into_iter()
        .flat_map(|(_, rows)| rows.iter().copied())
}

fn tables() -> [(&'static str, &'static [&'static Word]); 5] {
    [
        ("SMTP", SMTP),
        ("IMAP", IMAP),
        ("POP3", POP3),
        ("Outcomes and reports", REPORTS),
        ("Command line", COMMANDS),
    ]
}

/// `docs/replies.md`.
pub fn to_markdown() -> String {
    let mut page = String::from(
        "# Every text Postroom shows\n\n\
         Printed by `postroom docs replies` from `host/crates/mail/src/words`; a test compares the two.\n\
         `{…}` is filled in.\n",
    );
    for (title, rows) in tables() {
        page.push_str(&format!(
            "\n## {title}\n\n| Id | Code | Text | Cause | Remedy |\n|---|---|---|---|---|\n"
        ));
        for word in rows {
            page.push_str(&format!(
                "| `{}` | {} | {} | {} | {} |\n",
                word.id,
                code_cell(word.codes),
                cell(word.text),
                cell(word.cause),
                cell(word.remedy)
            ));
        }
    }
    page
}

fn code_cell(codes: Codes) -> String {
    let bracket = |code: Option<&str>| code.map(|code| format!(" [{code}]")).unwrap_or_default();
    match codes {
        Codes::Smtp(code, enhanced) => {
            enhanced.map_or_else(|| code.to_string(), |enhanced| format!("{code} {enhanced}"))
        }
        Codes::Imap(status, code) | Codes::Pop3(status, code) => {
            format!("{status}{}", bracket(code))
        }
        Codes::Report(enhanced) => enhanced
            .map(|enhanced| enhanced.to_string())
            .unwrap_or_default(),
        Codes::Cli(code) => format!("exit {code}"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('\n', "<br>")
        .replace('<', "&lt;")
        .replace("&lt;br>", "<br>")
}

/// The basic code for an enhanced one that came without (RFC 3463 §2 gives only the class).
const fn basic_code(enhanced: EnhancedStatus) -> u16 {
    match enhanced.class() {
        Class::Success => 250,
        Class::Transient => 451,
        Class::Permanent => 550,
    }
}

/// Puts `values` into the named places of `text`. An unknown place stays as it is, so that a
/// mistake shows.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let place = rest.find('}').map(|end| &rest[1..end]);
        let value = place.and_then(|place| values.iter().find(|(name, _)| *name == place));
        match (place, value) {
            (Some(place), Some((_, value))) => {
                filled.extend(value.chars().map(one_line).take(VALUE_CHARS));
                rest = &rest[place.len() + 2..];
            }
            _ => {
                filled.push('{');
                rest = &rest[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// Control characters and the line separators of Unicode become spaces.
fn one_line(c: char) -> char {
    if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
        ' '
    } else {
        c
    }
}

/// The rows of one table. Each becomes a constant whose documentation is its cause, and all of
/// them together the table.
macro_rules! words {
    ($table:ident: $($id:ident = $codes:expr, $text:literal, $cause:literal, $remedy:literal;)+) => {
        $(
            #[doc = $cause]
            pub static $id: $crate::words::Word = $crate::words::Word {
                id: stringify!($id),
                codes: $codes,
                text: $text,
                cause: $cause,
                remedy: $remedy,
            };
        )+
        pub(super) static $table: &[&$crate::words::Word] = &[$(&$id),+];
    };
}
use words;

/// An SMTP row with an enhanced status; the class is that of the code.
const fn smtp(code: u16, subject: u16, detail: u16) -> Codes {
    let class = match code / 100 {
        2 => Class::Success,
        4 => Class::Transient,
        _ => Class::Permanent,
    };
    Codes::Smtp(code, Some(EnhancedStatus::new(class, subject, detail)))
}

/// An SMTP row without an enhanced status.
const fn plain(code: u16) -> Codes {
    Codes::Smtp(code, None)
}

/// A row of outcomes: `class` is 2, 4 or 5.
const fn status(class: u8, subject: u16, detail: u16) -> Codes {
    let class = match class {
        2 => Class::Success,
        4 => Class::Transient,
        _ => Class::Permanent,
    };
    Codes::Report(Some(EnhancedStatus::new(class, subject, detail)))
}
