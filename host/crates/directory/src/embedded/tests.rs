//! Changes: what each does, what each refuses, and that it is there after a restart.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mail::{Domain, Mailbox, Principal, Secret};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{EmbeddedDirectory, Options};
use crate::{
    AdminError, Change, Changed, Directory, DirectoryAdmin, LookupError, OpenError, PersonEntry,
    State,
};

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

#[test]
fn everything_is_there_after_a_restart() {
    let mut home = Home::new();
    home.site(set_person(
        "bob@abc.test",
        json!({
            "name": "Bob", "alternate_addresses": ["robert@abc-alias.test"], "delivery_options": ["mailbox", "autoreply"],
            "autoreply": { "text": "Away$Bob", "timeout_hours": 0 }, "services": "+imaps:ALL", "quota_bytes": 1000,
            "quota_messages": -1, "language": "de-AT", "status": "inactive",
        }),
    ));
    home.site(Change::SetPassword(
        mailbox("bob@abc.test"),
        Secret::new("geheim".to_owned()),
    ));
    home.site(add_group(json!({ "mail": "office@abc.test", "members": ["bob@abc.test"], "shared": { "name": "office" } })));
    home.site(add_alias("info@abc.test", &["far@remote.test"]));
    home.site(set_domain(
        "xyz.test",
        json!({ "catch_all": "ann@abc.test", "smart_host": "hub.test:2525" }),
    ));
    let everything = |home: &Home| {
        let snapshot = home.directory().snapshot();
        let domains = snapshot.domains();
        let inside: Vec<_> = domains
            .iter()
            .map(|entry| {
                (
                    snapshot.people(entry.id),
                    snapshot.groups(entry.id),
                    snapshot.aliases(entry.id),
                )
            })
            .collect();
        (snapshot.generation(), domains, inside)
    };
    let before = everything(&home);
    home.reopen();
    assert_eq!(everything(&home), before);
    assert!(!home.person("bob@abc.test").password_hashes.is_empty());
}

#[test]
fn ids_are_never_reused() {
    let mut home = Home::new();
    let first = home.person("bob@abc.test").id;
    home.site(Change::RemovePerson(mailbox("bob@abc.test")));
    home.reopen();
    home.site(add_person(json!({ "mail": "bob@abc.test" })));
    let second = home.person("bob@abc.test").id;
    assert!(second > first, "{first} {second}");
    let Changed::Group(_, group) = home.site(add_group(
        json!({ "mail": "g@abc.test", "members": ["bob@abc.test"] }),
    )) else {
        panic!("a group")
    };
    assert!(group.0 > second.0);
}

#[test]
fn ids_carry_the_number_of_the_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        host_number: 7,
        ..Options::default()
    };
    let directory = EmbeddedDirectory::open(&folder.path().join("d"), options).expect("it opens");
    let change = add_domain(json!({ "name": "abc.test" }));
    let changed = directory
        .apply_blocking(Principal::Site, &change)
        .expect("a domain");
    let Changed::Domain(id) = changed else {
        panic!("a domain")
    };
    assert_eq!(id.0 >> 48, 7);
}

#[test]
fn an_address_stands_for_one_entry() {
    let home = Home::new();
    home.site(add_group(
        json!({ "mail": "team@abc.test", "members": ["ann@abc.test"] }),
    ));
    home.site(add_alias("info@abc.test", &["ann@abc.test"]));
    for taken in [
        "bob@abc.test",
        "BOB@ABC.test",
        "\"bob\"@abc.test",
        "team@abc.test",
        "info@abc.test",
    ] {
        home.refuses(add_person(json!({ "mail": taken })), "is taken");
        home.refuses(add_group(json!({ "mail": taken })), "is taken");
        home.refuses(add_alias(taken, &["ann@xyz.test"]), "is taken");
        home.refuses(
            set_person("ann@abc.test", json!({ "alternate_addresses": [taken] })),
            "is taken",
        );
    }
    home.site(add_person(json!({ "mail": "jürgen@abc.test" })));
    for twin in ["JÜRGEN@abc.test", "ju\u{308}rgen@abc.test"] {
        home.refuses(add_person(json!({ "mail": twin })), "is taken");
    }
    home.site(set_person(
        "ann@abc.test",
        json!({ "alternate_addresses": ["ann@abc-alias.test", "a@abc.test"] }),
    ));
    home.refuses(
        set_person(
            "bob@abc.test",
            json!({ "alternate_addresses": ["A@abc.test"] }),
        ),
        "ann@abc.test",
    );
    home.site(set_person(
        "ann@abc.test",
        json!({ "alternate_addresses": null }),
    ));
    home.site(set_person(
        "bob@abc.test",
        json!({ "alternate_addresses": ["A@abc.test"] }),
    ));
}

