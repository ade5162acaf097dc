//! All entries as they are at one moment, in memory, ready for routing.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId};
use routing::{AliasFacts, DomainFacts, Entry, GroupFacts, Lookup, PersonFacts, Unavailable};

use crate::{AliasEntry, DomainEntry, GroupEntry, LookupError, PersonEntry, SharedMailbox, Table};

/// One generation of the directory. Cheap to keep; later changes make new ones.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    generation: u64,
    names: HashMap<Domain, DomainId>,
    service_names: HashMap<Domain, DomainId>,
    domains: HashMap<DomainId, Arc<DomainView>>,
}

/// One domain with everybody in it.
#[derive(Debug, Clone)]
pub(crate) struct DomainView {
    pub(crate) entry: Arc<DomainEntry>,
    facts: Arc<DomainFacts>,
    /// By [`Mailbox::key`].
    addresses: HashMap<String, Entry>,
    pub(crate) people: HashMap<PersonId, Arc<PersonEntry>>,
    pub(crate) uids: HashMap<String, PersonId>,
    pub(crate) groups: HashMap<GroupId, Arc<GroupEntry>>,
    /// By [`Mailbox::key`].
    pub(crate) aliases: HashMap<String, Arc<AliasEntry>>,
}

/// The form under which login names are compared: as local parts are.
pub(crate) fn uid_key(uid: &str) -> String {
    mail::Localpart::parse(uid).map_or_else(|_| uid.to_lowercase(), |localpart| localpart.key())
}

/// A domain as routing needs it.
pub(crate) fn domain_facts(entry: &DomainEntry) -> DomainFacts {
    DomainFacts {
        id: entry.id,
        name: entry.name.clone(),
        status: entry.status,
        mail_status: entry.mail_status,
        disabled_text: entry.disabled_text.clone(),
        postmaster: entry.postmaster.clone(),
        administrators: entry.administrators.clone(),
        catch_all: entry.catch_all.clone(),
        smart_host: entry.smart_host.clone(),
    }
}

/// A person as routing needs it.
pub(crate) fn person_facts(entry: &PersonEntry) -> Entry {
    Entry::Person(Arc::new(PersonFacts {
        domain: entry.domain,
        id: entry.id,
        mail: entry.mail.clone(),
        status: entry.status,
        mail_status: entry.mail_status,
        routing_address: entry.routing_address.clone(),
        deliveries: entry.deliveries(),
    }))
}

/// A group as routing needs it.
pub(crate) fn group_facts(entry: &GroupEntry) -> Entry {
    Entry::Group(Arc::new(GroupFacts {
        domain: entry.domain,
        id: entry.id,
        mail: entry.mail.clone(),
        status: entry.status,
        deliveries: entry.deliveries(),
        members: entry.members.clone(),
    }))
}

/// An alias as routing needs it.
pub(crate) fn alias_facts(entry: &AliasEntry) -> Entry {
    Entry::Alias(Arc::new(AliasFacts {
        address: entry.address.clone(),
        targets: entry.targets.clone(),
    }))
}

impl DomainView {
    pub(crate) fn new(entry: DomainEntry) -> Self {
        let facts = Arc::new(domain_facts(&entry));
        Self {
            entry: Arc::new(entry),
            facts,
            addresses: HashMap::new(),
            people: HashMap::new(),
            uids: HashMap::new(),
            groups: HashMap::new(),
            aliases: HashMap::new(),
        }
    }

    /// The same people and groups under a changed domain entry.
    pub(crate) fn with_entry(&self, entry: DomainEntry) -> Self {
        let Self { entry, facts, .. } = Self::new(entry);
        Self {
            entry,
            facts,
            ..self.clone()
        }
    }

    /// What holds this address, if anything does.
    pub(crate) fn at(&self, address: &Mailbox) -> Option<&Entry> {
        self.addresses.get(&address.key())
    }

    /// What holds this address, written with any of the domain's names.
    pub(crate) fn find(&self, address: &Mailbox) -> Option<&Entry> {
        let canonical = || Mailbox::new(address.localpart().clone(), self.entry.name.clone());
        let rewritten = || {
            self.entry
                .is_called(address.domain())
                .then(|| self.at(&canonical()))
                .flatten()
        };
        self.at(address).or_else(rewritten)
    }

