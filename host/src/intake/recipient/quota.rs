//! Step `quota`: is there room for what SIZE announced? Who is over quota gets a 4xx of its own,
//! before the message comes; among several targets it waits in the queue and hurts no other.

use mail::{ForwardPath, Mailbox, Reply, words};
use routing::{Decision, StoredReply, Target};

use super::super::context::{Flow, RecipientContext};
use super::super::quota::{Ledger, Trust};

pub(crate) async fn run(context: &mut RecipientContext<'_>) -> Flow {
    if is_for_postmaster(&context.path) {
        return Flow::Next(String::new());
    }
    // Without SIZE (RFC 1870) whoever has room for one byte gets it.
    let size = context.transaction.declared_size.unwrap_or(0).max(1);
    let mut ledger = Ledger::new(context.site, Trust::Numbers);
    let Some(Decision::Accept { targets, .. }) =
        context.routed.as_mut().map(|routed| &mut routed.decision)
    else {
        return Flow::Next(String::new());
    };
    let mut full: Vec<Mailbox> = Vec::new();
    for target in &*targets {
        if let Target::Mailbox {
            domain,
            person,
            address,
            ..
        } = target
            && !ledger.takes(*domain, *person, size)
        {
            full.push(address.clone());
        }
    }
    // A person waits as a whole, with all delivery options.
    for address in &full {
        let is_theirs = |target: &Target| match target {
            Target::Mailbox { address: own, .. } | Target::Option { address: own, .. } => {
                own == address
            }
            Target::Remote { .. } | Target::Refused { .. } => false,
        };
        targets.retain(|target| !is_theirs(target));
        targets.push(Target::Refused {
            address: address.clone(),
            reply: StoredReply(over_quota(address)),
        });
    }
    if full.is_empty() {
        return Flow::Next(String::new());
    }
    let mut refusals = targets.iter().map(|target| match target {
        Target::Refused { reply, .. } => Some(&reply.0),
        _ => None,
    });
    if let Some(refusals) = refusals.by_ref().collect::<Option<Vec<&Reply>>>()
        && let Some(reply) = refusals.iter().find(|reply| reply.code().is_transient())
    {
        return Flow::Answer((*reply).clone());
    }
    let names: Vec<_> = full.iter().map(ToString::to_string).collect();
    Flow::Next(format!("over quota: {}", names.join(", ")))
}

/// What a sender is told of somebody without room.
pub(crate) fn over_quota(address: &Mailbox) -> Reply {
    words::OVER_QUOTA.reply_with(&[("address", &address.to_string())])
}

/// The postmaster can always be written to (`directory.md`, "Domain node").
pub(crate) fn is_for_postmaster(path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Postmaster => true,
        ForwardPath::Mailbox(mailbox) => {
            let localpart = mailbox.localpart();
            localpart.is_postmaster()
                || localpart
                    .subaddress()
                    .is_some_and(|(base, _)| base.is_postmaster())
        }
    }
}
