//! Which hosts the DNS names for a domain, in the order they are tried (RFC 5321 §5.1).
//!
//! Hosts that a stranger's record names are taken only at public addresses, and never where they
//! lead back here: otherwise a record could make this server talk to itself or to its neighbours.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, SocketAddr};

use mail::{Domain, Outcome, words};
use net::{Answer, MailHost, Resolver};

use crate::intake::internal;

/// Hosts that one attempt tries; the others of a long list are for later ones.
const HOSTS: usize = 5;

/// A host with addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) name: String,
    pub(super) addresses: Vec<SocketAddr>,
}

/// What is taken.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    /// Our own name.
    pub(super) own: &'a str,
    /// The port of mail hosts.
    pub(super) port: u16,
    /// Are addresses of private networks taken?
    pub(super) allow_private: bool,
    /// Is it this server that answers there?
    pub(super) is_own: &'a (dyn Fn(SocketAddr) -> bool + Send + Sync),
}

/// The hosts of a domain, at most [`HOSTS`].
///
/// # Errors
/// The outcome where there are none: permanent where the DNS says so for certain.
pub(super) async fn find(
    resolver: &dyn Resolver,
    domain: &Domain,
    rules: Rules<'_>,
) -> Result<Vec<Exchange>, Box<Outcome>> {
    let values = [("domain", domain.as_str())];
    let refused = |word: &words::Word| Err(Box::new(internal::outcome(&word.reply_with(&values))));
    let (hosts, is_implicit) = match resolver.mx(domain).await {
        Answer::Found(hosts) => (before_own(shuffle(hosts), rules.own), false),
        // Without MX the domain is its own mail host.
        Answer::NoRecords => (vec![domain.to_string()], true),
        Answer::NullMx => return refused(&words::DOMAIN_TAKES_NO_MAIL),
        Answer::NoSuchDomain => return refused(&words::UNKNOWN_DOMAIN),
        Answer::Temporary(cause) => return Err(Box::new(trouble(domain.as_str(), &cause))),
    };
    let mut found = Found {
        unusable: hosts.is_empty(),
        ..Found::default()
    };
    for host in hosts {
        found.look_up(resolver, host, rules).await;
        if found.exchanges.len() == HOSTS {
            break;
        }
    }
    if !found.exchanges.is_empty() {
        return Ok(found.exchanges);
    }
    // What may yet be found out counts first: nothing is given up early (4.4.3).
    if let Some(outcome) = found.trouble {
        return Err(Box::new(outcome));
    }
    if found.unusable {
        return Err(Box::new(words::NO_PUBLIC_HOST.outcome_with(&values)));
    }
    if is_implicit {
        return refused(&words::UNKNOWN_DOMAIN);
    }
    let cause = "none of its mail hosts has an address";
    Err(Box::new(trouble(domain.as_str(), cause)))
}

#[derive(Default)]
struct Found {
    exchanges: Vec<Exchange>,
    /// Nobody knows now.
    trouble: Option<Outcome>,
    /// There are addresses, but none that may be used.
    unusable: bool,
}

impl Found {
    async fn look_up(&mut self, resolver: &dyn Resolver, host: String, rules: Rules<'_>) {
        match addresses(resolver, &host).await {
            Answer::Found(addresses) => {
                let usable: Vec<SocketAddr> = addresses
                    .into_iter()
                    .filter(|address| rules.allow_private || net::dns::is_public(*address))
                    .map(|address| SocketAddr::new(address, rules.port))
                    .filter(|address| !(rules.is_own)(*address))
                    .collect();
                if usable.is_empty() {
                    self.unusable = true;
                } else {
                    self.exchanges.push(Exchange {
                        name: host,
                        addresses: usable,
                    });
                }
            }
            Answer::Temporary(cause) => self.trouble = Some(trouble(&host, &cause)),
            Answer::NoSuchDomain | Answer::NoRecords | Answer::NullMx => {}
        }
    }
}

/// The addresses of a host; an address that stands in the place of a name is itself.
pub(super) async fn addresses(resolver: &dyn Resolver, host: &str) -> Answer<Vec<IpAddr>> {
    match literal(host) {
        Some(address) => Answer::Found(vec![address]),
        None => resolver.addresses(host).await,
    }
}

