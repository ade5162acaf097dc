//! Values that make no sense, or have no effect, are never stored.

use std::collections::BTreeSet;

use mail::{Principal, Secret};
use serde_json::json;

use super::{Home, add_alias, add_domain, add_group, add_person, mailbox, set_domain, set_person};
use crate::{Change, EmbeddedDirectory, Options};

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
        (json!({ "roles": ["provider"] }), "role 'provider'"),
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
fn a_domain_has_as_many_people_as_it_may() {
    let home = Home::new();
    home.site(set_domain("abc.test", json!({ "quota_people": 3 })));
    home.site(add_person(json!({ "mail": "cat@abc.test" })));
    home.refuses(
        add_person(json!({ "mail": "dan@abc.test" })),
        "has its 3 people",
    );
}