/// T02: a domain is claimed once, however it is written.
#[test]
fn t02_domain_twins_are_refused() {
    let home = Home::new();
    home.site(add_domain(json!({ "name": "bücher.test" })));
    for twin in [
        "abc.test",
        "ABC.TEST",
        "abc-alias.test",
        "Abc.Test",
        "bücher.test",
        "BÜCHER.test",
        "xn--bcher-kva.test",
        "mail.abc.test",
    ] {
        home.refuses(add_domain(json!({ "name": twin })), "is taken");
        home.refuses(
            set_domain("xyz.test", json!({ "aliases": [twin] })),
            "is taken",
        );
        home.refuses(
            set_domain("xyz.test", json!({ "service_names": [twin] })),
            "is taken",
        );
    }
    for wrong in ["abc.test.", "", ".", "[192.0.2.1]", "a b.test", "-a.test"] {
        let parsed: Result<crate::NewDomain, _> = serde_json::from_value(json!({ "name": wrong }));
        match parsed {
            Err(_) => {}
            Ok(new) => home.refuses(Change::AddDomain(new), "is an address"),
        }
    }
    // A deleted domain keeps its names, and the answer says how to get it back.
    home.site(Change::RemoveDomain(domain("xyz.test")));
    home.refuses(add_domain(json!({ "name": "xyz.test" })), "status=active");
    home.site(set_domain("xyz.test", json!({ "status": "active" })));
    assert_eq!(home.person("ann@xyz.test").mail, mailbox("ann@xyz.test"));
}

#[test]
fn removing_a_domain_keeps_its_rows() {
    let home = Home::new();
    home.site(Change::RemoveDomain(domain("abc.test")));
    let entry = home
        .directory()
        .snapshot()
        .domain(&domain("abc.test"))
        .expect("it is still there");
    assert_eq!(entry.status, State::Deleted);
    assert_eq!(home.person("bob@abc.test").status, State::Active);
}

#[test]
fn states_and_options_without_effect_are_refused_never_stored() {
    let home = Home::new();
    for state in ["hold", "overquota"] {
        for attribute in ["status", "mail_status"] {
            home.refuses(
                set_domain("abc.test", json!({ attribute: state })),
                "has no effect",
            );
            home.refuses(
                set_person("bob@abc.test", json!({ attribute: state })),
                "has no effect",
            );
            home.refuses(
                add_domain(json!({ "name": "new.test", attribute: state })),
                "has no effect",
            );
        }
        home.refuses(
            add_group(json!({ "mail": "g@abc.test", "status": state })),
            "has no effect",
        );
    }
    for value in [
        json!({ "status": "asleep" }),
        json!({ "delivery_options": ["hold"] }),
        json!({ "delivery_options": ["fax"] }),
    ] {
        assert!(
            serde_json::from_value::<crate::PersonChanges>(value.clone()).is_err(),
            "{value}"
        );
    }
    assert!(
        serde_json::from_value::<crate::DomainChanges>(json!({ "services": "+imap" })).is_err()
    );
}

