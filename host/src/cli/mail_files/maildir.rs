//! Maildir, with Maildir++ and Dovecot's folders.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use mail::{Timestamp, limits, words};

use super::beneath::Folder;
use super::{Sink, header_date};
use crate::moving::MessageFacts;

/// A Maildir with everything below it.
#[derive(Debug)]
pub(in crate::cli) struct Maildir {
    /// As it was named, for what is shown.
    path: PathBuf,
    root: Folder,
    /// Folders, named from the root, with the names of their mailboxes.
    folders: Vec<(PathBuf, String)>,
}

impl Maildir {
    /// `top` names the mailbox of the Maildir itself; its folders go below where it is given.
    pub(super) fn open(path: &Path, top: Option<String>) -> anyhow::Result<Self> {
        let root = Folder::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            is_maildir(&root, Path::new("")),
            words::CLI_MAILDIR_NONE.text_with(&[("folder", &path.display().to_string())])
        );
        let below = top.clone();
        let mut maildir = Self {
            path: path.to_owned(),
            root,
            folders: Vec::new(),
        };
        maildir.find(Path::new(""), below.as_deref(), 0)?;
        maildir.folders.sort();
        let top = (PathBuf::new(), top.unwrap_or_else(|| "INBOX".to_owned()));
        maildir.folders.insert(0, top);
        Ok(maildir)
    }

    pub(super) fn read(self, sink: &mut Sink<'_>) -> anyhow::Result<()> {
        for (folder, mailbox) in &self.folders {
            let keywords = keywords(&self.root, folder);
            for kind in ["new", "cur"] {
                let folder = folder.join(kind);
                let names = match self.root.names(&folder) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => {
                        sink.skip(self.shown(&folder), error);
                        continue;
                    }
                    Ok(names) => names,
                };
                // In the order of delivery, as far as names tell it.
                for name in names.iter().filter(|name| !is_hidden(name)) {
                    let path = folder.join(name);
                    take(
                        &self.root,
                        &path,
                        self.shown(&path),
                        mailbox,
                        &keywords,
                        sink,
                    )?;
                }
            }
        }
        Ok(())
    }

    fn shown(&self, path: &Path) -> String {
        self.path.join(path).display().to_string()
    }

    /// Maildir++: `.Sent.2020` beside `cur` is `Sent/2020`. Dovecot's `fs` layout: `Sent/2020`.
    fn find(&mut self, path: &Path, above: Option<&str>, level: usize) -> anyhow::Result<()> {
        let shown = self.shown(path);
        ensure!(
            level <= limits::MAILDIR_LEVELS,
            words::CLI_MAILDIR_LEVELS.text_with(&[("folder", &shown)])
        );
        let names = self.root.names(path);
        for entry in names.with_context(|| format!("cannot read {shown}"))? {
            let name = entry.to_string_lossy().into_owned();
            let folder = path.join(&entry);
            // A link may lead round in a circle, or out.
            if matches!(name.as_str(), "cur" | "new" | "tmp") || !self.root.has_folder(&folder) {
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
            if is_maildir(&self.root, &folder) {
                self.folders.push((folder.clone(), full.clone()));
            }
            self.find(&folder, Some(&full), level + 1)?;
        }
        Ok(())
    }
}

fn is_maildir(root: &Folder, folder: &Path) -> bool {
    root.has_folder(&folder.join("cur")) || root.has_folder(&folder.join("new"))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Dovecot's names for the letters `a` to `z` in file names.
fn keywords(root: &Folder, folder: &Path) -> Vec<(char, String)> {
    let mut text = String::new();
    if let Ok(file) = root.file(&folder.join("dovecot-keywords")) {
        // What cannot be read has no names.
        let _ = file
            .take(limits::MAILDIR_KEYWORDS)
            .read_to_string(&mut text);
    }
    let line = |line: &str| {
        let (number, keyword) = line.split_once(' ')?;
        let letter = char::from(b'a' + number.parse::<u8>().ok().filter(|number| *number < 26)?);
        Some((letter, keyword.trim().to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn take(
    root: &Folder,
    path: &Path,
    label: String,
    mailbox: &str,
    keywords: &[(char, String)],
    sink: &mut Sink<'_>,
) -> anyhow::Result<()> {
    let (bytes, modified) = match read(root, path) {
        Ok(Some(read)) => read,
        // Moved by whoever uses the Maildir meanwhile: it is there under another name.
        Ok(None) => {
            sink.skip(label, words::CLI_MAIL_FILE_GONE.text());
            return Ok(());
        }
        Err(error) => {
            sink.skip(label, error);
            return Ok(());
        }
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
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

/// The bytes, and when they were written.
fn read(root: &Folder, path: &Path) -> anyhow::Result<Option<(Vec<u8>, Option<SystemTime>)>> {
    let file = match root.file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let meta = file.metadata()?;
    ensure!(meta.len() > 0, words::CLI_MAIL_FILE_EMPTY.text());
    ensure!(
        meta.len() <= limits::MAIL_FILE_MESSAGE,
        words::CLI_MAIL_FILE_LARGE.text()
    );
    let mut bytes = Vec::new();
    file.take(limits::MAIL_FILE_MESSAGE + 1)
        .read_to_end(&mut bytes)?;
    Ok(Some((bytes, meta.modified().ok())))
}
