use std::collections::BTreeSet;

use super::*;

/// `table.key` of everything that the page lists.
fn listed() -> BTreeSet<String> {
    tables()
        .iter()
        .flat_map(|table| table.keys.iter().map(|key| path(&table.name, &key.name)))
        .collect()
}

fn path(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

#[test]
fn every_key_that_can_be_set_is_listed_and_no_other() {
    let mut known = BTreeSet::new();
    for (name, value) in check::reference().expect("it can be written") {
        let tables = match value {
            toml::Value::Table(table) => vec![table],
            toml::Value::Array(items) => items
                .into_iter()
                .filter_map(|item| item.try_into().ok())
                .collect(),
            _ => Vec::new(),
        };
        if tables.is_empty() {
            known.insert(name);
        } else {
            for (key, value) in tables.into_iter().flatten() {
                let below = value.as_table().into_iter().flat_map(toml::Table::keys);
                let below: Vec<String> =
                    below.map(|inner| path(&path(&name, &key), inner)).collect();
                if below.is_empty() {
                    known.insert(path(&name, &key));
                }
                known.extend(below);
            }
        }
    }
    assert_eq!(listed(), known);
}

#[test]
fn every_key_says_what_it_means() {
    for table in tables() {
        for key in table.keys {
            assert!(key.text.len() > 3, "{}.{}", table.name, key.name);
        }
    }
}

#[test]
fn the_template_changes_nothing_but_what_is_set() {
    let plain = Config::parse(&to_template(&[])).expect("the template is valid");
    assert_eq!(plain, Config::default());
    let named = to_template(&[("hostname", "\"mail.abc.test\"".to_owned())]);
    let named = Config::parse(&named).expect("the template is valid");
    assert_eq!(named.hostname, "mail.abc.test");
}

#[test]
fn the_template_with_every_comment_taken_away_is_the_default_too() {
    let bare: String = to_template(&[])
        .lines()
        .filter_map(|line| {
            let set = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            // Tables that may be there often have defaults that are no valid entry.
            (!line.contains("[[")).then(|| set.unwrap_or(line))
        })
        .take_while(|line| !line.starts_with("label"))
        .filter(|line| !line.ends_with(" ="))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(Config::parse(&bare).expect(&bare), Config::default());
}

#[test]
fn the_committed_page_is_the_printed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, to_markdown()).expect("the docs can be written");
    }
    let committed = std::fs::read_to_string(path).expect("docs/configuration.md is there");
    assert_eq!(
        committed,
        to_markdown(),
        "run: UPDATE_DOCS=1 cargo test -p postroom reference"
    );
}
