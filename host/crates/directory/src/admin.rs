//! The changes a directory takes.

use std::path::PathBuf;

use mail::{Domain, DomainId, Mailbox, Principal, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{AdminError, Adoption, Change, Changed, Directory, Future, OpenError};

/// One row of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Ascending without gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who: `system`, `site`, `administrator p…` or `person p…`.
    pub by: String,
    /// The domain it concerns.
    pub domain: Option<DomainId>,
    /// What was done, or tried: `set domain abc.test: status`. Never a value of a secret.
    pub act: String,
    /// Empty, or why it was refused.
    pub refused: String,
}

/// What to do with a name that came back under another identity of the LDAP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopt {
    /// The domain.
    pub domain: Domain,
    /// This person or group alone; else the domain and everybody in it.
    pub only: Option<Mailbox>,
    /// Whose mail it gets.
    pub adoption: Adoption,
}

/// A directory that can be changed from here.
pub trait DirectoryAdmin: Directory {
    /// Makes one change: checked, committed durably, and visible to every later question when
    /// the call returns. Nothing is changed when it fails.
    fn apply(&self, by: Principal, change: Change) -> Future<'_, Changed, AdminError>;

    /// Would [`apply`](Self::apply) make this change, one without a password? Checked as there,
    /// and nothing is changed; a refusal is noted in the audit trail.
    fn permits(&self, by: Principal, change: Change) -> Future<'_, Permitted, AdminError>;

    /// Lets a name that came back continue, or begin anew. Returns how many names it concerned.
    fn adopt(&self, by: Principal, adopt: Adopt) -> Future<'_, usize, AdminError>;

    /// The newest `limit` audit rows of a domain (of all domains without one), newest first.
    fn audit(&self, domain: Option<Tenant>, limit: usize) -> Future<'_, Vec<AuditRecord>>;

    /// Copies everything as of one moment into a new file, for a backup. It is what
    /// [`crate::restore_directory`] takes.
    fn copy_to(&self, path: PathBuf) -> Future<'_, (), OpenError>;
}

/// Where a change that may be made is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permitted {
    /// Here, by [`DirectoryAdmin::apply`].
    Here,
    /// Where the directory is kept: it is only read here.
    Elsewhere,
}
