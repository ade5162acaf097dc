//! The note outside of the data directory that says how far the store was.
//!
//! It is written when the server starts, about once a minute where something changed, and when it
//! stops; never on the way of a message. A store that is behind it is an older copy. No note (a
//! first start, a server that moved) says nothing, and one that cannot be written is a warning:
//! mail goes on, only an older copy would not be found out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use store::Head;

/// The note of one data directory.
#[derive(Debug)]
pub(crate) struct Note {
    path: PathBuf,
    /// What was written last.
    last: Mutex<Option<Head>>,
}

impl Note {
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::new(None),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says, if it is there and can be read.
    pub(crate) fn read(&self) -> Option<Head> {
        let shown = self.path.display();
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::info!(note = %shown, "there is no note of how far the store was: a first start, or a server that moved");
                return None;
            }
            Err(error) => {
                tracing::warn!(note = %shown, %error, "the note of how far the store was cannot be read");
                return None;
            }
        };
        match text.parse() {
            Ok(head) => Some(head),
            Err(error) => {
                tracing::warn!(note = %shown, error, "the note of how far the store was is damaged");
                None
            }
        }
    }

    /// Writes down how far the store is, where that is news. Blocks.
    pub(crate) fn write(&self, head: Head) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == Some(head) {
            return;
        }
        match self.replace(&head.to_string()) {
            Ok(()) => *last = Some(head),
            Err(error) => {
                let first = last.is_none();
                if first {
                    tracing::warn!(note = %self.path.display(), %error, "how far the store is cannot be noted, so an older copy put in its place would not be found out; name another file by head_note");
                }
            }
        }
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        let folder = folder_of(&self.path);
        std::fs::create_dir_all(folder)?;
        let new = self.path.with_extension("new");
        let mut file = std::fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        std::fs::File::open(folder)?.sync_all()
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use store::Head;

    use super::Note;

    #[test]
    fn a_note_is_replaced_and_never_half_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let note = Note::at(folder.path().join("aside/head"));
        assert_eq!(note.read(), None);
        let head = Head {
            store: 7,
            sequence: 12,
            ..Head::default()
        };
        note.write(head);
        assert_eq!(note.read(), Some(head));
        let later = Head {
            sequence: 13,
            ..head
        };
        note.write(later);
        assert_eq!(note.read(), Some(later));
        std::fs::write(note.path(), "postroom head\nlife").expect("the folder is ours");
        assert_eq!(note.read(), None, "a damaged one says nothing");
    }

    #[test]
    fn a_note_that_cannot_be_written_stops_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("file"), "").expect("the folder is ours");
        let note = Note::at(folder.path().join("file/head"));
        note.write(Head::default());
        assert_eq!(note.read(), None);
    }
}
