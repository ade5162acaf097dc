//! Checks of single values, each with what is wrong and what to do.

use std::collections::{BTreeSet, HashSet};

use mail::{Domain, Mailbox, Secret, limits};
use routing::{Autoreply, DeliveryOption, State};

use crate::{AdminError, DomainEntry, GroupEntry, PersonEntry, Quota, passwd};

/// Names of one domain, addresses of one person, members of one group.
const LIST: usize = limits::EXPANSION_TARGETS;
/// Bytes of the text of an automatic reply.
const TEXT: usize = 64 * 1024;
/// Bytes of names and other single lines.
const LINE: usize = 256;

/// States whose effect is there.
pub(super) fn state(state: State) -> Result<(), AdminError> {
    if matches!(state, State::Hold | State::Overquota) {
        return Err(AdminError::invalid(
            format!("the state '{state}' has no effect in this version"),
            "set active, inactive, disabled, deleted or removed",
        ));
    }
    Ok(())
}

pub(super) fn domain(entry: &DomainEntry) -> Result<(), AdminError> {
    state(entry.status)?;
    state(entry.mail_status)?;
    for name in entry.names().chain(&entry.service_names) {
        if name.is_address_literal() {
            return Err(AdminError::invalid(
                format!("'{name}' is an address, not a name"),
                "give a domain name",
            ));
        }
    }
    distinct(entry.names().map(ToString::to_string), "the domain")?;
    distinct(
        entry.service_names.iter().map(ToString::to_string),
        "the domain",
    )?;
    distinct(
        entry.administrators.iter().map(Mailbox::key),
        "the administrators",
    )?;
    entry
        .disabled_text
        .as_deref()
        .map_or(Ok(()), |text| line("the text while disabled", text))
}

/// `programs` is the operator's approved list, where one is configured.
pub(super) fn person(
    entry: &PersonEntry,
    home: &DomainEntry,
    programs: Option<&BTreeSet<String>>,
) -> Result<(), AdminError> {
    state(entry.status)?;
    state(entry.mail_status)?;
    uid(&entry.uid)?;
    addresses(entry.addresses(), &entry.mail, home)?;
    label("program", entry.program.as_deref())?;
    label("file", entry.file.as_deref())?;
    approved(entry.program.as_deref(), programs)?;
    if let Some(name) = &entry.shared {
        shared_name(name)?;
    }
    if entry.message_store != crate::model::primary() {
        let problem = format!("there is no message store '{}'", entry.message_store);
        return Err(AdminError::invalid(
            problem,
            "the only store of this server is 'primary'",
        ));
    }
    if entry.roles.contains(&crate::Role::Provider) {
        return Err(AdminError::invalid(
            "the role 'provider' has no effect in this version",
            "give the role 'site', or name the administrators of a domain with `postroom domain set NAME administrators=…`",
        ));
    }
    elsewhere(
        entry.addresses(),
        &entry.forwarding_addresses,
        "forward to itself",
    )?;
    elsewhere(
        entry.addresses(),
        entry.routing_address.as_slice(),
        "have itself as routing address",
    )?;
    for text in [&entry.name, &entry.language].into_iter().flatten() {
        line("the value", text)?;
    }
    language(entry.language.as_deref())?;
    autoreply(&entry.autoreply)?;
    let options = &entry.delivery_options;
    distinct(
        options.iter().map(ToString::to_string),
        "the delivery options",
    )?;
    for option in options {
        person_option(entry, home, *option)?;
    }
    Ok(())
}

/// An option only counts with what it needs.
fn person_option(
    entry: &PersonEntry,
    home: &DomainEntry,
    option: DeliveryOption,
) -> Result<(), AdminError> {
    let missing = match option {
        DeliveryOption::Members => {
            return Err(AdminError::invalid(
                "'members' is an option of groups",
                "use mailbox for a person",
            ));
        }
        DeliveryOption::File if !home.people_may_file => {
            return Err(AdminError::invalid(
                format!("{} does not allow people the option 'file'", home.name),
                format!(
                    "allow it with `postroom domain set {} people-may-file=true`",
                    home.name
                ),
            ));
        }
        DeliveryOption::Autoreply if entry.autoreply.text.is_empty() => "a text",
        DeliveryOption::Program if entry.program.is_none() => "the label of a program",
        DeliveryOption::Forward if entry.forwarding_addresses.is_empty() => {
            "an address to forward to"
        }
        DeliveryOption::File if entry.file.is_none() => "the label of a file",
        DeliveryOption::Shared if entry.shared.is_none() => "the name of a shared mailbox",
        _ => return Ok(()),
    };
    Err(needs(option, missing))
}

fn needs(option: DeliveryOption, missing: &str) -> AdminError {
    AdminError::invalid(
        format!("the delivery option '{option}' needs {missing}"),
        "set both in one call",
    )
}

