//! A resolver with a table, for tests and the demo.

use std::collections::HashMap;
use std::net::IpAddr;

use mail::Domain;

use super::{ADDRESSES, Answer, Lookup, MAIL_HOSTS, MailHost, Resolver};

/// Answers from a table; what is not in it does not exist.
#[derive(Debug, Clone, Default)]
pub struct FakeResolver {
    mx: HashMap<String, Answer<Vec<MailHost>>>,
    addresses: HashMap<String, Answer<Vec<IpAddr>>>,
    ptr: HashMap<IpAddr, Answer<Vec<String>>>,
}

impl FakeResolver {
    /// An empty table: no name exists.
    pub fn new() -> Self {
        Self::default()
    }

    /// The domain has these mail hosts.
    #[must_use]
    pub fn with_mx(self, domain: &str, hosts: &[(u16, &str)]) -> Self {
        let host = |&(preference, host): &(u16, &str)| MailHost {
            preference,
            host: key(host),
        };
        let mut hosts: Vec<MailHost> = hosts.iter().map(host).collect();
        hosts.sort();
        hosts.truncate(MAIL_HOSTS);
        self.with_mx_answer(domain, Answer::Found(hosts))
    }

    /// The answer for the domain, whatever it is.
    #[must_use]
    pub fn with_mx_answer(mut self, domain: &str, answer: Answer<Vec<MailHost>>) -> Self {
        self.mx.insert(key(domain), answer);
        self
    }

    /// The host has these addresses.
    #[must_use]
    pub fn with_addresses(self, host: &str, addresses: &[IpAddr]) -> Self {
        let addresses = addresses.iter().copied().take(ADDRESSES).collect();
        self.with_address_answer(host, Answer::Found(addresses))
    }

    /// The answer for the host, whatever it is.
    #[must_use]
    pub fn with_address_answer(mut self, host: &str, answer: Answer<Vec<IpAddr>>) -> Self {
        self.addresses.insert(key(host), answer);
        self
    }

    /// The address has this name.
    #[must_use]
    pub fn with_ptr(mut self, address: IpAddr, name: &str) -> Self {
        self.ptr.insert(address, Answer::Found(vec![key(name)]));
        self
    }
}

impl Resolver for FakeResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Lookup<'a, Vec<MailHost>> {
        let name = key(domain.as_str());
        let found = self.mx.get(&name).cloned();
        // A name that has addresses exists, though it has no MX.
        let without = if self.addresses.contains_key(&name) {
            Answer::NoRecords
        } else {
            Answer::NoSuchDomain
        };
        Box::pin(async move { found.unwrap_or(without) })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>> {
        let name = key(host);
        let found = self.addresses.get(&name).cloned();
        let without = if self.mx.contains_key(&name) {
            Answer::NoRecords
        } else {
            Answer::NoSuchDomain
        };
        Box::pin(async move { found.unwrap_or(without) })
    }

    fn ptr(&self, address: IpAddr) -> Lookup<'_, Vec<String>> {
        let found = self.ptr.get(&address.to_canonical()).cloned();
        Box::pin(async move { found.unwrap_or(Answer::NoSuchDomain) })
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
