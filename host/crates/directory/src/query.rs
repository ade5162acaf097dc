//! The questions every directory answers.

use std::pin::Pin;
use std::sync::Arc;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Secret, Tenant};
use routing::Lookup;
use tokio::sync::watch;

use crate::{AliasEntry, DomainEntry, GroupEntry, LookupError, PersonEntry, SharedMailbox};

/// The future of an object-safe call.
pub type Future<'a, T, E = LookupError> =
    Pin<Box<dyn std::future::Future<Output = Result<T, E>> + Send + 'a>>;

/// A directory, embedded or far away.
///
/// Every entry is asked for inside its domain, and the domain is named by the [`Tenant`] of its
/// own entry.
pub trait Directory: Send + Sync {
    /// The domain of this name or alias.
    fn domain<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>>;

    /// The domain of this id.
    fn domain_by_id(&self, id: DomainId) -> Future<'_, Arc<DomainEntry>>;

    /// The domain with this service name (`mail.abc.test`).
    fn domain_by_service_name<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>>;

    /// All domains, by name.
    fn domains(&self) -> Future<'_, Vec<Arc<DomainEntry>>>;

    /// The person of this login name under the domain's own people.
    fn person_by_uid<'a>(&'a self, tenant: Tenant, uid: &'a str) -> Future<'a, Arc<PersonEntry>>;

    /// The person of this id, if it is one of the domain.
    fn person(&self, tenant: Tenant, id: PersonId) -> Future<'_, Arc<PersonEntry>>;

    /// The person with this address.
    fn person_by_address<'a>(
        &'a self,
        tenant: Tenant,
        address: &'a Mailbox,
    ) -> Future<'a, Arc<PersonEntry>>;

    /// All people of a domain, by address.
    fn people(&self, tenant: Tenant) -> Future<'_, Vec<Arc<PersonEntry>>>;

    /// The group of this id, if it is one of the domain.
    fn group(&self, tenant: Tenant, id: GroupId) -> Future<'_, Arc<GroupEntry>>;

    /// All groups of a domain, by address.
    fn groups(&self, tenant: Tenant) -> Future<'_, Vec<Arc<GroupEntry>>>;

    /// All aliases of a domain, by address.
    fn aliases(&self, tenant: Tenant) -> Future<'_, Vec<Arc<AliasEntry>>>;

    /// The people of the own domain who are members of the group.
    fn members(&self, tenant: Tenant, group: GroupId) -> Future<'_, Vec<Arc<PersonEntry>>>;

    /// The shared mailboxes that the person is a member of, with the groups that own them.
    fn shared_mailboxes(
        &self,
        tenant: Tenant,
        person: PersonId,
    ) -> Future<'_, Vec<(GroupId, SharedMailbox)>>;

    /// Is this the person's password? `None` for the person takes as long and is never right,
    /// so that unknown people cannot be told from known ones.
    fn verify_password(
        &self,
        person: Option<(Tenant, PersonId)>,
        password: Secret<String>,
    ) -> Future<'_, bool>;

    /// The domain of this id as it was last seen, without asking anybody. `None` does not mean
    /// that there is none.
    fn known_domain(&self, id: DomainId) -> Option<Arc<DomainEntry>>;

    /// The person of this id as it was last seen, without asking anybody. `None` does not mean
    /// that there is none.
    fn known_person(&self, domain: DomainId, id: PersonId) -> Option<Arc<PersonEntry>>;

    /// The routing table as it is now. One question keeps one, so that it sees one state.
    fn table(&self) -> Arc<dyn Table>;

    /// Grows with every change. A session checks its person again when it does.
    fn generation(&self) -> watch::Receiver<u64>;
}

/// A routing table that knows what it lacks.
///
/// Routing is pure and never waits, so an entry that is not in memory answers
/// [`routing::Unavailable`] and is noted. Route, [`complete`](Self::complete), and route again
/// while that says so:
///
/// ```text
/// loop {
///     let way = route(…, &*table, …);
///     if !table.complete().await { break way }
/// }
/// ```
pub trait Table: Lookup + Send + Sync {
    /// Asks the source for everything that was missing since the last call. `false`: nothing
    /// was, and the way that was found holds. What the source cannot say now stays unavailable
    /// in this table and is not asked for again.
    fn complete(&self) -> Pin<Box<dyn std::future::Future<Output = bool> + Send + '_>>;
}
