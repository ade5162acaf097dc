//! Step 1: is the domain hosted here, under its name or an alias?

use std::sync::Arc;

use mail::Mailbox;

use super::unavailable;
use crate::way::{Stop, Walk};
use crate::{DomainFacts, StepName};

/// The hosted domain of the address, if it is one. Case, Unicode form and trailing dots were
/// settled when the address was parsed.
pub(crate) fn find(
    walk: &mut Walk<'_>,
    address: &Mailbox,
    depth: usize,
) -> Result<Option<Arc<DomainFacts>>, Stop> {
    let name = address.domain();
    let found = walk.lookup.domain(name);
    let found =
        found.map_err(|error| unavailable(walk, StepName::Domain, depth, address, &error))?;
    let sentence = match &found {
        Some(domain) if domain.name == *name => format!("{name} is hosted here"),
        Some(domain) => format!("{name} is hosted here, as an alias of {}", domain.name),
        None => format!("{name} is not hosted here"),
    };
    walk.note(StepName::Domain, depth, sentence);
    Ok(found)
}
