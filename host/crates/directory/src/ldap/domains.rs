//! All domains of the server at one moment. They are read as a whole, so that a name that is not
//! among them is known not to be hosted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use mail::{Domain, DomainId, Mailbox};
use routing::DomainFacts;

use super::dn::Dn;
use super::entry::Entry;
use super::settings::Attributes;
use crate::{DomainEntry, LookupError, snapshot};

/// One domain.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) entry: Arc<DomainEntry>,
    pub(super) facts: Arc<DomainFacts>,
    pub(super) uuid: String,
    /// Where its people are, as the server writes it.
    pub(super) base: String,
    base_name: Dn,
}

impl Node {
    pub(super) fn new(entry: DomainEntry, uuid: String, base: String) -> Self {
        Self {
            facts: Arc::new(snapshot::domain_facts(&entry)),
            entry: Arc::new(entry),
            uuid,
            base_name: Dn::parse(&base),
            base,
        }
    }
}

/// All domains.
#[derive(Debug)]
pub(super) struct Domains {
    pub(super) nodes: HashMap<DomainId, Node>,
    names: HashMap<Domain, DomainId>,
    service_names: HashMap<Domain, DomainId>,
    /// Names that nobody can answer for, and why.
    refused: HashMap<Domain, String>,
    /// When they were read.
    pub(super) at: Instant,
}

impl Domains {
    /// Puts them together. A name that two of them have is refused, with both.
    pub(super) fn new(nodes: Vec<Node>, refused: HashMap<Domain, String>, at: Instant) -> Self {
        let mut all = Self {
            nodes: HashMap::new(),
            names: HashMap::new(),
            service_names: HashMap::new(),
            refused,
            at,
        };
        let mut holders: HashMap<Domain, Vec<DomainId>> = HashMap::new();
        for node in &nodes {
            for name in node.entry.names() {
                holders.entry(name.clone()).or_default().push(node.entry.id);
            }
        }
        for (name, ids) in holders {
            match ids[..] {
                [id] if !all.refused.contains_key(&name) => {
                    all.names.insert(name, id);
                }
                _ => {
                    let reason = format!("several domain nodes are called {name}");
                    tracing::error!(domain = %name, reason, "a domain is refused");
                    all.refused.entry(name).or_insert(reason);
                }
            }
        }
        for node in nodes {
            for name in &node.entry.service_names {
                all.service_names.insert(name.clone(), node.entry.id);
            }
            all.nodes.insert(node.entry.id, node);
        }
        all
    }

    /// The domain of this name; an error where the name is refused.
    pub(super) fn named(&self, name: &Domain) -> Result<Option<&Node>, LookupError> {
        if let Some(reason) = self.refused.get(name) {
            return Err(LookupError::Temporary(reason.clone()));
        }
        Ok(self.names.get(name).and_then(|id| self.nodes.get(id)))
    }

    /// The domain with this service name.
    pub(super) fn serving(&self, name: &Domain) -> Option<&Node> {
        self.service_names
            .get(name)
            .and_then(|id| self.nodes.get(id))
    }

    /// Everywhere that entries are: `base`, and what lies outside of it.
    pub(super) fn roots(&self, base: &str) -> Vec<String> {
        let mut roots = vec![(Dn::parse(base), base.to_owned())];
        let mut bases: Vec<&Node> = self.nodes.values().collect();
        bases.sort_by_key(|node| node.base_name.depth());
        for node in bases {
            if !roots.iter().any(|(root, _)| node.base_name.is_under(root)) {
                roots.push((node.base_name.clone(), node.base.clone()));
            }
        }
        roots.into_iter().map(|(_, base)| base).collect()
    }

    /// Is this entry one of the domain's own? It lies beneath its people base and beneath no
    /// nearer one of another domain, and its address is of the domain: so equal login names in
    /// overlapping bases stay two people.
    pub(super) fn owns(&self, node: &Node, entry: &Entry, names: &Attributes) -> bool {
        let dn = Dn::parse(&entry.dn);
        let nearer = |other: &&Node| {
            other.base_name.depth() > node.base_name.depth() && dn.is_under(&other.base_name)
        };
        let is_here =
            dn.is_under(&node.base_name) && !self.nodes.values().any(|other| nearer(&other));
        let of_domain = |mail: &Mailbox| node.entry.is_called(mail.domain());
        is_here && entry.mail(names).as_ref().is_ok_and(of_domain)
    }

    /// The same domains?
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.refused == other.refused
            && self.names == other.names
            && self.nodes.len() == other.nodes.len()
            && self.nodes.iter().all(|(id, node)| {
                let old = other.nodes.get(id);
                old.is_some_and(|old| old.entry == node.entry && old.base == node.base)
            })
    }
}
