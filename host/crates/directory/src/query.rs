//! The questions every directory answers.

use std::pin::Pin;
use std::sync::Arc;

use mail::{Domain, GroupId, Mailbox, PersonId, Secret, Tenant};
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
    fn domain_by_id(&self, tenant: Tenant) -> Future<'_, Arc<DomainEntry>>;

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

    /// The routing table as it is now. One transaction keeps one, so that it sees one state.
    fn table(&self) -> Arc<dyn routing::Lookup + Send + Sync>;

    /// Grows with every change. A session checks its person again when it does.
    fn generation(&self) -> watch::Receiver<u64>;
}
