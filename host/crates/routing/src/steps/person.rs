//! Step 5 for people: state, then routing address or delivery options.

use mail::Mailbox;

use super::option;
use crate::way::{Stop, Walk, admitted};
use crate::{Delivery, DomainFacts, Level, Owner, PersonFacts, StepName, Target, standing};

/// A target for each delivery option.
pub(crate) fn enter(
    walk: &mut Walk<'_>,
    person: &PersonFacts,
    domain: &DomainFacts,
    detail: Option<String>,
    depth: usize,
) -> Result<(), Stop> {
    let address = &person.mail;
    let sentence = format!(
        "{address}: person is {}, mail is {}",
        person.status, person.mail_status
    );
    walk.note(StepName::Person, depth, sentence);
    let levels = [
        (Level::Domain, domain.status),
        (Level::DomainMail, domain.mail_status),
        (Level::Person, person.status),
        (Level::PersonMail, person.mail_status),
    ];
    let held = admitted(standing(&levels), address, domain)?;
    walk.hold(held);
    if let Some(elsewhere) = &person.routing_address {
        leave(walk, address, elsewhere, depth);
        return Ok(());
    }
    for delivery in &person.deliveries {
        walk.note(
            StepName::Expand,
            depth,
            format!("{address} has the delivery option {}", delivery.option()),
        );
        walk.take(match delivery {
            Delivery::Mailbox { store } => Target::Mailbox {
                domain: person.domain,
                person: person.id,
                address: address.clone(),
                store: store.clone(),
                detail: detail.clone(),
            },
            delivery => option(person.domain, Owner::Person(person.id), address, delivery),
        });
    }
    Ok(())
}

/// `mailRoutingAddress` ends processing: no option is looked at.
fn leave(walk: &mut Walk<'_>, address: &Mailbox, elsewhere: &Mailbox, depth: usize) {
    walk.note(
        StepName::Expand,
        depth,
        format!("mail for {address} goes to its routing address {elsewhere}"),
    );
    walk.lead_to(std::slice::from_ref(elsewhere), depth);
}
