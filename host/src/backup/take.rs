//! Taking a backup.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use store::Head;

use super::folder::Folder;
use super::manifest::{self, Entry, Manifest};
use crate::cli::Progress;

/// A file to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Where it will be in a data directory.
    pub(crate) path: String,
    /// Where it is now.
    pub(crate) at: PathBuf,
    /// The bytes from the start that count; `None`: all.
    pub(crate) length: Option<u64>,
    /// It never changes under its path in this life of the store.
    pub(crate) is_final: bool,
    /// One that is not there any more was on its way in, and nothing names it.
    pub(crate) may_vanish: bool,
}

/// Everything to copy.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) head: Head,
    pub(crate) hostname: String,
    pub(crate) files: Vec<SourceFile>,
}

/// What a backup came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) copied_files: usize,
    pub(crate) copied_bytes: u64,
    /// Files of earlier backups that are in no manifest any more.
    pub(crate) removed_files: usize,
}

/// Copies what the folder does not have yet, then puts the new manifest in force. Blocks.
pub(crate) fn take(source: &Source, folder: &Folder, progress: &Progress) -> anyhow::Result<Taken> {
    let known = known(source, folder)?;
    let mut log = folder.begin(&source.head, &known)?;
    let mut files = BTreeMap::new();
    let mut taken = Taken::default();
    for (number, file) in source.files.iter().enumerate() {
        progress.show(&|| {
            format!(
                "file {} of {}, {} MiB copied",
                number + 1,
                source.files.len(),
                taken.copied_bytes >> 20
            )
        });
        let reused = known.get(&file.path).filter(|_| file.is_final);
        let entry = match reused.filter(|entry| folder.has(entry)) {
            Some(entry) => *entry,
            None => {
                let Some(entry) = copy_one(file, folder)? else {
                    continue;
                };
                taken.copied_files += 1;
                taken.copied_bytes += entry.size;
                log.write_all(manifest::progress_line(&file.path, &entry).as_bytes())?;
                entry
            }
        };
        files.insert(file.path.clone(), entry);
    }
    let manifest = Manifest {
        head: source.head,
        made: crate::site::now().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: source.hostname.clone(),
        files,
    };
    taken.files = manifest.files.len();
    taken.bytes = manifest.bytes();
    taken.removed_files = folder.finish(&manifest)?;
    progress.end();
    Ok(taken)
}

/// What was copied before and cannot have changed: of this life of this store.
fn known(source: &Source, folder: &Folder) -> anyhow::Result<BTreeMap<String, Entry>> {
    let mut known = folder.progress(&source.head)?;
    if let Some(manifest) = folder.manifest()? {
        let same = (manifest.head.store, manifest.head.life);
        if manifest.head.store != source.head.store {
            bail!(
                "the folder has the backup of another store (of {}): name another folder",
                manifest.hostname
            );
        }
        if same == (source.head.store, source.head.life) {
            for (path, entry) in manifest.files {
                known.entry(path).or_insert(entry);
            }
        }
    }
    known.retain(|_, entry| entry.is_final);
    Ok(known)
}

fn copy_one(file: &SourceFile, folder: &Folder) -> anyhow::Result<Option<Entry>> {
    let shown = || format!("cannot copy {}", file.at.display());
    let mut from = match File::open(&file.at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.may_vanish => {
            return Ok(None);
        }
        opened => opened.with_context(shown)?,
    };
    let length = match checked(file)? {
        Some(length) => length,
        None => file.length.unwrap_or(u64::MAX),
    };
    let (size, hash) = folder.copy_in(&mut from, length).with_context(shown)?;
    Ok(Some(Entry {
        size,
        hash,
        is_final: file.is_final,
    }))
}

/// Checks a segment of the journal; the length of what is in it.
fn checked(file: &SourceFile) -> anyhow::Result<Option<u64>> {
    if !is_segment(&file.path) {
        return Ok(None);
    }
    let checked = store::check_segment(&file.at, file.length)
        .with_context(|| format!("cannot read {}", file.at.display()))?;
    match checked {
        Ok(checked) => Ok(Some(checked.length)),
        Err(what) => bail!(
            "{}",
            mail::words::CLI_BACKUP_SOURCE_DAMAGED
                .text_with(&[("file", &file.at.display().to_string()), ("detail", &what)])
        ),
    }
}

pub(super) fn is_segment(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "seg")
        && (path.starts_with("store/journal/") || path.starts_with("store/settled/"))
}
