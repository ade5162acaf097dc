//! A domain as the directory has it, and the names of its owners.

use std::sync::Arc;

use directory::{
    AliasEntry, DomainChanges, DomainEntry, GroupChanges, GroupEntry, LookupError, NewAlias,
    NewGroup, NewPerson, PersonChanges, PersonEntry,
};
use mail::{Mailbox, PersonId, Secret};
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::Owner;

use super::entries::{OwnerName, PersonFacts};
use crate::site::Site;

/// A domain with everybody in it, as of one moment.
pub(crate) struct Subtree {
    pub(super) domain: Arc<DomainEntry>,
    pub(super) people: Vec<Arc<PersonEntry>>,
    pub(super) groups: Vec<Arc<GroupEntry>>,
    pub(super) aliases: Vec<Arc<AliasEntry>>,
}

impl Subtree {
    pub(crate) async fn load(site: &Site, domain: Arc<DomainEntry>) -> Result<Self, LookupError> {
        let tenant = domain.tenant();
        Ok(Self {
            people: site.directory.people(tenant).await?,
            groups: site.directory.groups(tenant).await?,
            aliases: site.directory.aliases(tenant).await?,
            domain,
        })
    }

    /// The owners of mailboxes with their names.
    pub(super) fn owners(&self) -> impl Iterator<Item = (Owner, OwnerName)> {
        let people = self.people.iter().map(|person| {
            let name = OwnerName::Person(person.mail.clone());
            (Owner::Person(person.id), name)
        });
        let groups = self.groups.iter().map(|group| {
            let name = OwnerName::Group(group.mail.clone());
            (Owner::Group(group.id), name)
        });
        people.chain(groups)
    }

    pub(super) fn name_of(&self, owner: Owner) -> Option<OwnerName> {
        let found = self.owners().find(|(known, _)| *known == owner);
        found.map(|(_, name)| name)
    }

    pub(super) fn address_of(&self, person: PersonId) -> Option<Mailbox> {
        let found = self.people.iter().find(|known| known.id == person);
        found.map(|person| person.mail.clone())
    }
}

/// What a change sets of an entry: everything but what belongs to the server and the times.
fn attributes<T: DeserializeOwned>(mut entry: Value, but: &[&str]) -> anyhow::Result<T> {
    if let Some(fields) = entry.as_object_mut() {
        for name in ["id", "domain", "parent", "created", "changed"]
            .iter()
            .chain(but)
        {
            fields.remove(*name);
        }
    }
    Ok(serde_json::from_value(entry)?)
}

fn field<T: DeserializeOwned>(entry: &Value, name: &str) -> anyhow::Result<T> {
    Ok(serde_json::from_value(entry[name].clone())?)
}

pub(super) fn domain_changes(entry: &Value) -> anyhow::Result<DomainChanges> {
    attributes(entry.clone(), &["name"])
}

/// The person without password, and the hashes.
pub(super) fn new_person(facts: PersonFacts) -> anyhow::Result<(NewPerson, Vec<Secret<String>>)> {
    let mail = field(&facts.person, "mail")?;
    // Who administers a site is said on that site.
    let attributes: PersonChanges = attributes(facts.person, &["mail", "roles"])?;
    let new = NewPerson {
        mail,
        password: None,
        attributes,
    };
    let hashes = facts.password_hashes.into_iter().map(Secret::new);
    Ok((new, hashes.collect()))
}

pub(super) fn new_group(entry: Value) -> anyhow::Result<NewGroup> {
    let mail = field(&entry, "mail")?;
    let attributes: GroupChanges = attributes(entry, &["mail"])?;
    Ok(NewGroup { mail, attributes })
}

pub(super) fn new_alias(entry: &Value) -> anyhow::Result<NewAlias> {
    Ok(NewAlias {
        address: field(entry, "address")?,
        targets: field(entry, "targets")?,
    })
}
