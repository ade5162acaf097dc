//! From a change to the rows and the domain as it will be, or to what is wrong with it.
//!
//! Pure: nothing is written here, so a change that is refused has touched nothing.

mod apply;

use std::collections::BTreeSet;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Principal, Secret, Timestamp};
use routing::{Entry, State};

use super::tables::Row;
use super::{check, rights};
use crate::change::{
    Change, Changed, DomainChanges, GroupChanges, NewAlias, NewDomain, NewGroup, NewPerson,
    PersonChanges, Set,
};
use crate::snapshot::{DomainView, uid_key};
use crate::{
    AdminError, AliasEntry, DomainEntry, GroupEntry, PersonEntry, ServiceAccess, Snapshot,
};

/// What a change needs to be planned.
pub(super) struct Planner<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) by: Principal,
    pub(super) now: Timestamp,
    /// The id that a new entry gets.
    pub(super) next_id: u64,
    /// The hash of the password of the change, where it has one.
    pub(super) hash: Option<Secret<String>>,
    /// The approved list of programs, where one is configured.
    pub(super) programs: Option<&'a BTreeSet<String>>,
}

/// What a change comes to.
pub(super) struct Plan {
    /// Its domain as it will be.
    pub(super) view: DomainView,
    pub(super) rows: Vec<Row>,
    pub(super) changed: Changed,
    /// Was `next_id` used?
    pub(super) took_id: bool,
}

impl Plan {
    fn new(view: DomainView, rows: Vec<Row>, changed: Changed) -> Self {
        Self {
            view,
            rows,
            changed,
            took_id: false,
        }
    }

    fn with_new_id(self) -> Self {
        Self {
            took_id: true,
            ..self
        }
    }
}

