//! The replies of the way, from the table of texts.

use mail::{Class, Domain, EnhancedStatus, Mailbox, Reply, words};

use crate::{DomainFacts, Level, State};

fn about(word: &words::Word, address: &Mailbox) -> Reply {
    word.reply_with(&[("address", &address.to_string())])
}

pub(crate) fn relaying_denied(address: &Mailbox) -> Reply {
    about(&words::RELAYING_DENIED, address)
}

pub(crate) fn unknown_domain(domain: &Domain) -> Reply {
    words::UNKNOWN_DOMAIN.reply_with(&[("domain", domain.as_str())])
}

pub(crate) fn takes_no_mail(domain: &Domain) -> Reply {
    words::DOMAIN_TAKES_NO_MAIL.reply_with(&[("domain", domain.as_str())])
}

pub(crate) fn address_literal(address: &Mailbox) -> Reply {
    about(&words::ADDRESS_LITERAL, address)
}

pub(crate) fn unknown_user(address: &Mailbox) -> Reply {
    about(&words::UNKNOWN_USER, address)
}

pub(crate) fn unavailable(address: &Mailbox) -> Reply {
    about(&words::DIRECTORY_UNAVAILABLE, address)
}

pub(crate) fn over_quota(address: &Mailbox) -> Reply {
    about(&words::OVER_QUOTA, address)
}

/// A refusing state. While the domain itself is disabled its own text is the answer.
pub(crate) fn state(address: &Mailbox, domain: &DomainFacts, level: Level, state: State) -> Reply {
    let is_domain = matches!(level, Level::Domain | Level::DomainMail);
    match (state, &domain.disabled_text) {
        (State::Disabled, Some(text)) if is_domain => {
            Reply::new(550, EnhancedStatus::new(Class::Permanent, 2, 1), text)
        }
        (State::Disabled, _) => about(&words::DISABLED, address),
        (State::Deleted | State::Removed, _) => about(&words::DELETED, address),
        // Only refusing states come here; an unforeseen one is answered as the mildest.
        _ => about(&words::INACTIVE, address),
    }
}

pub(crate) fn address_loop(address: &Mailbox) -> Reply {
    about(&words::ADDRESS_LOOP, address)
}

pub(crate) fn list_too_large(address: &Mailbox) -> Reply {
    about(&words::LIST_TOO_LARGE, address)
}

pub(crate) fn list_empty(address: &Mailbox) -> Reply {
    about(&words::LIST_EMPTY, address)
}

pub(crate) fn no_postmaster() -> Reply {
    words::NO_POSTMASTER.reply()
}
