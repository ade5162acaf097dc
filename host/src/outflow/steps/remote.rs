//! Step `remote`: hand the message to the next server, for all rows of the group at once.
//!
//! The next hop is the route's host, else the channel's, else the mail hosts of the domain in the
//! order of DNS ([`exchanges`]). A host that the operator or a route names may be anywhere.
//!
//! The next host is tried for those that are deferred as long as no server asked for the text:
//! after that one of them may have it, and trying on would only make a second copy likely.

use std::net::{SocketAddr, UdpSocket};

use delivery::remote::{Address, Delivered, NextHop};
use mail::{Body, Outcome, Service, words};
use net::Answer;
use routing::Host;
use smtp::client::Message;
use store::{Content, Work};
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;

use super::bounded;
use crate::outflow::ATTEMPT;
use crate::outflow::attempt::{Attempt, unreadable};
use crate::outflow::channels::{Channel, To};
use crate::outflow::exchanges::{self, Rules};
use crate::site::Site;

/// Bytes handed on at a time.
const PIECE: usize = 64 * 1024;

/// One outcome for each row of the group, which all have the same message and next hop.
pub(super) async fn run(group: &mut [&mut Attempt<'_>]) -> Vec<Outcome> {
    let count = group.len();
    let site = group[0].site;
    let Work::Remote { channel, next_hop } = group[0].lease.row.work.clone() else {
        return vec![Outcome::NotMine; count];
    };
    let settings = site.settings();
    let Some(way) = settings.channels.get(&channel) else {
        let gone = words::CHANNEL_GONE.outcome_with(&[("channel", &channel)]);
        return vec![gone; count];
    };
    let name = destination(way, next_hop.as_deref(), group[0]);
    let visit = match site.places.visit(&name, way.connections).await {
        Ok(visit) => visit,
        Err(outcome) => return vec![*outcome; count],
    };
    let deadline = Instant::now() + ATTEMPT;
    let hops = hops(way, next_hop.as_deref(), group[0]);
    let hops = match bounded(deadline, hops).await {
        Ok(Ok(hops)) => hops,
        Ok(Err(outcome)) | Err(outcome) => return vec![*outcome; count],
    };
    let mut course = Course::new(count);
    for hop in hops {
        let open = course.open();
        match bounded(deadline, deliver(group, &open, &hop)).await {
            Ok(Ok(delivered)) => course.add(group, &hop, &open, delivered),
            Ok(Err(outcome)) | Err(outcome) => course.end(*outcome),
        }
        if course.is_over || course.open().is_empty() {
            break;
        }
    }
    if !course.is_judged
        && let Some(outcome) = course.outcomes.iter().flatten().next()
    {
        visit.is_unreachable(outcome.clone());
    }
    course.outcomes(&name)
}

/// How an attempt goes from host to host.
struct Course {
    outcomes: Vec<Option<Outcome>>,
    is_judged: bool,
    is_over: bool,
}

impl Course {
    fn new(count: usize) -> Self {
        Self {
            outcomes: vec![None; count],
            is_judged: false,
            is_over: false,
        }
    }

    /// The rows that another host may take.
    fn open(&self) -> Vec<usize> {
        (0..self.outcomes.len())
            .filter(|&place| matches!(self.outcomes[place], None | Some(Outcome::Deferred { .. })))
            .collect()
    }

    fn add(
        &mut self,
        group: &mut [&mut Attempt<'_>],
        hop: &NextHop,
        open: &[usize],
        delivered: Delivered,
    ) {
        self.is_judged |= delivered.is_judged;
        self.is_over |= delivered.text_begun;
        for (&place, outcome) in open.iter().zip(delivered.outcomes) {
            if let Outcome::Deferred { text, .. } = &outcome
                && !self.is_over
            {
                group[place].note("remote.host", format!("{}: {text}", hop.name));
            }
            self.outcomes[place] = Some(outcome);
        }
    }

    /// Ends it for those that are open.
    fn end(&mut self, outcome: Outcome) {
        for place in self.open() {
            self.outcomes[place] = Some(outcome.clone());
        }
        self.is_over = true;
    }

    fn outcomes(self, name: &str) -> Vec<Outcome> {
        let nowhere =
            words::CONNECT_FAILED.outcome_with(&[("host", name), ("detail", "it has no address")]);
        self.outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(|| nowhere.clone()))
            .collect()
    }
}

/// What the places are counted for.
fn destination(way: &Channel, next_hop: Option<&str>, attempt: &Attempt<'_>) -> String {
    match (next_hop, &way.to) {
        (Some(host), _) => host.to_owned(),
        (None, To::Host(host)) => host.to_string(),
        (None, To::Socket(path)) => path.display().to_string(),
        (None, To::Exchanges { .. }) => attempt.lease.row.address.domain().to_string(),
    }
}

async fn deliver(
    group: &[&mut Attempt<'_>],
    open: &[usize],
    hop: &NextHop,
) -> Result<Delivered, Box<Outcome>> {
    let first = &group[open[0]];
    let content = first.site.store.leased_content(first.lease);
    let content = content.map_err(|error| Box::new(unreadable(&error)))?;
    let row = &first.lease.row;
    let recipients = open
        .iter()
        .map(|&place| group[place].lease.row.address.clone())
        .collect();
    let mut message = Message::new(row.envelope.reverse_path.clone(), recipients);
    message.size = Some(content.size());
    message.body = match row.envelope.body {
        Body::EightBitMime => Body::EightBitMime,
        _ => Body::SevenBit,
    };
    message.utf8 = row.utf8;
    let (reader, writer) = tokio::io::duplex(PIECE);
    let feeder = Feeder(tokio::spawn(feed(content, writer)));
    let delivered = first.site.remote.deliver(hop, message, reader).await;
    drop(feeder);
    Ok(delivered)
}

/// Ends the feeding with the delivery, also where that is given up.
struct Feeder(tokio::task::JoinHandle<()>);

impl Drop for Feeder {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The stored bytes into the pipe. Where they cannot be read the pipe breaks: half a message is
/// never ended.
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

/// The hosts to try, in their order.
async fn hops(
    way: &Channel,
    next_hop: Option<&str>,
    attempt: &Attempt<'_>,
) -> Result<Vec<NextHop>, Box<Outcome>> {
    let site = attempt.site;
    if let Some(text) = next_hop {
        let host: Host = text.parse().map_err(|_| {
            let values = [("host", text), ("detail", "it is not a host")];
            Box::new(words::CONNECT_FAILED.outcome_with(&values))
        })?;
        return Ok(vec![to_host(site, way, &host).await?]);
    }
    match &way.to {
        To::Host(host) => Ok(vec![to_host(site, way, host).await?]),
        To::Socket(path) => Ok(vec![NextHop {
            name: path.display().to_string(),
            addresses: vec![Address::Unix(path.clone())],
            terms: way.terms.clone(),
        }]),
        To::Exchanges {
            port,
            allow_private,
        } => {
            let domain = attempt.lease.row.address.domain();
            let rules = Rules {
                own: site.hostname.as_str(),
                port: *port,
                allow_private: *allow_private,
                is_own: &|address| is_own(site, address),
            };
            let found = exchanges::find(&*site.resolver, domain, rules).await?;
            let hop = |found: exchanges::Exchange| NextHop {
                name: found.name,
                addresses: found.addresses.into_iter().map(Address::Tcp).collect(),
                terms: way.terms.clone(),
            };
            Ok(found.into_iter().map(hop).collect())
        }
    }
}

/// A host that a route, the channel or a directory entry names.
async fn to_host(site: &Site, way: &Channel, host: &Host) -> Result<NextHop, Box<Outcome>> {
    let name = host.name.as_str();
    let addresses = match exchanges::addresses(&*site.resolver, name).await {
        Answer::Found(addresses) => addresses,
        Answer::Temporary(cause) => return Err(Box::new(exchanges::trouble(name, &cause))),
        _ => return Err(Box::new(exchanges::trouble(name, "it has no address"))),
    };
    let addresses = addresses
        .into_iter()
        .map(|address| Address::Tcp(SocketAddr::new(address, host.port)));
    Ok(NextHop {
        name: name.to_owned(),
        addresses: addresses.collect(),
        terms: way.terms.clone(),
    })
}

/// Is it this server that answers there? A port that mail comes in by, at an address of this
/// machine: only those can be bound.
fn is_own(site: &Site, address: SocketAddr) -> bool {
    let listeners = site.settings().config.listen.services();
    let is_ours = listeners
        .iter()
        .any(|(service, own)| *service == Service::Mx && own.port() == address.port());
    is_ours && UdpSocket::bind((address.ip(), 0)).is_ok()
}
