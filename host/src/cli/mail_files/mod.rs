//! Mail in files of other programs: Maildir and mbox, in and out.
//!
//! Reading knows Maildir (`new`, `cur`, flags in names), the folders of Maildir++ (`.Sent.2020`)
//! and of Dovecot's `fs` layout (folders in folders), Dovecot's `dovecot-keywords`, and mbox in its
//! variants: `>From ` lines lose one `>` (mboxrd; what mboxo wrote is among them), and
//! Content-Length is not believed. Line ends become CRLF. What cannot be read is skipped and
//! named; the rest goes in.
//!
//! Writing makes Maildir++ with `dovecot-keywords`, or one mbox in mboxrd form with `Status`,
//! `X-Status` and `X-Keywords`.

mod beneath;
mod maildir;
mod mbox;
mod out;

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use mail::{Timestamp, words};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::args::MailFiles;
use crate::moving::{ArchiveBytes, MessageFacts, Writer};

pub(super) use out::Target;

/// What could not be read: name and reason.
pub(super) type Skipped = Vec<(String, String)>;

/// Where mail comes from.
#[derive(Debug)]
pub(super) enum Source {
    Maildir(maildir::Maildir),
    Mbox(mbox::Mbox),
}

impl Source {
    pub(super) fn open(files: &MailFiles) -> anyhow::Result<Self> {
        let mailbox = files.mailbox.clone();
        match (&files.maildir, &files.mbox) {
            (Some(path), None) => Ok(Self::Maildir(maildir::Maildir::open(path, mailbox)?)),
            (None, Some(path)) => Ok(Self::Mbox(mbox::Mbox::open(path, mailbox)?)),
            _ => bail!(words::CLI_MAIL_FILES.text()),
        }
    }

    /// Writes all of it as an archive; what could not be read comes back.
    pub(super) fn write<'a>(
        self,
        out: &'a mut dyn std::io::Write,
        each: &'a dyn Fn(),
    ) -> anyhow::Result<Skipped> {
        let mut sink = Sink {
            writer: Writer::new(out)?,
            number: 0,
            copies: HashMap::new(),
            skipped: Vec::new(),
            each,
        };
        let first = json!({
            "format": 1, "id": "", "kind": "mail", "name": "", "made": "", "hostname": "",
            "version": env!("CARGO_PKG_VERSION"),
        });
        sink.writer
            .put("postroom", &first, &ArchiveBytes::Here(&[]))?;
        match self {
            Self::Maildir(maildir) => maildir.read(&mut sink)?,
            Self::Mbox(mbox) => mbox.read(&mut sink)?,
        }
        sink.writer.finish()?;
        Ok(sink.skipped)
    }
}

/// Where messages go as they are read.
struct Sink<'a> {
    writer: Writer<&'a mut dyn std::io::Write>,
    number: u64,
    /// How many there were of each, so that two of the same are two.
    copies: HashMap<blake3::Hash, u32>,
    skipped: Skipped,
    each: &'a dyn Fn(),
}

impl Sink<'_> {
    fn put(&mut self, mut facts: MessageFacts, bytes: &[u8]) -> anyhow::Result<()> {
        let bytes = with_crlf(bytes);
        let mut hasher = blake3::Hasher::new();
        hasher.update(facts.mailbox.as_bytes());
        hasher.update(&[0]);
        hasher.update(&bytes);
        let copies = self.copies.entry(hasher.finalize()).or_insert(0);
        facts.copy = *copies;
        *copies += 1;
        self.number += 1;
        (self.each)();
        let path = format!("mail/{}.eml", self.number);
        self.writer
            .put(&path, &facts, &ArchiveBytes::Here(&bytes))
            .context("sending it to the server")
    }

    fn skip(&mut self, name: impl Into<String>, why: impl std::fmt::Display) {
        self.skipped.push((name.into(), why.to_string()));
    }
}

/// Every line end as CRLF (RFC 5322 §2.1); a CR that is no part of one goes.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for byte in bytes {
        match byte {
            b'\r' => {}
            b'\n' => out.extend_from_slice(b"\r\n"),
            byte => out.push(*byte),
        }
    }
    out
}

/// The date in the header section, with its offset in minutes.
fn header_date(message: &[u8]) -> Option<(Timestamp, i16)> {
    let text = header(message, "date")?;
    let text = text.split('(').next().unwrap_or_default().trim();
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    let date = Timestamp::from_seconds(at.unix_timestamp());
    Some((date, at.offset().whole_minutes()))
}

/// The value of the first field of this name, unfolded.
fn header(message: &[u8], name: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for line in message.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let text = String::from_utf8_lossy(line);
        if let Some(value) = &mut found {
            if text.starts_with([' ', '\t']) {
                value.push_str(&text);
                continue;
            }
            break;
        }
        if let Some((field, value)) = text.split_once(':')
            && field.trim_end().eq_ignore_ascii_case(name)
        {
            found = Some(value.to_owned());
        }
    }
    found.map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests;
