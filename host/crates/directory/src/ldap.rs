//! The directory of an LDAP server: one server, one base, read only.
//!
//! ```text
//!  routing ─> Table ─> cache ──(missing)──> complete() ─┐
//!  logins, queue, administration ─> cache ──(missing)───┼─> server: search, one time-out, breaker
//!  every few seconds: what changed? what expires? ──────┘        │
//!                                      identities (redb) <── entryUUID ─> DomainId, PersonId
//! ```
//! Domains are read as a whole and people when somebody asks for them. Both are reshaped once into
//! what routing needs and answer for the times of [`Timing`]; [`cache`] has the table. A
//! password is checked by a bind as the person, on a connection of its own; no hash is read.
//!
//! Invariants:
//! - What the server cannot say now is [`LookupError::Temporary`], never "there is none".
//! - Nothing that came from outside gets into a filter unescaped, and into a name of an entry
//!   not at all: those come from the server.
//! - An answer is only used for the name it was asked for, compared here once more: two entries
//!   for one address are refused, whatever the server's matching rules make equal.
//! - Ids belong to `entryUUID`s (`identity`).
//!
//! How it fails: closed. Trouble of the server opens the breaker; who is in the cache goes on
//! receiving mail for [`Timing::stale`], everybody else is put off.

mod ask;
mod cache;
mod dn;
mod domains;
mod entry;
mod identity;
mod poll;
mod server;
mod settings;
mod table;
mod wire;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Principal, Secret, Tenant};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::cache::{Cache, Known, Named};
use self::domains::Domains;
use self::identity::Identities;
use self::server::Server;
use crate::passwd::PASSWORD_BYTES;
use crate::snapshot::uid_key;
use crate::{
    AdminError, Adopt, AliasEntry, AuditRecord, Change, Changed, Directory, DirectoryAdmin,
    DomainEntry, Future, GroupEntry, LookupError, OpenError, Permitted, PersonEntry, SharedMailbox,
    Table,
};

pub(crate) use identity::IDENTITIES;

pub use identity::Adoption;
pub use settings::{Attributes, Classes, Layout, LdapSettings, Timing};

/// The directory of one LDAP server. Cheap to clone; all clones are one directory.
#[derive(Debug, Clone)]
pub struct LdapDirectory {
    inner: Arc<Inner>,
    _poll: Arc<Poll>,
}

/// Ends the questions for what changed with the last clone.
#[derive(Debug)]
struct Poll(AbortHandle);

impl Drop for Poll {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
struct Inner {
    server: Arc<Server>,
    identities: Arc<Identities>,
    domains: RwLock<Option<Arc<Domains>>>,
    /// Every domain as it was last seen, also when it is gone.
    seen_domains: RwLock<HashMap<DomainId, Arc<DomainEntry>>>,
    /// One reading of the domains at a time.
    reading: tokio::sync::Mutex<()>,
    cache: Mutex<Cache>,
    generation: watch::Sender<u64>,
    /// How long the last login took the server, in microseconds: as long as one takes that is
    /// refused without asking.
    login_us: AtomicU64,
    /// When entries changed that were looked at already, by `entryUUID`.
    seen: Mutex<poll::Seen>,
    /// One adoption at a time.
    adopting: tokio::sync::Mutex<()>,
}

impl LdapDirectory {
    /// Opens the file of identities; blocks. The server is asked from now on, also while it does
    /// not answer: call it inside a tokio runtime.
    ///
    /// # Errors
    /// Settings that cannot be used, or a file that cannot. A server that does not answer is not
    /// an error.
    pub fn open(path: &Path, settings: LdapSettings) -> Result<Self, OpenError> {
        let timing = settings.timing.clone();
        let server = Server::new(settings).map_err(OpenError::Settings)?;
        let inner = Arc::new(Inner {
            server,
            identities: Arc::new(Identities::open(path, 0)?),
            domains: RwLock::new(None),
            seen_domains: RwLock::default(),
            reading: tokio::sync::Mutex::new(()),
            cache: Mutex::new(Cache::default()),
            generation: watch::Sender::new(0),
            login_us: AtomicU64::new(20_000),
            seen: Mutex::default(),
            adopting: tokio::sync::Mutex::new(()),
        });
        let poll = tokio::spawn(poll::run(Arc::downgrade(&inner), timing.poll));
        Ok(Self {
            inner,
            _poll: Arc::new(Poll(poll.abort_handle())),
        })
    }

