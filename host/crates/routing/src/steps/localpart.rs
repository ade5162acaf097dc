//! Step 4: what the local part stands for.
//!
//! ```text
//! postmaster ─> exact ─> under the domain's own name ─> without "+detail" ─> resolve hook
//!            ─> catch-all ─> smart host ─> 550
//! ```

use mail::{Localpart, Mailbox};

use super::{Found, unavailable};
use crate::way::{Pause, Stop, Walk};
use crate::{DomainFacts, Entry, NextHop, StepName, Target, replies};

/// Runs down the list.
pub(crate) fn find(
    walk: &mut Walk<'_>,
    address: &Mailbox,
    domain: &DomainFacts,
    depth: usize,
) -> Result<Found, Stop> {
    let localpart = address.localpart();
    if localpart.is_postmaster() {
        return Ok(Found::Postmaster(localpart.clone()));
    }
    if let Some((entry, found)) = exact_or_rewritten(walk, address, localpart, domain, depth)? {
        return Ok(Found::Entry {
            entry,
            address: found,
            detail: None,
        });
    }
    if let Some((base, detail)) = localpart.subaddress() {
        if base.is_postmaster() {
            return Ok(Found::Postmaster(base));
        }
        if let Some((entry, found)) = exact_or_rewritten(walk, address, &base, domain, depth)? {
            let detail = Some(detail.to_owned());
            return Ok(Found::Entry {
                entry,
                address: found,
                detail,
            });
        }
    }
    walk.note(
        StepName::LocalPart,
        depth,
        format!("{localpart} is nobody in {}", domain.name),
    );
    if let Some(addresses) = by_hook(walk, address, domain, depth)? {
        return Ok(Found::Addresses(addresses));
    }
    if let Some(catch_all) = &domain.catch_all {
        walk.note(
            StepName::LocalPart,
            depth,
            format!("the catch-all of {} is {catch_all}", domain.name),
        );
        return Ok(Found::Addresses(vec![catch_all.clone()]));
    }
    match smart_host(walk, address, domain, depth) {
        Some(target) => Ok(Found::Target(target)),
        None => Err(replies::unknown_user(address).into()),
    }
}

/// The entry with this local part under the domain as written, then under its own name.
fn exact_or_rewritten(
    walk: &mut Walk<'_>,
    address: &Mailbox,
    localpart: &Localpart,
    domain: &DomainFacts,
    depth: usize,
) -> Result<Option<(Entry, Mailbox)>, Stop> {
    let mut names = vec![address.domain()];
    if domain.name != *address.domain() {
        names.push(&domain.name);
    }
    for name in names {
        let candidate = Mailbox::new(localpart.clone(), name.clone());
        let found = walk.lookup.entry(domain.id, &candidate);
        let found = found
            .map_err(|error| unavailable(walk, StepName::LocalPart, depth, address, &error))?;
        if let Some(entry) = found {
            let what = match &entry {
                Entry::Person(person) => format!("the person {}", person.mail),
                Entry::Group(group) => format!("the group {}", group.mail),
                Entry::Alias(_) => "an alias".to_owned(),
            };
            walk.note(StepName::LocalPart, depth, format!("{candidate} is {what}"));
            return Ok(Some((entry, candidate)));
        }
    }
    Ok(None)
}

/// What the domain's `resolve` hook makes of it; `None` where it knows nothing or is not bound.
fn by_hook(
    walk: &mut Walk<'_>,
    address: &Mailbox,
    domain: &DomainFacts,
    depth: usize,
) -> Result<Option<Vec<Mailbox>>, Stop> {
    if !walk.site.resolving.contains(&domain.id) {
        return Ok(None);
    }
    let Some(addresses) = walk.answers.resolved.get(&address.key()) else {
        return Err(Stop::Pause(Pause::Resolve(address.clone())));
    };
    if addresses.is_empty() {
        walk.note(
            StepName::LocalPart,
            depth,
            "the resolve hook knows no such address".to_owned(),
        );
        return Ok(None);
    }
    let count = addresses.len();
    walk.note(
        StepName::LocalPart,
        depth,
        format!("the resolve hook names {count} address(es)"),
    );
    Ok(Some(addresses.clone()))
}

/// The host that knows the people who are not here. It gets no local part that could be an
/// address of its own (`user%other`, `other!user`, `"user@other"`): to that host they come from
/// a friend, and it would relay them (RFC 5321 appendices C and F).
fn smart_host(
    walk: &mut Walk<'_>,
    address: &Mailbox,
    domain: &DomainFacts,
    depth: usize,
) -> Option<Target> {
    let host = domain.smart_host.clone()?;
    if address.localpart().as_str().contains(['%', '!', '@']) {
        let sentence =
            "the local part names another host; the smart host does not get it".to_owned();
        walk.note(StepName::LocalPart, depth, sentence);
        return None;
    }
    walk.note(
        StepName::LocalPart,
        depth,
        format!("the smart host {host} knows the others of {}", domain.name),
    );
    let address = Mailbox::new(address.localpart().clone(), domain.name.clone());
    let channel = crate::routes::SMTP.to_owned();
    Some(Target::Remote {
        address,
        channel,
        next_hop: NextHop::Host(host),
    })
}
