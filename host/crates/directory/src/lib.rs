//! The directory of virtual domains, people and groups.
//!
//! ```text
//!   administration ──> DirectoryAdmin::apply ──> one redb commit ──> new Snapshot, swapped in
//!                                                                        │
//!   logins ──> login() ──> Directory (async) ────────────────────────────┤
//!   mail   ──> Directory::table() ──> routing::Lookup (sync, in memory) ─┘
//! ```
//! A [`Directory`] answers questions; a [`DirectoryAdmin`] takes [`Change`]s. Behind both
//! traits stand [`EmbeddedDirectory`] (redb) and [`LdapDirectory`] (one server, read only), which
//! is why calls are futures and errors tell "there is none" from "cannot say now".
//!
//! Invariants:
//! - Only this crate makes [`mail::Tenant`]s: an id is vouched for because its entry is here.
//! - Ids are never reused, also not after a removal.
//! - A change is checked against all others, committed durably and shown in one piece: a reader
//!   holds one [`Snapshot`] and sees either all of it or nothing.
//! - An address, a name and a service name stand for one entry each, whatever their case,
//!   Unicode form or encoding.
//! - A password leaves only as a hash, and a hash leaves only this crate's memory to redb.
//!
//! How it fails: a look-up with [`LookupError::Temporary`], which must never be shown as
//! "unknown"; a change with an [`AdminError`] that says what, why and what to do; a file that
//! cannot be read with [`OpenError`] and no write. It does not know protocols, the store,
//! plugins or sockets.
#![warn(missing_docs)]

mod admin;
mod change;
mod embedded;
mod error;
mod ldap;
mod login;
mod model;
mod passwd;
mod query;
mod services;
mod snapshot;
mod throttle;

pub use admin::{Adopt, AuditRecord, DirectoryAdmin, Permitted};
pub use change::{
    Change, Changed, DomainChanges, GroupChanges, NewAlias, NewDomain, NewGroup, NewPerson,
    PersonChanges, Set,
};
pub use embedded::copied::restore_directory;
pub use embedded::{EmbeddedDirectory, Options};
pub use error::{AdminError, LookupError, OpenError};
pub use ldap::{Adoption, Attributes, Classes, Layout, LdapDirectory, LdapSettings, Timing};
pub use login::{
    Login, LoginOutcome, LoginRequest, LoginSettings, LoginStep, LoginTrial, LoginWay, NoPeerNames,
    PeerName, PeerNames,
};
pub use model::{
    AliasEntry, DomainEntry, GroupEntry, PersonEntry, Quota, Rights, Role, SharedMailbox,
};
pub use passwd::{Hasher, hash_password, verify_password};
pub use query::{Directory, Future, Table};
pub use routing::{Autoreply, AutoreplyMode, Delivery, DeliveryOption, Host, Level, State};
pub use services::{ServiceAccess, ServiceRules, ServicesError, Verdict};
pub use snapshot::Snapshot;

/// A domain that exists in no directory, for trying out plugins without a server. Nothing that
/// is stored is ever reached by it: real ids begin above.
pub const fn trial_tenant(id: mail::DomainId) -> mail::Tenant {
    mail::Tenant::vouch(id)
}