    /// How many domain nodes the server shows: whether the settings work, without opening a file.
    ///
    /// # Errors
    /// What does not work.
    pub async fn count_domains(settings: LdapSettings) -> Result<usize, LookupError> {
        let server = Server::new(settings).map_err(LookupError::Temporary)?;
        Ok(server
            .search(ask::all_domains(server.settings()))
            .await?
            .len())
    }

    /// Asks now for what changed, instead of in some seconds.
    ///
    /// # Errors
    /// The server cannot say.
    pub async fn refresh(&self) -> Result<(), LookupError> {
        poll::once(&self.inner).await
    }
}

impl Inner {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        // A panic inside leaves at most a name without its entry, which is then asked for.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The domains as they were last read.
    fn known_domains(&self) -> Option<Arc<Domains>> {
        self.domains
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells everybody who waits for changes.
    fn grow(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    async fn person_held(
        &self,
        tenant: Tenant,
        id: PersonId,
    ) -> Result<(Arc<PersonEntry>, cache::Held), LookupError> {
        let missing = || LookupError::NotFound(format!("person {id}"));
        let domain = tenant.domain();
        let uuid = self.identities.uuid_of(domain, id.0).ok_or_else(missing)?;
        let held = self.by_uuid(domain, &uuid).await?.ok_or_else(missing)?;
        match held.known.clone() {
            Known::Person(entry) if entry.id == id => Ok((entry, held)),
            _ => Err(missing()),
        }
    }

    /// Asks the server whether this is the password. A name that changed since it was read is
    /// read again before the answer is no.
    async fn verify(
        &self,
        tenant: Tenant,
        id: PersonId,
        password: &Secret<String>,
    ) -> Result<bool, LookupError> {
        let (_, held) = self.person_held(tenant, id).await?;
        let begun = Instant::now();
        let fits = self.server.bind(&held.dn, password).await?;
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.login_us.store(took, Ordering::Relaxed);
        if fits || held.checked.elapsed() < Duration::from_secs(1) {
            return Ok(fits);
        }
        let Some(uuid) = self.identities.uuid_of(tenant.domain(), id.0) else {
            return Ok(false);
        };
        match self.ask_uuid(tenant.domain(), &uuid).await? {
            Some(now) if now.dn != held.dn => self.server.bind(&now.dn, password).await,
            _ => Ok(false),
        }
    }

    /// As long as a login takes, with the same trouble, and never right.
    async fn refuse_slowly(&self) -> Result<bool, LookupError> {
        self.server.is_reachable()?;
        let took = self.login_us.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_micros(took)).await;
        Ok(false)
    }

    fn read_only(&self) -> AdminError {
        let settings = self.server.settings();
        AdminError::invalid(
            format!(
                "the directory is the LDAP server {}, which postroom only reads",
                settings.url
            ),
            format!(
                "change it there, beneath '{}' (docs/ldap.md): it shows here within 10 seconds",
                settings.base
            ),
        )
    }
}

impl Directory for LdapDirectory {
    fn domain<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>> {
        Box::pin(async move {
            let missing = || LookupError::NotFound(format!("domain {name}"));
            let id = self.inner.domain_named(name).await?.ok_or_else(missing)?;
            self.domain_by_id(id).await
        })
    }

    fn domain_by_id(&self, id: DomainId) -> Future<'_, Arc<DomainEntry>> {
        Box::pin(async move {
            let domains = self.inner.domains_with(id).await?;
            let node = domains.nodes.get(&id);
            node.map(|node| Arc::clone(&node.entry))
                .ok_or_else(|| LookupError::NotFound(format!("domain {id}")))
        })
    }

