//! Which service a client may use: `mailDomainAllowedServiceAccess` and
//! `mailAllowedServiceAccess`.
//!
//! ```text
//! access   = rule *("$" rule)
//! rule     = ("+" / "-") services ":" clients
//! services = list        ; imap imaps pop pops pop3 pop3s smtp smtps http managesieve ALL *
//! clients  = list        ; addresses, networks, names, .domains, LOCAL KNOWN UNKNOWN DNSSPOOFER ALL *
//! list     = item *(separator item) [ "EXCEPT" item *(separator item) ]
//! ```
//! Separators are commas and spaces. `.abc.test` is every host below, `pc.abc.test` that host;
//! a network is `192.0.2.0/24`, `192.0.2.0/255.255.255.0` or `192.0.2.`.

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use mail::Service;
use serde::{Deserialize, Serialize};

use crate::PeerName;

/// Not a list of service rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{rule}' is not a service rule: {problem}; write for example '+imap,pop:ALL$-ALL:192.0.2.0/24'"
)]
pub struct ServicesError {
    /// The rule that is wrong.
    pub rule: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The attribute as an entry has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub enum ServiceAccess {
    /// No attribute: every service for everybody.
    #[default]
    Everything,
    /// These rules.
    Rules(ServiceRules),
    /// A stored value that makes no sense: denies all.
    Unreadable(String),
}

/// One parsed attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceRules {
    text: String,
    rules: Vec<Rule>,
}

/// What the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The client may use the service.
    Granted,
    /// It may not.
    Denied,
    /// It depends on the client's name, which was not asked for.
    NeedsName,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    kind: Kind,
    services: List<ServiceItem>,
    clients: List<ClientItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Allow,
    Deny,
}

/// Items, and those taken out again by `EXCEPT`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List<T> {
    items: Vec<T>,
    except: Vec<T>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServiceItem {
    All,
    /// 4190; no listener of this server has it.
    ManageSieve,
    One(Service),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ClientItem {
    All,
    Local,
    Known,
    Unknown,
    DnsSpoofer,
    Network { address: IpAddr, prefix: u8 },
    Host(String),
    Below(String),
}

/// Yes, no, or nobody can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// No answer about the name came in time.
    NoAnswer,
    /// The name was not asked for.
    NeedsName,
}

impl ServiceAccess {
    /// A stored value: missing grants all, an unreadable one denies all and warns.
    pub fn read(stored: Option<String>) -> Self {
        let Some(text) = stored else {
            return Self::Everything;
        };
        match text.parse() {
            Ok(rules) => Self::Rules(rules),
            Err(error) => {
                tracing::warn!(%error, "stored service rules cannot be read and deny everything");
                Self::Unreadable(text)
            }
        }
    }

    /// May a client with this address and name use `service`? The name is `None` as long as
    /// nobody asked for it. Receiving mail is never filtered.
    pub fn verdict(&self, service: Service, address: IpAddr, name: Option<&PeerName>) -> Verdict {
        match self {
            _ if service == Service::Mx => Verdict::Granted,
            Self::Everything => Verdict::Granted,
            Self::Unreadable(_) => Verdict::Denied,
            Self::Rules(rules) => rules.verdict(service, address, name),
        }
    }
}

impl From<Option<String>> for ServiceAccess {
    fn from(stored: Option<String>) -> Self {
        Self::read(stored)
    }
}

impl From<ServiceAccess> for Option<String> {
    fn from(access: ServiceAccess) -> Self {
        match access {
            ServiceAccess::Everything => None,
            ServiceAccess::Rules(rules) => Some(rules.text),
            ServiceAccess::Unreadable(text) => Some(text),
        }
    }
}

