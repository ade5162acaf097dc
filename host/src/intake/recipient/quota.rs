//! Step `quota`: is there room for what SIZE announced? Who is over quota gets a 4xx of its own,
//! before the message comes, and a 5xx after seven days; among several targets it waits in the
//! queue and hurts no other.

use mail::{Access, DomainId, ForwardPath, Mailbox, Reply, Timestamp, limits, words};
use routing::{Decision, StoredReply, Target};
use store::Owner;

use super::super::context::{Flow, RecipientContext};
use super::super::quota::{Ledger, Trust};
use crate::site::{self, Site};

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
    let mut full: Vec<(Mailbox, DomainId, Owner)> = Vec::new();
    for target in &*targets {
        if let Target::Mailbox {
            domain,
            person,
            address,
            ..
        } = target
            && let Some(owner) = ledger.full(*domain, *person, size)
        {
            full.push((address.clone(), *domain, owner));
        }
    }
    // A person waits as a whole, with all delivery options.
    for (address, domain, owner) in &full {
        let is_theirs = |target: &Target| match target {
            Target::Mailbox { address: own, .. } | Target::Option { address: own, .. } => {
                own == address
            }
            Target::Remote { .. } | Target::Refused { .. } => false,
        };
        targets.retain(|target| !is_theirs(target));
        targets.push(Target::Refused {
            address: address.clone(),
            reply: StoredReply(refusal(context.site, address, *domain, *owner).await),
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
        && let Some(reply) = refusals
            .iter()
            .find(|reply| reply.code().is_transient())
            .or_else(|| refusals.first())
    {
        return Flow::Answer((*reply).clone());
    }
    let names: Vec<_> = full
        .iter()
        .map(|(address, ..)| address.to_string())
        .collect();
    Flow::Next(format!("over quota: {}", names.join(", ")))
}

/// What a sender is told of somebody whose mailbox, or whose domain, is full: the first time that
/// is written down, so that it counts from there also after a restart.
async fn refusal(site: &Site, address: &Mailbox, domain: DomainId, owner: Owner) -> Reply {
    let Some(entry) = site.directory.known_domain(domain) else {
        return over_quota(address);
    };
    let access = Access::system(entry.tenant());
    let since = match site.store.full_since(&access, owner) {
        Ok(Some(since)) => Ok(since),
        Ok(None) => site.store.note_full(&access, owner).await,
        Err(error) => Err(error),
    };
    match since {
        Ok(since) => over_quota_since(address, since, site::now()),
        Err(error) => {
            tracing::warn!(%error, "since when somebody is over quota is not known");
            over_quota(address)
        }
    }
}

/// Refused for good once it was full for long enough (`directory.md`, "State").
fn over_quota_since(address: &Mailbox, since: Timestamp, now: Timestamp) -> Reply {
    match now.seconds() - since.seconds() >= limits::OVER_QUOTA_SECONDS {
        true => words::OVER_QUOTA_LONG.reply_with(&[("address", &address.to_string())]),
        false => over_quota(address),
    }
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

#[cfg(test)]
mod tests {
    use mail::{Mailbox, Timestamp, limits};

    use super::over_quota_since;

    #[test]
    fn who_is_full_for_seven_days_is_refused_for_good() {
        let ann = Mailbox::parse("ann@abc.test").expect("an address");
        let since = Timestamp(1_800_000_000_000);
        let reply = |seconds| {
            let reply = over_quota_since(&ann, since, since.plus_seconds(seconds));
            reply.to_string()
        };
        let week = limits::OVER_QUOTA_SECONDS;
        for (after, expected) in [
            (0, "452 4.2.2"),
            (week - 1, "452 4.2.2"),
            (week, "552 5.2.2"),
            (-5, "452 4.2.2"),
        ] {
            let said = reply(after);
            assert!(said.starts_with(expected), "after {after} s: {said}");
        }
    }
}