pub(super) fn group(
    entry: &GroupEntry,
    home: &DomainEntry,
    programs: Option<&BTreeSet<String>>,
) -> Result<(), AdminError> {
    state(entry.status)?;
    addresses(entry.addresses(), &entry.mail, home)?;
    label("program", entry.program.as_deref())?;
    label("file", entry.file.as_deref())?;
    approved(entry.program.as_deref(), programs)?;
    if let Some(shared) = &entry.shared {
        shared_name(&shared.name)?;
    }
    if let Some(name) = &entry.name {
        line("the name", name)?;
    }
    distinct(entry.members.iter().map(Mailbox::key), "the members")?;
    elsewhere(entry.addresses(), &entry.members, "be its own member")?;
    elsewhere(
        entry.addresses(),
        &entry.forwarding_addresses,
        "forward to itself",
    )?;
    distinct(
        entry.delivery_options.iter().map(ToString::to_string),
        "the delivery options",
    )?;
    for option in &entry.delivery_options {
        group_option(entry, *option)?;
    }
    Ok(())
}

fn group_option(entry: &GroupEntry, option: DeliveryOption) -> Result<(), AdminError> {
    let missing = match option {
        DeliveryOption::Mailbox | DeliveryOption::Autoreply => {
            let problem = format!("'{option}' is an option of people");
            return Err(AdminError::invalid(
                problem,
                "groups have program, forward, file, shared and members",
            ));
        }
        DeliveryOption::Program if entry.program.is_none() => "the label of a program",
        DeliveryOption::Forward if entry.forwarding_addresses.is_empty() => {
            "an address to forward to"
        }
        DeliveryOption::File if entry.file.is_none() => "the label of a file",
        DeliveryOption::Shared if entry.shared.is_none() => "a shared mailbox",
        _ => return Ok(()),
    };
    Err(needs(option, missing))
}

pub(super) fn targets(address: &Mailbox, targets: &[Mailbox]) -> Result<(), AdminError> {
    if targets.is_empty() {
        return Err(AdminError::invalid(
            "an alias needs a target",
            "name at least one address",
        ));
    }
    distinct(targets.iter().map(Mailbox::key), "the targets")?;
    elsewhere(std::iter::once(address), targets, "stand for itself")
}

/// Every address lies in the domain, the primary one under its own name.
fn addresses<'a>(
    all: impl Iterator<Item = &'a Mailbox>,
    primary: &Mailbox,
    home: &DomainEntry,
) -> Result<(), AdminError> {
    if primary.domain() != &home.name {
        return Err(AdminError::invalid(
            format!("{primary} is written with an alias of {}", home.name),
            format!(
                "use {}@{}; mail to the alias arrives there too",
                primary.localpart(),
                home.name
            ),
        ));
    }
    let mut keys = Vec::new();
    for address in all {
        if !home.is_called(address.domain()) {
            return Err(AdminError::invalid(
                format!("{address} does not lie in {}", home.name),
                "addresses lie in the own domain or its aliases; for others add an alias there",
            ));
        }
        keys.push(address.key());
    }
    distinct(keys.into_iter(), "the addresses")
}

fn elsewhere<'a>(
    own: impl Iterator<Item = &'a Mailbox>,
    others: &[Mailbox],
    act: &str,
) -> Result<(), AdminError> {
    let own: HashSet<String> = own.map(Mailbox::key).collect();
    match others.iter().find(|other| own.contains(&other.key())) {
        Some(address) => Err(AdminError::invalid(
            format!("{address} cannot {act}"),
            "name another address",
        )),
        None => Ok(()),
    }
}

fn distinct(values: impl Iterator<Item = String>, of: &str) -> Result<(), AdminError> {
    let mut seen = HashSet::new();
    for value in values {
        if seen.len() >= LIST {
            return Err(AdminError::invalid(
                format!("{of}: more than {LIST} values"),
                "give fewer",
            ));
        }
        if seen.contains(&value) {
            return Err(AdminError::invalid(
                format!("{of}: '{value}' is there twice"),
                "give it once",
            ));
        }
        seen.insert(value);
    }
    Ok(())
}

/// A login name: what stands before the `@`, so none in it.
fn uid(uid: &str) -> Result<(), AdminError> {
    let bad = |c: char| c == '@' || c.is_control() || c.is_whitespace();
    if uid.is_empty() || uid.len() > limits::LOCALPART || uid.contains(bad) {
        let problem = format!("'{}' is not a login name", uid.escape_debug());
        return Err(AdminError::invalid(
            problem,
            "use 1 to 64 bytes without '@', spaces and control characters",
        ));
    }
    Ok(())
}

/// A label of an approved list, never a path or a command line.
fn label(of: &str, label: Option<&str>) -> Result<(), AdminError> {
    let Some(label) = label else { return Ok(()) };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts = label.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || label.len() > 64 || !label.chars().all(fits) {
        return Err(AdminError::invalid(
            format!("'{}' is not the label of a {of}", label.escape_debug()),
            "a label has letters, digits, '-', '_' and '.', begins with a letter or digit, and is no path or command",
        ));
    }
    Ok(())
}

