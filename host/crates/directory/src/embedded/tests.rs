//! Changes: what each does, what each refuses, and that it is there after a restart.

mod copied;
mod file;
mod names;
mod power;
mod rights;
mod values;

use std::path::PathBuf;

use mail::{Domain, Mailbox, Principal};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{EmbeddedDirectory, Options};
use crate::{AdminError, Change, Changed, PersonEntry};

/// A directory in a folder of its own.
struct Home {
    folder: TempDir,
    directory: Option<EmbeddedDirectory>,
}

fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("an address")
}

fn domain(text: &str) -> Domain {
    text.parse().expect("a domain")
}

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// Changes as the API reads them.
fn add_domain(value: Value) -> Change {
    Change::AddDomain(from(value))
}

fn set_domain(name: &str, value: Value) -> Change {
    Change::SetDomain(domain(name), from(value))
}

fn add_person(value: Value) -> Change {
    Change::AddPerson(from(value))
}

fn set_person(address: &str, value: Value) -> Change {
    Change::SetPerson(mailbox(address), from(value))
}

fn add_group(value: Value) -> Change {
    Change::AddGroup(from(value))
}

fn set_group(address: &str, value: Value) -> Change {
    Change::SetGroup(mailbox(address), from(value))
}

fn add_alias(address: &str, targets: &[&str]) -> Change {
    Change::AddAlias(from(json!({ "address": address, "targets": targets })))
}

impl Home {
    fn empty() -> Self {
        let mut home = Self {
            folder: tempfile::tempdir().expect("a folder"),
            directory: None,
        };
        home.reopen();
        home
    }

    /// `abc.test` with ann (its administrator) and bob, `xyz.test` with ann.
    fn new() -> Self {
        let home = Self::empty();
        home.site(add_domain(json!({
            "name": "abc.test", "aliases": ["abc-alias.test"], "administrators": ["ann@abc.test"],
            "service_names": ["mail.abc.test"],
        })));
        home.site(add_domain(
            json!({ "name": "xyz.test", "administrators": ["ann@xyz.test"] }),
        ));
        for address in ["ann@abc.test", "bob@abc.test", "ann@xyz.test"] {
            home.site(add_person(json!({ "mail": address })));
        }
        home
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("directory.redb")
    }

    fn reopen(&mut self) {
        self.directory = None;
        self.directory =
            Some(EmbeddedDirectory::open(&self.path(), Options::default()).expect("it opens"));
    }

    fn directory(&self) -> &EmbeddedDirectory {
        self.directory.as_ref().expect("it is open")
    }

    fn apply(&self, by: Principal, change: Change) -> Result<Changed, AdminError> {
        self.directory().apply_blocking(by, &change)
    }

    fn site(&self, change: Change) -> Changed {
        self.apply(Principal::Site, change.clone())
            .unwrap_or_else(|error| panic!("{change:?}: {error}"))
    }

    /// The change is refused with these words, and nothing has changed.
    fn refuses(&self, change: Change, words: &str) {
        let before = self.directory().snapshot().generation();
        let error = self
            .apply(Principal::Site, change.clone())
            .expect_err(&format!("{change:?}"));
        assert!(error.to_string().contains(words), "{change:?}: {error}");
        assert_eq!(
            self.directory().snapshot().generation(),
            before,
            "{change:?}"
        );
    }

    fn person(&self, address: &str) -> PersonEntry {
        let snapshot = self.directory().snapshot();
        let address = mailbox(address);
        let home = snapshot.domain(address.domain()).expect("a domain").id;
        PersonEntry::clone(
            &*snapshot
                .person_by_address(home, &address)
                .expect("a person"),
        )
    }

    fn acting_for(&self, address: &str) -> (Principal, Principal) {
        let id = self.person(address).id;
        (Principal::DomainAdministrator(id), Principal::Person(id))
    }
}
