//! Step 3: the state of the domain, then of its mail.

use mail::Mailbox;

use crate::way::{Stop, Walk, admitted};
use crate::{DomainFacts, Level, StepName, standing};

/// The level that holds, or the reply of the first that refuses.
pub(crate) fn of_domain(
    walk: &mut Walk<'_>,
    address: &Mailbox,
    domain: &DomainFacts,
    depth: usize,
) -> Result<Option<Level>, Stop> {
    let levels = [
        (Level::Domain, domain.status),
        (Level::DomainMail, domain.mail_status),
    ];
    let sentence = format!(
        "{}: domain is {}, its mail is {}",
        domain.name, domain.status, domain.mail_status
    );
    walk.note(StepName::DomainState, depth, sentence);
    Ok(admitted(standing(&levels), address, domain)?)
}