impl ServiceRules {
    /// An allow that matches grants; a deny that matches denies; no match grants unless there
    /// are only allow rules.
    pub fn verdict(&self, service: Service, address: IpAddr, name: Option<&PeerName>) -> Verdict {
        let mut unsure = false;
        let mut any = |kind: Kind| {
            self.rules
                .iter()
                .filter(|rule| rule.kind == kind)
                .any(|rule| {
                    match rule.matches(service, address, name) {
                        Match::Yes => true,
                        Match::No => false,
                        // No answer: an allow does not match, a deny does.
                        Match::NoAnswer => kind == Kind::Deny,
                        Match::NeedsName => {
                            unsure = true;
                            false
                        }
                    }
                })
        };
        if any(Kind::Allow) {
            return Verdict::Granted;
        }
        let denied = any(Kind::Deny);
        if unsure {
            return Verdict::NeedsName;
        }
        let only_allows = self.rules.iter().all(|rule| rule.kind == Kind::Allow);
        if denied || only_allows {
            Verdict::Denied
        } else {
            Verdict::Granted
        }
    }
}

impl Rule {
    fn matches(&self, service: Service, address: IpAddr, name: Option<&PeerName>) -> Match {
        match self.services.matches(|item| item.matches(service)) {
            Match::Yes => self.clients.matches(|item| item.matches(address, name)),
            other => other,
        }
    }
}

impl<T> List<T> {
    /// In the items and not in the exceptions.
    fn matches(&self, matches: impl Fn(&T) -> Match) -> Match {
        let any = |items: &[T]| {
            let found = items.iter().map(&matches);
            found.fold(Match::No, Match::or)
        };
        any(&self.items).and(any(&self.except).not())
    }
}

impl Match {
    const fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unsure => unsure,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, known) | (known, Self::No) => known,
            (Self::NeedsName, _) | (_, Self::NeedsName) => Self::NeedsName,
            (Self::NoAnswer, Self::NoAnswer) => Self::NoAnswer,
        }
    }

    fn and(self, other: Self) -> Self {
        self.not().or(other.not()).not()
    }
}

impl ServiceItem {
    fn matches(&self, service: Service) -> Match {
        match self {
            Self::All => Match::Yes,
            Self::ManageSieve => Match::No,
            Self::One(own) => Match::of(*own == service),
        }
    }
}

impl ClientItem {
    fn matches(&self, address: IpAddr, name: Option<&PeerName>) -> Match {
        let address = address.to_canonical();
        match self {
            Self::All => Match::Yes,
            Self::Network {
                address: network,
                prefix,
            } => Match::of(is_within(address, *network, *prefix)),
            Self::Local if address.is_loopback() => Match::Yes,
            _ => match name {
                None => Match::NeedsName,
                Some(PeerName::NoAnswer) => Match::NoAnswer,
                Some(name) => Match::of(self.matches_name(name)),
            },
        }
    }

    fn matches_name(&self, name: &PeerName) -> bool {
        let confirmed = match name {
            PeerName::Known(confirmed) => {
                Some(confirmed.trim_end_matches('.').to_ascii_lowercase())
            }
            _ => None,
        };
        match (self, confirmed) {
            (Self::Known, confirmed) => confirmed.is_some(),
            (Self::Unknown, _) => *name == PeerName::Unknown,
            (Self::DnsSpoofer, _) => matches!(name, PeerName::Spoofed(_)),
            (Self::Local, Some(host)) => !host.contains('.'),
            (Self::Host(own), Some(host)) => *own == host,
            (Self::Below(domain), Some(host)) => host
                .strip_suffix(domain.as_str())
                .is_some_and(|rest| rest.ends_with('.')),
            _ => false,
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

impl FromStr for ServiceRules {
    type Err = ServicesError;
    fn from_str(text: &str) -> Result<Self, ServicesError> {
        Ok(Self {
            text: text.to_owned(),
            rules: parse::rules(text)?,
        })
    }
}

impl TryFrom<String> for ServiceRules {
    type Error = ServicesError;
    fn try_from(text: String) -> Result<Self, ServicesError> {
        text.parse()
    }
}

impl From<ServiceRules> for String {
    fn from(rules: ServiceRules) -> Self {
        rules.text
    }
}

impl fmt::Display for ServiceRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
