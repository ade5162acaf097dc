//! Names and addresses stand for one entry each.

use serde_json::json;

use super::{
    Home, add_alias, add_domain, add_group, add_person, domain, mailbox, set_domain, set_person,
};
use crate::{Change, State};

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
    for wrong in [
        "abc.test.",
        "",
        ".",
        "[192.0.2.1]",
        "a b.test",
        "-a.test",
        "xn--abc-.test",
    ] {
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
