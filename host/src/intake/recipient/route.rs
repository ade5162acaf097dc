//! Step `route`: the message way (crate `routing`), with DNS asked where it needs it.

use std::sync::Arc;

use mail::{Access, Domain, DomainId, Mailbox};
use net::Answer;
use routing::{
    Answers, Decision, DnsAnswer, DomainFacts, Entry, Lookup, Request, Sender, Unavailable, Way,
};
use store::{Owner, Standing};

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
    let known = StillKnown {
        table: &*table,
        site: context.site,
    };
    let routed = loop {
        let way = routing::route(&request, &settings.routing, &known, &answers);
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

/// The routing table without people who were erased. A restored backup of the directory, or an
/// LDAP directory, may still name them: for the sender there is no such mailbox.
struct StillKnown<'a> {
    table: &'a dyn directory::Table,
    site: &'a Site,
}

impl Lookup for StillKnown<'_> {
    fn domain(&self, name: &Domain) -> Result<Option<Arc<DomainFacts>>, Unavailable> {
        self.table.domain(name)
    }

    fn entry(&self, domain: DomainId, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
        let found = self.table.entry(domain, address)?;
        let Some(Entry::Person(person)) = &found else {
            return Ok(found);
        };
        let Some(home) = self.site.directory.known_domain(domain) else {
            return Ok(found);
        };
        let access = Access::system(home.tenant());
        let standing = self.site.store.standing(&access, Owner::Person(person.id));
        match standing {
            Ok(Standing::Erased) => Ok(None),
            Ok(_) => Ok(found),
            Err(error) => Err(Unavailable(error.to_string())),
        }
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
