//! Questions to the server, and what becomes of the answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use mail::{Domain, DomainId, GroupId, Localpart, Mailbox, PersonId, Principal};
use routing::DomainFacts;

use super::Inner;
use super::cache::{Answer, Held, Key, Known, Named};
use super::domains::{Domains, Node};
use super::entry::{Entry, Kind};
use super::identity::Claim;
use super::server::{Reach, Search};
use super::settings::LdapSettings;
use crate::snapshot::uid_key;
use crate::{AdminError, Adopt, LookupError};

/// Entries that one name may lead to before they are compared here.
const ALIKE: usize = 50;
/// Domains that are read.
const DOMAINS: usize = 100_000;
/// People, groups or aliases of one domain in a list.
const LIST: usize = 100_000;

/// Everything that has an address.
const EVERYBODY: [Kind; 3] = [Kind::Person, Kind::Group, Kind::Alias];

/// Which entries of a domain are wanted.
struct Ask<'a> {
    kinds: &'a [Kind],
    /// A filter, or nothing.
    condition: &'a str,
    reach: Reach,
    limit: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Missed {
    /// The server cannot say; what was known before counts on.
    Trouble(LookupError),
    /// It said something that cannot be used, and what was known before is wrong.
    Unusable(String),
}

impl From<LookupError> for Missed {
    fn from(error: LookupError) -> Self {
        Self::Trouble(error)
    }
}

impl From<Missed> for LookupError {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Trouble(error) => error,
            Missed::Unusable(cause) => Self::Temporary(cause),
        }
    }
}

/// `value` as part of a filter (RFC 4515 §3).
pub(super) fn escape(value: &str) -> String {
    ldap3::ldap_escape(value).into_owned()
}

/// An entry of one of these classes.
fn of_classes<'a>(classes: impl IntoIterator<Item = &'a String>) -> String {
    let one = |class: &String| format!("(objectClass={})", escape(class));
    let all: String = classes.into_iter().map(one).collect();
    format!("(|{all})")
}

/// The question for every domain node.
pub(super) fn all_domains(settings: &LdapSettings) -> Search {
    Search {
        base: settings.base.clone(),
        reach: Reach::List,
        filter: of_classes(settings.classes.of(Kind::Domain)),
        limit: DOMAINS,
    }
}

impl Inner {
    /// The domain of this name as far as it is known without asking; `None`: ask.
    pub(super) fn cached_domain(
        &self,
        name: &Domain,
    ) -> Option<Result<Option<Arc<DomainFacts>>, LookupError>> {
        let timing = &self.server.settings().timing;
        let domains = self.known_domains()?;
        let age = domains.at.elapsed();
        match domains.named(name) {
            Ok(Some(node)) if age < timing.positive => Some(Ok(Some(Arc::clone(&node.facts)))),
            Ok(None) if age < timing.negative => Some(Ok(None)),
            Err(error) if age < timing.negative => Some(Err(error)),
            _ => None,
        }
    }

    /// The domain of this name.
    pub(super) async fn domain_named(
        &self,
        name: &Domain,
    ) -> Result<Option<DomainId>, LookupError> {
        if let Some(cached) = self.cached_domain(name) {
            return cached.map(|facts| facts.map(|facts| facts.id));
        }
        let id = |domains: &Domains| Ok(domains.named(name)?.map(|node| node.entry.id));
        match self.read_domains().await {
            Ok(domains) => id(&domains),
            Err(error) => match self.stale_domains().map(|domains| id(&domains)) {
                Some(Ok(Some(id))) => Ok(Some(id)),
                _ => Err(error),
            },
        }
    }

    /// The domains while the server does not answer.
    fn stale_domains(&self) -> Option<Arc<Domains>> {
        let timing = &self.server.settings().timing;
        self.known_domains()
            .filter(|domains| domains.at.elapsed() < timing.stale)
    }

    /// The domains, with this one in them unless there is none.
    pub(super) async fn domains_with(&self, id: DomainId) -> Result<Arc<Domains>, LookupError> {
        let timing = &self.server.settings().timing;
        if let Some(domains) = self.known_domains() {
            let life = if domains.nodes.contains_key(&id) {
                timing.positive
            } else {
                timing.negative
            };
            if domains.at.elapsed() < life {
                return Ok(domains);
            }
        }
        self.read_domains().await.or_else(|error| {
            self.stale_domains()
                .filter(|domains| domains.nodes.contains_key(&id))
                .ok_or(error)
        })
    }