impl Planner<'_> {
    /// Checks a change against everything that is there.
    pub(super) fn plan(&self, change: &Change) -> Result<Plan, AdminError> {
        match change {
            Change::AddDomain(new) => self.add_domain(new),
            Change::RemoveDomain(name) => self.remove_domain(name),
            Change::SetDomain(name, changes) => self.set_domain(self.view(name, change)?, changes),
            Change::AddPerson(new) => self.add_person(self.home(&new.mail, change)?, new),
            Change::SetPerson(at, changes) => {
                let view = self.home(at, change)?;
                let entry = person_at(&view, at)?;
                self.set_person(view, entry, changes)
            }
            Change::SetPassword(at, password) => {
                check::password(password.expose_secret())?;
                let view = self.home(at, change)?;
                let entry = person_at(&view, at)?;
                Ok(self.set_password(view, entry))
            }
            Change::SetPasswordHashes(at, hashes) => {
                rights::site_only(self.by)?;
                let view = self.home(at, change)?;
                let entry = person_at(&view, at)?;
                check::hashes(at, hashes)?;
                Ok(self.set_hashes(view, entry, hashes.clone()))
            }
            Change::RemovePerson(at) => {
                let view = self.home(at, change)?;
                let entry = person_at(&view, at)?;
                remove_person(view, &entry)
            }
            Change::AddGroup(new) => self.add_group(self.home(&new.mail, change)?, new),
            Change::SetGroup(at, changes) => {
                let view = self.home(at, change)?;
                let entry = group_at(&view, at)?;
                self.set_group(view, entry, changes)
            }
            Change::RemoveGroup(at) => {
                let mut view = self.home(at, change)?;
                let GroupEntry { domain, id, .. } = group_at(&view, at)?;
                view.remove_group(id);
                Ok(Plan::new(
                    view,
                    vec![Row::NoGroup(domain, id)],
                    Changed::Group(domain, id),
                ))
            }
            Change::AddAlias(new) => self.add_alias(self.home(&new.address, change)?, new),
            Change::SetAlias(new) => self.set_alias(self.home(&new.address, change)?, new),
            Change::RemoveAlias(at) => {
                let mut view = self.home(at, change)?;
                let AliasEntry {
                    domain, address, ..
                } = alias_at(&view, at)?;
                view.remove_alias(&address);
                Ok(Plan::new(
                    view,
                    vec![Row::NoAlias(domain, address.key())],
                    Changed::Alias(domain),
                ))
            }
        }
    }

    /// The domain of this name, if the caller may do this in it.
    fn view(&self, name: &Domain, change: &Change) -> Result<DomainView, AdminError> {
        let view = self.snapshot.view_named(name)?;
        rights::inside(self.snapshot, self.by, name, view, change)?;
        Ok(DomainView::clone(view))
    }

    fn home(&self, address: &Mailbox, change: &Change) -> Result<DomainView, AdminError> {
        self.view(address.domain(), change)
    }

    fn add_domain(&self, new: &NewDomain) -> Result<Plan, AdminError> {
        rights::site_only(self.by)?;
        let parent = new
            .under
            .as_ref()
            .map(|name| self.snapshot.domain(name))
            .transpose()?;
        let mut entry = DomainEntry {
            id: DomainId(self.next_id),
            name: new.name.clone(),
            aliases: Vec::new(),
            parent: parent.map(|parent| parent.id),
            status: State::Active,
            mail_status: State::Active,
            services: ServiceAccess::Everything,
            administrators: Vec::new(),
            postmaster: None,
            catch_all: None,
            smart_host: None,
            service_names: Vec::new(),
            quota_bytes: crate::Quota::Default,
            quota_messages: crate::Quota::Default,
            quota_people: crate::Quota::Default,
            disabled_text: None,
            people_may_file: false,
            created: self.now,
            changed: self.now,
        };
        apply::domain(&mut entry, &new.attributes);
        self.check_domain(&entry)?;
        let rows = vec![Row::Domain(Box::new(entry.clone()))];
        let changed = Changed::Domain(entry.id);
        Ok(Plan::new(DomainView::new(entry), rows, changed).with_new_id())
    }

    fn set_domain(&self, view: DomainView, changes: &DomainChanges) -> Result<Plan, AdminError> {
        let mut entry = DomainEntry::clone(&view.entry);
        apply::domain(&mut entry, changes);
        entry.changed = self.now;
        if entry.administrators.is_empty() && !view.entry.administrators.is_empty() {
            return Err(last_administrator(&entry));
        }
        self.check_domain(&entry)?;
        // A name that goes must not leave addresses behind that nobody can reach.
        for alias in view
            .entry
            .aliases
            .iter()
            .filter(|alias| !entry.aliases.contains(alias))
        {
            if let Some(address) = view.addresses_in(alias).next() {
                return Err(AdminError::invalid(
                    format!("the alias {alias} is still used by {address}"),
                    "take that address away first",
                ));
            }
        }
        let rows = vec![Row::Domain(Box::new(entry.clone()))];
        let changed = Changed::Domain(entry.id);
        Ok(Plan::new(view.with_entry(entry), rows, changed))
    }

    /// Its rows stay until the purge: without them the answer would become "relaying denied".
    fn remove_domain(&self, name: &Domain) -> Result<Plan, AdminError> {
        rights::site_only(self.by)?;
        let view = DomainView::clone(self.snapshot.view_named(name)?);
        let changes = DomainChanges {
            status: Set::To(State::Deleted),
            ..DomainChanges::default()
        };
        self.set_domain(view, &changes)
    }

    /// Values, and names that others hold.
    fn check_domain(&self, entry: &DomainEntry) -> Result<(), AdminError> {
        check::domain(entry)?;
        for name in entry.names().chain(&entry.service_names) {
            let holders = [
                self.snapshot.domain(name),
                self.snapshot.domain_by_service_name(name),
            ];
            if let Some(holder) = holders
                .into_iter()
                .flatten()
                .find(|holder| holder.id != entry.id)
            {
                return Err(check::taken(name, &holder));
            }
        }
        Ok(())
    }

    fn add_person(&self, view: DomainView, new: &NewPerson) -> Result<Plan, AdminError> {
        if let Some(password) = &new.password {
            check::password(password.expose_secret())?;
        }
        check::room_for_person(&view.entry, view.people.len())?;
        let mut entry = PersonEntry {
            id: PersonId(self.next_id),
            domain: view.entry.id,
            uid: new.mail.localpart().key(),
            mail: new.mail.clone(),
            name: None,
            alternate_addresses: Vec::new(),
            equivalent_addresses: Vec::new(),
            password_hashes: self.hash.clone().into_iter().collect(),
            status: State::Active,
            mail_status: State::Active,
            services: ServiceAccess::Everything,
            delivery_options: Vec::new(),
            forwarding_addresses: Vec::new(),
            autoreply: routing::Autoreply::default(),
            program: None,
            file: None,
            shared: None,
            message_store: crate::model::primary(),
            routing_address: None,
            quota_bytes: crate::Quota::Default,
            quota_messages: crate::Quota::Default,
            language: None,
            roles: Vec::new(),
            created: self.now,
            changed: self.now,
        };
        apply::person(&mut entry, &new.attributes);
        Ok(self.put_person(view, entry)?.with_new_id())
    }

    fn set_person(
        &self,
        view: DomainView,
        mut entry: PersonEntry,
        changes: &PersonChanges,
    ) -> Result<Plan, AdminError> {
        apply::person(&mut entry, changes);
        self.put_person(view, entry)
    }

    fn set_password(&self, view: DomainView, entry: PersonEntry) -> Plan {
        self.set_hashes(view, entry, self.hash.clone().into_iter().collect())
    }

    fn set_hashes(
        &self,
        mut view: DomainView,
        mut entry: PersonEntry,
        hashes: Vec<Secret<String>>,
    ) -> Plan {
        entry.password_hashes = hashes;
        entry.changed = self.now;
        let changed = Changed::Person(entry.domain, entry.id);
        view.insert_person(entry.clone());
        Plan::new(view, vec![Row::Person(Box::new(entry))], changed)
    }

    fn put_person(&self, mut view: DomainView, mut entry: PersonEntry) -> Result<Plan, AdminError> {
        entry.changed = self.now;
        entry.uid = uid_key(&entry.uid);
        check::person(&entry, &view.entry, self.programs)?;
        free(
            &view,
            entry.addresses(),
            |holder| matches!(holder, Entry::Person(own) if own.id == entry.id),
        )?;
        match view.uids.get(&entry.uid) {
            Some(holder) if *holder != entry.id => {
                let by = view
                    .people
                    .get(holder)
                    .map(|holder| format!("the login name of {}", holder.mail));
                return Err(AdminError::Taken {
                    name: entry.uid,
                    by: by.unwrap_or_default(),
                });
            }
            _ => {}
        }
        let changed = Changed::Person(entry.domain, entry.id);
        view.insert_person(entry.clone());
        Ok(Plan::new(view, vec![Row::Person(Box::new(entry))], changed))
    }

    fn add_group(&self, view: DomainView, new: &NewGroup) -> Result<Plan, AdminError> {
        let mut entry = GroupEntry {
            id: GroupId(self.next_id),
            domain: view.entry.id,
            mail: new.mail.clone(),
            name: None,
            alternate_addresses: Vec::new(),
            members: Vec::new(),
            status: State::Active,
            delivery_options: Vec::new(),
            shared: None,
            forwarding_addresses: Vec::new(),
            program: None,
            file: None,
            created: self.now,
            changed: self.now,
        };
        apply::group(&mut entry, &new.attributes);
        Ok(self.put_group(view, entry)?.with_new_id())
    }

    fn set_group(
        &self,
        view: DomainView,
        mut entry: GroupEntry,
        changes: &GroupChanges,
    ) -> Result<Plan, AdminError> {
        apply::group(&mut entry, changes);
        self.put_group(view, entry)
    }

    fn put_group(&self, mut view: DomainView, mut entry: GroupEntry) -> Result<Plan, AdminError> {
        entry.changed = self.now;
        check::group(&entry, &view.entry, self.programs)?;
        free(
            &view,
            entry.addresses(),
            |holder| matches!(holder, Entry::Group(own) if own.id == entry.id),
        )?;
        if let Some(shared) = &entry.shared {
            let same = |other: &&std::sync::Arc<GroupEntry>| {
                let name = other.shared.as_ref().map(|shared| uid_key(&shared.name));
                other.id != entry.id && name == Some(uid_key(&shared.name))
            };
            if let Some(holder) = view.groups.values().find(same) {
                let by = format!("the shared mailbox of {}", holder.mail);
                return Err(AdminError::Taken {
                    name: shared.name.clone(),
                    by,
                });
            }
        }
        let changed = Changed::Group(entry.domain, entry.id);
        view.insert_group(entry.clone());
        Ok(Plan::new(view, vec![Row::Group(Box::new(entry))], changed))
    }

    fn add_alias(&self, view: DomainView, new: &NewAlias) -> Result<Plan, AdminError> {
        free(&view, std::iter::once(&new.address), |_| false)?;
        self.put_alias(view, new, self.now)
    }

    fn set_alias(&self, view: DomainView, new: &NewAlias) -> Result<Plan, AdminError> {
        let created = alias_at(&view, &new.address)?.created;
        self.put_alias(view, new, created)
    }

    fn put_alias(
        &self,
        mut view: DomainView,
        new: &NewAlias,
        created: Timestamp,
    ) -> Result<Plan, AdminError> {
        check::targets(&new.address, &new.targets)?;
        let (address, targets) = (new.address.clone(), new.targets.clone());
        let entry = AliasEntry {
            domain: view.entry.id,
            address,
            targets,
            created,
        };
        let changed = Changed::Alias(entry.domain);
        view.insert_alias(entry.clone());
        Ok(Plan::new(view, vec![Row::Alias(Box::new(entry))], changed))
    }
}