    /// The addresses that are written with this name.
    pub(crate) fn addresses_in<'a>(&'a self, name: &'a Domain) -> impl Iterator<Item = &'a str> {
        let lies_in = |key: &&str| {
            key.rsplit_once('@')
                .is_some_and(|(_, domain)| domain == name.as_str())
        };
        self.addresses.keys().map(String::as_str).filter(lies_in)
    }

    pub(crate) fn insert_person(&mut self, entry: PersonEntry) {
        self.remove_person(entry.id);
        let facts = person_facts(&entry);
        for address in entry.addresses() {
            self.addresses.insert(address.key(), facts.clone());
        }
        self.uids.insert(uid_key(&entry.uid), entry.id);
        self.people.insert(entry.id, Arc::new(entry));
    }

    pub(crate) fn remove_person(&mut self, id: PersonId) {
        if let Some(entry) = self.people.remove(&id) {
            entry.addresses().for_each(|address| {
                self.addresses.remove(&address.key());
            });
            self.uids.remove(&uid_key(&entry.uid));
        }
    }

    pub(crate) fn insert_group(&mut self, entry: GroupEntry) {
        self.remove_group(entry.id);
        let facts = group_facts(&entry);
        for address in entry.addresses() {
            self.addresses.insert(address.key(), facts.clone());
        }
        self.groups.insert(entry.id, Arc::new(entry));
    }

    pub(crate) fn remove_group(&mut self, id: GroupId) {
        if let Some(entry) = self.groups.remove(&id) {
            entry.addresses().for_each(|address| {
                self.addresses.remove(&address.key());
            });
        }
    }

    pub(crate) fn insert_alias(&mut self, entry: AliasEntry) {
        let key = entry.address.key();
        self.addresses.insert(key.clone(), alias_facts(&entry));
        self.aliases.insert(key, Arc::new(entry));
    }

    pub(crate) fn remove_alias(&mut self, address: &Mailbox) {
        let key = address.key();
        self.aliases.remove(&key);
        self.addresses.remove(&key);
    }
}

