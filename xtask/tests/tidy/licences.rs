//! Licences and sources of dependencies: the rules of deny.toml, for machines without cargo-deny.

use crate::none;
use crate::tree::{METADATA, read};

/// The same list as `[licenses] allow` in deny.toml; a test holds the two together.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn dependencies_have_an_allowed_licence() {
    let packages = METADATA["packages"].as_array().expect("packages");
    let mut complaints = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        match package["license"].as_str() {
            Some(licence) if is_allowed(licence) => {}
            Some(licence) => complaints.push(format!("{name}: licence '{licence}' is not allowed")),
            None => complaints.push(format!("{name}: no licence in its manifest")),
        }
    }
    none(&complaints);
}

#[test]
fn dependencies_come_from_one_registry() {
    let lock: toml::Table = read("Cargo.lock").parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array().expect("packages");
    let complaints: Vec<String> = packages
        .iter()
        .filter_map(|package| {
            let source = package.get("source")?.as_str()?;
            (source != REGISTRY).then(|| format!("{}: comes from {source}", package["name"]))
        })
        .collect();
    none(&complaints);
}

#[test]
fn deny_toml_says_the_same() {
    let deny: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let allow: Vec<&str> = deny["licenses"]["allow"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    assert_eq!(allow, ALLOWED);
    let sources = &deny["sources"];
    assert_eq!(sources["unknown-registry"].as_str(), Some("deny"));
    assert_eq!(sources["unknown-git"].as_str(), Some("deny"));
}

#[test]
fn expressions_are_read_as_spdx_does() {
    for (expression, expected) in [
        ("MIT", true),
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("Apache-2.0 AND ISC", true),
        ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
        ("GPL-2.0 WITH Classpath-exception-2.0", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND AGPL-3.0", false),
        ("CC0-1.0 OR MIT-0 OR Apache-2.0", true),
        ("CC0-1.0", false),
        ("Unlicense OR MIT", true),
        ("AGPL-3.0-only OR (MIT AND SSPL-1.0)", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression), expected, "{expression}");
    }
}

/// Can the expression be met with allowed licences alone?
fn is_allowed(expression: &str) -> bool {
    // Before SPDX expressions a slash meant "or".
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) && rest.is_empty()
}

fn any_of(words: &mut &[&str]) -> bool {
    let mut met = all_of(words);
    while take(words, "OR") {
        met |= all_of(words);
    }
    met
}

fn all_of(words: &mut &[&str]) -> bool {
    let mut met = one(words);
    while take(words, "AND") {
        met &= one(words);
    }
    met
}

fn one(words: &mut &[&str]) -> bool {
    if take(words, "(") {
        let met = any_of(words);
        return take(words, ")") && met;
    }
    let Some((licence, rest)) = words.split_first() else {
        return false;
    };
    *words = rest;
    if take(words, "WITH") {
        let Some((exception, rest)) = words.split_first() else {
            return false;
        };
        *words = rest;
        return ALLOWED.contains(&format!("{licence} WITH {exception}").as_str());
    }
    ALLOWED.contains(licence)
}

fn take(words: &mut &[&str], word: &str) -> bool {
    let taken = words.first() == Some(&word);
    if taken {
        *words = &words[1..];
    }
    taken
}
