//! Who may do what, and what goes with a person.

use mail::Secret;
use serde_json::json;

use super::{
    Home, add_alias, add_domain, add_group, add_person, domain, from, mailbox, set_domain,
    set_group, set_person,
};
use crate::{AdminError, Change};

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
    let rows = crate::embedded::tables::audit(&home.directory().inner.database, Some(id), 1000)
        .expect("rows");
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
    let rows =
        crate::embedded::tables::audit(&home.directory().inner.database, None, 1000).expect("rows");
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
