//! Who gets mail, the same people on every server.

/// Everybody's password.
pub(super) const PASSWORD: &str = "bench-secret";
/// Domains with one person for `accept` and one for `deliver` each.
const DOMAINS: usize = 16;
/// People whose mail is taken out by POP3.
const DRAINED: usize = 4;

/// Recipients of the accept scenarios, one in each domain.
pub(super) fn accept() -> Vec<String> {
    (1..=DOMAINS)
        .map(|n| format!("ann@d{n}.bench.test"))
        .collect()
}

/// Whose mailbox has so many messages, on Postroom alone.
pub(super) fn mailbox(messages: usize) -> String {
    format!("max{messages}@d1.bench.test")
}

/// Recipients of the deliver scenario, one in each domain.
pub(super) fn deliver() -> Vec<String> {
    (1..=DOMAINS)
        .map(|n| format!("bob@d{n}.bench.test"))
        .collect()
}

/// Whose mailbox is fetched.
pub(super) fn fetch() -> String {
    "fay@d1.bench.test".to_owned()
}

/// Whose mail is taken out by POP3.
pub(super) fn drain() -> Vec<String> {
    (1..=DRAINED)
        .map(|n| format!("dan@d{n}.bench.test"))
        .collect()
}

/// Everybody whom the peers have, and Postroom beside them.
pub(super) fn everybody() -> Vec<String> {
    [accept(), deliver(), vec![fetch()], drain()].concat()
}

/// The domains of addresses, each once.
pub(super) fn domains(people: &[String]) -> Vec<String> {
    let mut domains: Vec<String> = people
        .iter()
        .filter_map(|person| Some(person.split_once('@')?.1.to_owned()))
        .collect();
    domains.sort();
    domains.dedup();
    domains
}