impl Snapshot {
    /// Grows with every change.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The next generation, with this domain as it is now.
    pub(crate) fn with_domain(&self, view: DomainView) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        if let Some(old) = next.domains.get(&view.entry.id).cloned() {
            for name in old.entry.names() {
                next.names.remove(name);
            }
            for name in &old.entry.service_names {
                next.service_names.remove(name);
            }
        }
        next.put_new(view);
        next
    }

    /// Puts in a domain that is not there.
    pub(crate) fn put_new(&mut self, view: DomainView) {
        let id = view.entry.id;
        for name in view.entry.names() {
            self.names.insert(name.clone(), id);
        }
        for name in &view.entry.service_names {
            self.service_names.insert(name.clone(), id);
        }
        self.domains.insert(id, Arc::new(view));
    }

    pub(crate) fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    pub(crate) fn view(&self, id: DomainId) -> Result<&Arc<DomainView>, LookupError> {
        self.domains
            .get(&id)
            .ok_or_else(|| LookupError::NotFound(format!("domain {id}")))
    }

    pub(crate) fn view_named(&self, name: &Domain) -> Result<&Arc<DomainView>, LookupError> {
        let id = self
            .names
            .get(name)
            .ok_or_else(|| LookupError::NotFound(format!("domain {name}")))?;
        self.view(*id)
    }

    /// The domain of this name or alias.
    pub fn domain(&self, name: &Domain) -> Result<Arc<DomainEntry>, LookupError> {
        Ok(Arc::clone(&self.view_named(name)?.entry))
    }

    /// The domain of this id.
    pub fn domain_by_id(&self, id: DomainId) -> Result<Arc<DomainEntry>, LookupError> {
        Ok(Arc::clone(&self.view(id)?.entry))
    }

    /// The domain with this service name.
    pub fn domain_by_service_name(&self, name: &Domain) -> Result<Arc<DomainEntry>, LookupError> {
        let id = self.service_names.get(name);
        self.domain_by_id(*id.ok_or_else(|| LookupError::NotFound(format!("service name {name}")))?)
    }

    /// All domains, by name.
    pub fn domains(&self) -> Vec<Arc<DomainEntry>> {
        let mut all: Vec<_> = self
            .domains
            .values()
            .map(|view| Arc::clone(&view.entry))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The person of this login name under the domain.
    pub fn person_by_uid(
        &self,
        domain: DomainId,
        uid: &str,
    ) -> Result<Arc<PersonEntry>, LookupError> {
        let view = self.view(domain)?;
        let id = view
            .uids
            .get(&uid_key(uid))
            .ok_or_else(|| no_person(uid, &view.entry.name))?;
        view.people
            .get(id)
            .cloned()
            .ok_or_else(|| no_person(uid, &view.entry.name))
    }

    /// The person of this id, if it is one of the domain.
    pub fn person(&self, domain: DomainId, id: PersonId) -> Result<Arc<PersonEntry>, LookupError> {
        let view = self.view(domain)?;
        view.people
            .get(&id)
            .cloned()
            .ok_or_else(|| no_person(&id.to_string(), &view.entry.name))
    }

    /// The person with this address, whichever of the domain's names it is written with.
    pub fn person_by_address(
        &self,
        domain: DomainId,
        address: &Mailbox,
    ) -> Result<Arc<PersonEntry>, LookupError> {
        match self.view(domain)?.find(address) {
            Some(Entry::Person(facts)) => self.person(domain, facts.id),
            _ => Err(LookupError::NotFound(format!("person {address}"))),
        }
    }

    /// All people of a domain, by address.
    pub fn people(&self, domain: DomainId) -> Result<Vec<Arc<PersonEntry>>, LookupError> {
        let mut all: Vec<_> = self.view(domain)?.people.values().cloned().collect();
        all.sort_by_key(|person| person.mail.key());
        Ok(all)
    }

    /// The group of this id, if it is one of the domain.
    pub fn group(&self, domain: DomainId, id: GroupId) -> Result<Arc<GroupEntry>, LookupError> {
        let group = self.view(domain)?.groups.get(&id).cloned();
        group.ok_or_else(|| LookupError::NotFound(format!("group {id}")))
    }

    /// All groups of a domain, by address.
    pub fn groups(&self, domain: DomainId) -> Result<Vec<Arc<GroupEntry>>, LookupError> {
        let mut all: Vec<_> = self.view(domain)?.groups.values().cloned().collect();
        all.sort_by_key(|group| group.mail.key());
        Ok(all)
    }

    /// All aliases of a domain, by address.
    pub fn aliases(&self, domain: DomainId) -> Result<Vec<Arc<AliasEntry>>, LookupError> {
        let mut all: Vec<_> = self.view(domain)?.aliases.values().cloned().collect();
        all.sort_by_key(|alias| alias.address.key());
        Ok(all)
    }

    /// The shared mailboxes that the person is a member of, with the groups that own them.
    pub fn shared_mailboxes(
        &self,
        domain: DomainId,
        person: PersonId,
    ) -> Result<Vec<(GroupId, SharedMailbox)>, LookupError> {
        let person = self.person(domain, person)?;
        let is_own = |member: &Mailbox| {
            self.person_by_address(domain, member)
                .is_ok_and(|found| found.id == person.id)
        };
        let mut shared: Vec<_> = self
            .view(domain)?
            .groups
            .values()
            .filter(|group| group.members.iter().any(is_own))
            .filter_map(|group| Some((group.id, group.shared.clone()?)))
            .collect();
        shared.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        Ok(shared)
    }

    /// The people of the own domain who are members of the group, by address.
    pub fn members(
        &self,
        domain: DomainId,
        group: GroupId,
    ) -> Result<Vec<Arc<PersonEntry>>, LookupError> {
        let group = self.group(domain, group)?;
        let people = group
            .members
            .iter()
            .filter_map(|member| self.person_by_address(domain, member).ok());
        let mut people: Vec<_> = people.collect();
        people.sort_by_key(|person| person.id);
        people.dedup_by_key(|person| person.id);
        Ok(people)
    }
}

fn no_person(who: &str, domain: &Domain) -> LookupError {
    LookupError::NotFound(format!("person {who} in {domain}"))
}

impl Lookup for Snapshot {
    fn domain(&self, name: &Domain) -> Result<Option<Arc<DomainFacts>>, Unavailable> {
        Ok(self
            .view_named(name)
            .ok()
            .map(|view| Arc::clone(&view.facts)))
    }

    fn entry(&self, domain: DomainId, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
        Ok(self
            .view(domain)
            .ok()
            .and_then(|view| view.at(address).cloned()))
    }
}

/// Everything is here.
impl Table for Snapshot {
    fn complete(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(false))
    }
}
