//! How directory calls fail.

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such entry. A definite answer.
    #[error("there is no {0}")]
    NotFound(String),
    /// Nobody can say now. The peer gets a 4xx, 454, `[UNAVAILABLE]` or `[SYS/TEMP]`.
    #[error("the directory cannot answer now: {0}")]
    Temporary(String),
}

/// Why a change was not made. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// What should be changed is not there (or not the caller's to see).
    #[error("there is no {0}")]
    NotFound(String),
    /// The name is taken.
    #[error("'{name}' is taken: it is {by}")]
    Taken {
        /// The name or address.
        name: String,
        /// What holds it.
        by: String,
    },
    /// The values make no sense.
    #[error("{problem}; {remedy}")]
    Invalid {
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// The change could not be written; try again.
    #[error("the directory could not be written: {0}")]
    Temporary(String),
}

impl AdminError {
    pub(crate) fn invalid(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Invalid {
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

impl From<LookupError> for AdminError {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::NotFound(what) => Self::NotFound(what),
            LookupError::Temporary(cause) => Self::Temporary(cause),
        }
    }
}

/// Why the directory's file could not be opened. It was not changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is in use by another process.
    #[error("the directory is in use by another process: stop the other server first")]
    InUse,
    /// The file is damaged, or not a directory.
    #[error("the directory file is damaged ({0}): restore it from a backup; nothing was changed")]
    Damaged(String),
    /// Written by a newer version.
    #[error(
        "the directory has format {found}, this version reads up to {known}: use a newer postroom"
    )]
    Newer {
        /// The file's format.
        found: u64,
        /// The newest format known here.
        known: u64,
    },
    /// The settings of an LDAP server cannot be used.
    #[error("[directory] in postroom.toml cannot be used: {0}")]
    Settings(String),
    /// The file could not be read or made.
    #[error("the directory file could not be opened: {0}")]
    Io(String),
}
