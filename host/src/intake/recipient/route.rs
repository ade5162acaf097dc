//! Step `route`: the message way (crate `routing`), with DNS asked where it needs it.

use mail::Domain;
use net::Answer;
use routing::{Answers, Decision, DnsAnswer, Request, Sender, Way};

use super::super::context::{Flow, RecipientContext, StepSentence};
use crate::site::Site;

pub(crate) async fn run(context: &mut RecipientContext<'_>) -> Flow {
    let request = Request {
        recipient: context.path.clone(),
        sender: context.transaction.sender,
    };
    let settings = context.site.settings();
    let mut answers = Answers::default();
    let table = context.site.directory.table();
    let routed = loop {
        let way = routing::route(&request, &settings.routing, &*table, &answers);
        if table.complete().await {
            continue;
        }
        match way {
            Way::NeedsDns(domain) => {
                let answer = ask_dns(context.site, request.sender, &domain).await;
                answers.dns(domain, answer);
            }
            // No `resolve` hook is built yet, so no domain is in `routing::Site::resolving`;
            // if one were, nobody would know the address either.
            Way::NeedsResolve(address) => answers.resolved(&address, Vec::new()),
            Way::Decided(routed) => break routed,
        }
    };
    for step in &routed.steps {
        let name = format!("route.{}", step.step.name());
        let sentence = StepSentence::new(&name, step.sentence.clone());
        context.sentences.push(sentence);
    }
    let decision = routed.decision.clone();
    context.routed = Some(routed);
    match decision {
        Decision::Refuse(reply) => Flow::Answer(reply),
        Decision::Accept { .. } => Flow::Next(String::new()),
    }
}

/// MX, then address records (RFC 5321 §5.1). Mail of this host does not wait for DNS: its queue
/// asks at the attempt.
async fn ask_dns(site: &Site, sender: Sender, domain: &Domain) -> DnsAnswer {
    if sender == Sender::Internal {
        return DnsAnswer::Temporary;
    }
    match site.resolver.mx(domain).await {
        Answer::Found(hosts) => DnsAnswer::Found {
            exchange: hosts
                .first()
                .and_then(|host| Domain::parse(&host.host).ok()),
        },
        Answer::NullMx => DnsAnswer::NullMx,
        Answer::NoSuchDomain => DnsAnswer::NoSuchDomain,
        Answer::Temporary(_) => DnsAnswer::Temporary,
        Answer::NoRecords => match site.resolver.addresses(domain.as_str()).await {
            Answer::Found(_) => DnsAnswer::Found { exchange: None },
            Answer::Temporary(_) => DnsAnswer::Temporary,
            // A name without MX and without an address takes no mail: to the sender that is
            // the same as a domain that does not exist.
            Answer::NoSuchDomain | Answer::NoRecords | Answer::NullMx => DnsAnswer::NoSuchDomain,
        },
    }
}
