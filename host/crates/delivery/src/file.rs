//! Files beneath a domain's own folder (plugin capability `file`).
//!
//! ```text
//!   label ─ ApprovedFiles ─> FileSpec ─┐
//!   folder of the domain ──────────────┴─> LockedFile::open ── length ─> host: journal started{…}
//!                                              │ append, append_message
//!                                              └─> on disk, or as long as before
//!   after a crash: take_back(length, what was being written)
//! ```
//!
//! Invariants
//! - A path is resolved beneath the folder and follows no symbolic link (`openat2`); only a
//!   regular file with one name is written.
//! - Writers exclude each other: `flock` among processes of this server, and a `.lock` file as
//!   other mail programs use it.
//! - An append that fails leaves the file as long as before. One that succeeds is on disk.
//!
//! How it fails: by a [`FileError`]; [`FileError::outcome`] tells deferred from refused. The
//! calls block; run them where blocking is allowed.
//!
//! What it does not know: the journal, which attempt this is, whose mail it is.

mod beneath;
mod lock;
mod mbox;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mail::{Localpart, Outcome, ReversePath, Timestamp, words};

pub use mbox::MboxReader;

use self::lock::DotLock;

/// Bytes moved at a time.
const PIECE: usize = 64 * 1024;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not a file that mail may be written to.
    #[error("{0}")]
    Refused(String),
    /// Somebody else holds the lock.
    #[error("the lock is held by somebody else")]
    Locked,
    /// What was to be written cannot be read.
    #[error("the message cannot be read: {0}")]
    Source(io::Error),
    /// The disk, the folder or a right is missing.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl FileError {
    /// What it means for the message.
    pub fn outcome(&self, label: &str) -> Outcome {
        let detail = self.to_string();
        let values = [("label", label), ("detail", detail.as_str())];
        match self {
            Self::Refused(_) => words::FILE_REFUSED.outcome_with(&values),
            _ => words::FILE_DEFERRED.outcome_with(&values),
        }
    }
}

impl From<rustix::io::Errno> for FileError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// A file of the operator's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpec {
    /// What domains call it: letters, digits, `-` and `_`.
    pub label: String,
    /// Relative path beneath the domain's folder. `{localpart}` is filled in with the local part
    /// of the recipient where that makes a harmless file name.
    pub path: String,
}

impl FileSpec {
    /// The path for one recipient.
    ///
    /// # Errors
    /// [`FileError::Refused`] where the local part has more than a file name may have.
    pub fn path_for(&self, localpart: &Localpart) -> Result<PathBuf, FileError> {
        const PLACE: &str = "{localpart}";
        if !self.path.contains(PLACE) {
            return Ok(PathBuf::from(&self.path));
        }
        let key = localpart.key();
        if !is_file_name(&key) {
            return Err(FileError::Refused(
                "the local part is no file name".to_owned(),
            ));
        }
        Ok(PathBuf::from(self.path.replace(PLACE, &key)))
    }

    /// Can it be used as it is? Checked when the configuration is read.
    ///
    /// # Errors
    /// The path is absolute, empty, or leads upwards.
    pub fn check(&self) -> Result<(), FileError> {
        beneath::check(Path::new(&self.path))
    }
}

/// A name without separators of any kind, hidden names and controls: what stands for a `/` in
/// some character sets is refused too.
fn is_file_name(name: &str) -> bool {
    let harmless = |c: char| c.is_alphanumeric() || "-_+=@.!#$&'^~".contains(c);
    (1..=200).contains(&name.len()) && !name.starts_with(['.', '-']) && name.chars().all(harmless)
}

/// The list. A domain names a file by its label; nothing else finds one.
#[derive(Debug, Clone, Default)]
pub struct ApprovedFiles(Vec<FileSpec>);

impl ApprovedFiles {
    /// Checks each of them.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn new(specs: Vec<FileSpec>) -> Result<Self, FileError> {
        specs.iter().try_for_each(FileSpec::check)?;
        Ok(Self(specs))
    }

    /// The file of that label.
    ///
    /// # Errors
    /// The outcome of a delivery that names another.
    pub fn find(&self, label: &str) -> Result<&FileSpec, Outcome> {
        self.0
            .iter()
            .find(|spec| spec.label == label)
            .ok_or_else(|| words::FILE_NOT_APPROVED.outcome_with(&[("label", label)]))
    }
}

