//! Copies of everything, made while the server runs, and how one becomes a server again.
//!
//! ```text
//!   server: cut of the store, copy of the directory ── kept while the connection lives ──┐
//!                                                                                        v
//!   postroom backup DIR:  DIR/files/ab/HASH…   one file of the data directory each, by its hash
//!                         DIR/progress         what an interrupted backup has copied already
//!                         DIR/manifest         which file is where: written last, replaced at once
//!
//!   postroom restore DIR: checks and copies, then the restore rules; a half-done one does not start
//! ```
//! The command copies, not the server: what it may read it copies wherever it may write. A file
//! under `files` is named by its contents, so what is there is never written again, an old
//! manifest stays valid until the new one has replaced it, and what changed is all that is copied.
//! What the new manifest does not name is removed after that.
//!
//! How it fails: an interrupted backup leaves the one before and what it copied, and goes on from
//! there. Damage in the source ends it with the file's name; damage in the copy is found by the
//! restore, which names the file.
//!
//! It does not know: keys, which lie outside of the data directory, and what is in a message.

mod folder;
mod manifest;
mod note;
mod put_back;
mod take;

pub(crate) use folder::Folder;
pub(crate) use note::Note;
pub(crate) use put_back::{accept_older, restore};
pub(crate) use take::{Source, SourceFile, take};
