//! From an entry of the server to an entry of the directory.
//!
//! Attributes are found whatever case the server writes them in (attack A10). A value that makes
//! no sense does what `directory.md` says of stored values: an illegal state is inactive, an
//! unreadable service rule denies all, an unknown delivery option is dropped, each with a
//! warning. An entry that cannot stand for anybody is an error, and whoever asked for it gets
//! "not now" rather than "no such user".

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use ldap3::SearchEntry;
use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Timestamp};
use routing::{Autoreply, AutoreplyMode, State};

use super::dn::Dn;
use super::settings::{Attributes, Classes, Layout};
use crate::{
    AliasEntry, DomainEntry, GroupEntry, PersonEntry, Quota, ServiceAccess, SharedMailbox, model,
};

/// Bytes of all values of one entry; more is refused (attack A10).
const ENTRY_BYTES: usize = 1024 * 1024;
/// Values of one attribute that are read.
const VALUES: usize = mail::limits::EXPANSION_TARGETS;

/// An entry as the server has it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) dn: String,
    /// By name in lower case.
    attributes: HashMap<String, Vec<String>>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Domain,
    Person,
    Group,
    Alias,
}

impl Classes {
    /// The classes of one kind.
    pub(super) fn of(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::Domain => &self.domain,
            Kind::Person => &self.person,
            Kind::Group => &self.group,
            Kind::Alias => &self.alias,
        }
    }
}

impl From<SearchEntry> for Entry {
    fn from(found: SearchEntry) -> Self {
        let lower = |(name, values): (String, _)| (name.to_lowercase(), values);
        Self {
            dn: found.dn,
            attributes: found.attrs.into_iter().map(lower).collect(),
        }
    }
}

impl Entry {
    /// All values of an attribute.
    pub(super) fn values(&self, name: &str) -> &[String] {
        self.attributes
            .get(&name.to_lowercase())
            .map_or(&[], Vec::as_slice)
    }

