//! Step 2, for domains that are not hosted here: who may relay, and what DNS says.

use mail::{Domain, Mailbox};

use crate::way::{Pause, Stop, Walk};
use crate::{DnsAnswer, NextHop, StepName, Target, replies};

/// The remote target, or the reply.
///
/// At depth 0 the sender itself named the address and must be trusted; deeper an entry of a
/// hosted domain named it. DNS is asked only for the former: what a list stands for is found
/// out by the queue.
pub(crate) fn decide(walk: &mut Walk<'_>, address: &Mailbox, depth: usize) -> Result<Target, Stop> {
    if depth == 0 && !walk.sender.may_relay() {
        walk.note(
            StepName::Relay,
            depth,
            "the sender is neither authenticated nor trusted".to_owned(),
        );
        return Err(replies::relaying_denied(address).into());
    }
    let domain = address.domain();
    // A literal would reach hosts that only this one can reach, loopback among them.
    if domain.is_address_literal() {
        walk.note(
            StepName::Relay,
            depth,
            "mail to address literals is not carried".to_owned(),
        );
        return Err(replies::address_literal(address).into());
    }
    let (channel, mut next_hop) = walk.site.routes.choose(domain);
    let channel = channel.to_owned();
    if depth == 0 && matches!(next_hop, NextHop::Mx { .. }) {
        next_hop = NextHop::Mx {
            exchange: ask(walk, domain, depth)?,
        };
    }
    walk.note(
        StepName::Relay,
        depth,
        format!("{address} goes over the channel {channel}, {next_hop}"),
    );
    Ok(Target::Remote {
        address: address.clone(),
        channel,
        next_hop,
    })
}

/// What DNS says: the exchange, or the reply.
fn ask(walk: &mut Walk<'_>, domain: &Domain, depth: usize) -> Result<Option<Domain>, Stop> {
    let Some(answer) = walk.answers.dns.get(domain) else {
        return Err(Stop::Pause(Pause::Dns(domain.clone())));
    };
    let (sentence, end) = match answer {
        DnsAnswer::NoSuchDomain => (
            format!("DNS has no domain {domain}"),
            Err(replies::unknown_domain(domain).into()),
        ),
        DnsAnswer::NullMx => (
            format!("{domain} has a null MX: it takes no mail"),
            Err(replies::takes_no_mail(domain).into()),
        ),
        DnsAnswer::Temporary => (
            "DNS did not answer; the queue asks again".to_owned(),
            Ok(None),
        ),
        DnsAnswer::Found { exchange } => (format!("DNS knows {domain}"), Ok(exchange.clone())),
    };
    walk.note(StepName::Relay, depth, sentence);
    end
}
