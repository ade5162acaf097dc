//! The directory in one redb file.
//!
//! ```text
//! apply ──> plan (pure checks) ──> commit (redb, durable) ──> new snapshot, swapped in ──> watch
//! ```
//! One writer at a time; readers hold a snapshot and never wait for it. A change is visible when
//! `apply` returns and not before it is on disk.

mod check;
pub(crate) mod copied;
mod plan;
pub(crate) mod rights;
pub(crate) mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Principal, Secret, Tenant, Timestamp};
use redb::Database;
use tokio::sync::watch;

use self::plan::{Plan, Planner};
use self::tables::{Counters, Row};
use crate::{
    AdminError, Adopt, AliasEntry, AuditRecord, Change, Changed, Directory, DirectoryAdmin,
    DomainEntry, Future, GroupEntry, Hasher, LookupError, OpenError, Permitted, PersonEntry,
    SharedMailbox, Snapshot, Table, hash_password,
};

/// How the directory is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Stands in the high 16 bits of every id.
    pub host_number: u16,
    /// Computes password hashes.
    pub hasher: Hasher,
    /// The operator's approved list of programs: other labels are refused. `None`: the labels
    /// are not checked here.
    pub programs: Option<BTreeSet<String>>,
}

/// The embedded directory. Cheap to clone; all clones are one directory.
#[derive(Debug, Clone)]
pub struct EmbeddedDirectory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    database: Database,
    writer: Mutex<Counters>,
    current: RwLock<Arc<Snapshot>>,
    generation: watch::Sender<u64>,
}

impl EmbeddedDirectory {
    /// Opens the file, or makes it. Blocks; reads everything once.
    ///
    /// # Errors
    /// A file that is damaged, newer or in use is refused and left as it is.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::over(|| tables::open(path), options)
    }

    /// Over any redb database.
    fn over(
        open: impl FnOnce() -> Result<Database, OpenError>,
        options: Options,
    ) -> Result<Self, OpenError> {
        // redb asserts some of what it reads; damage must end in an error all the same.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = open()?;
            let (snapshot, counters) = tables::load(&database)?;
            Ok((database, snapshot, counters))
        }));
        let (database, snapshot, counters) =
            opened.unwrap_or_else(|_| Err(OpenError::Damaged("it cannot be read".to_owned())))?;
        let inner = Inner {
            options,
            database,
            writer: Mutex::new(counters),
            generation: watch::Sender::new(snapshot.generation()),
            current: RwLock::new(Arc::new(snapshot)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Everything as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.snapshot()
    }

    /// [`DirectoryAdmin::apply`] for threads that may block.
    pub fn apply_blocking(&self, by: Principal, change: &Change) -> Result<Changed, AdminError> {
        let hash = match password_of(change)? {
            Some(password) => Some(hash_password(&password)?),
            None => None,
        };
        self.inner.commit(by, change, hash, Making::Now)
    }
}