/// The person goes, and with it every right that hung on its addresses: whoever gets one of
/// them later is somebody else.
fn remove_person(mut view: DomainView, entry: &PersonEntry) -> Result<Plan, AdminError> {
    let (domain, id) = (entry.domain, entry.id);
    let is_own = |address: &Mailbox| entry.addresses().any(|own| own.key() == address.key());
    let mut rows = vec![Row::NoPerson(domain, id)];
    let mut home = DomainEntry::clone(&view.entry);
    if home.administrators.iter().any(is_own) {
        home.administrators
            .retain(|administrator| !is_own(administrator));
        // Nobody administers a deleted domain, and its purge removes everybody.
        if home.administrators.is_empty() && home.status != State::Deleted {
            return Err(last_administrator(&home));
        }
        rows.push(Row::Domain(Box::new(home.clone())));
        view = view.with_entry(home);
    }
    let groups: Vec<_> = view
        .groups
        .values()
        .filter(|group| group.members.iter().any(is_own))
        .cloned()
        .collect();
    for group in groups {
        let mut group = GroupEntry::clone(&group);
        group.members.retain(|member| !is_own(member));
        rows.push(Row::Group(Box::new(group.clone())));
        view.insert_group(group);
    }
    view.remove_person(id);
    Ok(Plan::new(view, rows, Changed::Person(domain, id)))
}

