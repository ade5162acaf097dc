//! Step `remote`: hand the message to the next server.
//!
//! The next hop is the route's host, else the mail hosts of the domain in the order of DNS (MX,
//! else its address; RFC 5321 §5.1). Hosts that the DNS names are taken only at public
//! addresses, so that a stranger's record cannot make this server talk to itself or to its
//! neighbours; a host that the operator or a route names may be anywhere.

use std::net::{IpAddr, SocketAddr};

use delivery::remote::NextHop;
use mail::{Body, Class, EnhancedStatus, Outcome, words};
use net::{Answer, Resolver};
use routing::Host;
use smtp::client::Message;
use store::{Content, Work};
use tokio::io::{AsyncWriteExt as _, DuplexStream};

use super::Progress;
use crate::outflow::attempt::{Attempt, unreadable};

/// Bytes handed on at a time.
const PIECE: usize = 64 * 1024;

pub(super) async fn run(attempt: &mut Attempt<'_>) -> Progress {
    let Work::Remote { next_hop, .. } = &attempt.lease.row.work else {
        return Progress::Next;
    };
    let hops = match next_hop {
        Some(host) => of_route(attempt, host).await,
        None => by_dns(attempt).await,
    };
    let hops = match hops {
        Ok(hops) => hops,
        Err(outcome) => return Progress::Ended(*outcome),
    };
    let mut last = None;
    for hop in hops {
        let outcome = deliver(attempt, &hop).await;
        let judged = !matches!(outcome, Outcome::Deferred { .. });
        last = Some(outcome);
        if judged {
            break;
        }
    }
    let nowhere = || {
        words::CONNECT_FAILED
            .outcome_with(&[("host", "the next server"), ("detail", "it has no address")])
    };
    Progress::Ended(last.unwrap_or_else(nowhere))
}

async fn deliver(attempt: &Attempt<'_>, hop: &NextHop) -> Outcome {
    let content = match attempt.site.store.leased_content(attempt.lease) {
        Ok(content) => content,
        Err(error) => return unreadable(&error),
    };
    let row = &attempt.lease.row;
    let mut message = Message::new(row.envelope.reverse_path.clone(), vec![row.address.clone()]);
    message.size = Some(content.size());
    message.body = row.envelope.body;
    message.utf8 = row.utf8;
    if row.envelope.body == Body::EightBitMime {
        message.body = Body::EightBitMime;
    }
    let (reader, writer) = tokio::io::duplex(PIECE);
    let feeder = tokio::spawn(feed(content, writer));
    let outcomes = attempt.site.remote.deliver(hop, message, reader).await;
    feeder.abort();
    outcomes.into_iter().next().unwrap_or(Outcome::NotMine)
}

/// The stored bytes into the pipe. Where they cannot be read the pipe ends early; the size that
/// was announced tells the client that this is not the end.
async fn feed(content: Content, mut writer: DuplexStream) {
    let mut offset = 0;
    while offset < content.size() {
        let source = content.clone();
        let read = tokio::task::spawn_blocking(move || source.read(offset, PIECE)).await;
        match read {
            Ok(Ok(bytes)) if !bytes.is_empty() => {
                offset += bytes.len() as u64;
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
    let _ = writer.shutdown().await;
}

/// A host that a route or a directory entry names.
async fn of_route(attempt: &Attempt<'_>, host: &str) -> Result<Vec<NextHop>, Box<Outcome>> {
    let Ok(host) = host.parse::<Host>() else {
        return Err(Box::new(
            words::CONNECT_FAILED.outcome_with(&[("host", host), ("detail", "it is not a host")]),
        ));
    };
    let name = host.name.as_str();
    let addresses = match literal(name) {
        Some(address) => vec![address],
        None => addresses(&*attempt.site.resolver, name).await?,
    };
    let addresses = addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, host.port))
        .collect();
    Ok(vec![NextHop::smtp(name, addresses)])
}

/// The mail hosts that DNS names.
async fn by_dns(attempt: &Attempt<'_>) -> Result<Vec<NextHop>, Box<Outcome>> {
    let domain = attempt.lease.row.address.domain();
    let values = [("domain", domain.as_str())];
    let hosts = match attempt.site.resolver.mx(domain).await {
        Answer::Found(hosts) => hosts.into_iter().map(|host| host.host).collect(),
        Answer::NoRecords => vec![domain.to_string()],
        Answer::NullMx => {
            return Err(Box::new(crate::intake::internal::outcome(
                &words::DOMAIN_TAKES_NO_MAIL.reply_with(&values),
            )));
        }
        Answer::NoSuchDomain => {
            return Err(Box::new(crate::intake::internal::outcome(
                &words::UNKNOWN_DOMAIN.reply_with(&values),
            )));
        }
        Answer::Temporary(cause) => return Err(Box::new(dns_trouble(domain.as_str(), &cause))),
    };
    // Behind our own name is ourselves: handing it on would go round (RFC 5321 §5.1).
    let own = hosts
        .iter()
        .position(|host| *host == attempt.site.hostname.as_str());
    if own == Some(0) {
        return Err(Box::new(words::FORWARD_LOOP.outcome_with(&[])));
    }
    let mut hops = Vec::new();
    for host in hosts.iter().take(own.unwrap_or(hosts.len())) {
        let Ok(found) = addresses(&*attempt.site.resolver, host).await else {
            continue;
        };
        let public: Vec<_> = found
            .into_iter()
            .filter(|address| net::dns::is_public(*address))
            .map(|ip| SocketAddr::new(ip, 25))
            .collect();
        if !public.is_empty() {
            hops.push(NextHop::smtp(host.as_str(), public));
        }
    }
    if hops.is_empty() {
        return Err(Box::new(dns_trouble(
            domain.as_str(),
            "none of its mail hosts has a public address",
        )));
    }
    Ok(hops)
}

async fn addresses(resolver: &dyn Resolver, host: &str) -> Result<Vec<IpAddr>, Box<Outcome>> {
    match resolver.addresses(host).await {
        Answer::Found(addresses) => Ok(addresses),
        Answer::Temporary(cause) => Err(Box::new(dns_trouble(host, &cause))),
        _ => Err(Box::new(dns_trouble(host, "it has no address"))),
    }
}

/// Trouble with names is never a reason to give up before the queue life ends (4.4.3).
fn dns_trouble(name: &str, cause: &str) -> Outcome {
    Outcome::Deferred {
        status: EnhancedStatus::new(Class::Transient, 4, 3),
        text: format!("{name}: {cause}"),
    }
}

/// The address in an address literal.
fn literal(name: &str) -> Option<IpAddr> {
    let inner = name.strip_prefix('[')?.strip_suffix(']')?;
    inner.strip_prefix("IPv6:").unwrap_or(inner).parse().ok()
}