    /// The value of an attribute that has one.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        if values.len() > 1 {
            tracing::warn!(
                dn = self.dn,
                attribute = name,
                "several values where one belongs"
            );
        }
        values.first().map(String::as_str)
    }

    /// The values as `T`; those that are none are dropped with a warning.
    fn read<T: FromStr<Err: Display>>(&self, name: &str) -> Vec<T> {
        let mut values = self.values(name);
        if values.len() > VALUES {
            tracing::warn!(
                dn = self.dn,
                attribute = name,
                "more values than are read: {VALUES}"
            );
            values = &values[..VALUES];
        }
        let one = |value: &String| match value.trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::warn!(dn = self.dn, attribute = name, value, %error, "a value is dropped");
                None
            }
        };
        values.iter().filter_map(one).collect()
    }

    fn one<T: FromStr<Err: Display>>(&self, name: &str) -> Option<T> {
        self.read(name).into_iter().next()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(str::to_owned)
    }

    /// A state. `hold` has no effect yet: to defer loses nothing, to deliver would.
    fn state(&self, name: &str) -> State {
        match State::read(self.value(name).map(str::trim)) {
            State::Hold => {
                tracing::warn!(
                    dn = self.dn,
                    attribute = name,
                    "'hold' is taken as 'inactive' in this version"
                );
                State::Inactive
            }
            state => state,
        }
    }

    /// `-1` unlimited, `-2` (of the schema) and nothing the default.
    fn quota(&self, name: &str) -> Quota {
        let number = self.one::<i64>(name).filter(|&number| number != -2);
        Quota::try_from(number).unwrap_or_else(|problem| {
            tracing::warn!(
                dn = self.dn,
                attribute = name,
                problem,
                "a quota is dropped"
            );
            Quota::Default
        })
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        let text = self.value(name)?;
        let time = generalized_time(text);
        if time.is_none() {
            tracing::warn!(dn = self.dn, attribute = name, text, "this is no time");
        }
        time
    }

    fn is(&self, classes: &[String]) -> bool {
        let own = self.values("objectClass");
        let has = |class: &String| own.iter().any(|own| own.eq_ignore_ascii_case(class));
        classes.iter().any(has)
    }

    /// What it is; the first list that has one of its classes decides.
    pub(super) fn kind(&self, classes: &Classes) -> Option<Kind> {
        [Kind::Domain, Kind::Alias, Kind::Group, Kind::Person]
            .into_iter()
            .find(|kind| self.is(classes.of(*kind)))
    }

    /// What identifies it for good.
    pub(super) fn uuid(&self, names: &Attributes) -> Result<String, String> {
        let uuid = self.value(&names.entry_uuid).map(str::to_lowercase);
        uuid.filter(|uuid| !uuid.is_empty()).ok_or_else(|| {
            format!(
                "'{}' has no {}, or '{}' is not readable by directory.bind_dn",
                self.dn, names.entry_uuid, names.entry_uuid
            )
        })
    }

    /// Is it small enough to be used?
    pub(super) fn check_size(&self) -> Result<(), String> {
        let bytes: usize = self.attributes.values().flatten().map(String::len).sum();
        if bytes > ENTRY_BYTES {
            return Err(format!(
                "'{}' has {bytes} bytes; at most {ENTRY_BYTES} are read",
                self.dn
            ));
        }
        Ok(())
    }

    /// Every address that is written in it, whosever it is.
    pub(super) fn addresses(&self, names: &Attributes) -> Vec<Mailbox> {
        [
            &names.mail,
            &names.alternate_addresses,
            &names.equivalent_addresses,
        ]
        .into_iter()
        .flat_map(|name| self.read::<Mailbox>(name))
        .collect()
    }

    /// The primary address.
    pub(super) fn mail(&self, names: &Attributes) -> Result<Mailbox, String> {
        let text = self
            .value(&names.mail)
            .ok_or_else(|| format!("'{}' has no {}", self.dn, names.mail))?;
        Mailbox::parse(text.trim())
            .map_err(|error| format!("'{}' has {} = '{text}': {error}", self.dn, names.mail))
    }

    /// Addresses of this attribute that lie in the domain; others are dropped with a warning.
    fn own_addresses(&self, name: &str, home: &DomainEntry) -> Vec<Mailbox> {
        let mut own = self.read::<Mailbox>(name);
        own.retain(|address| {
            let lies_in = home.is_called(address.domain());
            if !lies_in {
                tracing::warn!(dn = self.dn, %address, domain = %home.name, "an address of another domain is dropped");
            }
            lies_in
        });
        own
    }

    /// The names of a domain node: its own, and the others.
    pub(super) fn domain_names(
        &self,
        names: &Attributes,
        layout: Layout,
    ) -> Result<(Domain, Vec<Domain>), String> {
        let dn = Dn::parse(&self.dn);
        let associated = self.read::<Domain>(&names.domain_names);
        let spelt = match layout {
            Layout::Flat => dn.own_value().and_then(|value| Domain::parse(value).ok()),
            Layout::Dc => Domain::parse(&dn.dc_name()).ok(),
        };
        // The values of an attribute have no order, so the first of several would be chance.
        let chosen = || match &associated[..] {
            [only] => Some(only.clone()),
            [] => spelt
                .clone()
                .filter(|spelt| layout == Layout::Dc || spelt.as_str().contains('.')),
            several => spelt
                .clone()
                .filter(|spelt| several.contains(spelt))
                .or_else(|| several.iter().min().cloned()),
        };
        let name = self
            .one::<Domain>(&names.domain_preferred)
            .or_else(chosen)
            .ok_or_else(|| {
                format!(
                    "the domain node '{}' has no name: set {}",
                    self.dn, names.domain_names
                )
            })?;
        let mut others = associated;
        others.extend(self.read::<Domain>(&names.domain_aliases));
        others.sort();
        others.dedup();
        others.retain(|other| *other != name);
        if name.is_address_literal() {
            return Err(format!(
                "the domain node '{}' is called {name}, an address",
                self.dn
            ));
        }
        Ok((name, others))
    }

    /// The domain of a node.
    pub(super) fn domain(
        &self,
        id: DomainId,
        names: &Attributes,
        layout: Layout,
    ) -> Result<DomainEntry, String> {
        let (name, aliases) = self.domain_names(names, layout)?;
        let may_file = self.value(&names.domain_people_may_file);
        Ok(DomainEntry {
            id,
            name,
            aliases,
            parent: None,
            status: self.state(&names.domain_status),
            mail_status: self.state(&names.domain_mail_status),
            services: ServiceAccess::read(self.text(&names.domain_services)),
            administrators: self.read(&names.domain_administrators),
            postmaster: self.one(&names.domain_postmaster),
            catch_all: self.one(&names.domain_catch_all),
            smart_host: self.one(&names.domain_smart_host),
            service_names: self.read(&names.domain_service_names),
            quota_bytes: self.quota(&names.domain_quota),
            quota_messages: self.quota(&names.domain_message_quota),
            quota_people: Quota::Default,
            disabled_text: self.text(&names.domain_disabled_text),
            people_may_file: may_file.is_some_and(|value| value.eq_ignore_ascii_case("true")),
            created: Timestamp::default(),
            changed: self.modified(names),
        })
    }

    /// When it was changed.
    fn modified(&self, names: &Attributes) -> Timestamp {
        let text = self.value(&names.modified);
        text.and_then(generalized_time).unwrap_or_default()
    }

    /// A person of this domain.
    pub(super) fn person(
        &self,
        id: PersonId,
        home: &DomainEntry,
        names: &Attributes,
    ) -> Result<PersonEntry, String> {
        let store = self
            .text(&names.message_store)
            .unwrap_or_else(model::primary);
        if store != model::primary() {
            return Err(format!(
                "'{}' has {} = '{store}': the only store of this server is 'primary'",
                self.dn, names.message_store
            ));
        }
        let mail = self.mail(names)?;
        let uid = self
            .text(&names.uid)
            .unwrap_or_else(|| mail.localpart().as_str().to_owned());
        let mut delivery_options = self.read(&names.delivery_options);
        if !home.people_may_file {
            delivery_options.retain(|option| *option != routing::DeliveryOption::File);
        }
        Ok(PersonEntry {
            id,
            domain: home.id,
            uid,
            mail,
            name: self.values(&names.name).first().cloned(),
            alternate_addresses: self.own_addresses(&names.alternate_addresses, home),
            equivalent_addresses: self.own_addresses(&names.equivalent_addresses, home),
            password_hashes: Vec::new(),
            status: self.state(&names.status),
            mail_status: self.state(&names.mail_status),
            services: ServiceAccess::read(self.text(&names.services)),
            delivery_options,
            forwarding_addresses: self.read(&names.forwarding_addresses),
            autoreply: self.autoreply(names),
            program: self.text(&names.program),
            file: self.text(&names.file),
            shared: self.text(&names.shared),
            message_store: store,
            routing_address: self.one(&names.routing_address),
            quota_bytes: self.quota(&names.quota),
            quota_messages: self.quota(&names.message_quota),
            language: self.text(&names.language),
            roles: Vec::new(),
            created: Timestamp::default(),
            changed: self.modified(names),
        })
    }

    fn autoreply(&self, names: &Attributes) -> Autoreply {
        let mode = match self.value(&names.autoreply_mode) {
            Some(mode) if mode.eq_ignore_ascii_case("echo") => AutoreplyMode::Echo,
            _ => AutoreplyMode::Reply,
        };
        let default = Autoreply::default();
        Autoreply {
            mode,
            text: self.text(&names.autoreply_text).unwrap_or_default(),
            text_internal: self.text(&names.autoreply_text_internal),
            subject: self.text(&names.autoreply_subject),
            timeout_hours: self
                .one(&names.autoreply_timeout)
                .unwrap_or(default.timeout_hours),
            start: self.time(&names.vacation_start),
            end: self.time(&names.vacation_end),
        }
    }

    /// A group of this domain; `of_entries` are the addresses behind its `uniqueMember`s.
    pub(super) fn group(
        &self,
        id: GroupId,
        home: &DomainEntry,
        names: &Attributes,
        of_entries: Vec<Mailbox>,
    ) -> Result<GroupEntry, String> {
        let mut members = self.read::<Mailbox>(&names.members);
        members.extend(of_entries);
        let mut seen = std::collections::HashSet::new();
        members.retain(|member| seen.insert(member.key()));
        let shared = self.text(&names.shared).map(|name| SharedMailbox {
            name,
            rights: self.one(&names.shared_rights).unwrap_or_default(),
        });
        Ok(GroupEntry {
            id,
            domain: home.id,
            mail: self.mail(names)?,
            name: self.values(&names.name).first().cloned(),
            alternate_addresses: self.own_addresses(&names.alternate_addresses, home),
            members,
            status: self.state(&names.group_status),
            delivery_options: self.read(&names.delivery_options),
            shared,
            forwarding_addresses: self.read(&names.forwarding_addresses),
            program: self.text(&names.program),
            file: self.text(&names.file),
            created: Timestamp::default(),
            changed: self.modified(names),
        })
    }

    /// An alias of this domain.
    pub(super) fn alias(
        &self,
        home: &DomainEntry,
        names: &Attributes,
    ) -> Result<AliasEntry, String> {
        let targets = self.read(&names.forwarding_addresses);
        if targets.is_empty() {
            return Err(format!(
                "the alias '{}' stands for nobody: set {}",
                self.dn, names.forwarding_addresses
            ));
        }
        Ok(AliasEntry {
            domain: home.id,
            address: self.mail(names)?,
            targets,
            created: Timestamp::default(),
        })
    }
}

/// `20261123180000Z`, perhaps with a fraction that is not needed (RFC 4517 §3.3.13), or a date
/// alone.
pub(super) fn generalized_time(text: &str) -> Option<Timestamp> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let rest = &text[digits.len()..];
    let is_utc = rest.is_empty() || (rest.ends_with('Z') && !rest.contains(['+', '-']));
    if !is_utc || digits.len() < 8 {
        return None;
    }
    let number = |range: std::ops::Range<usize>| match digits.get(range) {
        Some(part) => part.parse::<i64>().ok(),
        None => Some(0),
    };
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(8..10)?, number(10..12)?, number(12..14)?);
    let is_right = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    is_right.then(|| {
        let days = days_since_1970(year, month, day);
        Timestamp::from_seconds(((days * 24 + hour) * 60 + minute) * 60 + second)
    })
}

/// The time as a value of generalized time.
pub(super) fn generalized(time: Timestamp) -> String {
    let (days, second) = (
        time.seconds().div_euclid(86_400),
        time.seconds().rem_euclid(86_400),
    );
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era_year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = of_era_year + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Of the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests;
