//! Quotas in force, and what is left of them.

use std::collections::BTreeMap;

use mail::{Access, DomainId, PersonId};
use store::{Owner, Quota, Usage};

use crate::site::Site;

/// The limits of an owner's mailboxes and of its domain. Groups have none of their own.
pub(crate) fn quotas_of(site: &Site, domain: DomainId, owner: Owner) -> (Quota, Quota) {
    let of_domain = site.directory.known_domain(domain);
    let of_domain = of_domain.map_or(Quota::NONE, |entry| {
        quota(entry.quota_bytes, entry.quota_messages)
    });
    let of_owner = match owner {
        Owner::Person(person) => {
            let entry = site.directory.known_person(domain, person);
            entry.map_or(Quota::NONE, |entry| {
                quota(entry.quota_bytes, entry.quota_messages)
            })
        }
        Owner::Group(_) | Owner::Domain => Quota::NONE,
    };
    (of_owner, of_domain)
}

fn quota(bytes: directory::Quota, messages: directory::Quota) -> Quota {
    let limit = |quota| match quota {
        directory::Quota::Limit(limit) => Some(limit),
        directory::Quota::Default | directory::Quota::Unlimited => None,
    };
    Quota {
        bytes: limit(bytes),
        messages: limit(messages),
    }
}

/// What is used, with what is planned on top. A look ahead: the commit decides, and several
/// commits may be under way.
pub(crate) struct Ledger<'a> {
    site: &'a Site,
    planned: BTreeMap<(DomainId, Owner), Usage>,
    trust: Trust,
}

/// Are the numbers of the store believed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Yes.
    Numbers,
    /// Commits were refused although they said that there is room: whoever has a quota is taken
    /// to be at its end.
    Nobody,
}

impl<'a> Ledger<'a> {
    pub(crate) const fn new(site: &'a Site, trust: Trust) -> Self {
        Self {
            site,
            planned: BTreeMap::new(),
            trust,
        }
    }

    /// Plans a message of `size` bytes into a mailbox of the person, if quotas allow it.
    pub(crate) fn takes(&mut self, domain: DomainId, person: PersonId, size: u64) -> bool {
        self.full(domain, person, size).is_none()
    }

    /// As [`Ledger::takes`]; answers whose quota does not allow it.
    pub(crate) fn full(&mut self, domain: DomainId, person: PersonId, size: u64) -> Option<Owner> {
        let (of_person, of_domain) = quotas_of(self.site, domain, Owner::Person(person));
        let limits = [
            (Owner::Person(person), of_person),
            (Owner::Domain, of_domain),
        ];
        let mut planned = Vec::new();
        for (owner, quota) in limits {
            if quota == Quota::NONE {
                continue;
            }
            let Some(used) = self.used(domain, owner) else {
                // The store has trouble: the commit says which.
                continue;
            };
            let before = self.planned.get(&(domain, owner)).copied();
            let before = before.unwrap_or_default();
            let more = Usage {
                bytes: before.bytes.saturating_add(size),
                messages: before.messages + 1,
            };
            let after = Usage {
                bytes: used.bytes.saturating_add(more.bytes),
                messages: used.messages + more.messages,
            };
            if self.trust == Trust::Nobody || !quota.allows(after) {
                return Some(owner);
            }
            planned.push(((domain, owner), more));
        }
        self.planned.extend(planned);
        None
    }

    fn used(&self, domain: DomainId, owner: Owner) -> Option<Usage> {
        let entry = self.site.directory.known_domain(domain)?;
        let access = Access::system(entry.tenant());
        self.site.store.usage(&access, owner).ok()
    }
}