    /// All domains, as new as a name that is not among them has to be.
    pub(super) async fn fresh_domains(&self) -> Result<Arc<Domains>, LookupError> {
        let timing = &self.server.settings().timing;
        match self.known_domains() {
            Some(domains) if domains.at.elapsed() < timing.negative => Ok(domains),
            _ => self
                .read_domains()
                .await
                .or_else(|error| self.stale_domains().ok_or(error)),
        }
    }

    /// Reads all domains, unless somebody did since this was called.
    pub(super) async fn read_domains(&self) -> Result<Arc<Domains>, LookupError> {
        let called = Instant::now();
        let _one = self.reading.lock().await;
        if let Some(domains) = self.known_domains().filter(|known| known.at > called) {
            return Ok(domains);
        }
        let settings = self.server.settings();
        let at = Instant::now();
        let entries = self.server.search(all_domains(settings)).await?;
        let domains = Arc::new(self.domains_of(entries, at).await?);
        if domains.nodes.is_empty() && self.identities.knows_domains() {
            let cause = format!(
                "LDAP server {} shows no domain beneath '{}' any more: is directory.bind_dn allowed to read it?",
                settings.url, settings.base
            );
            tracing::error!(cause, "the directory is taken as out of order");
            return Err(LookupError::Temporary(cause));
        }
        {
            let seen = self.seen_domains.write();
            let mut seen = seen.unwrap_or_else(std::sync::PoisonError::into_inner);
            let nodes = domains.nodes.iter();
            seen.extend(nodes.map(|(id, node)| (*id, Arc::clone(&node.entry))));
        }
        let before = {
            let mut known = self
                .domains
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            known.replace(Arc::clone(&domains))
        };
        if before.is_none_or(|before| !before.is_like(&domains)) {
            self.grow();
        }
        Ok(domains)
    }

    async fn domains_of(&self, entries: Vec<Entry>, at: Instant) -> Result<Domains, LookupError> {
        let settings = self.server.settings();
        let names = &settings.attributes;
        let mut refused = HashMap::new();
        let mut wanted = Vec::new();
        for entry in entries {
            if entry.kind(&settings.classes) != Some(Kind::Domain) {
                continue;
            }
            let read = || {
                entry.check_size()?;
                let (name, _) = entry.domain_names(names, settings.layout)?;
                Ok::<_, String>((entry.uuid(names)?, name))
            };
            match read() {
                Ok((uuid, name)) => wanted.push((uuid, name, entry)),
                Err(cause) => tracing::warn!(cause, "a domain node is passed over"),
            }
        }
        let mut count: HashMap<Domain, usize> = HashMap::new();
        for (_, name, _) in &wanted {
            *count.entry(name.clone()).or_default() += 1;
        }
        for (name, _) in count.iter().filter(|(_, count)| **count > 1) {
            let cause = format!("several domain nodes are called {name}");
            tracing::error!(domain = %name, cause, "a domain is refused");
            refused.insert(name.clone(), cause);
        }
        wanted.retain(|(_, name, _)| !refused.contains_key(name));
        let claim = |(uuid, name, _): &(String, Domain, Entry)| Claim {
            kind: Kind::Domain,
            domain: DomainId(0),
            uuid: uuid.clone(),
            name: name.to_string(),
        };
        let ids = self.claim(wanted.iter().map(claim).collect()).await?;
        let mut nodes = Vec::new();
        for ((uuid, name, entry), id) in wanted.into_iter().zip(ids) {
            let read = id.and_then(|id| entry.domain(DomainId(id), names, settings.layout));
            match read {
                Ok(domain) => {
                    let base = entry.value(&names.domain_people_base);
                    let base = base.unwrap_or(&entry.dn).to_owned();
                    nodes.push(Node::new(domain, uuid, base));
                }
                Err(cause) => {
                    tracing::error!(domain = %name, cause, "a domain is refused");
                    refused.insert(name, cause);
                }
            }
        }
        Ok(Domains::new(nodes, refused, at))
    }

    async fn claim(&self, claims: Vec<Claim>) -> Result<Vec<Result<u64, String>>, LookupError> {
        let identities = Arc::clone(&self.identities);
        let claimed = tokio::task::spawn_blocking(move || identities.claim(&claims)).await;
        claimed.unwrap_or_else(|error| Err(LookupError::Temporary(error.to_string())))
    }

