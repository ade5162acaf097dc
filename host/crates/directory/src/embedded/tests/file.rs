//! The file: what survives, what is seen when, and what is refused.

use mail::{Principal, Secret};
use serde_json::json;

use super::{
    Home, add_alias, add_domain, add_group, add_person, domain, mailbox, set_domain, set_person,
};
use crate::{
    Change, Changed, DirectoryAdmin, EmbeddedDirectory, LookupError, OpenError, Options, State,
};

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