/// The password in a change, once it is one that may be set.
fn password_of(change: &Change) -> Result<Option<Secret<String>>, AdminError> {
    let password = match change {
        Change::AddPerson(new) => new.password.as_ref(),
        Change::SetPassword(_, password) => Some(password),
        _ => None,
    };
    if let Some(password) = password {
        check::password(password.expose_secret())?;
    }
    Ok(password.cloned())
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Inner {
    fn snapshot(&self) -> Arc<Snapshot> {
        // An `Arc` is swapped in one piece, so it is whole even after a panic elsewhere.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn commit(
        &self,
        by: Principal,
        change: &Change,
        hash: Option<Secret<String>>,
        making: Making,
    ) -> Result<Changed, AdminError> {
        // Counters change only after the commit, so they are right even after a panic.
        let mut counters = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.snapshot();
        let planner = Planner {
            snapshot: &snapshot,
            by,
            now: now(),
            next_id: (u64::from(self.options.host_number) << 48) | counters.next_id,
            hash,
            programs: self.options.programs.as_ref(),
        };
        let mut audit = AuditRecord {
            number: counters.next_audit,
            at: planner.now,
            by: rights::who(by),
            domain: None,
            act: rights::act(change),
            refused: String::new(),
        };
        match planner.plan(change) {
            Ok(Plan {
                view,
                rows,
                changed,
                took_id,
            }) => {
                if making == Making::Never {
                    return Ok(changed);
                }
                audit.domain = Some(view.entry.id);
                let next_id = counters.next_id + u64::from(took_id);
                let next = snapshot.with_domain(view);
                self.write(&rows, next.generation(), &mut counters, next_id, &audit)?;
                self.publish(next);
                Ok(changed)
            }
            Err(error) => {
                // The operator's own typing mistakes are not worth a row; what others try is.
                if !matches!(by, Principal::System | Principal::Site) {
                    audit.domain = concerned(&snapshot, change);
                    audit.refused = error.to_string();
                    let next_id = counters.next_id;
                    self.write(&[], snapshot.generation(), &mut counters, next_id, &audit)?;
                }
                Err(error)
            }
        }
    }

    fn write(
        &self,
        rows: &[Row],
        generation: u64,
        counters: &mut Counters,
        next_id: u64,
        audit: &AuditRecord,
    ) -> Result<(), AdminError> {
        let next = Counters {
            next_id,
            next_audit: counters.next_audit + 1,
        };
        tables::commit(&self.database, rows, generation, next, audit).map_err(|error| {
            tracing::error!(%error, "the directory could not be written");
            AdminError::Temporary(error.to_string())
        })?;
        *counters = next;
        Ok(())
    }

    fn publish(&self, next: Snapshot) {
        let generation = next.generation();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.generation.send_replace(generation);
    }
}

/// The domain that a refused change was about, for the audit trail.
fn concerned(snapshot: &Snapshot, change: &Change) -> Option<DomainId> {
    let name = match change {
        Change::AddDomain(_) => return None,
        Change::SetDomain(name, _) | Change::RemoveDomain(name) => name,
        Change::AddPerson(new) => new.mail.domain(),
        Change::AddGroup(new) => new.mail.domain(),
        Change::AddAlias(new) | Change::SetAlias(new) => new.address.domain(),
        Change::SetPerson(address, _)
        | Change::SetPassword(address, _)
        | Change::SetPasswordHashes(address, _)
        | Change::RemovePerson(address)
        | Change::SetGroup(address, _)
        | Change::RemoveGroup(address)
        | Change::RemoveAlias(address) => address.domain(),
    };
    snapshot.domain(name).ok().map(|domain| domain.id)
}

/// An answer that is already there.
fn ready<'a, T: Send + 'a, E: Send + 'a>(answer: Result<T, E>) -> Future<'a, T, E> {
    Box::pin(std::future::ready(answer))
}

impl Directory for EmbeddedDirectory {
    fn domain<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>> {
        ready(self.snapshot().domain(name))
    }

    fn domain_by_id(&self, id: DomainId) -> Future<'_, Arc<DomainEntry>> {
        ready(self.snapshot().domain_by_id(id))
    }

    fn domain_by_service_name<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>> {
        ready(self.snapshot().domain_by_service_name(name))
    }

    fn domains(&self) -> Future<'_, Vec<Arc<DomainEntry>>> {
        ready(Ok(self.snapshot().domains()))
    }

    fn person_by_uid<'a>(&'a self, tenant: Tenant, uid: &'a str) -> Future<'a, Arc<PersonEntry>> {
        ready(self.snapshot().person_by_uid(tenant.domain(), uid))
    }

    fn person(&self, tenant: Tenant, id: PersonId) -> Future<'_, Arc<PersonEntry>> {
        ready(self.snapshot().person(tenant.domain(), id))
    }

    fn person_by_address<'a>(
        &'a self,
        tenant: Tenant,
        address: &'a Mailbox,
    ) -> Future<'a, Arc<PersonEntry>> {
        ready(self.snapshot().person_by_address(tenant.domain(), address))
    }

    fn people(&self, tenant: Tenant) -> Future<'_, Vec<Arc<PersonEntry>>> {
        ready(self.snapshot().people(tenant.domain()))
    }

    fn group(&self, tenant: Tenant, id: GroupId) -> Future<'_, Arc<GroupEntry>> {
        ready(self.snapshot().group(tenant.domain(), id))
    }

    fn groups(&self, tenant: Tenant) -> Future<'_, Vec<Arc<GroupEntry>>> {
        ready(self.snapshot().groups(tenant.domain()))
    }

    fn aliases(&self, tenant: Tenant) -> Future<'_, Vec<Arc<AliasEntry>>> {
        ready(self.snapshot().aliases(tenant.domain()))
    }

    fn members(&self, tenant: Tenant, group: GroupId) -> Future<'_, Vec<Arc<PersonEntry>>> {
        ready(self.snapshot().members(tenant.domain(), group))
    }

    fn shared_mailboxes(
        &self,
        tenant: Tenant,
        person: PersonId,
    ) -> Future<'_, Vec<(GroupId, SharedMailbox)>> {
        ready(self.snapshot().shared_mailboxes(tenant.domain(), person))
    }

    fn verify_password(
        &self,
        person: Option<(Tenant, PersonId)>,
        password: Secret<String>,
    ) -> Future<'_, bool> {
        let entry =
            person.and_then(|(tenant, id)| self.snapshot().person(tenant.domain(), id).ok());
        let hashes = entry
            .map(|entry| entry.password_hashes.clone())
            .unwrap_or_default();
        Box::pin(self.inner.options.hasher.verify(hashes, password))
    }

    fn known_domain(&self, id: DomainId) -> Option<Arc<DomainEntry>> {
        self.snapshot().domain_by_id(id).ok()
    }

    fn known_person(&self, domain: DomainId, id: PersonId) -> Option<Arc<PersonEntry>> {
        self.snapshot().person(domain, id).ok()
    }

    fn table(&self) -> Arc<dyn Table> {
        self.snapshot()
    }

    fn generation(&self) -> watch::Receiver<u64> {
        self.inner.generation.subscribe()
    }
}

