//! Putting a backup back.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use store::{Embedded, RestoreRules, Restored};

use super::folder::{self, Folder};
use super::manifest::{Entry, Manifest};
use super::note::{Note, folder_of};
use crate::cli::Progress;

/// Says which backup is on its way into a data directory.
const MARK: &str = "RESTORING";

/// What a restore came to.
#[derive(Debug)]
pub(crate) struct PutBack {
    pub(crate) manifest: Manifest,
    pub(crate) restored: Restored,
}

/// Checks a backup, copies it into an empty or missing directory, and applies the restore rules.
/// Goes on where it stopped. Blocks.
pub(crate) fn restore(
    folder: &Folder,
    data: &Path,
    note: &Note,
    config: store::Config,
    progress: &Progress,
) -> anyhow::Result<PutBack> {
    let manifest = folder
        .manifest()?
        .context("no backup into this folder has ended yet: there is nothing to restore")?;
    claim(data, &manifest)?;
    let store = data.join("store");
    // From here on it is no store that starts, until the rules are applied.
    store::mark_restoring(&store).with_context(|| format!("cannot make {}", store.display()))?;
    copy_out(folder, data, &manifest, progress)?;
    progress.end();
    let directory = data.join("directory.redb");
    if directory.exists() {
        directory::restore_directory(&directory)
            .with_context(|| format!("cannot open {}", directory.display()))?;
    }
    let rules = RestoreRules {
        noted: note.read(),
        text: format!(
            "came back with the backup of {}; what was sent since is sent again when released",
            manifest.made
        ),
    };
    let restored = Embedded::restore(&store, config, &rules)?;
    fs::remove_file(data.join(MARK))?;
    File::open(data)?.sync_all()?;
    Ok(PutBack { manifest, restored })
}

/// Applies the restore rules to the store that is there, older than it was. Blocks.
pub(crate) fn accept_older(
    data: &Path,
    note: &Note,
    config: store::Config,
) -> anyhow::Result<Restored> {
    let store = data.join("store");
    ensure!(
        store.join("FORMAT").exists(),
        "{} has no store: name the data directory with --data",
        data.display()
    );
    let rules = RestoreRules {
        noted: note.read(),
        text: "came back with an older copy of the store; what was sent since is sent again when released"
            .to_owned(),
    };
    // Before the store: as soon as that is accepted, it is served.
    let directory = data.join("directory.redb");
    if directory.exists() {
        directory::restore_directory(&directory)
            .with_context(|| format!("cannot open {}", directory.display()))?;
    }
    Ok(Embedded::restore(&store, config, &rules)?)
}

/// Takes the directory for this backup: an empty one, or one that this very backup was on its
/// way into.
fn claim(data: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let id = manifest.id().to_string();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make {}", data.display()))?;
    match fs::read_to_string(data.join(MARK)) {
        Ok(found) if found == id => return Ok(()),
        Ok(_) => bail!(
            "{} has another restore in it that did not end: finish that one, or name an empty directory",
            data.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let names = fs::read_dir(data).with_context(|| format!("cannot read {}", data.display()))?;
    for name in names {
        let name = name?.file_name();
        ensure!(
            name == "lost+found",
            "{}",
            mail::words::CLI_RESTORE_NOT_EMPTY.text_with(&[
                ("directory", &data.display().to_string()),
                ("name", &name.to_string_lossy()),
            ])
        );
    }
    folder::write_whole(&data.join(MARK), id.as_bytes())?;
    Ok(())
}

fn copy_out(
    folder: &Folder,
    data: &Path,
    manifest: &Manifest,
    progress: &Progress,
) -> anyhow::Result<()> {
    let total = manifest.bytes();
    let mut done = 0;
    for (number, (path, entry)) in manifest.files.iter().enumerate() {
        progress.show(&|| {
            format!(
                "file {} of {}, {} of {} MiB",
                number + 1,
                manifest.files.len(),
                done >> 20,
                total >> 20
            )
        });
        copy_one(folder, &data.join(path), path, entry)?;
        done += entry.size;
    }
    Ok(())
}

fn copy_one(folder: &Folder, target: &Path, path: &str, entry: &Entry) -> anyhow::Result<()> {
    if target.exists() && folder::hash_of(target)? == (entry.size, entry.hash) {
        return Ok(());
    }
    let parent = folder_of(target);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)?;
    let damaged =
        |what: &str| mail::words::CLI_BACKUP_DAMAGED.text_with(&[("file", path), ("detail", what)]);
    let place = folder.place(&entry.hash);
    let mut from = File::open(&place).map_err(|error| {
        anyhow::anyhow!("{}", damaged(&format!("{}: {error}", place.display())))
    })?;
    // No other file of the backup has this name.
    let mut temporary = target.as_os_str().to_owned();
    temporary.push(".restoring");
    let temporary = std::path::PathBuf::from(temporary);
    let copied = folder::copy(&mut from, &temporary, u64::MAX)
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    ensure!(
        copied == (entry.size, entry.hash),
        "{}",
        damaged(&format!("the bytes of {} changed", place.display()))
    );
    fs::rename(&temporary, target)?;
    File::open(parent)?.sync_all()?;
    Ok(())
}