fn last_administrator(domain: &DomainEntry) -> AdminError {
    AdminError::invalid(
        format!("{} would have no administrator left", domain.name),
        format!(
            "name another first: `postroom domain set {} administrators=ADDRESS`",
            domain.name
        ),
    )
}

/// Every address is free, or held by the entry itself.
fn free<'a>(
    view: &DomainView,
    mut addresses: impl Iterator<Item = &'a Mailbox>,
    is_own: impl Fn(&Entry) -> bool,
) -> Result<(), AdminError> {
    let held = addresses.find_map(|address| {
        view.at(address)
            .filter(|holder| !is_own(holder))
            .map(|holder| (address, holder))
    });
    let Some((address, holder)) = held else {
        return Ok(());
    };
    let by = match holder {
        Entry::Person(person) => format!("an address of the person {}", person.mail),
        Entry::Group(group) => format!("an address of the group {}", group.mail),
        Entry::Alias(_) => "an alias".to_owned(),
    };
    Err(AdminError::Taken {
        name: address.to_string(),
        by,
    })
}

fn person_at(view: &DomainView, address: &Mailbox) -> Result<PersonEntry, AdminError> {
    let person = match view.find(address) {
        Some(Entry::Person(facts)) => view.people.get(&facts.id),
        _ => None,
    };
    person
        .map(|entry| PersonEntry::clone(entry))
        .ok_or_else(|| AdminError::NotFound(format!("user {address}")))
}

fn group_at(view: &DomainView, address: &Mailbox) -> Result<GroupEntry, AdminError> {
    let group = match view.find(address) {
        Some(Entry::Group(facts)) => view.groups.get(&facts.id),
        _ => None,
    };
    group
        .map(|entry| GroupEntry::clone(entry))
        .ok_or_else(|| AdminError::NotFound(format!("group {address}")))
}

fn alias_at(view: &DomainView, address: &Mailbox) -> Result<AliasEntry, AdminError> {
    let alias = view.aliases.get(&address.key());
    alias
        .map(|entry| AliasEntry::clone(entry))
        .ok_or_else(|| AdminError::NotFound(format!("alias {address}")))
}
