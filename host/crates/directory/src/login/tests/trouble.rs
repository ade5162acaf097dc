//! A09 in small: a directory in trouble is never "wrong password" or "no such user".

use std::sync::{Arc, Mutex};

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Secret, Tenant};
use tokio::sync::watch;

use super::{Home, RIGHT, request};
use crate::login::{LoginOutcome, NoPeerNames};
use crate::{
    AliasEntry, Directory, DomainEntry, EmbeddedDirectory, Future, GroupEntry, LookupError,
    PersonEntry, SharedMailbox, Table,
};

/// Answers as the embedded directory, except where it is in trouble, and notes each password
/// that is verified: is there somebody?
pub(super) struct Troubled<'a> {
    inner: &'a EmbeddedDirectory,
    at: &'static str,
    verified: Mutex<Vec<bool>>,
}

impl<'a> Troubled<'a> {
    fn new(inner: &'a EmbeddedDirectory, at: &'static str) -> Self {
        Self {
            inner,
            at,
            verified: Mutex::default(),
        }
    }

    pub(super) fn counting(inner: &'a EmbeddedDirectory) -> Self {
        Self::new(inner, "")
    }

    pub(super) fn verified(&self) -> Vec<bool> {
        self.verified
            .lock()
            .expect("no test panics with it")
            .clone()
    }

    fn or<'b, T: Send + 'b>(&self, call: &str, answer: Future<'b, T>) -> Future<'b, T> {
        if call == self.at {
            return Box::pin(std::future::ready(Err(LookupError::Temporary(
                "no server answers".to_owned(),
            ))));
        }
        answer
    }
}

impl Directory for Troubled<'_> {
    fn domain<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>> {
        self.or("domain", self.inner.domain(name))
    }
    fn domain_by_id(&self, id: DomainId) -> Future<'_, Arc<DomainEntry>> {
        self.or("domain_by_id", self.inner.domain_by_id(id))
    }
    fn domain_by_service_name<'a>(&'a self, name: &'a Domain) -> Future<'a, Arc<DomainEntry>> {
        self.or(
            "domain_by_service_name",
            self.inner.domain_by_service_name(name),
        )
    }
    fn domains(&self) -> Future<'_, Vec<Arc<DomainEntry>>> {
        self.inner.domains()
    }
    fn person_by_uid<'a>(&'a self, tenant: Tenant, uid: &'a str) -> Future<'a, Arc<PersonEntry>> {
        self.or("person_by_uid", self.inner.person_by_uid(tenant, uid))
    }
    fn person(&self, tenant: Tenant, id: PersonId) -> Future<'_, Arc<PersonEntry>> {
        self.or("person", self.inner.person(tenant, id))
    }
    fn person_by_address<'a>(
        &'a self,
        tenant: Tenant,
        address: &'a Mailbox,
    ) -> Future<'a, Arc<PersonEntry>> {
        self.inner.person_by_address(tenant, address)
    }
    fn people(&self, tenant: Tenant) -> Future<'_, Vec<Arc<PersonEntry>>> {
        self.inner.people(tenant)
    }
    fn group(&self, tenant: Tenant, id: GroupId) -> Future<'_, Arc<GroupEntry>> {
        self.inner.group(tenant, id)
    }
    fn groups(&self, tenant: Tenant) -> Future<'_, Vec<Arc<GroupEntry>>> {
        self.inner.groups(tenant)
    }
    fn aliases(&self, tenant: Tenant) -> Future<'_, Vec<Arc<AliasEntry>>> {
        self.inner.aliases(tenant)
    }
    fn members(&self, tenant: Tenant, group: GroupId) -> Future<'_, Vec<Arc<PersonEntry>>> {
        self.inner.members(tenant, group)
    }
    fn shared_mailboxes(
        &self,
        tenant: Tenant,
        person: PersonId,
    ) -> Future<'_, Vec<(GroupId, SharedMailbox)>> {
        self.inner.shared_mailboxes(tenant, person)
    }
    fn verify_password(
        &self,
        person: Option<(Tenant, PersonId)>,
        password: Secret<String>,
    ) -> Future<'_, bool> {
        self.verified
            .lock()
            .expect("no test panics with it")
            .push(person.is_some());
        self.or(
            "verify_password",
            self.inner.verify_password(person, password),
        )
    }
    fn known_domain(&self, id: DomainId) -> Option<Arc<DomainEntry>> {
        self.inner.known_domain(id)
    }
    fn known_person(&self, domain: DomainId, id: PersonId) -> Option<Arc<PersonEntry>> {
        self.inner.known_person(domain, id)
    }
    fn table(&self) -> Arc<dyn Table> {
        self.inner.table()
    }
    fn generation(&self) -> watch::Receiver<u64> {
        self.inner.generation()
    }
}

#[tokio::test]
async fn a09_trouble_is_unavailable_and_counts_as_no_failure() {
    let home = Home::new();
    for (at, login) in [
        ("domain", "ann@abc.test"),
        ("domain_by_service_name", "ann"),
        ("person_by_uid", "ann@abc.test"),
        ("verify_password", "ann@abc.test"),
        ("verify_password", "nobody@abc.test"),
    ] {
        let directory = Troubled::new(&home.directory, at);
        for _ in 0..10 {
            let mut request = request(login, RIGHT);
            request.server_name = Some("mail.abc.test".to_owned());
            let outcome = home.way.login(&directory, &NoPeerNames, request).await;
            assert!(
                matches!(outcome, LoginOutcome::Unavailable(_)),
                "{at}: {outcome:?}"
            );
        }
    }
    assert_eq!(
        home.outcome(request("ann@abc.test", RIGHT)).await,
        Ok("ann@abc.test".to_owned())
    );
}

#[tokio::test]
async fn trouble_ends_no_session() {
    let home = Home::new();
    let LoginOutcome::Accepted(login) = home.login(request("ann@abc.test", RIGHT)).await else {
        panic!("it is right")
    };
    for at in ["domain_by_id", "person"] {
        assert!(
            home.way
                .may_stay(&Troubled::new(&home.directory, at), &login)
                .await,
            "{at}"
        );
    }
}
