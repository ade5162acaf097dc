//! Step 4 for `postmaster@` (RFC 5321 §4.5.1): it always reaches somebody.
//!
//! The domain's attribute (an address anywhere), else an entry of that address, else the postmaster of the site, else
//! the administrators. One that refuses for good is passed over, so the check of the local part
//! never ends here; the state of the domain did before.

use mail::{Localpart, Mailbox};

use super::unavailable;
use crate::way::{Stop, Walk};
use crate::{DomainFacts, StepName, replies};

pub(crate) fn resolve(
    walk: &mut Walk<'_>,
    address: &Mailbox,
    localpart: Localpart,
    domain: &DomainFacts,
    depth: usize,
) -> Result<(), Stop> {
    if let Some(postmaster) = &domain.postmaster {
        walk.note(
            StepName::Postmaster,
            depth,
            format!("the postmaster of {} is {postmaster}", domain.name),
        );
        if walk.try_visit(postmaster, depth)? {
            return Ok(());
        }
    }
    let own = Mailbox::new(localpart, domain.name.clone());
    let entry = walk.lookup.entry(domain.id, &own);
    let entry =
        entry.map_err(|error| unavailable(walk, StepName::Postmaster, depth, address, &error))?;
    if let Some(entry) = entry {
        walk.note(
            StepName::Postmaster,
            depth,
            format!("{own} has an entry of its own"),
        );
        if walk.try_enter(&own, &entry, domain, depth)? {
            return Ok(());
        }
    }
    if let Some(postmaster) = walk.site.postmaster.clone() {
        walk.note(
            StepName::Postmaster,
            depth,
            format!("the postmaster of the site is {postmaster}"),
        );
        if walk.try_visit(&postmaster, depth)? {
            return Ok(());
        }
    }
    let mut is_reached = false;
    for administrator in &domain.administrators {
        let sentence = format!(
            "{administrator} administers {} and stands in as postmaster",
            domain.name
        );
        walk.note(StepName::Postmaster, depth, sentence);
        is_reached |= walk.try_visit(administrator, depth)?;
    }
    if is_reached {
        Ok(())
    } else {
        Err(replies::no_postmaster().into())
    }
}