fn approved(program: Option<&str>, programs: Option<&BTreeSet<String>>) -> Result<(), AdminError> {
    let (Some(program), Some(programs)) = (program, programs) else {
        return Ok(());
    };
    if programs.contains(program) {
        return Ok(());
    }
    let known: Vec<&str> = programs.iter().map(String::as_str).collect();
    let known = if known.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it has {}", known.join(", "))
    };
    Err(AdminError::invalid(
        format!("the program '{program}' is not on the operator's approved list"),
        format!("add it to the configuration of the site ({known})"),
    ))
}

/// One level of a mailbox name.
fn shared_name(name: &str) -> Result<(), AdminError> {
    let bad = |c: char| c.is_control() || matches!(c, '/' | '%' | '*' | '\\' | '"');
    let dots = name.chars().all(|c| c == '.');
    if name.trim() != name || dots || name.len() > LINE || name.contains(bad) {
        return Err(AdminError::invalid(
            format!(
                "'{}' is not the name of a shared mailbox",
                name.escape_debug()
            ),
            "use one level without '/', '%', '*', '\\', '\"' and control characters",
        ));
    }
    Ok(())
}

fn language(language: Option<&str>) -> Result<(), AdminError> {
    let fits = |tag: &str| {
        let part = |part: &str| {
            !part.is_empty()
                && part.len() <= 8
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        tag.len() <= 35 && tag.split('-').all(part)
    };
    match language {
        Some(tag) if !fits(tag) => {
            let problem = format!("'{}' is not a language tag", tag.escape_debug());
            Err(AdminError::invalid(
                problem,
                "use one of RFC 5646, such as en or de-AT",
            ))
        }
        _ => Ok(()),
    }
}

fn autoreply(settings: &Autoreply) -> Result<(), AdminError> {
    let texts = [Some(&settings.text), settings.text_internal.as_ref()];
    for text in texts.into_iter().flatten() {
        if text.len() > TEXT || text.contains(|c: char| c.is_control() && c != '\n') {
            let problem = "the text of the automatic reply is too long or has control characters";
            return Err(AdminError::invalid(
                problem,
                "use at most 64 KiB of plain text; '$' is a line break",
            ));
        }
    }
    if let Some(subject) = &settings.subject {
        line("the subject of the automatic reply", subject)?;
    }
    if matches!((settings.start, settings.end), (Some(start), Some(end)) if start > end) {
        return Err(AdminError::invalid(
            "the vacation ends before it begins",
            "exchange the dates",
        ));
    }
    Ok(())
}

fn line(what: &str, text: &str) -> Result<(), AdminError> {
    if text.len() > 4 * LINE || text.contains(char::is_control) {
        return Err(AdminError::invalid(
            format!("{what} is too long or has control characters"),
            "use one line of at most 1,024 bytes",
        ));
    }
    Ok(())
}

/// A password that can be sent over every protocol.
pub(super) fn password(password: &str) -> Result<(), AdminError> {
    if password.is_empty() {
        return Err(AdminError::invalid("the password is empty", "give one"));
    }
    if password.len() > passwd::PASSWORD_BYTES || password.contains('\0') {
        return Err(AdminError::invalid(
            "the password is too long or has a NUL",
            "use at most 1,024 bytes",
        ));
    }
    Ok(())
}

/// Hashes of another server cost each login what they say.
pub(super) fn hashes(address: &Mailbox, hashes: &[Secret<String>]) -> Result<(), AdminError> {
    let remedy = "set a new password there first, or leave it out";
    if hashes.len() > passwd::FOREIGN_HASHES {
        let problem = format!(
            "{address} has more than {} passwords",
            passwd::FOREIGN_HASHES
        );
        return Err(AdminError::invalid(problem, remedy));
    }
    match hashes.iter().find_map(passwd::unusable) {
        Some(what) => Err(AdminError::invalid(
            format!("the password hash of {address} cannot be used: {what}"),
            remedy,
        )),
        None => Ok(()),
    }
}

/// May the domain have one more person?
pub(super) fn room_for_person(home: &DomainEntry, people: usize) -> Result<(), AdminError> {
    match home.quota_people {
        Quota::Limit(limit) if people as u64 >= limit => Err(AdminError::invalid(
            format!("{} has its {limit} people", home.name),
            "remove somebody, or ask the operator for more",
        )),
        _ => Ok(()),
    }
}

/// A name that another domain holds.
pub(super) fn taken(name: &Domain, owner: &DomainEntry) -> AdminError {
    let by = match owner.status {
        State::Deleted | State::Removed => {
            format!(
                "the deleted domain {}; `postroom domain set {} status=active` brings it back",
                owner.name, owner.name
            )
        }
        _ => format!("the domain {}", owner.name),
    };
    AdminError::Taken {
        name: name.to_string(),
        by,
    }
}