#[test]
fn unknown_attributes_are_refused_by_name() {
    let error =
        |result: Result<(), serde_json::Error>| result.expect_err("it is unknown").to_string();
    let texts = [
        error(serde_json::from_value::<crate::PersonChanges>(json!({ "quotta": 1 })).map(drop)),
        error(
            serde_json::from_value::<crate::NewPerson>(json!({ "mail": "a@b.test", "quotta": 1 }))
                .map(drop),
        ),
        error(
            serde_json::from_value::<crate::NewDomain>(json!({ "name": "b.test", "quotta": 1 }))
                .map(drop),
        ),
        error(
            serde_json::from_value::<crate::NewGroup>(json!({ "mail": "a@b.test", "quotta": 1 }))
                .map(drop),
        ),
    ];
    for text in texts {
        assert!(text.contains("quotta"), "{text}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let home = Home::new();
    let of_bob = [
        (
            json!({ "delivery_options": ["members"] }),
            "option of groups",
        ),
        (
            json!({ "delivery_options": ["file"], "file": "box" }),
            "people-may-file",
        ),
        (
            json!({ "delivery_options": ["forward"] }),
            "needs an address",
        ),
        (json!({ "delivery_options": ["autoreply"] }), "needs a text"),
        (
            json!({ "delivery_options": ["program"] }),
            "needs the label",
        ),
        (json!({ "delivery_options": ["shared"] }), "needs the name"),
        (
            json!({ "delivery_options": ["mailbox", "mailbox"] }),
            "twice",
        ),
        (
            json!({ "forwarding_addresses": ["Bob@abc.test"] }),
            "forward to itself",
        ),
        (
            json!({ "routing_address": "bob@abc.test" }),
            "routing address",
        ),
        (
            json!({ "alternate_addresses": ["bob@xyz.test"] }),
            "does not lie in abc.test",
        ),
        (
            json!({ "alternate_addresses": ["b@abc.test", "B@abc.test"] }),
            "twice",
        ),
        (json!({ "uid": "bob@abc" }), "not a login name"),
        (json!({ "uid": "" }), "not a login name"),
        (json!({ "uid": "ANN" }), "login name of ann@abc.test"),
        (json!({ "language": "de_AT" }), "language tag"),
        (json!({ "message_store": "secondary" }), "no message store"),
        (
            json!({ "autoreply": { "text": "a\r\nBcc: x" } }),
            "control characters",
        ),
        (
            json!({ "autoreply": { "text": "a", "subject": "a\nb" } }),
            "control characters",
        ),
        (
            json!({ "autoreply": { "text": "a", "start": 2, "end": 1 } }),
            "ends before it begins",
        ),
        (json!({ "name": "a\nb" }), "control characters"),
    ];
    for (value, words) in of_bob {
        home.refuses(set_person("bob@abc.test", value), words);
    }
    let of_groups = [
        (
            json!({ "mail": "g@abc.test", "delivery_options": ["mailbox"] }),
            "option of people",
        ),
        (
            json!({ "mail": "g@abc.test", "delivery_options": ["shared"] }),
            "needs a shared mailbox",
        ),
        (
            json!({ "mail": "g@abc.test", "members": ["g@abc.test"] }),
            "its own member",
        ),
        (
            json!({ "mail": "g@abc.test", "shared": { "name": "a/b" } }),
            "one level",
        ),
        (
            json!({ "mail": "g@abc.test", "shared": { "name": "" } }),
            "one level",
        ),
        (
            json!({ "mail": "g@abc.test", "shared": { "name": ".." } }),
            "one level",
        ),
        (json!({ "mail": "g@abc-alias.test" }), "use g@abc.test"),
        (json!({ "mail": "g@remote.test" }), "no domain remote.test"),
    ];
    for (value, words) in of_groups {
        home.refuses(add_group(value), words);
    }
    home.refuses(add_alias("a@abc.test", &[]), "needs a target");
    home.refuses(add_alias("a@abc.test", &["A@abc.test"]), "stand for itself");
    home.refuses(
        add_alias("a@abc.test", &["b@abc.test", "B@abc.test"]),
        "twice",
    );
    home.refuses(
        set_person("nobody@abc.test", json!({})),
        "no user nobody@abc.test",
    );
    home.refuses(Change::RemoveGroup(mailbox("bob@abc.test")), "no group");
    home.refuses(Change::RemoveAlias(mailbox("bob@abc.test")), "no alias");
    home.refuses(Change::RemovePerson(mailbox("nobody@abc.test")), "no user");
    home.refuses(
        Change::SetPassword(mailbox("bob@abc.test"), Secret::new(String::new())),
        "empty",
    );
    home.refuses(
        add_domain(json!({ "name": "new.test", "under": "gone.test" })),
        "no domain gone.test",
    );
}

#[test]
fn people_may_file_where_the_domain_says_so() {
    let home = Home::new();
    home.site(set_domain("abc.test", json!({ "people_may_file": true })));
    home.site(set_person(
        "bob@abc.test",
        json!({ "delivery_options": ["file"], "file": "box" }),
    ));
}

/// D06: a program that is not on the approved list is refused when it is set, and so is
/// everything that is no label.
#[test]
fn d06_programs_are_labels_of_the_approved_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let programs = Some(BTreeSet::from(["archive".to_owned()]));
    let options = Options {
        programs,
        ..Options::default()
    };
    let directory = EmbeddedDirectory::open(&folder.path().join("d"), options).expect("it opens");
    let apply = |change: Change| directory.apply_blocking(Principal::Site, &change);
    apply(add_domain(json!({ "name": "abc.test" }))).expect("a domain");
    apply(add_person(json!({ "mail": "ann@abc.test" }))).expect("a person");
    let set = |program: &str| {
        apply(set_person(
            "ann@abc.test",
            json!({ "delivery_options": ["program"], "program": program }),
        ))
    };
    for wrong in [
        "other",
        "/bin/sh",
        "archive --all",
        "archive;id",
        "$(id)",
        "`id`",
        "-x",
        "",
        "a\0b",
        "../archive",
    ] {
        let error = set(wrong).expect_err(wrong).to_string();
        assert!(
            error.contains("approved list") || error.contains("not the label"),
            "{wrong}: {error}"
        );
    }
    set("archive").expect("it is approved");
}

#[test]
fn the_last_administrator_stays() {
    let home = Home::new();
    home.refuses(
        set_domain("abc.test", json!({ "administrators": [] })),
        "no administrator left",
    );
    home.refuses(
        set_domain("abc.test", json!({ "administrators": null })),
        "no administrator left",
    );
    home.refuses(
        Change::RemovePerson(mailbox("ann@abc.test")),
        "no administrator left",
    );
    home.site(set_domain(
        "abc.test",
        json!({ "administrators": ["ann@abc.test", "bob@abc.test"] }),
    ));
    home.site(Change::RemovePerson(mailbox("ann@abc.test")));
    let entry = home
        .directory()
        .snapshot()
        .domain(&domain("abc.test"))
        .expect("a domain");
    assert_eq!(entry.administrators, [mailbox("bob@abc.test")]);
}

/// Whoever gets a removed person's address later gets none of its rights.
#[test]
fn a_removed_person_leaves_no_rights_behind() {
    let home = Home::new();
    home.site(set_domain(
        "abc.test",
        json!({ "administrators": ["ann@abc.test", "bob@abc.test"] }),
    ));
    home.site(add_group(json!({
        "mail": "office@abc.test", "members": ["ann@abc.test", "bob@abc.test"], "shared": { "name": "office", "rights": "rl" },
    })));
    let shared = |address: &str| {
        let person = home.person(address);
        home.directory()
            .snapshot()
            .shared_mailboxes(person.domain, person.id)
            .expect("a list")
    };
    let [(_, office)] = &shared("bob@abc.test")[..] else {
        panic!("one shared mailbox")
    };
    assert_eq!(
        (office.name.as_str(), office.rights.as_str()),
        ("office", "lr")
    );
    home.site(Change::RemovePerson(mailbox("bob@abc.test")));
    home.site(add_person(json!({ "mail": "bob@abc.test" })));
    assert_eq!(shared("bob@abc.test"), []);
    assert_eq!(shared("ann@abc.test").len(), 1);
    let (administrator, _) = home.acting_for("bob@abc.test");
    home.apply(
        administrator,
        set_domain("abc.test", json!({ "catch_all": null })),
    )
    .expect_err("somebody else");
}

#[test]
fn shared_mailboxes_have_one_group_and_members_of_the_domain() {
    let home = Home::new();
    home.site(add_group(json!({ "mail": "office@abc.test", "members": ["ANN@abc-alias.test", "ann@xyz.test"], "shared": "office" })));
    home.refuses(
        add_group(json!({ "mail": "other@abc.test", "shared": "Office" })),
        "is taken",
    );
    home.site(add_group(
        json!({ "mail": "office@xyz.test", "shared": "office" }),
    ));
    let snapshot = home.directory().snapshot();
    let entry = snapshot.domain(&domain("abc.test")).expect("a domain");
    let group = snapshot.groups(entry.id).expect("groups")[0].id;
    let members: Vec<String> = snapshot
        .members(entry.id, group)
        .expect("members")
        .iter()
        .map(|person| person.mail.to_string())
        .collect();
    assert_eq!(members, ["ann@abc.test"]);
}

#[test]
fn a_name_that_is_in_use_does_not_go() {
    let home = Home::new();
    home.site(set_person(
        "bob@abc.test",
        json!({ "alternate_addresses": ["robert@abc-alias.test"] }),
    ));
    home.refuses(
        set_domain("abc.test", json!({ "aliases": [] })),
        "robert@abc-alias.test",
    );
    home.site(set_person(
        "bob@abc.test",
        json!({ "alternate_addresses": null }),
    ));
    home.site(set_domain("abc.test", json!({ "aliases": [] })));
    home.site(add_domain(json!({ "name": "abc-alias.test" })));
}

#[test]
fn a_domain_has_as_many_people_as_it_may() {
    let home = Home::new();
    home.site(set_domain("abc.test", json!({ "quota_people": 3 })));
    home.site(add_person(json!({ "mail": "cat@abc.test" })));
    home.refuses(
        add_person(json!({ "mail": "dan@abc.test" })),
        "has its 3 people",
    );
}

/// T01: whatever an administrator or a person tries in another domain looks as if it were not
/// there, changes nothing and is in the audit trail.
#[test]
fn t01_nobody_acts_in_another_domain() {
    let home = Home::new();
    home.site(add_group(
        json!({ "mail": "team@abc.test", "members": ["ann@abc.test"] }),
    ));
    home.site(add_alias("info@abc.test", &["ann@abc.test"]));
    let (administrator, person) = home.acting_for("ann@xyz.test");
    let acts = || {
        vec![
            set_domain("abc.test", json!({ "catch_all": "ann@xyz.test" })),
            add_person(json!({ "mail": "eve@abc.test" })),
            set_person("bob@abc.test", json!({ "name": "x" })),
            Change::SetPassword(mailbox("bob@abc.test"), Secret::new("x".to_owned())),
            Change::RemovePerson(mailbox("bob@abc.test")),
            add_group(json!({ "mail": "eve@abc.test" })),
            set_group("team@abc.test", json!({ "members": ["ann@xyz.test"] })),
            Change::RemoveGroup(mailbox("team@abc.test")),
            add_alias("eve@abc.test", &["ann@xyz.test"]),
            Change::SetAlias(from(
                json!({ "address": "info@abc.test", "targets": ["ann@xyz.test"] }),
            )),
            Change::RemoveAlias(mailbox("info@abc.test")),
        ]
    };
    let before = home.directory().snapshot().generation();
    for by in [administrator, person] {
        for change in acts() {
            let refused = home.apply(by, change.clone());
            assert_eq!(
                refused,
                Err(AdminError::NotFound("domain abc.test".to_owned())),
                "{change:?}"
            );
        }
        for change in [
            add_domain(json!({ "name": "new.test" })),
            Change::RemoveDomain(domain("abc.test")),
        ] {
            assert!(matches!(home.apply(by, change), Err(AdminError::Denied(_))));
        }
    }
    assert_eq!(home.directory().snapshot().generation(), before);
    let id = home
        .directory()
        .snapshot()
        .domain(&domain("abc.test"))
        .expect("a domain")
        .id;
    let rows =
        super::tables::audit(&home.directory().inner.database, Some(id), 1000).expect("rows");
    let refused = rows.iter().filter(|row| !row.refused.is_empty()).count();
    assert_eq!(
        refused,
        2 * (acts().len() + 1),
        "each refused act that names the domain"
    );
}

#[test]
fn administrators_and_people_do_what_is_theirs() {
    let home = Home::new();
    let (administrator, _) = home.acting_for("ann@abc.test");
    let (_, bob) = home.acting_for("bob@abc.test");
    home.site(set_person(
        "bob@abc.test",
        json!({ "delivery_options": ["mailbox", "program"], "program": "archive" }),
    ));
    let may = [
        (
            administrator,
            set_domain(
                "abc.test",
                json!({ "catch_all": "ann@abc.test", "postmaster": "bob@abc.test" }),
            ),
        ),
        (
            administrator,
            add_person(json!({ "mail": "cat@abc.test", "quota_bytes": 10 })),
        ),
        (
            administrator,
            set_person("cat@abc.test", json!({ "status": "disabled" })),
        ),
        (administrator, Change::RemovePerson(mailbox("cat@abc.test"))),
        (administrator, add_alias("info@abc.test", &["ann@abc.test"])),
        (
            bob,
            set_person(
                "bob@abc.test",
                json!({ "forwarding_addresses": ["far@remote.test"], "language": "en" }),
            ),
        ),
        (
            bob,
            set_person(
                "bob@abc.test",
                json!({ "delivery_options": ["program", "forward"] }),
            ),
        ),
        (
            bob,
            Change::SetPassword(mailbox("bob@abc.test"), Secret::new("new".to_owned())),
        ),
    ];
    for (by, change) in may {
        home.apply(by, change.clone())
            .unwrap_or_else(|error| panic!("{change:?}: {error}"));
    }
    let may_not = [
        (
            administrator,
            set_domain("abc.test", json!({ "status": "disabled" })),
        ),
        (
            administrator,
            set_domain("abc.test", json!({ "services": null })),
        ),
        (
            administrator,
            set_domain("abc.test", json!({ "aliases": ["more.test"] })),
        ),
        (
            administrator,
            set_domain("abc.test", json!({ "quota_people": -1 })),
        ),
        (
            administrator,
            set_person("bob@abc.test", json!({ "roles": ["site"] })),
        ),
        (
            administrator,
            add_person(json!({ "mail": "dan@abc.test", "roles": ["site"] })),
        ),
        (
            bob,
            set_person("bob@abc.test", json!({ "status": "active" })),
        ),
        (
            bob,
            set_person("bob@abc.test", json!({ "quota_bytes": -1 })),
        ),
        (
            bob,
            set_person("bob@abc.test", json!({ "delivery_options": ["mailbox"] })),
        ),
        (
            bob,
            set_person(
                "bob@abc.test",
                json!({ "delivery_options": ["program", "shared"] }),
            ),
        ),
        (bob, set_person("ann@abc.test", json!({ "language": "en" }))),
        (
            bob,
            Change::SetPassword(mailbox("ann@abc.test"), Secret::new("x".to_owned())),
        ),
        (bob, add_alias("b@abc.test", &["bob@abc.test"])),
    ];
    for (by, change) in may_not {
        let refused = home.apply(by, change.clone());
        assert!(
            matches!(refused, Err(AdminError::Denied(_))),
            "{change:?}: {refused:?}"
        );
    }
}

/// T05 in small: neither passwords nor hashes show.
#[test]
fn t05_passwords_do_not_show() {
    let home = Home::new();
    let change = add_person(json!({ "mail": "cat@abc.test", "password": "canary-7c1f" }));
    home.site(change.clone());
    home.site(Change::SetPassword(
        mailbox("bob@abc.test"),
        Secret::new("canary-7c1f".to_owned()),
    ));
    let cat = home.person("cat@abc.test");
    let hash = cat.password_hashes[0].expose_secret().clone();
    let rows = super::tables::audit(&home.directory().inner.database, None, 1000).expect("rows");
    let shown = [
        format!("{change:?} {cat:?}"),
        serde_json::to_string(&cat).expect("an entry has a JSON form"),
        format!("{rows:?}"),
        format!("{:?}", home.directory().snapshot()),
    ];
    for text in shown {
        assert!(
            !text.contains("canary-7c1f") && !text.contains(&hash) && !text.contains("argon2id"),
            "{text}"
        );
    }
    let file = std::fs::read(home.path()).expect("the file");
    assert!(
        !file.windows(11).any(|window| window == b"canary-7c1f"),
        "the file has hashes only"
    );
}

#[test]
fn a_reader_keeps_what_it_began_with() {
    let home = Home::new();
    let before = home.directory().snapshot();
    home.site(Change::RemovePerson(mailbox("bob@abc.test")));
    let id = before.domain(&domain("abc.test")).expect("a domain").id;
    assert!(
        before
            .person_by_address(id, &mailbox("bob@abc.test"))
            .is_ok()
    );
    let after = home.directory().snapshot();
    assert_eq!(
        after.person_by_address(id, &mailbox("bob@abc.test")),
        Err(LookupError::NotFound("person bob@abc.test".to_owned()))
    );
    assert_eq!(after.generation(), before.generation() + 1);
}

#[tokio::test]
async fn changes_are_seen_when_the_call_returns_and_are_announced() {
    let home = Home::new();
    let directory: &dyn DirectoryAdmin = home.directory();
    let mut generation = directory.generation();
    let before = *generation.borrow_and_update();
    let change = set_domain("abc.test", json!({ "status": "disabled" }));
    directory
        .apply(Principal::Site, change)
        .await
        .expect("it is applied");
    assert!(generation.has_changed().expect("it is open"));
    assert_eq!(*generation.borrow_and_update(), before + 1);
    assert_eq!(
        directory
            .domain(&domain("abc.test"))
            .await
            .expect("a domain")
            .status,
        State::Disabled
    );
    let tenant = directory
        .domain_by_service_name(&domain("mail.abc.test"))
        .await
        .expect("a domain")
        .tenant();
    let audit = directory.audit(Some(tenant), 1).await.expect("rows");
    assert_eq!(audit[0].act, "set domain abc.test: status");
    assert_eq!(audit[0].by, "site");
    let foreign = directory
        .domain(&domain("xyz.test"))
        .await
        .expect("a domain")
        .tenant();
    let bob = home.person("bob@abc.test").id;
    assert!(
        matches!(
            directory.person(foreign, bob).await,
            Err(LookupError::NotFound(_))
        ),
        "not of that domain"
    );
}

#[test]
fn f11_a_second_process_is_refused() {
    let home = Home::new();
    assert!(matches!(
        EmbeddedDirectory::open(&home.path(), Options::default()),
        Err(OpenError::InUse)
    ));
}

/// A damaged file is refused and stays as it is.
#[test]
fn f04_damage_is_refused_and_nothing_is_overwritten() {
    let mut home = Home::new();
    home.directory = None;
    let whole = std::fs::read(home.path()).expect("the file");
    let mut damages: Vec<Vec<u8>> = vec![b"not a database at all".to_vec(), vec![0; whole.len()]];
    damages.push(whole[..whole.len() / 2].to_vec());
    let mut zeroed = whole.clone();
    zeroed[..512].fill(0);
    damages.push(zeroed);
    for damaged in damages {
        std::fs::write(home.path(), &damaged).expect("it is written");
        let opened = EmbeddedDirectory::open(&home.path(), Options::default());
        let error = opened.expect_err("it is damaged");
        assert!(
            matches!(error, OpenError::Damaged(_) | OpenError::Io(_)),
            "{error}"
        );
        assert!(
            std::fs::read(home.path()).expect("the file") == damaged,
            "{error}: the file was changed"
        );
    }
    std::fs::write(home.path(), &whole).expect("it is written");
    home.reopen();
    assert_eq!(home.person("bob@abc.test").mail, mailbox("bob@abc.test"));
}

#[test]
fn a_newer_format_is_refused_by_number() {
    let mut home = Home::new();
    home.directory = None;
    {
        let database = redb::Database::open(home.path()).expect("it opens");
        let write = database.begin_write().expect("a transaction");
        let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
        write
            .open_table(meta)
            .expect("the table")
            .insert("format", 2)
            .expect("a row");
        write.commit().expect("a commit");
    }
    let error = EmbeddedDirectory::open(&home.path(), Options::default()).expect_err("it is newer");
    assert!(
        matches!(error, OpenError::Newer { found: 2, known: 1 }),
        "{error}"
    );
}
