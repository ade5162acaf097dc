//! Who may import whom. The picture is in ARCHITECTURE.md; this is the rule.

use serde_json::Value;

use crate::none;
use crate::tree::{FILES, METADATA, Source};

/// Members and the members they may use, tests aside. A member that is not here fails.
const INTERNAL: &[(&str, &[&str])] = &[
    ("mail", &[]),
    ("sasl", &["mail"]),
    ("smtp", &["mail", "sasl"]),
    ("imap", &["mail", "sasl"]),
    ("pop3", &["mail", "sasl"]),
    ("routing", &["mail"]),
    ("net", &["mail"]),
    // The directory answers the questions that routing asks, in routing's own words.
    ("directory", &["mail", "routing"]),
    ("store", &["mail"]),
    ("delivery", &["mail", "sasl", "smtp", "net"]),
    ("plugin", &["mail"]),
    ("componentize", &[]),
    ("postroom-sdk", &[]),
    ("postroom-hostile-guests", &["postroom-sdk"]),
    ("postroom-tests", &[]),
    // What is measured is what goes over the wire.
    ("postroom-bench", &[]),
    ("xtask", &["componentize"]),
];

/// The server names everything but the things of guests.
const HOST: &str = "postroom";
const NOT_FOR_HOST: &[&str] = &[
    "postroom-sdk",
    "postroom-hostile-guests",
    "postroom-tests",
    "postroom-bench",
    "xtask",
];

/// Libraries that stay in one place: a name, or the start of one before `*`.
const PLACES: &[(&str, &[&str])] = &[
    ("redb", &["directory", "store"]),
    ("wasmtime*", &["plugin"]),
    ("ldap3", &["directory"]),
    ("rustls", &["net", "directory", "postroom-bench"]),
    ("tokio-rustls", &["net", "postroom-bench"]),
    // Cryptography outside of TLS: stored mail, and nothing else.
    ("ring", &["store"]),
    ("hickory-*", &["net"]),
    (
        "tokio",
        &[
            "net",
            "directory",
            "delivery",
            "plugin",
            "postroom",
            "postroom-bench",
        ],
    ),
    ("axum", &["postroom"]),
    ("hyper*", &["postroom"]),
    ("clap", &["postroom", "postroom-bench"]),
    ("wit-component", &["componentize"]),
    ("wit-bindgen", &["postroom-sdk"]),
];

/// Parsers and sessions: no sockets, no clock, no async; their tests may read a transcript.
const PURE: &[&str] = &["mail", "sasl", "smtp", "imap", "pop3", "routing"];
const NOT_PURE_LIBRARIES: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "rustix",
    "libc",
    "futures",
    "async-trait",
    "async-std",
    "hyper",
    "axum",
    "reqwest",
];
const NOT_PURE_WORDS: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "now_utc()",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os::unix::net",
    "std::thread",
    "std::process",
    "async fn",
];

/// The one file beside the directory that vouches: a lease gives back the proof under which its row
/// was written.
const LEASES: &str = "host/crates/store/src/queue.rs";

/// One line of a manifest.
struct Edge {
    from: String,
    to: String,
    test_only: bool,
}

#[test]
fn members_use_only_what_they_may() {
    none(&internal(&edges(&METADATA), &members(&METADATA)));
}

#[test]
fn libraries_stay_in_their_place() {
    none(&placed(&edges(&METADATA)));
}

#[test]
fn pure_crates_do_no_io() {
    none(&impure_libraries(&edges(&METADATA)));
    none(&impure_words(&FILES));
}

#[test]
fn only_the_directory_vouches_for_tenants() {
    none(&vouching(&FILES));
}

#[test]
fn routing_sees_the_envelope_never_the_message() {
    none(&routing_and_message(&FILES));
}

#[test]
fn unsafe_code_stays_in_its_place() {
    none(&unsafe_code(&FILES));
}

#[test]
fn the_rules_complain() {
    let edge = |from: &str, to: &str, test_only| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        test_only,
    };
    let members: Vec<String> = ["mail", "store", "smtp", "plugin", HOST]
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(internal(&[edge("store", "smtp", false)], &members).len(), 1);
    assert_eq!(
        internal(
            &[edge("store", "smtp", true), edge(HOST, "smtp", false)],
            &members
        )
        .len(),
        0
    );
    assert_eq!(internal(&[], &["stranger".to_owned()]).len(), 1);
    assert_eq!(
        placed(&[
            edge("smtp", "wasmtime-wasi", false),
            edge("imap", "redb", false)
        ])
        .len(),
        2
    );
    assert_eq!(
        placed(&[
            edge("plugin", "wasmtime", false),
            edge("store", "redb", false)
        ])
        .len(),
        0
    );
    assert_eq!(impure_libraries(&[edge("smtp", "tokio", true)]).len(), 1);

    let file = |path: &str, text: &str| [Source::new(path, text)];
    assert_eq!(
        impure_words(&file(
            "host/crates/smtp/src/a.rs",
            "let now = Instant::now();"
        ))
        .len(),
        1
    );
    assert_eq!(
        impure_words(&file(
            "host/crates/net/src/a.rs",
            "let now = Instant::now();"
        ))
        .len(),
        0
    );
    let vouch = "let tenant = Tenant::vouch(id);";
    assert_eq!(vouching(&file("host/src/intake/a.rs", vouch)).len(), 1);
    assert_eq!(
        vouching(&file("host/crates/store/src/a.rs", vouch)).len(),
        1
    );
    assert_eq!(
        vouching(&file("host/crates/store/src/journal/tests.rs", vouch)).len(),
        0
    );
    assert_eq!(
        vouching(&file("host/crates/directory/src/a.rs", vouch)).len(),
        0
    );
    assert_eq!(
        routing_and_message(&file("host/crates/routing/src/a.rs", "use mail::message;")).len(),
        1
    );
    assert_eq!(
        unsafe_code(&file("host/crates/store/src/a.rs", "unsafe { f() }")).len(),
        1
    );
}

