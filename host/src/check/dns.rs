//! Does the DNS say what other servers need to find this one and to trust it?

use std::net::IpAddr;

use net::{Answer, DnsResolver, Resolver};

use super::{Finding, Subject};

const CHECK: &str = "dns";

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    let settings = net::dns::DnsSettings {
        servers: subject.config.dns.clone(),
        ..Default::default()
    };
    match DnsResolver::new(&settings) {
        Ok(resolver) => with(&resolver, subject).await,
        Err(error) => vec![Finding::failed(
            CHECK,
            format!("the resolver cannot start: {error}"),
            "look at /etc/resolv.conf, or set dns = [\"ADDRESS:53\"] in postroom.toml",
        )],
    }
}

/// The same with any resolver.
pub(super) async fn with(resolver: &dyn Resolver, subject: &Subject) -> Vec<Finding> {
    let hostname = subject.hostname.as_str();
    let (host, addresses) = host(resolver, hostname).await;
    let mut found = vec![host];
    for address in addresses
        .into_iter()
        .filter(|one| net::dns::is_public(*one))
    {
        found.push(reverse(resolver, hostname, address).await);
    }
    for domain in &subject.domains {
        found.push(mail_hosts(resolver, hostname, domain).await);
    }
    found
}

async fn host(resolver: &dyn Resolver, hostname: &str) -> (Finding, Vec<IpAddr>) {
    match resolver.addresses(hostname).await {
        Answer::Found(addresses) => {
            let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let text = format!("{hostname} is at {}", shown.join(", "));
            (Finding::ok(CHECK, text), addresses)
        }
        Answer::Temporary(cause) => (
            Finding::failed(
                CHECK,
                format!("no name server answers ({cause}): mail to other domains would wait"),
                "look at /etc/resolv.conf, or set dns = [\"ADDRESS:53\"] in postroom.toml",
            ),
            Vec::new(),
        ),
        Answer::NoSuchDomain | Answer::NoRecords | Answer::NullMx => (
            Finding::warning(
                CHECK,
                format!("{hostname} has no address: other servers cannot find it"),
                format!("add to the zone: {hostname}. IN A <the public address of this machine>"),
            ),
            Vec::new(),
        ),
    }
}

/// Many servers refuse mail from an address whose name does not lead back to it.
async fn reverse(resolver: &dyn Resolver, hostname: &str, address: IpAddr) -> Finding {
    match resolver.ptr(address).await {
        Answer::Found(names) if names.iter().any(|name| name.eq_ignore_ascii_case(hostname)) => {
            Finding::ok(CHECK, format!("{address} is named {hostname}"))
        }
        _ => Finding::warning(
            CHECK,
            format!("{address} is not named {hostname}: other servers may refuse mail from it"),
            format!("ask whoever gave you the address for the PTR record {hostname}"),
        ),
    }
}

async fn mail_hosts(resolver: &dyn Resolver, hostname: &str, domain: &mail::Domain) -> Finding {
    let add = format!("add to the zone: {domain}. IN MX 10 {hostname}.");
    match resolver.mx(domain).await {
        Answer::Found(hosts) if hosts.iter().any(|host| host.host == hostname) => {
            Finding::ok(CHECK, format!("mail for {domain} comes here"))
        }
        Answer::Found(hosts) => {
            let shown: Vec<&str> = hosts.iter().map(|host| host.host.as_str()).collect();
            let text = format!("mail for {domain} goes to {}, not here", shown.join(", "));
            Finding::warning(CHECK, text, add)
        }
        Answer::NullMx => Finding::warning(
            CHECK,
            format!("the DNS says that {domain} takes no mail"),
            add,
        ),
        Answer::NoSuchDomain | Answer::NoRecords => {
            Finding::warning(CHECK, format!("{domain} has no MX record"), add)
        }
        Answer::Temporary(cause) => Finding::warning(
            CHECK,
            format!("the MX of {domain} could not be asked for ({cause})"),
            "try again: postroom check",
        ),
    }
}
