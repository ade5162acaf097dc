//! May this message be answered?

use crate::addresses;

/// What is known of the message.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// Envelope sender without brackets; empty for `<>`.
    pub(crate) sender: String,
    /// The person's addresses, the primary one first.
    pub(crate) own: Vec<String>,
    /// Header fields: name as written, value undecoded.
    pub(crate) header: Vec<(String, String)>,
}

/// Names of software that writes but does not read: the whole local part.
const MACHINES: &[&str] = &[
    "mailer-daemon",
    "listserv",
    "majordomo",
    "noreply",
    "no-reply",
    "postmaster",
];
/// The same by how the local part starts.
const MACHINES_START: &[&str] = &["owner-", "bounce-", "bounces-", "bounce+", "bounces+"];
/// The same by how the local part ends.
const MACHINES_END: &[&str] = &["-request", "-owner", "-bounces", "-noreply", "-no-reply"];
/// Where a person is written to by name (RFC 5230 §4.5).
const ADDRESSED: &[&str] = &["to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc"];

impl Incoming {
    /// The values of a field.
    pub(crate) fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self
            .header
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim())
    }

    fn is_own(&self, address: &str) -> bool {
        let address = addresses::key(address);
        self.own.iter().any(|own| addresses::key(own) == address)
    }
}

/// All rules in turn; an error is the reason that goes to the trace.
pub(crate) fn check(incoming: &Incoming) -> Result<(), String> {
    for rule in [
        sender,
        automatic,
        mailing_list,
        bulk,
        suppressed,
        report,
        addressed,
    ] {
        rule(incoming)?;
    }
    Ok(())
}

/// Is the address of this domain?
pub(crate) fn is_of_domain(address: &str, domain: &str) -> bool {
    address
        .rsplit_once('@')
        .is_some_and(|(_, found)| found.eq_ignore_ascii_case(domain))
}

// RFC 3834 §2, RFC 5230 §4.6: not to the null path, not to software, not to oneself.
fn sender(incoming: &Incoming) -> Result<(), String> {
    let Some((local, _)) = incoming.sender.rsplit_once('@') else {
        return Err("the sender is null".to_owned());
    };
    let local = local.to_ascii_lowercase();
    let is_machine = MACHINES.contains(&local.as_str())
        || MACHINES_START.iter().any(|start| local.starts_with(start))
        || MACHINES_END.iter().any(|end| local.ends_with(end));
    if is_machine {
        return Err("the sender is software".to_owned());
    }
    if incoming.is_own(&incoming.sender) {
        return Err("the sender is the person".to_owned());
    }
    // The message may have come with another envelope than its last server gave it.
    if incoming
        .fields("Return-Path")
        .any(|value| value.replace(char::is_whitespace, "") == "<>")
    {
        return Err("the return path is null".to_owned());
    }
    Ok(())
}

// RFC 3834 §2 and §5: anything but "no" was not written by a person.
fn automatic(incoming: &Incoming) -> Result<(), String> {
    let by_person = |value: &str| first_word(value).eq_ignore_ascii_case("no");
    if incoming.fields("Auto-Submitted").all(by_person) {
        return Ok(());
    }
    Err("the message is automatic".to_owned())
}

// RFC 5230 §4.6, RFC 2369, RFC 2919.
fn mailing_list(incoming: &Incoming) -> Result<(), String> {
    let is_list = |name: &str| {
        name.len() > 5 && name.is_char_boundary(5) && name[..5].eq_ignore_ascii_case("list-")
    };
    if incoming.header.iter().any(|(name, _)| is_list(name)) {
        return Err("the message is from a list".to_owned());
    }
    Ok(())
}

// RFC 3834 §2: the field is not standard, but lists and mass mailers have it.
fn bulk(incoming: &Incoming) -> Result<(), String> {
    let is_bulk = |value: &str| {
        let word = first_word(value).to_ascii_lowercase();
        matches!(word.as_str(), "bulk" | "junk" | "list")
    };
    if incoming.fields("Precedence").any(is_bulk) {
        return Err("the message is bulk mail".to_owned());
    }
    Ok(())
}

// A wish of the sender's software that no document defines and most heed.
fn suppressed(incoming: &Incoming) -> Result<(), String> {
    let wishes = incoming
        .fields("X-Auto-Response-Suppress")
        .flat_map(|value| value.split(','));
    let mut words = wishes.map(|word| word.trim().to_ascii_lowercase());
    if words.any(|word| matches!(word.as_str(), "all" | "oof" | "autoreply")) {
        return Err("the sender wants no automatic answer".to_owned());
    }
    Ok(())
}

// RFC 3834 §2: not to a report about mail (RFC 6522).
fn report(incoming: &Incoming) -> Result<(), String> {
    let is_report = |value: &str| first_word(value).eq_ignore_ascii_case("multipart/report");
    if incoming.fields("Content-Type").any(is_report) {
        return Err("the message is a report".to_owned());
    }
    Ok(())
}

// RFC 5230 §4.5: only who was written to by name answers; the rest came by list or blind copy.
fn addressed(incoming: &Incoming) -> Result<(), String> {
    let named = ADDRESSED
        .iter()
        .flat_map(|name| incoming.fields(name))
        .flat_map(addresses::in_list);
    if named.into_iter().any(|address| incoming.is_own(&address)) {
        return Ok(());
    }
    Err("the message does not name the person".to_owned())
}

/// What stands before a semicolon, comment or blank.
fn first_word(value: &str) -> &str {
    value
        .split([';', '(', ' ', '\t', '\r', '\n'])
        .find(|word| !word.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