    /// Who has this address, or this login name (in the form that is compared).
    pub(super) async fn named(
        &self,
        named: Named,
        domain: DomainId,
        name: &str,
    ) -> Result<Option<Held>, LookupError> {
        let timing = &self.server.settings().timing;
        let cached = self.cache().named(named, domain, name, timing);
        let stale = match cached {
            Answer::Fresh(held) => return Ok(held),
            Answer::Stale(held) => Some(held),
            Answer::Unknown => None,
        };
        match (self.ask_named(named, domain, name).await, stale) {
            (Err(Missed::Trouble(_)), Some(held)) => Ok(Some(held)),
            (Err(missed), _) => Err(missed.into()),
            (Ok(held), _) => Ok(held),
        }
    }

    async fn ask_named(
        &self,
        named: Named,
        domain: DomainId,
        name: &str,
    ) -> Result<Option<Held>, Missed> {
        let domains = self.domains_with(domain).await?;
        let Some(node) = domains.nodes.get(&domain) else {
            return Ok(None);
        };
        let names = &self.server.settings().attributes;
        let condition = match named {
            Named::Address => self.has_address(name),
            Named::Uid => format!("({}={})", names.uid, escape(name)),
        };
        let ask = Ask {
            kinds: &EVERYBODY,
            condition: &condition,
            reach: Reach::Beneath,
            limit: ALIKE,
        };
        let found = self.entries(&domains, node, ask).await?;
        let mut found: Vec<(Kind, Entry)> = found
            .into_iter()
            .filter(|(kind, entry)| match named {
                Named::Address => entry.addresses(names).iter().any(|own| own.key() == name),
                Named::Uid => {
                    *kind == Kind::Person
                        && entry
                            .values(&names.uid)
                            .iter()
                            .any(|own| uid_key(own) == name)
                }
            })
            .collect();
        if found.len() > 1 {
            let entries: Vec<&str> = found.iter().map(|(_, entry)| entry.dn.as_str()).collect();
            tracing::error!(name, domain = %node.entry.name, ?entries, "several entries have one name: none of them gets it");
            return Err(Missed::Unusable(format!(
                "several entries are called {name}"
            )));
        }
        let Some((kind, entry)) = found.pop() else {
            self.cache().note(named, domain, name.to_owned(), None);
            return Ok(None);
        };
        let key = self.take(node, kind, &entry).await?;
        let mut cache = self.cache();
        cache.note(named, domain, name.to_owned(), Some(key.clone()));
        Ok(cache.read(&key))
    }

    /// An entry by its `entryUUID`.
    pub(super) async fn by_uuid(
        &self,
        domain: DomainId,
        uuid: &str,
    ) -> Result<Option<Held>, LookupError> {
        let timing = &self.server.settings().timing;
        let cached = self.cache().held(&(domain, uuid.to_owned()), timing);
        let stale = match cached {
            Answer::Fresh(held) => return Ok(held),
            Answer::Stale(held) => Some(held),
            Answer::Unknown => None,
        };
        match (self.ask_uuid(domain, uuid).await, stale) {
            (Err(Missed::Trouble(_)), Some(held)) => Ok(Some(held)),
            (Err(missed), _) => Err(missed.into()),
            (Ok(held), _) => Ok(held),
        }
    }

    /// As [`by_uuid`](Self::by_uuid), from the server whatever is known.
    pub(super) async fn ask_uuid(
        &self,
        domain: DomainId,
        uuid: &str,
    ) -> Result<Option<Held>, Missed> {
        let held = self.ask_uuids(domain, &[uuid.to_owned()]).await?;
        Ok(held.into_iter().next())
    }

