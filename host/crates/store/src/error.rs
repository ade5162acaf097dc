//! What can go wrong, by whose fault it is.

use std::path::PathBuf;

use crate::Owner;

/// Result of a store call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not exist, or belongs to another domain or person: both look the same.
    #[error("not found")]
    NotFound,
    /// The caller sees it but has not the right to do this.
    #[error("permission denied")]
    Denied,
    /// The name is taken.
    #[error("already exists")]
    Exists,
    /// A compare-and-set found another value. Nothing was written; run the call again on fresh
    /// state.
    #[error("a value changed meanwhile")]
    Conflict,
    /// The lease is not the current one: another worker took over, or the row is gone.
    #[error("the lease is no longer valid")]
    Stale,
    /// The operation would go over a quota. Nothing was written.
    #[error("over quota")]
    OverQuota(Owner),
    /// The arguments break a rule or a limit.
    #[error("{0}")]
    Invalid(String),
    /// No room: the disk is full or below its reserve. Passes by itself (SMTP 452 4.3.1).
    #[error("the disk is full")]
    Full,
    /// The index lags behind the journal; try again soon (SMTP 451).
    #[error("the store is busy")]
    Busy,
    /// A write or sync failed; nothing more is accepted until a restart (SMTP 451). The text is
    /// the first failure.
    #[error("the store stopped taking changes: {0}")]
    Latched(String),
    /// Bytes on the disk are not what was written. Only this read failed.
    #[error("damaged data: {0}")]
    Damaged(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a data directory was not opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the data directory {path} is in use by another postroom process{}; stop that one first, or use the command line, which talks to it",
        .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, if it said so.
        pid: Option<u32>,
    },
    /// Written by a newer version.
    #[error(
        "the data directory {path} has format {format}, which needs postroom {needs} or newer; this postroom reads up to format {ours}. Install that version, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The oldest version that reads it.
        needs: String,
        /// The newest format this version reads.
        ours: u32,
    },
    /// Something is there that is not ours.
    #[error(
        "{path} is not empty and has no FORMAT file, so it is not a postroom data directory; name an empty or a new directory"
    )]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// A restore into it did not end.
    #[error(
        "a restore into the data directory {path} did not end, so it is no store yet. Run the same `postroom restore` again; it goes on where it stopped"
    )]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// Damaged beyond what a crash explains.
    #[error(
        "the data directory {path} is damaged: {what}. Nothing was changed. Copy the directory away, check the disk, then restore a backup"
    )]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The keys of the stored mail are not the right ones, or not there.
    #[error(
        "the keys of the stored mail, {path}: {what}. Nothing was changed, and no new keys are made over mail that was stored with others. Put back the key file and the master key that belong to this data directory ([store] in postroom.toml says where they are looked for)"
    )]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system refused.
    #[error("cannot open the data directory {path}: {error}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}
