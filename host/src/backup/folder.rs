//! The folder of a backup.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use store::Head;

use super::manifest::{self, Entry, Manifest};

/// Says what the folder is.
const MARK: &str = "POSTROOM-BACKUP";
const MARK_TEXT: &str =
    "This folder is a backup made by `postroom backup`.\n`postroom restore` puts it back.\n";
/// The mark while it is written: all that is there of a backup that was killed at its beginning.
const MARK_NEW: &str = "POSTROOM-BACKUP.new";
const MANIFEST: &str = "manifest";
const PROGRESS: &str = "progress";
const FILES: &str = "files";
/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;

/// A backup's folder, kept for one process.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens a backup, or makes one in a folder that is empty or not there.
    pub(crate) fn make(path: &Path) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        if !path.join(MARK).exists() {
            let mut names = fs::read_dir(path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .filter_map(Result::ok)
                .map(|entry| entry.file_name());
            ensure!(
                names.all(|name| name == "lost+found" || name == MARK_NEW),
                mail::words::CLI_BACKUP_FOREIGN
                    .text_with(&[("folder", &path.display().to_string())])
            );
            write_whole(&path.join(MARK), MARK_TEXT.as_bytes())
                .with_context(|| format!("cannot write in {}", path.display()))?;
        }
        Self::open(path)
    }

    /// Opens a backup.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let lock = match File::open(path.join(MARK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "{}",
                mail::words::CLI_BACKUP_MISSING
                    .text_with(&[("folder", &path.display().to_string())])
            ),
            opened => opened.with_context(|| format!("cannot read {}", path.display()))?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another `postroom backup` or `postroom restore` works in {}: wait for it",
                path.display()
            ),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The manifest in force; `None`: no backup ended well yet.
    pub(crate) fn manifest(&self) -> anyhow::Result<Option<Manifest>> {
        let path = self.path.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let manifest = Manifest::parse(&text).with_context(|| {
            format!(
                "{} is damaged: make a new backup in another folder",
                path.display()
            )
        })?;
        Ok(Some(manifest))
    }

    /// What an interrupted backup of this life of the store has copied.
    pub(crate) fn progress(&self, head: &Head) -> anyhow::Result<BTreeMap<String, Entry>> {
        let text = match fs::read(self.path.join(PROGRESS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            read => String::from_utf8_lossy(&read?).into_owned(),
        };
        let mut lines = text.split_inclusive('\n');
        if lines.next() != Some(&life_of(head)) {
            return Ok(BTreeMap::new());
        }
        // The last line may be half there.
        let whole = lines.filter_map(|line| line.strip_suffix('\n'));
        Ok(whole.filter_map(Entry::parse).collect())
    }

    /// Begins to write down what is copied, after what is known already.
    pub(crate) fn begin(
        &self,
        head: &Head,
        known: &BTreeMap<String, Entry>,
    ) -> anyhow::Result<File> {
        let mut text = life_of(head);
        for (path, entry) in known {
            text.push_str(&manifest::progress_line(path, entry));
        }
        write_whole(&self.path.join(PROGRESS), text.as_bytes())?;
        Ok(File::options()
            .append(true)
            .open(self.path.join(PROGRESS))?)
    }

    /// Where the bytes with this hash are.
    pub(crate) fn place(&self, hash: &blake3::Hash) -> PathBuf {
        let name = hash.to_hex();
        self.path.join(FILES).join(&name[..2]).join(name.as_str())
    }

    /// Is it there with this size?
    pub(crate) fn has(&self, entry: &Entry) -> bool {
        fs::metadata(self.place(&entry.hash)).is_ok_and(|meta| meta.len() == entry.size)
    }

    /// Copies up to `length` bytes in, durably, under the name of their hash.
    pub(crate) fn copy_in(
        &self,
        from: &mut File,
        length: u64,
    ) -> anyhow::Result<(u64, blake3::Hash)> {
        let files = self.path.join(FILES);
        make_folder(&files)?;
        let temporary = files.join("new");
        let copied = copy(from, &temporary, length)
            .with_context(|| format!("cannot write {}", temporary.display()))?;
        let place = self.place(&copied.1);
        let folder = files.join(&copied.1.to_hex()[..2]);
        make_folder(&folder)?;
        fs::rename(&temporary, &place)?;
        File::open(&folder)?.sync_all()?;
        Ok(copied)
    }

    /// Puts the manifest in force, then removes what it does not name.
    pub(crate) fn finish(&self, manifest: &Manifest) -> anyhow::Result<usize> {
        File::open(self.path.join(FILES))?.sync_all()?;
        write_whole(&self.path.join(MANIFEST), manifest.encode().as_bytes())?;
        let wanted: HashSet<_> = manifest.files.values().map(|entry| entry.hash).collect();
        let mut removed = 0;
        for folder in fs::read_dir(self.path.join(FILES))? {
            let folder = folder?.path();
            if !folder.is_dir() {
                fs::remove_file(&folder)?;
                continue;
            }
            for file in fs::read_dir(&folder)? {
                let file = file?.path();
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                let hash = blake3::Hash::from_hex(name.as_ref());
                if !hash.is_ok_and(|hash| wanted.contains(&hash)) {
                    fs::remove_file(&file)?;
                    removed += 1;
                }
            }
        }
        match fs::remove_file(self.path.join(PROGRESS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(removed),
        }
    }
}

fn life_of(head: &Head) -> String {
    format!("store {:032x} life {}\n", head.store, head.life)
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(super::note::folder_of(path))?.sync_all(),
    }
}

/// Copies up to `length` bytes into a new file and syncs it; the size and hash of what was copied.
pub(super) fn copy(from: &mut File, to: &Path, length: u64) -> io::Result<(u64, blake3::Hash)> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)?;
    let mut hasher = blake3::Hasher::new();
    let mut from = from.take(length);
    let mut buffer = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
        size += read as u64;
    }
    file.sync_all()?;
    Ok((size, hasher.finalize()))
}

/// The size and hash of a file.
pub(super) fn hash_of(path: &Path) -> io::Result<(u64, blake3::Hash)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, hasher.finalize())),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes a file so that it is there whole or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(super::note::folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_was_killed_at_its_beginning_goes_on_and_nothing_else_is_taken() {
        let folder = tempfile::tempdir().expect("there is room");
        fs::write(folder.path().join(MARK_NEW), "This").expect("it is written");
        Folder::make(folder.path()).expect("it goes on");
        assert!(folder.path().join(MARK).exists());
        assert!(!folder.path().join(MARK_NEW).exists());
        let foreign = tempfile::tempdir().expect("there is room");
        fs::write(foreign.path().join("letter.txt"), "x").expect("it is written");
        let refused = Folder::make(foreign.path()).expect_err("it is somebody's");
        assert!(refused.to_string().contains("no backup"), "{refused}");
    }
}
