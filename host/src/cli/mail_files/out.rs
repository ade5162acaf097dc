//! Writing Maildir and mbox.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use imap::MailboxName;
use mail::{Timestamp, limits, words};
use time::OffsetDateTime;
use time::macros::format_description;

use super::MailFiles;
use crate::moving::{Item, MessageFacts, Reader};

/// Letters for keywords in the names of files.
const LETTERS: u8 = 26;

/// Where mail goes to: a new Maildir or a new file.
#[derive(Debug)]
pub(in crate::cli) enum Target {
    Maildir {
        path: PathBuf,
        folders: BTreeMap<String, Folder>,
        count: u64,
    },
    Mbox(BufWriter<File>),
}

/// A folder of a Maildir with the names behind the letters.
#[derive(Debug)]
pub(in crate::cli) struct Folder {
    path: PathBuf,
    keywords: Vec<String>,
}

impl Target {
    pub(in crate::cli) fn open(files: &MailFiles) -> anyhow::Result<Self> {
        match (&files.maildir, &files.mbox) {
            (Some(path), None) => {
                let is_empty = !path.exists()
                    || fs::read_dir(path)
                        .with_context(|| format!("cannot read {}", path.display()))?
                        .next()
                        .is_none();
                ensure!(
                    is_empty,
                    words::CLI_MAILDIR_THERE.text_with(&[("folder", &path.display().to_string())])
                );
                make_folder(path)?;
                Ok(Self::Maildir {
                    path: path.clone(),
                    folders: BTreeMap::new(),
                    count: 0,
                })
            }
            (None, Some(path)) => {
                let file =
                    new_file(path).with_context(|| format!("cannot make {}", path.display()))?;
                Ok(Self::Mbox(BufWriter::new(file)))
            }
            _ => bail!(words::CLI_MAIL_FILES.text()),
        }
    }

    /// Writes the next message.
    pub(in crate::cli) fn put<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
        item: &Item,
    ) -> anyhow::Result<()> {
        let facts: MessageFacts = item.facts()?;
        let bytes = reader.read_all(item, limits::MAIL_FILE_MESSAGE)?;
        match self {
            Self::Maildir {
                path,
                folders,
                count,
            } => {
                *count += 1;
                if !folders.contains_key(&facts.mailbox) {
                    let place = free_place(path, &facts.mailbox, folders);
                    folders.insert(facts.mailbox.clone(), Folder::make(place)?);
                }
                let folder = folders.get_mut(&facts.mailbox);
                let folder = folder.context("a folder that was made is there")?;
                folder.put(&facts, &bytes, *count)
            }
            Self::Mbox(out) => put_mbox(out, &facts, &bytes).context("cannot write the mbox"),
        }
    }

    /// All is there.
    pub(in crate::cli) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Maildir { folders, .. } => {
                for folder in folders.values() {
                    File::open(folder.path.join("cur"))?.sync_all()?;
                }
                Ok(())
            }
            Self::Mbox(out) => Ok(out.into_inner()?.sync_all()?),
        }
    }
}

