//! Who may do what with a mailbox.

use mail::{Access, MailboxId, Principal};

use crate::rows::MailboxRow;
use crate::view::{View, ViewExt};
use crate::{Error, Owner, Result, Rights, keys};

/// What an administrator of the domain may do with mailboxes of others: manage, not read.
const MANAGE: Rights = Rights::LOOKUP
    .union(Rights::CREATE)
    .union(Rights::DELETE_MAILBOX)
    .union(Rights::ADMINISTER);

/// The principal's rights on a mailbox.
pub(crate) fn rights<V: View + ?Sized>(
    view: &V,
    access: &Access,
    id: MailboxId,
    row: &MailboxRow,
) -> Result<Rights> {
    match access.principal {
        Principal::System | Principal::Site => Ok(Rights::ALL),
        Principal::Person(person) | Principal::DomainAdministrator(person)
            if row.owner == Owner::Person(person) =>
        {
            Ok(Rights::ALL)
        }
        Principal::Person(person) => given(view, access, id, person),
        Principal::DomainAdministrator(person) => {
            Ok(given(view, access, id, person)?.union(MANAGE))
        }
    }
}

fn given<V: View + ?Sized>(
    view: &V,
    access: &Access,
    id: MailboxId,
    person: mail::PersonId,
) -> Result<Rights> {
    Ok(view
        .row(&keys::acl(access.domain(), id, person))?
        .unwrap_or_default())
}

/// The mailbox, if the principal has all of `need`.
///
/// Without `l` and `r` it is [`Error::NotFound`], as if it did not exist (RFC 4314 §6).
pub(crate) fn mailbox<V: View + ?Sized>(
    view: &V,
    access: &Access,
    id: MailboxId,
    need: Rights,
) -> Result<MailboxRow> {
    let row: MailboxRow = view
        .row(&keys::mailbox(access.domain(), id))?
        .ok_or(Error::NotFound)?;
    let rights = rights(view, access, id, &row)?;
    if !rights.contains(Rights::LOOKUP) && !rights.contains(Rights::READ) {
        return Err(Error::NotFound);
    }
    if rights.contains(need) {
        Ok(row)
    } else {
        Err(Error::Denied)
    }
}

/// May the principal act for this owner as the owner would?
pub(crate) fn act_for(access: &Access, owner: Owner) -> Result<()> {
    match (access.principal, owner) {
        (Principal::System | Principal::Site, _) => Ok(()),
        (
            Principal::Person(person) | Principal::DomainAdministrator(person),
            Owner::Person(owner),
        ) if person == owner => Ok(()),
        _ => Err(Error::NotFound),
    }
}

/// May the principal manage what this owner has, without reading it?
pub(crate) fn manage(access: &Access, owner: Owner) -> Result<()> {
    match access.principal {
        Principal::DomainAdministrator(_) => Ok(()),
        _ => act_for(access, owner),
    }
}

/// Everybody but persons: queue, traces, settings and plugins' state.
pub(crate) fn administer(access: &Access) -> Result<()> {
    match access.principal {
        Principal::Person(_) => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// The server itself and the operator.
pub(crate) fn site(access: &Access) -> Result<()> {
    match access.principal {
        Principal::System | Principal::Site => Ok(()),
        _ => Err(Error::NotFound),
    }
}