    fn domain_by_service_name<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>> {
        Box::pin(async move {
            let domains = self.inner.fresh_domains().await?;
            let node = domains.serving(name);
            node.map(|node| Arc::clone(&node.entry))
                .ok_or_else(|| LookupError::NotFound(format!("service name {name}")))
        })
    }

    fn domains(&self) -> Future<'_, Vec<Arc<DomainEntry>>> {
        Box::pin(async move {
            let domains = self.inner.fresh_domains().await?;
            let nodes = domains.nodes.values();
            let mut all: Vec<_> = nodes.map(|node| Arc::clone(&node.entry)).collect();
            all.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(all)
        })
    }

    fn person_by_uid<'a>(&'a self, tenant: Tenant, uid: &'a str) -> Future<'a, Arc<PersonEntry>> {
        Box::pin(async move {
            let uid = uid_key(uid);
            match self.inner.named(Named::Uid, tenant.domain(), &uid).await? {
                Some(cache::Held {
                    known: Known::Person(entry),
                    ..
                }) => Ok(entry),
                _ => Err(LookupError::NotFound(format!("person {uid}"))),
            }
        })
    }

    fn person(&self, tenant: Tenant, id: PersonId) -> Future<'_, Arc<PersonEntry>> {
        Box::pin(async move { Ok(self.inner.person_held(tenant, id).await?.0) })
    }

    fn person_by_address<'a>(
        &'a self,
        tenant: Tenant,
        address: &'a Mailbox,
    ) -> Future<'a, Arc<PersonEntry>> {
        Box::pin(async move {
            let domain = self.domain_by_id(tenant.domain()).await?;
            let own = Mailbox::new(address.localpart().clone(), domain.name.clone());
            let written = (own != *address).then_some(address);
            for candidate in written.into_iter().chain([&own]) {
                if !domain.is_called(candidate.domain()) {
                    continue;
                }
                let key = candidate.key();
                let held = self.inner.named(Named::Address, domain.id, &key).await?;
                if let Some(Known::Person(entry)) = held.map(|held| held.known) {
                    return Ok(entry);
                }
            }
            Err(LookupError::NotFound(format!("person {address}")))
        })
    }

    fn people(&self, tenant: Tenant) -> Future<'_, Vec<Arc<PersonEntry>>> {
        Box::pin(async move {
            let all = self
                .inner
                .list(tenant.domain(), entry::Kind::Person)
                .await?;
            let person = |known| match known {
                Known::Person(entry) => Some(entry),
                _ => None,
            };
            let mut all: Vec<_> = all.into_iter().filter_map(person).collect();
            all.sort_by_key(|person| person.mail.key());
            Ok(all)
        })
    }

    fn group(&self, tenant: Tenant, id: GroupId) -> Future<'_, Arc<GroupEntry>> {
        Box::pin(async move {
            let missing = || LookupError::NotFound(format!("group {id}"));
            let domain = tenant.domain();
            let uuid = self.inner.identities.uuid_of(domain, id.0);
            let uuid = uuid.ok_or_else(missing)?;
            let held = self.inner.by_uuid(domain, &uuid).await?;
            match held.map(|held| held.known) {
                Some(Known::Group(entry)) if entry.id == id => Ok(entry),
                _ => Err(missing()),
            }
        })
    }

    fn groups(&self, tenant: Tenant) -> Future<'_, Vec<Arc<GroupEntry>>> {
        Box::pin(async move {
            let all = self.inner.list(tenant.domain(), entry::Kind::Group).await?;
            let group = |known| match known {
                Known::Group(entry) => Some(entry),
                _ => None,
            };
            let mut all: Vec<_> = all.into_iter().filter_map(group).collect();
            all.sort_by_key(|group| group.mail.key());
            Ok(all)
        })
    }

    fn aliases(&self, tenant: Tenant) -> Future<'_, Vec<Arc<AliasEntry>>> {
        Box::pin(async move {
            let all = self.inner.list(tenant.domain(), entry::Kind::Alias).await?;
            let alias = |known| match known {
                Known::Alias(entry) => Some(entry),
                _ => None,
            };
            let mut all: Vec<_> = all.into_iter().filter_map(alias).collect();
            all.sort_by_key(|alias| alias.address.key());
            Ok(all)
        })
    }

    fn members(&self, tenant: Tenant, group: GroupId) -> Future<'_, Vec<Arc<PersonEntry>>> {
        Box::pin(async move {
            let group = self.group(tenant, group).await?;
            let mut people = Vec::new();
            for member in &group.members {
                match self.person_by_address(tenant, member).await {
                    Ok(person) => people.push(person),
                    Err(LookupError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            people.sort_by_key(|person| person.id);
            people.dedup_by_key(|person| person.id);
            Ok(people)
        })
    }

    fn shared_mailboxes(
        &self,
        tenant: Tenant,
        person: PersonId,
    ) -> Future<'_, Vec<(GroupId, SharedMailbox)>> {
        Box::pin(async move {
            let mut shared = Vec::new();
            for group in self.groups(tenant).await? {
                let Some(mailbox) = &group.shared else {
                    continue;
                };
                let members = self.members(tenant, group.id).await?;
                if members.iter().any(|member| member.id == person) {
                    shared.push((group.id, mailbox.clone()));
                }
            }
            shared.sort_by(|one, other| one.1.name.cmp(&other.1.name));
            Ok(shared)
        })
    }

    fn verify_password(
        &self,
        person: Option<(Tenant, PersonId)>,
        password: Secret<String>,
    ) -> Future<'_, bool> {
        Box::pin(async move {
            let length = password.expose_secret().len();
            match person {
                Some((tenant, id)) if (1..=PASSWORD_BYTES).contains(&length) => {
                    self.inner.verify(tenant, id, &password).await
                }
                _ => self.inner.refuse_slowly().await,
            }
        })
    }

    fn known_domain(&self, id: DomainId) -> Option<Arc<DomainEntry>> {
        let seen = self.inner.seen_domains.read();
        seen.unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    fn known_person(&self, domain: DomainId, id: PersonId) -> Option<Arc<PersonEntry>> {
        match &self.inner.cache().person(domain, id)?.known {
            Known::Person(entry) => Some(Arc::clone(entry)),
            _ => None,
        }
    }

    fn table(&self) -> Arc<dyn Table> {
        Arc::new(table::LdapTable::new(Arc::clone(&self.inner)))
    }

    fn generation(&self) -> watch::Receiver<u64> {
        self.inner.generation.subscribe()
    }
}

