//! Step 5 for groups: state, then delivery options and members.

use super::option;
use crate::way::{Stop, Walk, admitted};
use crate::{Delivery, DomainFacts, GroupFacts, Level, Owner, StepName, replies, standing};

/// A target for each delivery option, and whatever each member leads to.
pub(crate) fn enter(
    walk: &mut Walk<'_>,
    group: &GroupFacts,
    domain: &DomainFacts,
    depth: usize,
) -> Result<(), Stop> {
    let address = &group.mail;
    walk.note(
        StepName::Group,
        depth,
        format!("{address}: group is {}", group.status),
    );
    let levels = [
        (Level::Domain, domain.status),
        (Level::DomainMail, domain.mail_status),
        (Level::Group, group.status),
    ];
    let held = admitted(standing(&levels), address, domain)?;
    walk.hold(held);
    for delivery in &group.deliveries {
        walk.note(
            StepName::Expand,
            depth,
            format!("{address} has the delivery option {}", delivery.option()),
        );
        if !matches!(delivery, Delivery::Members) {
            walk.take(option(
                group.domain,
                Owner::Group(group.id),
                address,
                delivery,
            ));
        } else if group.members.is_empty() && group.deliveries.len() == 1 {
            return Err(replies::list_empty(address).into());
        } else {
            let count = group.members.len();
            walk.note(
                StepName::Expand,
                depth,
                format!("{address} has {count} member(s)"),
            );
            walk.lead_to(&group.members, depth);
        }
    }
    Ok(())
}
