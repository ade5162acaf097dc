//! The files of a store at one moment, to be copied while it goes on.

use crate::{Head, Pin};

/// What a store consists of at one moment: enough to make all of it again, since the index is
/// made from the journal.
///
/// While it lives nothing it names is removed. What is removed from the store meanwhile goes when
/// it is dropped; after a crash, at the next start.
#[derive(Debug)]
pub struct Cut {
    /// How far the store was.
    pub head: Head,
    /// The files, by path.
    pub files: Vec<CutFile>,
    pub(crate) _pin: Pin,
}

/// One file of a cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutFile {
    /// Relative to the store's directory, with `/`.
    pub path: String,
    /// The bytes from the start that belong to the cut; `None`: all of them.
    pub length: Option<u64>,
    /// It never changes any more under this name, in this life of the store.
    pub is_final: bool,
}