    /// Asks for several entries at once. Those that are gone are forgotten.
    pub(super) async fn ask_uuids(
        &self,
        domain: DomainId,
        uuids: &[String],
    ) -> Result<Vec<Held>, Missed> {
        let domains = self.domains_with(domain).await?;
        let settings = self.server.settings();
        let mut present: HashSet<Key> = HashSet::new();
        if let Some(node) = domains.nodes.get(&domain) {
            let one =
                |uuid: &String| format!("({}={})", settings.attributes.entry_uuid, escape(uuid));
            let condition = format!("(|{})", uuids.iter().map(one).collect::<String>());
            let ask = Ask {
                kinds: &EVERYBODY,
                condition: &condition,
                reach: Reach::Beneath,
                limit: uuids.len() * 2,
            };
            for (kind, entry) in self.entries(&domains, node, ask).await? {
                match self.take(node, kind, &entry).await {
                    Ok(key) => {
                        present.insert(key);
                    }
                    Err(Missed::Unusable(_)) => {}
                    Err(trouble) => return Err(trouble),
                }
            }
        }
        let mut cache = self.cache();
        let mut is_less = false;
        for uuid in uuids {
            let key = (domain, uuid.clone());
            if !present.contains(&key) {
                is_less |= cache.forget(&key);
            }
        }
        cache.confirm(&present, &settings.timing);
        let held = present.iter().filter_map(|key| cache.read(key)).collect();
        drop(cache);
        if is_less {
            self.grow();
        }
        Ok(held)
    }

    /// Everybody of one kind in a domain. What cannot be used is passed over with a warning.
    pub(super) async fn list(
        &self,
        domain: DomainId,
        kind: Kind,
    ) -> Result<Vec<Known>, LookupError> {
        let domains = self.domains_with(domain).await?;
        let Some(node) = domains.nodes.get(&domain) else {
            return Err(LookupError::NotFound(format!("domain {domain}")));
        };
        let ask = Ask {
            kinds: &[kind],
            condition: "",
            reach: Reach::List,
            limit: LIST,
        };
        let found = self.entries(&domains, node, ask).await?;
        let names = &self.server.settings().attributes;
        let mut count: HashMap<String, usize> = HashMap::new();
        for mail in found.iter().filter_map(|(_, entry)| entry.mail(names).ok()) {
            *count.entry(mail.key()).or_default() += 1;
        }
        // New ones get their ids in one commit.
        let claims = found.iter().filter_map(|(kind, entry)| {
            let mail = entry.mail(names).ok()?;
            let is_alone = *kind != Kind::Alias && count.get(&mail.key()) == Some(&1);
            is_alone.then_some(Claim {
                kind: *kind,
                domain,
                uuid: entry.uuid(names).ok()?,
                name: mail.key(),
            })
        });
        self.claim(claims.collect()).await?;
        let mut known = Vec::new();
        for (own, entry) in found {
            let is_alone = entry
                .mail(names)
                .is_ok_and(|mail| count.get(&mail.key()) == Some(&1));
            if own != kind {
                continue;
            }
            if !is_alone {
                tracing::error!(
                    dn = entry.dn,
                    "it has the address of another entry: neither gets it"
                );
                continue;
            }
            match self.take(node, kind, &entry).await {
                Ok(key) => known.extend(self.cache().read(&key).map(|held| held.known)),
                Err(Missed::Unusable(_)) => {}
                Err(Missed::Trouble(error)) => return Err(error),
            }
        }
        Ok(known)
    }

    /// The entries of people, groups and aliases that meet `condition` and are this domain's own.
    async fn entries(
        &self,
        domains: &Domains,
        node: &Node,
        ask: Ask<'_>,
    ) -> Result<Vec<(Kind, Entry)>, LookupError> {
        let settings = self.server.settings();
        let classes = &settings.classes;
        let wanted = ask.kinds.iter().flat_map(|kind| classes.of(*kind));
        let search = Search {
            base: node.base.clone(),
            reach: ask.reach,
            filter: format!("(&{}{})", of_classes(wanted), ask.condition),
            limit: ask.limit,
        };
        let found = self.server.search(search).await?;
        let own = |entry: Entry| {
            let kind = entry.kind(classes).filter(|kind| *kind != Kind::Domain)?;
            domains
                .owns(node, &entry, &settings.attributes)
                .then_some((kind, entry))
        };
        Ok(found.into_iter().filter_map(own).collect())
    }