/// Trouble with names is never a reason to give up before the queue life ends (4.4.3).
pub(super) fn trouble(name: &str, detail: &str) -> Outcome {
    words::DNS_TROUBLE.outcome_with(&[("name", name), ("detail", detail)])
}

/// Best first, those of one preference in any order (RFC 5321 §5.1).
fn shuffle(mut hosts: Vec<MailHost>) -> Vec<MailHost> {
    let chance = RandomState::new();
    hosts.sort_by_cached_key(|host| (host.preference, chance.hash_one(&host.host)));
    hosts
}

/// Where we are one of the hosts ourselves, only better ones are tried: the others would hand it
/// on to us (RFC 5321 §5.1).
fn before_own(hosts: Vec<MailHost>, own: &str) -> Vec<String> {
    let preference = hosts.iter().find(|host| host.host == own);
    let limit = preference.map(|host| host.preference);
    hosts
        .into_iter()
        .filter(|host| limit.is_none_or(|limit| host.preference < limit))
        .map(|host| host.host)
        .collect()
}

/// The address in an address literal.
fn literal(name: &str) -> Option<IpAddr> {
    let inner = name.strip_prefix('[')?.strip_suffix(']')?;
    inner.strip_prefix("IPv6:").unwrap_or(inner).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use mail::{Domain, Outcome};
    use net::{Answer, FakeResolver};

    use super::{HOSTS, Rules, find};

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    /// The names in their order, or the outcome. Documentation addresses stand for public ones.
    async fn found(resolver: FakeResolver, rules: Rules<'_>) -> Result<Vec<String>, String> {
        let domain = Domain::parse("abc.test").expect("a domain of the test");
        match find(&resolver, &domain, rules).await {
            Ok(exchanges) => Ok(exchanges.into_iter().map(|found| found.name).collect()),
            Err(outcome) => Err(match *outcome {
                Outcome::Failed { status, .. } => format!("failed {status}"),
                Outcome::Deferred { status, .. } => format!("deferred {status}"),
                other => format!("{other:?}"),
            }),
        }
    }

    fn rules() -> Rules<'static> {
        Rules {
            own: "mail.own.test",
            port: 25,
            allow_private: true,
            is_own: &|_| false,
        }
    }

    fn names(names: &[&str]) -> Result<Vec<String>, String> {
        Ok(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[tokio::test]
    async fn mail_hosts_are_tried_by_preference() {
        let fake = FakeResolver::new()
            .with_mx(
                "abc.test",
                &[(20, "b.test"), (10, "a.test"), (30, "c.test")],
            )
            .with_addresses("a.test", &[ip(1)])
            .with_addresses("c.test", &[ip(3)]);
        // b.test has no address and is passed over.
        assert_eq!(found(fake, rules()).await, names(&["a.test", "c.test"]));
    }

    #[tokio::test]
    async fn hosts_of_one_preference_come_in_any_order() {
        let fake = FakeResolver::new()
            .with_mx(
                "abc.test",
                &[(10, "a.test"), (10, "b.test"), (5, "first.test")],
            )
            .with_addresses("first.test", &[ip(9)])
            .with_addresses("a.test", &[ip(1)])
            .with_addresses("b.test", &[ip(2)]);
        let mut orders = BTreeSet::new();
        for _ in 0..64 {
            let hosts = found(fake.clone(), rules()).await.expect("three hosts");
            assert_eq!(hosts[0], "first.test");
            orders.insert(hosts);
        }
        // By chance alone the same order comes 64 times once in 2^63 runs.
        assert_eq!(orders.len(), 2);
    }

    #[tokio::test]
    async fn without_mx_the_domain_is_its_own_host() {
        let fake = FakeResolver::new().with_addresses("abc.test", &[ip(1)]);
        assert_eq!(found(fake, rules()).await, names(&["abc.test"]));
        let nothing = FakeResolver::new().with_mx_answer("abc.test", Answer::NoRecords);
        assert_eq!(
            found(nothing, rules()).await,
            Err("failed 5.1.2".to_owned())
        );
    }

    #[tokio::test]
    async fn n01_only_what_is_certain_is_permanent() {
        let servfail = || Answer::Temporary("the name server said SERVFAIL".to_owned());
        assert_eq!(
            found(FakeResolver::new(), rules()).await,
            Err("failed 5.1.2".to_owned())
        );
        let fake = FakeResolver::new().with_mx_answer("abc.test", servfail());
        assert_eq!(found(fake, rules()).await, Err("deferred 4.4.3".to_owned()));
        let fake = FakeResolver::new()
            .with_mx_answer("abc.test", Answer::NoRecords)
            .with_address_answer(
                "abc.test",
                Answer::Temporary("no answer in time".to_owned()),
            );
        assert_eq!(found(fake, rules()).await, Err("deferred 4.4.3".to_owned()));
        // One host cannot be used, of the other nobody knows now.
        let fake = FakeResolver::new()
            .with_mx("abc.test", &[(10, "a.test"), (20, "b.test")])
            .with_addresses("a.test", &[IpAddr::from([127, 0, 0, 1])])
            .with_address_answer("b.test", Answer::Temporary("no answer in time".to_owned()));
        let strict = Rules {
            allow_private: false,
            ..rules()
        };
        assert_eq!(found(fake, strict).await, Err("deferred 4.4.3".to_owned()));
    }

    #[tokio::test]
    async fn n02_null_mx_is_a_permanent_error() {
        let fake = FakeResolver::new().with_mx_answer("abc.test", Answer::NullMx);
        assert_eq!(found(fake, rules()).await, Err("failed 5.1.10".to_owned()));
    }

    #[tokio::test]
    async fn n03_mail_hosts_that_lead_back_or_inside_are_refused() {
        let strict = Rules {
            allow_private: false,
            ..rules()
        };
        for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"] {
            let address: IpAddr = inside.parse().expect("an address of the test");
            let fake = FakeResolver::new()
                .with_mx("abc.test", &[(10, "a.test")])
                .with_addresses("a.test", &[address]);
            assert_eq!(
                found(fake, strict).await,
                Err("failed 5.4.6".to_owned()),
                "{inside}"
            );
        }
        // Our own name is the best host; and one whose address is ours.
        let fake = FakeResolver::new()
            .with_mx("abc.test", &[(10, "mail.own.test"), (20, "b.test")])
            .with_addresses("b.test", &[ip(2)]);
        assert_eq!(found(fake, rules()).await, Err("failed 5.4.6".to_owned()));
        let own = |address: std::net::SocketAddr| address.ip() == ip(1) && address.port() == 25;
        let fake = FakeResolver::new()
            .with_mx("abc.test", &[(10, "a.test")])
            .with_addresses("a.test", &[ip(1)]);
        let rules = Rules {
            is_own: &own,
            ..rules()
        };
        assert_eq!(found(fake, rules).await, Err("failed 5.4.6".to_owned()));
    }

    #[tokio::test]
    async fn as_a_backup_only_better_hosts_are_tried() {
        let fake = FakeResolver::new()
            .with_mx(
                "abc.test",
                &[
                    (10, "a.test"),
                    (20, "b.test"),
                    (20, "mail.own.test"),
                    (30, "c.test"),
                ],
            )
            .with_addresses("a.test", &[ip(1)])
            .with_addresses("b.test", &[ip(2)])
            .with_addresses("c.test", &[ip(3)]);
        assert_eq!(found(fake, rules()).await, names(&["a.test"]));
    }

    #[tokio::test]
    async fn n04_of_many_hosts_the_best_are_tried() {
        let all: Vec<(u16, String)> = (0..60).map(|n| (n, format!("mx{n}.test"))).collect();
        let hosts: Vec<(u16, &str)> = all.iter().map(|(n, host)| (*n, host.as_str())).collect();
        let mut fake = FakeResolver::new().with_mx("abc.test", &hosts);
        for (n, host) in &all {
            fake = fake.with_addresses(host, &[ip(u8::try_from(*n).expect("60 hosts"))]);
        }
        let hosts = found(fake, rules()).await.expect("they have addresses");
        assert_eq!(hosts.len(), HOSTS);
        assert_eq!(hosts[0], "mx0.test");
    }
}
