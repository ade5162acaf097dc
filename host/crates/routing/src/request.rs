//! What goes into the message way.

use std::collections::{BTreeMap, BTreeSet};

use mail::{Domain, DomainId, ForwardPath, Mailbox, PersonId};

use crate::RouteTable;

/// Who hands in the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Another server, neither authenticated nor trusted.
    Stranger,
    /// A peer in `trusted_networks`.
    Trusted,
    /// A person that logged in.
    Authenticated(PersonId),
    /// This host: forward, list, plugin, report, queue rerun.
    Internal,
}

impl Sender {
    /// May it send to domains that are not hosted here?
    pub const fn may_relay(self) -> bool {
        !matches!(self, Self::Stranger)
    }
}

/// One question: where does mail for this recipient go?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The recipient.
    pub recipient: ForwardPath,
    /// Who hands it in.
    pub sender: Sender,
}

/// What the configuration of the site adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// Who gets `<Postmaster>` and the `postmaster@` of domains that name nobody.
    pub postmaster: Option<Mailbox>,
    /// The `[[route]]` table.
    pub routes: RouteTable,
    /// Domains with a `resolve` hook bound: for an unknown local part there the way stops
    /// with [`crate::Way::NeedsResolve`].
    pub resolving: BTreeSet<DomainId>,
}

/// What DNS said of a domain that is not hosted here (MX, then A and AAAA; RFC 5321 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsAnswer {
    /// The name does not exist.
    NoSuchDomain,
    /// A null MX: the domain takes no mail (RFC 7505).
    NullMx,
    /// No answer, or SERVFAIL.
    Temporary,
    /// It takes mail; the most preferred exchange where an MX named one.
    Found {
        /// The exchange; `None` where only an address record is there.
        exchange: Option<Domain>,
    },
}

/// Answers to what the way asked so far. Keep it over the calls for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answers {
    /// By domain.
    pub dns: BTreeMap<Domain, DnsAnswer>,
    /// By [`Mailbox::key`]; an empty list: the hook knows no such address either.
    pub resolved: BTreeMap<String, Vec<Mailbox>>,
}

impl Answers {
    /// With one more answer of DNS.
    pub fn dns(&mut self, domain: Domain, answer: DnsAnswer) {
        self.dns.insert(domain, answer);
    }

    /// With one more answer of a `resolve` hook.
    pub fn resolved(&mut self, address: &Mailbox, targets: Vec<Mailbox>) {
        self.resolved.insert(address.key(), targets);
    }
}
