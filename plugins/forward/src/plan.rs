//! Where a message goes on to, if it does.

/// Times that a message may be sent on, on all hosts together.
const HOPS: usize = 10;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Send it on to these.
    SendTo(Vec<String>),
    /// It was here before.
    Loop(String),
    /// There is no address to send it to.
    Unset(String),
}

/// `delivered_to` are the fields of that name, the newest first: each host that delivers or sends on
/// puts one in front (RFC 9228 §3). The first is the mark of this delivery, and goes on with the
/// message. The same one again is a loop, and their number is the number of hops.
pub(crate) fn plan(
    addresses: &[String],
    recipient: &str,
    delivered_to: &[String],
    limit: usize,
) -> Plan {
    let own = key(recipient);
    let before = match delivered_to {
        [mark, before @ ..] if key(mark) == own => before,
        before => before,
    };
    if before.iter().any(|address| key(address) == own) {
        return Plan::Loop(format!("The message was delivered to {recipient} before"));
    }
    if before.len() >= HOPS {
        return Plan::Loop(format!("The message was sent on {HOPS} times"));
    }
    let mut targets: Vec<String> = Vec::new();
    let mut own_only = false;
    for address in addresses
        .iter()
        .map(|address| address.trim())
        .filter(|address| !address.is_empty())
    {
        if key(address) == own {
            own_only = true;
        } else if !targets.iter().any(|known| key(known) == key(address)) {
            targets.push(address.to_owned());
        }
    }
    if targets.len() > limit {
        return Plan::Unset(format!(
            "There are {} addresses and {limit} are allowed",
            targets.len()
        ));
    }
    match (targets.is_empty(), own_only) {
        (false, _) => Plan::SendTo(targets),
        (true, true) => Plan::Loop(format!("{recipient} forwards to itself")),
        (true, false) => Plan::Unset("No address is set".to_owned()),
    }
}

/// The form in which addresses are compared: without case, brackets and quotes.
fn key(address: &str) -> String {
    let address = address.trim().trim_start_matches('<').trim_end_matches('>');
    match address.rsplit_once('@') {
        Some((local, domain)) => {
            let local = local
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or(local);
            format!("{}@{}", local.replace('\\', ""), domain).to_lowercase()
        }
        None => address.to_lowercase(),
    }
}

#[cfg(test)]
mod tests;
