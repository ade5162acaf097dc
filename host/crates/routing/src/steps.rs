//! The steps of the message way, one file each.

pub(crate) mod domain;
pub(crate) mod group;
pub(crate) mod localpart;
pub(crate) mod person;
pub(crate) mod postmaster;
pub(crate) mod relay;
pub(crate) mod state;

#[cfg(test)]
mod tests;

use mail::{Localpart, Mailbox};

use crate::way::{Stop, Walk};
use crate::{Delivery, Entry, Owner, StepName, Target, Unavailable, replies};

/// What a local part stands for.
pub(crate) enum Found {
    /// A person, group or alias, under this address; what stood behind the `+`.
    Entry {
        entry: Entry,
        address: Mailbox,
        detail: Option<String>,
    },
    /// Other addresses, which take the way themselves.
    Addresses(Vec<Mailbox>),
    /// Another host.
    Target(Target),
    /// The postmaster of the domain; the local part without `+detail`.
    Postmaster(Localpart),
}

/// The directory cannot answer: 451, never "unknown".
pub(crate) fn unavailable(
    walk: &mut Walk<'_>,
    step: StepName,
    depth: usize,
    address: &Mailbox,
    error: &Unavailable,
) -> Stop {
    walk.note(step, depth, error.to_string());
    Stop::Reply(replies::unavailable(address))
}

/// The target of an option that a plugin serves.
fn option(domain: mail::DomainId, owner: Owner, address: &Mailbox, delivery: &Delivery) -> Target {
    Target::Option {
        domain,
        owner,
        address: address.clone(),
        delivery: delivery.clone(),
    }
}