    /// Puts an entry into the cache.
    async fn take(&self, node: &Node, kind: Kind, entry: &Entry) -> Result<Key, Missed> {
        let unusable = |cause: String| {
            tracing::error!(dn = entry.dn, cause, "an entry cannot be used");
            Missed::Unusable(cause)
        };
        let names = &self.server.settings().attributes;
        let home = &node.entry;
        entry.check_size().map_err(unusable)?;
        let uuid = entry.uuid(names).map_err(unusable)?;
        let mail = entry.mail(names).map_err(unusable)?;
        let id = match kind {
            Kind::Alias => 0,
            _ => {
                let claim = Claim {
                    kind,
                    domain: home.id,
                    uuid: uuid.clone(),
                    name: mail.key(),
                };
                let ids = self.claim(vec![claim]).await?;
                let id = ids
                    .into_iter()
                    .next()
                    .unwrap_or_else(|| Err("it got no id".to_owned()));
                id.map_err(unusable)?
            }
        };
        let known = match kind {
            Kind::Person | Kind::Domain => entry
                .person(PersonId(id), home, names)
                .map(|entry| Known::Person(Arc::new(entry))),
            Kind::Group => {
                let members = self.members_of(entry).await?;
                entry
                    .group(GroupId(id), home, names, members)
                    .map(|entry| Known::Group(Arc::new(entry)))
            }
            Kind::Alias => entry
                .alias(home, names)
                .map(|entry| Known::Alias(Arc::new(entry))),
        };
        let known = known.map_err(unusable)?;
        let key = (home.id, uuid);
        if self.cache().keep(key.clone(), known, entry.dn.clone()) {
            self.grow();
        }
        Ok(key)
    }

    /// The addresses of the entries that a group names as members.
    async fn members_of(&self, group: &Entry) -> Result<Vec<Mailbox>, LookupError> {
        let names = &self.server.settings().attributes;
        let mut members = Vec::new();
        let named = group.values(&names.member_entries);
        for dn in named.iter().take(mail::limits::EXPANSION_TARGETS) {
            let search = Search {
                base: dn.clone(),
                reach: Reach::Entry,
                filter: "(objectClass=*)".to_owned(),
                limit: 1,
            };
            let found = self.server.search(search).await?;
            match found.first().map(|entry| entry.mail(names)) {
                Some(Ok(mail)) => members.push(mail),
                _ => tracing::warn!(group = group.dn, member = dn, "a member has no address"),
            }
        }
        Ok(members)
    }

    /// An entry that has this address (in the form that is compared) in one of its attributes.
    /// The server may hold it quoted, or with the domain in its own script.
    fn has_address(&self, key: &str) -> String {
        let names = &self.server.settings().attributes;
        let (localpart, domain) = key.rsplit_once('@').unwrap_or((key, ""));
        let mut forms = vec![key.to_owned()];
        if Localpart::parse(localpart).is_err() {
            let quoted = localpart.replace('\\', "\\\\").replace('"', "\\\"");
            forms.push(format!("\"{quoted}\"@{domain}"));
        }
        if let Ok(domain) = Domain::parse(domain)
            && domain.to_unicode() != domain.as_str()
        {
            forms.push(format!("{localpart}@{}", domain.to_unicode()));
        }
        let attributes = [
            &names.mail,
            &names.alternate_addresses,
            &names.equivalent_addresses,
        ];
        let terms = attributes.iter().flat_map(|name| {
            forms
                .iter()
                .map(move |form| format!("({name}={})", escape(form)))
        });
        format!("(|{})", terms.collect::<String>())
    }

    /// Lets a name that came back continue, or begin anew, and reads what concerns it again.
    pub(super) async fn adopt(&self, by: Principal, adopt: Adopt) -> Result<usize, AdminError> {
        if !matches!(by, Principal::System | Principal::Site) {
            let problem = "only the operator of the site may say whose mail a name gets";
            return Err(AdminError::Denied(problem.to_owned()));
        }
        let _one = self.adopting.lock().await;
        let identities = Arc::clone(&self.identities);
        let Adopt {
            domain,
            only,
            adoption,
        } = adopt.clone();
        let prepare = move || {
            let only = only.map(|address| address.key());
            identities.adopt(by, &domain, only.as_deref(), adoption)
        };
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let count =
            prepared.unwrap_or_else(|error| Err(AdminError::Temporary(error.to_string())))?;
        let read = self.read_adopted(&adopt.domain).await;
        self.identities.close();
        self.grow();
        read.map_err(|error| {
            AdminError::Temporary(format!("{error}: adopt it again when the server answers"))
        })?;
        Ok(count)
    }

    async fn read_adopted(&self, name: &Domain) -> Result<(), LookupError> {
        let domains = self.read_domains().await?;
        if let Some(node) = domains.named(name)? {
            let id = node.entry.id;
            self.list(id, Kind::Person).await?;
            self.list(id, Kind::Group).await?;
        }
        Ok(())
    }
}
