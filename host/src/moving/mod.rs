//! Domains and mailboxes on their way between servers and formats.
//!
//! ```text
//!   domain export ─ store, directory, plugins ─> archive ─> FILE      domain import: the same way back
//!   user export   ─ mailboxes of one person ───> archive ─> Maildir or mbox, written by the command
//!   user import   ─ Maildir or mbox, read by the command ─> archive ─> mailboxes of one person
//! ```
//! One format for all of it (`archive`): a tar inside of zstd, each item with a hash over its name,
//! facts and bytes, and at the end one over all. It is written and read as it goes, in memory
//! that does not grow with it.
//!
//! A domain is exported in parts, each with a mark at its end: an export that was interrupted goes
//! on behind the last part that is whole in the file, and what was written is read again before it
//! counts.
//!
//! A domain is imported in commits that each write down how far they reached; an import that was
//! interrupted reads the archive again and goes on behind the last one. Until the end the domain
//! is inactive: its mail is put off and nobody gets in.
//!
//! How it fails: damage is found at the item, which is named; what came before it is kept for the
//! next try with a good copy of the same archive.

mod archive;
mod domain;
mod entries;
mod export;
mod import;
mod part;
mod person;
mod pipe;
mod tar;

pub(crate) use archive::{Bytes as ArchiveBytes, Item, Reader, Writer};
pub(crate) use domain::Subtree;
pub(crate) use entries::MessageFacts;
pub(crate) use export::{Resume, export_domain};
pub(crate) use import::{Imported, import_domain};
pub(crate) use part::{Begun, begun};
pub(crate) use person::{export_person, import_person};
pub(crate) use pipe::{PipeReader, PipeWriter, pipe};
