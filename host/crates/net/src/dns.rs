//! The questions mail asks of the DNS.

mod fake;
mod hickory;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;

use mail::Domain;

pub use fake::FakeResolver;
pub use hickory::{DnsResolver, DnsSettings};

/// Mail hosts that are tried for one domain; the rest is not looked at.
pub const MAIL_HOSTS: usize = 20;

/// Addresses of one host that are tried.
pub const ADDRESSES: usize = 20;

/// What the DNS said. The difference between "no" and "not now" decides whether mail bounces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// There are records.
    Found(T),
    /// The name does not exist (NXDOMAIN).
    NoSuchDomain,
    /// The name exists, without records of this kind.
    NoRecords,
    /// The domain takes no mail (`MX 0 .`, RFC 7505). Only from [`Resolver::mx`].
    NullMx,
    /// Nobody knows now: time-out, SERVFAIL, an answer that makes no sense.
    Temporary(String),
}

/// A mail host of a domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailHost {
    /// Lower ones first.
    pub preference: u16,
    /// Its name: lower case, no trailing dot.
    pub host: String,
}

/// A look-up under way.
pub type Lookup<'a, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'a>>;

/// Answers from the DNS. Object safe; every look-up ends within seconds.
pub trait Resolver: Send + Sync {
    /// The MX records, best first, at most [`MAIL_HOSTS`]. The rule that a domain without MX is
    /// its own mail host (RFC 5321 §5.1) is the caller's: `NoRecords` says when it applies.
    fn mx<'a>(&'a self, domain: &'a Domain) -> Lookup<'a, Vec<MailHost>>;

    /// The addresses of a host, IPv6 and IPv4, at most [`ADDRESSES`].
    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>>;

    /// The names of an address.
    fn ptr(&self, address: IpAddr) -> Lookup<'_, Vec<String>>;
}

/// May mail be sent there because the DNS says so? Not to ourselves, not into private networks
/// (a stranger's MX record must not make us talk to our own machines).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (b & 0xc0) == 64; // RFC 6598
    let benchmark = a == 198 && (b & 0xfe) == 18; // RFC 2544
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || shared
        || benchmark
        || a == 0
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3 (RFC 4291 §2.4), less what is for documentation.
    let first = address.segments()[0];
    let documentation = first == 0x2001 && address.segments()[1] == 0x0db8;
    (first & 0xe000) == 0x2000 && !documentation
}

#[cfg(test)]
mod tests;
