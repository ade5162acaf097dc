//! Who may change what.

use mail::{Domain, PersonId, Principal};
use routing::{DeliveryOption, Entry};

use crate::change::{Change, DomainChanges, PersonChanges};
use crate::snapshot::DomainView;
use crate::{AdminError, PersonEntry, Snapshot};

/// What a domain administrator may set of the domain itself.
const OF_DOMAIN_ADMINISTRATOR: [&str; 3] = ["administrators", "postmaster", "catch_all"];
/// What only site and provider may set of people.
const OF_SITE: [&str; 2] = ["message_store", "roles"];
/// What people may set of themselves.
const OF_PERSON: [&str; 5] = [
    "delivery_options",
    "forwarding_addresses",
    "autoreply",
    "language",
    "name",
];
/// The options that people may switch themselves.
const OPTIONS_OF_PERSON: [DeliveryOption; 3] = [
    DeliveryOption::Mailbox,
    DeliveryOption::Autoreply,
    DeliveryOption::Forward,
];

/// A change that only the site makes: new domains and their removal.
pub(super) fn site_only(by: Principal) -> Result<(), AdminError> {
    match by {
        Principal::System | Principal::Site => Ok(()),
        _ => Err(AdminError::Denied(
            "only the operator of the site may add or remove domains".to_owned(),
        )),
    }
}

/// May the caller do this inside the domain? Foreign domains look as if they were not there.
pub(super) fn inside(
    snapshot: &Snapshot,
    by: Principal,
    asked: &Domain,
    view: &DomainView,
    change: &Change,
) -> Result<(), AdminError> {
    // Under the name that was asked for: the entry's own would tell whose alias it is.
    let hidden = || Err(AdminError::NotFound(format!("domain {asked}")));
    match by {
        Principal::System | Principal::Site => Ok(()),
        Principal::DomainAdministrator(person) => {
            if !administers(snapshot, view, person) {
                return hidden();
            }
            spares_the_site(view, person, change)?;
            as_administrator(change)
        }
        Principal::Person(person) => match view.people.get(&person) {
            Some(entry) => as_person(entry, change),
            None => hidden(),
        },
    }
}

/// Is this person named as an administrator of the domain?
fn administers(snapshot: &Snapshot, view: &DomainView, person: PersonId) -> bool {
    view.entry.administrators.iter().any(|address| {
        let home = snapshot.view_named(address.domain());
        home.is_ok_and(
            |home| matches!(home.at(address), Some(Entry::Person(facts)) if facts.id == person),
        )
    })
}

/// Whoever administers more than this domain is not at the mercy of its administrators: a new
/// password would hand the whole site to them.
fn spares_the_site(view: &DomainView, by: PersonId, change: &Change) -> Result<(), AdminError> {
    let (Change::SetPerson(address, _)
    | Change::SetPassword(address, _)
    | Change::SetPasswordHashes(address, _)
    | Change::RemovePerson(address)) = change
    else {
        return Ok(());
    };
    let target = match view.find(address) {
        Some(Entry::Person(facts)) => view.people.get(&facts.id),
        _ => None,
    };
    match target {
        Some(target) if target.id != by && !target.roles.is_empty() => Err(AdminError::Denied(
            format!("{address} administers the site: only its operator may change that person"),
        )),
        _ => Ok(()),
    }
}

fn as_administrator(change: &Change) -> Result<(), AdminError> {
    let touched = match change {
        Change::SetDomain(_, changes) => beyond(&changes.touched(), |name| {
            OF_DOMAIN_ADMINISTRATOR.contains(&name)
        }),
        Change::SetPerson(_, changes) => {
            beyond(&changes.touched(), |name| !OF_SITE.contains(&name))
        }
        Change::AddPerson(new) => {
            beyond(&new.attributes.touched(), |name| !OF_SITE.contains(&name))
        }
        _ => None,
    };
    match touched {
        None => Ok(()),
        Some(name) => Err(AdminError::Denied(format!(
            "only the operator of the site may set '{name}'"
        ))),
    }
}

fn as_person(own: &PersonEntry, change: &Change) -> Result<(), AdminError> {
    let is_own =
        |address: &mail::Mailbox| own.addresses().any(|known| known.key() == address.key());
    match change {
        Change::SetPassword(address, _) if is_own(address) => Ok(()),
        Change::SetPerson(address, changes) if is_own(address) => {
            if let Some(name) = beyond(&changes.touched(), |name| OF_PERSON.contains(&name)) {
                return Err(AdminError::Denied(format!(
                    "only an administrator may set '{name}'"
                )));
            }
            options_of_person(own, changes)
        }
        _ => Err(AdminError::Denied(
            "only an administrator may do this".to_owned(),
        )),
    }
}

/// `program`, `file` and `shared` stay as an administrator set them.
fn options_of_person(own: &PersonEntry, changes: &PersonChanges) -> Result<(), AdminError> {
    let granted = |options: &[DeliveryOption]| -> Vec<DeliveryOption> {
        let mut granted: Vec<_> = options
            .iter()
            .copied()
            .filter(|option| !OPTIONS_OF_PERSON.contains(option))
            .collect();
        granted.sort_unstable();
        granted
    };
    let wanted = match &changes.delivery_options {
        crate::Set::Keep => return Ok(()),
        crate::Set::Clear => Vec::new(),
        crate::Set::To(options) => granted(options),
    };
    if wanted == granted(&own.delivery_options) {
        return Ok(());
    }
    Err(AdminError::Denied(
        "only an administrator may switch program, file and shared".to_owned(),
    ))
}

fn beyond(touched: &[&'static str], may: impl Fn(&str) -> bool) -> Option<&'static str> {
    touched.iter().copied().find(|name| !may(name))
}

/// For the audit trail: who it was.
pub(crate) fn who(by: Principal) -> String {
    match by {
        Principal::System => "system".to_owned(),
        Principal::Site => "site".to_owned(),
        Principal::DomainAdministrator(person) => format!("administrator {person}"),
        Principal::Person(person) => format!("person {person}"),
    }
}

/// For the audit trail: what it was, without values.
pub(super) fn act(change: &Change) -> String {
    let of = |changes: Vec<&'static str>| {
        if changes.is_empty() {
            String::new()
        } else {
            format!(": {}", changes.join(", "))
        }
    };
    let attributes = |changes: &DomainChanges| of(changes.touched());
    match change {
        Change::AddDomain(new) => format!("add domain {}{}", new.name, attributes(&new.attributes)),
        Change::SetDomain(name, changes) => format!("set domain {name}{}", attributes(changes)),
        Change::RemoveDomain(name) => format!("remove domain {name}"),
        Change::AddPerson(new) => format!("add user {}{}", new.mail, of(new.attributes.touched())),
        Change::SetPerson(address, changes) => {
            format!("set user {address}{}", of(changes.touched()))
        }
        Change::SetPassword(address, _) | Change::SetPasswordHashes(address, _) => {
            format!("set password of {address}")
        }
        Change::RemovePerson(address) => format!("remove user {address}"),
        Change::AddGroup(new) => format!("add group {}{}", new.mail, of(new.attributes.touched())),
        Change::SetGroup(address, changes) => {
            format!("set group {address}{}", of(changes.touched()))
        }
        Change::RemoveGroup(address) => format!("remove group {address}"),
        Change::AddAlias(new) => format!("add alias {}", new.address),
        Change::SetAlias(new) => format!("set alias {}", new.address),
        Change::RemoveAlias(address) => format!("remove alias {address}"),
    }
}