/// Mail is for the eyes of whoever exports it, and nothing that is there is written to.
fn new_file(path: &Path) -> std::io::Result<File> {
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    for kind in ["cur", "new", "tmp"] {
        let folder = path.join(kind);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    Ok(())
}

/// INBOX is the Maildir itself, others are Maildir++ folders in it. Names that become the same
/// (`a.b` and `a_b`) have folders of their own.
fn free_place(maildir: &Path, mailbox: &str, taken: &BTreeMap<String, Folder>) -> PathBuf {
    if mailbox == "INBOX" {
        return maildir.to_owned();
    }
    let mut name = format!(".{}", encode_name(mailbox));
    while taken.values().any(|folder| folder.path.ends_with(&name)) {
        name.push('_');
    }
    maildir.join(name)
}

impl Folder {
    fn make(path: PathBuf) -> anyhow::Result<Self> {
        make_folder(&path)?;
        Ok(Self {
            path,
            keywords: Vec::new(),
        })
    }

    fn put(&mut self, facts: &MessageFacts, bytes: &[u8], count: u64) -> anyhow::Result<()> {
        let letters = self.letters(facts)?;
        let date = facts.date.unwrap_or_default();
        let name = format!("{}.M{count}.postroom:2,{letters}", date.seconds());
        let temporary = self.path.join("tmp").join(&name);
        let mut file = new_file(&temporary)
            .with_context(|| format!("cannot write {}", temporary.display()))?;
        file.write_all(&without_cr(bytes))?;
        file.set_modified(instant(date))?;
        file.sync_all()?;
        fs::rename(&temporary, self.path.join("cur").join(&name))?;
        Ok(())
    }

    /// In the order of ASCII, as readers expect.
    fn letters(&mut self, facts: &MessageFacts) -> anyhow::Result<String> {
        let mut letters = Vec::new();
        for flag in &facts.flags {
            letters.extend(match flag.as_str() {
                "\\Seen" => Some('S'),
                "\\Answered" => Some('R'),
                "\\Flagged" => Some('F'),
                "\\Deleted" => Some('T'),
                "\\Draft" => Some('D'),
                _ => None,
            });
        }
        for keyword in &facts.keywords {
            if keyword.eq_ignore_ascii_case("$Forwarded") {
                letters.push('P');
                continue;
            }
            let known = self.keywords.iter().position(|known| known == keyword);
            let number = match known {
                Some(number) => number,
                // Maildir has no more letters.
                None if self.keywords.len() >= usize::from(LETTERS) => continue,
                None => {
                    self.keywords.push(keyword.clone());
                    self.write_keywords()?;
                    self.keywords.len() - 1
                }
            };
            letters.extend(
                u8::try_from(number)
                    .ok()
                    .map(|number| char::from(b'a' + number)),
            );
        }
        letters.sort_unstable();
        letters.dedup();
        Ok(letters.into_iter().collect())
    }

    fn write_keywords(&self) -> anyhow::Result<()> {
        let lines = self.keywords.iter().enumerate();
        let text: String = lines
            .map(|(number, keyword)| format!("{number} {keyword}\n"))
            .collect();
        let path = self.path.join("dovecot-keywords");
        let temporary = self.path.join("tmp").join("dovecot-keywords");
        new_file(&temporary)?.write_all(text.as_bytes())?;
        Ok(fs::rename(temporary, path)?)
    }
}

fn instant(at: Timestamp) -> SystemTime {
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The levels of Maildir++ are divided by dots, so one inside of a name becomes `_`.
fn encode_name(mailbox: &str) -> String {
    let plain = mailbox.replace('.', "_");
    let wire = MailboxName::parse(&plain).map_or(plain, |name| name.to_wire());
    wire.replace('/', ".")
}

/// Folders are named in modified UTF-7 (RFC 3501 §5.1.3); what is none stays as it is.
pub(super) fn decode_name(name: &str) -> String {
    MailboxName::parse_wire(name.as_bytes())
        .map_or_else(|_| name.to_owned(), |name| name.as_str().to_owned())
}

fn without_cr(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| *byte != b'\r')
        .collect()
}

/// mboxrd: every line of `>`s and `From ` gets one more `>`.
fn put_mbox(
    out: &mut impl std::io::Write,
    facts: &MessageFacts,
    bytes: &[u8],
) -> std::io::Result<()> {
    let format = format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    );
    let at = OffsetDateTime::from_unix_timestamp(facts.date.unwrap_or_default().seconds())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let date = at.format(format).unwrap_or_default();
    writeln!(out, "From MAILER-DAEMON {date}")?;
    let has = |flag: &str| facts.flags.iter().any(|known| known == flag);
    let letters = |pairs: &[(&str, char)]| -> String {
        let set = pairs.iter().filter(|(flag, _)| has(flag));
        set.map(|(_, letter)| *letter).collect()
    };
    writeln!(out, "Status: {}O", letters(&[("\\Seen", 'R')]))?;
    let state = letters(&[
        ("\\Answered", 'A'),
        ("\\Flagged", 'F'),
        ("\\Deleted", 'D'),
        ("\\Draft", 'T'),
    ]);
    if !state.is_empty() {
        writeln!(out, "X-Status: {state}")?;
    }
    if !facts.keywords.is_empty() {
        writeln!(out, "X-Keywords: {}", facts.keywords.join(" "))?;
    }
    let bytes = without_cr(bytes);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let quotes = line.iter().take_while(|byte| **byte == b'>').count();
        if line[quotes..].starts_with(b"From ") {
            out.write_all(b">")?;
        }
        out.write_all(line)?;
    }
    if !bytes.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.write_all(b"\n")
}