impl DirectoryAdmin for LdapDirectory {
    fn apply(&self, _: Principal, _: Change) -> Future<'_, Changed, AdminError> {
        Box::pin(std::future::ready(Err(self.inner.read_only())))
    }

    fn permits(&self, _: Principal, _: Change) -> Future<'_, Permitted, AdminError> {
        Box::pin(std::future::ready(Ok(Permitted::Elsewhere)))
    }

    fn adopt(&self, by: Principal, adopt: Adopt) -> Future<'_, usize, AdminError> {
        Box::pin(self.inner.adopt(by, adopt))
    }

    fn audit(&self, domain: Option<Tenant>, limit: usize) -> Future<'_, Vec<AuditRecord>> {
        let identities = Arc::clone(&self.inner.identities);
        Box::pin(async move {
            let read = move || identities.audit(domain.map(Tenant::domain), limit);
            let rows = tokio::task::spawn_blocking(read).await;
            rows.unwrap_or_else(|error| Err(LookupError::Temporary(error.to_string())))
        })
    }

    fn copy_to(&self, path: PathBuf) -> Future<'_, (), OpenError> {
        let identities = Arc::clone(&self.inner.identities);
        Box::pin(async move {
            let copied = tokio::task::spawn_blocking(move || identities.copy(&path)).await;
            copied.unwrap_or_else(|error| Err(OpenError::Io(error.to_string())))
        })
    }
}

#[cfg(test)]
mod tests;
