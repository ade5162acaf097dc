//! Maildir, with Maildir++ and Dovecot's folders.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mail::Timestamp;

use super::{MESSAGE_MAX, Sink, header_date};
use crate::moving::MessageFacts;

/// Folders below folders.
const LEVELS_MAX: usize = 32;

/// A Maildir with everything below it.
#[derive(Debug)]
pub(in crate::cli) struct Maildir {
    /// Folders with the names of their mailboxes.
    folders: Vec<(PathBuf, String)>,
}

impl Maildir {
    /// `top` names the mailbox of the Maildir itself; its folders go below where it is given.
    pub(super) fn open(path: &Path, top: Option<String>) -> anyhow::Result<Self> {
        ensure!(
            is_maildir(path),
            "{} is no Maildir: it has no folder 'cur' or 'new'",
            path.display()
        );
        let below = top.clone();
        let mut folders = vec![(path.to_owned(), top.unwrap_or_else(|| "INBOX".to_owned()))];
        find(path, below.as_deref(), 0, &mut folders)?;
        folders[1..].sort();
        Ok(Self { folders })
    }

    pub(super) fn read(self, sink: &mut Sink<'_>) -> anyhow::Result<()> {
        for (folder, mailbox) in &self.folders {
            let keywords = keywords(folder);
            for kind in ["new", "cur"] {
                let path = folder.join(kind);
                if !path.is_dir() {
                    continue;
                }
                let mut names: Vec<_> = fs::read_dir(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?
                    .filter_map(Result::ok)
                    .map(|entry| entry.path())
                    .filter(|path| !is_hidden(path))
                    .collect();
                // In the order of delivery, as far as names tell it.
                names.sort();
                for path in names {
                    take(&path, mailbox, &keywords, sink)?;
                }
            }
        }
        Ok(())
    }
}

fn is_maildir(path: &Path) -> bool {
    path.join("cur").is_dir() || path.join("new").is_dir()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Maildir++: `.Sent.2020` beside `cur` is `Sent/2020`. Dovecot's `fs` layout: `Sent/2020`.
fn find(
    path: &Path,
    above: Option<&str>,
    level: usize,
    folders: &mut Vec<(PathBuf, String)>,
) -> anyhow::Result<()> {
    ensure!(
        level <= LEVELS_MAX,
        "{} has too many levels of folders",
        path.display()
    );
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A link may lead round in a circle, or out.
        if !entry.file_type()?.is_dir() || matches!(name.as_str(), "cur" | "new" | "tmp") {
            continue;
        }
        let name = match name.strip_prefix('.') {
            Some(plus) => plus.replace('.', "/"),
            None => name,
        };
        let name = super::out::decode_name(&name);
        let full = match above {
            Some(above) => format!("{above}/{name}"),
            None => name,
        };
        let folder = entry.path();
        if is_maildir(&folder) {
            folders.push((folder.clone(), full.clone()));
        }
        find(&folder, Some(&full), level + 1, folders)?;
    }
    Ok(())
}

/// Dovecot's names for the letters `a` to `z` in file names.
fn keywords(folder: &Path) -> Vec<(char, String)> {
    let text = fs::read_to_string(folder.join("dovecot-keywords")).unwrap_or_default();
    let line = |line: &str| {
        let (number, keyword) = line.split_once(' ')?;
        let letter = char::from(b'a' + number.parse::<u8>().ok().filter(|number| *number < 26)?);
        Some((letter, keyword.trim().to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn take(
    path: &Path,
    mailbox: &str,
    keywords: &[(char, String)],
    sink: &mut Sink<'_>,
) -> anyhow::Result<()> {
    let label = path.display().to_string();
    let bytes = match read(path) {
        Ok(Some(bytes)) => bytes,
        // Moved by whoever uses the Maildir meanwhile: it is there under another name.
        Ok(None) => {
            sink.skip(label, "it went away while it was read");
            return Ok(());
        }
        Err(error) => {
            sink.skip(label, error);
            return Ok(());
        }
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    let modified = fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let modified = modified
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .map(|seconds| (Timestamp::from_seconds(seconds), 0));
    let (date, offset) = modified.or_else(|| header_date(&bytes)).unzip();
    let mut named: Vec<String> = letters
        .chars()
        .filter_map(|letter| keywords.iter().find(|(known, _)| *known == letter))
        .map(|(_, keyword)| keyword.clone())
        .collect();
    if letters.contains('P') {
        // Passed on; the keyword that clients know for it.
        named.push("$Forwarded".to_owned());
    }
    let facts = MessageFacts {
        mailbox: mailbox.to_owned(),
        label,
        date,
        offset: offset.unwrap_or(0),
        flags: flags(letters),
        keywords: named,
        copy: 0,
    };
    sink.put(facts, &bytes)
}

/// The flags of the letters after `:2,`.
fn flags(letters: &str) -> Vec<String> {
    let flag = |letter| match letter {
        'S' => Some("\\Seen"),
        'R' => Some("\\Answered"),
        'F' => Some("\\Flagged"),
        'T' => Some("\\Deleted"),
        'D' => Some("\\Draft"),
        _ => None,
    };
    letters
        .chars()
        .filter_map(flag)
        .map(str::to_owned)
        .collect()
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let meta = file.metadata()?;
    ensure!(meta.is_file(), "it is no file");
    ensure!(meta.len() > 0, "it is empty");
    ensure!(meta.len() <= MESSAGE_MAX, "it is too large");
    let mut bytes = Vec::new();
    file.take(MESSAGE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
