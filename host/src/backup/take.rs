//! Taking a backup.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use store::Head;

use super::folder::Folder;
use super::manifest::{self, Entry, Manifest, Stamp};
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
    /// The backup before was of a later moment of this store: it was set back.
    pub(crate) went_back: bool,
}

/// Copies what the folder does not have yet, then puts the new manifest in force. Blocks.
pub(crate) fn take(source: &Source, folder: &Folder, progress: &Progress) -> anyhow::Result<Taken> {
    let (known, went_back) = known(source, folder)?;
    let mut log = folder.begin(&source.head, &known)?;
    let mut files = BTreeMap::new();
    let mut taken = Taken {
        went_back,
        ..Taken::default()
    };
    for (number, file) in source.files.iter().enumerate() {
        progress.show(&|| {
            format!(
                "file {} of {}, {} MiB copied",
                number + 1,
                source.files.len(),
                taken.copied_bytes >> 20
            )
        });
        let reused = known
            .get(&file.path)
            .filter(|entry| file.is_final && is_same(file, entry) && folder.has(entry));
        let entry = match reused {
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

/// Is there still the file that was copied?
fn is_same(file: &SourceFile, entry: &Entry) -> bool {
    let stamp = std::fs::metadata(&file.at)
        .map(|meta| Stamp::of(&meta))
        .ok();
    stamp.is_some() && stamp == entry.stamp
}

/// What was copied before and cannot have changed: of this life of this store. Nothing, and
/// `true`, where the store is older than it was then.
fn known(source: &Source, folder: &Folder) -> anyhow::Result<(BTreeMap<String, Entry>, bool)> {
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
            if manifest.head.sequence > source.head.sequence {
                return Ok((BTreeMap::new(), true));
            }
            for (path, entry) in manifest.files {
                known.entry(path).or_insert(entry);
            }
        }
    }
    known.retain(|_, entry| entry.stamp.is_some());
    Ok((known, false))
}

fn copy_one(file: &SourceFile, folder: &Folder) -> anyhow::Result<Option<Entry>> {
    let shown = || format!("cannot copy {}", file.at.display());
    let mut from = match File::open(&file.at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.may_vanish => {
            return Ok(None);
        }
        opened => opened.with_context(shown)?,
    };
    let stamp = Stamp::of(&from.metadata().with_context(shown)?);
    let length = match checked(file)? {
        Some(length) => length,
        None => file.length.unwrap_or(u64::MAX),
    };
    let (size, hash) = folder.copy_in(&mut from, length).with_context(shown)?;
    Ok(Some(Entry {
        size,
        hash,
        stamp: file.is_final.then_some(stamp),
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Folder, Head, Progress, Source, SourceFile, Taken, take};

    fn taken(data: &Path, folder: &Folder, sequence: u64) -> Taken {
        let file = |path: &str, is_final| SourceFile {
            path: path.to_owned(),
            at: data.join(path),
            length: None,
            is_final,
            may_vanish: false,
        };
        let source = Source {
            head: Head {
                store: 1,
                life: 1,
                sequence,
                ..Head::default()
            },
            hostname: String::new(),
            files: vec![file("kept", true), file("open", false)],
        };
        take(&source, folder, &Progress::new()).expect("it is copied")
    }

    #[test]
    fn a_file_that_was_exchanged_under_its_name_is_copied_again() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let data = home.path();
        let folder = Folder::make(&data.join("backup")).expect("the folder is ours");
        for name in ["kept", "open"] {
            fs::write(data.join(name), "one").expect("the folder is ours");
        }
        assert_eq!(taken(data, &folder, 5).copied_files, 2);
        let second = taken(data, &folder, 6);
        assert_eq!((second.copied_files, second.went_back), (1, false));
        // As after a machine was set back and went on: another file, of the same length.
        fs::write(data.join("other"), "two").expect("the folder is ours");
        fs::rename(data.join("other"), data.join("kept")).expect("the folder is ours");
        assert_eq!(taken(data, &folder, 7).copied_files, 2);
        let manifest = folder
            .manifest()
            .expect("it is whole")
            .expect("it is there");
        assert_eq!(manifest.files["kept"].hash, blake3::hash(b"two"));
        // Older than it was: nothing is believed.
        let back = taken(data, &folder, 4);
        assert_eq!((back.copied_files, back.went_back), (2, true));
    }
}
