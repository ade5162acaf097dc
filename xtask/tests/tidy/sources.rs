//! What must not be in the tree, and what must.

use crate::none;
use crate::tree::{FILES, Source, read};

/// Marks of unfinished work, spelled apart so that this file has none.
const MARKS: &[&str] = &[
    concat!("tod", "o!("),
    concat!("unimplem", "ented!("),
    concat!("db", "g!("),
    concat!("#[ign", "ore"),
];

/// Folders of one person's machine.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/t/"),
    concat!("/Us", "ers/"),
];

/// Compiled plugins are built; only frozen ones are kept, to load them for ever (its README).
const FROZEN: &str = "host/crates/plugin/fixtures/";

#[test]
fn no_mark_of_unfinished_work() {
    none(&with_any(
        FILES.iter().filter(|file| file.path.ends_with(".rs")),
        MARKS,
    ));
}

#[test]
fn no_path_of_one_machine() {
    none(&with_any(FILES.iter(), MACHINE_PATHS));
}

#[test]
fn no_component_but_frozen_ones() {
    let built = |file: &&Source| file.path.ends_with(".wasm") && !file.path.starts_with(FROZEN);
    none(
        &FILES
            .iter()
            .filter(built)
            .map(|file| format!("{}: build it instead", file.path))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn readme_shows_both_commands() {
    let readme = read("README.md");
    for command in ["cargo xtask demo", "cargo xtask test"] {
        assert!(
            readme.contains(command),
            "README.md does not show `{command}`"
        );
    }
}

#[test]
fn the_papers_are_there() {
    for path in [
        "LICENSE",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "CHANGELOG.md",
        "ARCHITECTURE.md",
        ".ci/run",
    ] {
        assert!(!read(path).is_empty(), "{path} is empty");
    }
    assert!(read("CHANGELOG.md").contains("## Unreleased"));
}

#[test]
fn no_toolchain_file_makes_rustup_download() {
    for file in FILES
        .iter()
        .filter(|file| file.path.contains("rust-toolchain"))
    {
        let asks = file.text.contains("targets") || file.text.contains("components");
        assert!(!asks, "{}: no targets and no components", file.path);
    }
}

#[test]
fn members_take_the_lints_of_the_workspace() {
    let manifests = FILES
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"));
    // What is built by itself, for a fixture or a fuzzer, is not of the workspace.
    let bad = manifests.filter(|file| {
        let manifest: toml::Table = file.text.parse().unwrap_or_default();
        let is_member = manifest.contains_key("package") && !manifest.contains_key("workspace");
        is_member && !manifest.contains_key("lints")
    });
    let complaints: Vec<String> = bad
        .map(|file| format!("{}: no [lints]", file.path))
        .collect();
    none(&complaints);
}

#[test]
fn every_plugin_has_its_papers() {
    let folder = |file: &Source| {
        Some(
            file.path
                .strip_prefix("plugins/")?
                .split('/')
                .next()?
                .to_owned(),
        )
    };
    let mut plugins: Vec<String> = FILES.iter().filter_map(folder).collect();
    plugins.dedup();
    assert!(plugins.len() >= 6, "{plugins:?}");
    for plugin in plugins {
        for paper in ["plugin.toml", "README.md", "Cargo.toml"] {
            assert!(!read(&format!("plugins/{plugin}/{paper}")).is_empty());
        }
        let manifest: toml::Table = read(&format!("plugins/{plugin}/plugin.toml"))
            .parse()
            .expect("plugin.toml is TOML");
        assert_eq!(
            manifest["name"].as_str(),
            Some(plugin.as_str()),
            "plugins/{plugin}/plugin.toml"
        );
    }
}

#[test]
fn the_rules_complain() {
    let file = [Source::new(
        "a.rs",
        &format!("fn a() {{\n    {}1)\n}}", MARKS[2]),
    )];
    assert_eq!(
        with_any(file.iter(), MARKS),
        [format!("a.rs:2: {}", MARKS[2])]
    );
    let file = [Source::new(
        "a.md",
        &format!("see {}ann/notes", MACHINE_PATHS[1]),
    )];
    assert_eq!(with_any(file.iter(), MACHINE_PATHS).len(), 1);
}

fn with_any<'f>(files: impl Iterator<Item = &'f Source>, words: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(*word)) {
                complaints.push(format!("{}:{}: {word}", file.path, number + 1));
            }
        }
    }
    complaints
}