/// Is a change made that may be made?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Making {
    Now,
    Never,
}

impl DirectoryAdmin for EmbeddedDirectory {
    fn apply(&self, by: Principal, change: Change) -> Future<'_, Changed, AdminError> {
        Box::pin(async move {
            let hash = match password_of(&change)? {
                Some(password) => Some(self.inner.options.hasher.hash(password).await?),
                None => None,
            };
            let inner = Arc::clone(&self.inner);
            let commit =
                tokio::task::spawn_blocking(move || inner.commit(by, &change, hash, Making::Now));
            commit
                .await
                .unwrap_or_else(|error| Err(AdminError::Temporary(error.to_string())))
        })
    }

    fn permits(&self, by: Principal, change: Change) -> Future<'_, Permitted, AdminError> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let check = move || inner.commit(by, &change, None, Making::Never);
            let checked = tokio::task::spawn_blocking(check).await;
            let checked = checked.map_err(|error| AdminError::Temporary(error.to_string()))?;
            checked.map(|_| Permitted::Here)
        })
    }

    fn adopt(&self, _: Principal, adopt: Adopt) -> Future<'_, usize, AdminError> {
        ready(Err(AdminError::invalid(
            format!(
                "{} is kept here, so no name in it can come back",
                adopt.domain
            ),
            "only names of an LDAP directory are adopted",
        )))
    }

    fn audit(&self, domain: Option<Tenant>, limit: usize) -> Future<'_, Vec<AuditRecord>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let read = move || tables::audit(&inner.database, domain.map(Tenant::domain), limit);
            let rows = tokio::task::spawn_blocking(read).await;
            let rows = rows.map_err(|error| LookupError::Temporary(error.to_string()))?;
            rows.map_err(|error| LookupError::Temporary(error.to_string()))
        })
    }

    fn copy_to(&self, path: PathBuf) -> Future<'_, (), OpenError> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let copy = move || copied::copy(&inner.database, &path);
            let copied = tokio::task::spawn_blocking(copy).await;
            copied.unwrap_or_else(|error| Err(OpenError::Io(error.to_string())))
        })
    }
}