/// What stands in the `From ` line of a message in an mbox (RFC 4155).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postmark {
    /// Reverse path.
    pub sender: ReversePath,
    /// When the message was accepted: the same for every attempt, so that a repeated attempt
    /// writes the same bytes.
    pub received: Timestamp,
}

/// A file that is open and locked. Dropping it frees the lock.
#[derive(Debug)]
pub struct LockedFile {
    // First, so that it goes first: whoever has the `flock` takes a `.lock` for left over.
    _lock: DotLock,
    file: File,
    length: u64,
}

impl LockedFile {
    /// Opens `path` beneath `folder` and waits at most `wait` for its lock. Folder and file are
    /// made where they are missing, folders between them are not.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn open(folder: &Path, path: &Path, wait: Duration) -> Result<Self, FileError> {
        let folder = beneath::Folder::open(folder)?;
        let (file, lock) = lock::acquire(&folder, path, wait)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file,
            length,
            _lock: lock,
        })
    }

    /// How long it is. Before an append this is what the host notes, to take a broken one back.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Appends a message as mbox (RFC 4155, "mboxrd"): with its `From ` line, with LF line ends,
    /// with lines that look like a `From ` line quoted, and with an empty line behind it.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn append_message(
        &mut self,
        postmark: &Postmark,
        message: impl Read,
    ) -> Result<(), FileError> {
        self.append(MboxReader::new(postmark, message))
    }

    /// Appends bytes as they are.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn append(&mut self, bytes: impl Read) -> Result<(), FileError> {
        match self.try_append(bytes) {
            Ok(length) => {
                self.length = length;
                Ok(())
            }
            Err(error) => {
                // What cannot be taken back now is found again after the restart.
                if let Err(cause) = self
                    .file
                    .set_len(self.length)
                    .and_then(|()| self.file.sync_all())
                {
                    tracing::error!(%cause, "a broken append could not be taken back");
                }
                Err(error)
            }
        }
    }

    fn try_append(&mut self, mut bytes: impl Read) -> Result<u64, FileError> {
        let mut length = self.file.seek(SeekFrom::Start(self.length))?;
        let mut piece = vec![0; PIECE];
        loop {
            let read = match bytes.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(FileError::Source(error)),
            };
            self.file.write_all(&piece[..read])?;
            length += read as u64;
        }
        self.file.sync_all()?;
        Ok(length)
    }

    /// Undoes an append that a crash interrupted: makes the file `length` bytes long again, if
    /// all that stands behind is a beginning of `intended`.
    ///
    /// # Errors
    /// File or `intended` cannot be read, or the file cannot be shortened.
    pub fn take_back(&mut self, length: u64, intended: impl Read) -> Result<TakenBack, FileError> {
        if self.length == length {
            return Ok(TakenBack::Nothing);
        }
        if self.length < length || !self.holds_beginning(length, intended)? {
            return Ok(TakenBack::Changed);
        }
        let bytes = self.length - length;
        self.file.set_len(length)?;
        self.file.sync_all()?;
        self.length = length;
        Ok(TakenBack::Bytes(bytes))
    }

    /// Does all of `intended` stand at `start`, whatever comes behind it? Then the interrupted
    /// append had done its work.
    ///
    /// # Errors
    /// File or `intended` cannot be read.
    pub fn holds_whole(&mut self, start: u64, mut intended: impl Read) -> Result<bool, FileError> {
        self.file.seek(SeekFrom::Start(start))?;
        let mut expected = vec![0; PIECE];
        let mut written = vec![0; PIECE];
        loop {
            let length = intended.read(&mut expected).map_err(FileError::Source)?;
            if length == 0 {
                return Ok(true);
            }
            match self.file.read_exact(&mut written[..length]) {
                Ok(()) if expected[..length] == written[..length] => {}
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Is everything from `start` on a beginning of `intended`?
    fn holds_beginning(&mut self, start: u64, mut intended: impl Read) -> Result<bool, FileError> {
        self.file.seek(SeekFrom::Start(start))?;
        let mut written = vec![0; PIECE];
        let mut expected = vec![0; PIECE];
        loop {
            let length = self.file.read(&mut written)?;
            if length == 0 {
                return Ok(true);
            }
            match intended.read_exact(&mut expected[..length]) {
                Ok(()) if expected[..length] == written[..length] => {}
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(FileError::Source(error)),
            }
        }
    }
}

/// What became of an append that a crash interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBack {
    /// It had written nothing.
    Nothing,
    /// So many bytes were cut off.
    Bytes(u64),
    /// Somebody changed the file since: nothing was touched, a person should look.
    Changed,
}