fn members(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .filter(|package| package["source"].is_null())
        .map(|package| text(&package["name"]))
        .collect()
}

/// What the manifests of the members say.
fn edges(metadata: &Value) -> Vec<Edge> {
    let packages = metadata["packages"].as_array().expect("packages");
    let ours = packages
        .iter()
        .filter(|package| package["source"].is_null());
    ours.flat_map(|package| {
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        dependencies.iter().map(|dependency| Edge {
            from: text(&package["name"]),
            to: text(&dependency["name"]),
            test_only: dependency["kind"] == "dev",
        })
    })
    .collect()
}

fn internal(edges: &[Edge], members: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in members {
        if allowed(member, "").is_none() {
            complaints.push(format!(
                "{member}: give it a row in INTERNAL that says what it may use"
            ));
        }
    }
    for edge in edges
        .iter()
        .filter(|edge| !edge.test_only && members.contains(&edge.to))
    {
        if allowed(&edge.from, &edge.to) != Some(true) {
            complaints.push(format!("{} must not use {}", edge.from, edge.to));
        }
    }
    complaints
}

/// May this member use that one? `None` for one that has no row.
fn allowed(member: &str, to: &str) -> Option<bool> {
    if member == HOST {
        return Some(!NOT_FOR_HOST.contains(&to) && !to.starts_with("postroom-plugin-"));
    }
    if member.starts_with("postroom-plugin-") {
        return Some(to == "postroom-sdk");
    }
    let (_, may) = INTERNAL.iter().find(|(name, _)| *name == member)?;
    Some(may.contains(&to))
}

fn placed(edges: &[Edge]) -> Vec<String> {
    let mut complaints = Vec::new();
    let ships = |edge: &&Edge| !edge.test_only && edge.from != "postroom-tests";
    for edge in edges.iter().filter(ships) {
        for (library, places) in PLACES {
            let matches = match library.strip_suffix('*') {
                Some(start) => edge.to.starts_with(start),
                None => edge.to == *library,
            };
            if matches && !places.contains(&edge.from.as_str()) {
                complaints.push(format!(
                    "{} must not use {}: only {} may",
                    edge.from,
                    edge.to,
                    places.join(", ")
                ));
            }
        }
    }
    complaints
}

fn impure_libraries(edges: &[Edge]) -> Vec<String> {
    let bad = |edge: &&Edge| {
        PURE.contains(&edge.from.as_str()) && NOT_PURE_LIBRARIES.contains(&edge.to.as_str())
    };
    edges
        .iter()
        .filter(bad)
        .map(|edge| format!("{} is pure and must not use {}", edge.from, edge.to))
        .collect()
}

fn impure_words(files: &[Source]) -> Vec<String> {
    let pure = |file: &&Source| {
        !is_test(file)
            && PURE
                .iter()
                .any(|name| file.path.starts_with(&format!("host/crates/{name}/src/")))
            && file.path.ends_with(".rs")
    };
    lines_with(files.iter().filter(pure), NOT_PURE_WORDS, "a pure crate")
}

fn vouching(files: &[Source]) -> Vec<String> {
    let elsewhere = |file: &&Source| {
        file.path.ends_with(".rs")
            && !file.path.starts_with("host/crates/directory/")
            && file.path != LEASES
            && !is_test(file)
    };
    lines_with(
        files.iter().filter(elsewhere),
        &["Tenant::vouch("],
        "anything but the directory",
    )
}

/// Test modules, test crates and examples, and the rules themselves, which spell out what they look
/// for.
fn is_test(file: &Source) -> bool {
    file.path.ends_with("/tests.rs")
        || file.path.starts_with("tests/")
        || file.path.contains("/tests/")
        || file.path.contains("/examples/")
}

fn routing_and_message(files: &[Source]) -> Vec<String> {
    let routing = |file: &&Source| {
        file.path.starts_with("host/crates/routing/src/") && file.path.ends_with(".rs")
    };
    lines_with(
        files.iter().filter(routing),
        &["mail::message", "message::", "Message"],
        "routing",
    )
}

/// The lint forbids it in most crates; where it may not forbid (macros of the contract), this does.
fn unsafe_code(files: &[Source]) -> Vec<String> {
    let elsewhere = |file: &&Source| {
        file.path.ends_with(".rs")
            && !file.path.starts_with("host/crates/plugin/")
            && !file.path.starts_with("guest-sdk/")
            && !file.path.starts_with("xtask/tests/tidy/")
    };
    lines_with(
        files.iter().filter(elsewhere),
        &["unsafe {", "unsafe fn", "unsafe impl"],
        "this file",
    )
}

fn lines_with<'f>(
    files: impl Iterator<Item = &'f Source>,
    words: &[&str],
    whose: &str,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words.iter().filter(|word| code.contains(*word)) {
                complaints.push(format!(
                    "{}:{}: '{word}' is not for {whose}",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    complaints
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
