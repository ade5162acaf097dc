//! What an archive that no export made can do: nothing outside of its own domain.

use std::sync::Arc;

use directory::PersonEntry;
use mail::{Domain, Mailbox};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::World;
use crate::moving::{ArchiveBytes, Imported, Writer, import_domain};

/// An archive of new.test with these items.
fn archive(items: &[(&str, Value)]) -> Vec<u8> {
    let first = json!({
        "format": 1, "id": "one", "kind": "domain", "name": "new.test", "made": "",
        "version": "", "hostname": "",
    });
    let begin = [
        ("postroom", first),
        ("directory/domain", json!({ "name": "new.test" })),
    ];
    let mut writer = Writer::new(Vec::new()).expect("a vector takes all");
    for (path, facts) in begin.iter().chain(items) {
        writer
            .put(path, facts, &ArchiveBytes::Here(&[]))
            .expect("a vector takes all");
    }
    writer.finish().expect("a vector takes all")
}

async fn import(world: &World, items: &[(&str, Value)]) -> anyhow::Result<Imported> {
    let site = Arc::clone(&world.api.site);
    let (handle, archive) = (Handle::current(), archive(items));
    tokio::task::spawn_blocking(move || import_domain(&site, &handle, &archive[..]))
        .await
        .expect("no panic")
}

async fn person(world: &World, address: &str) -> Arc<PersonEntry> {
    let address = Mailbox::parse(address).expect("an address");
    let directory = &world.api.site.directory;
    let domain = directory
        .domain(address.domain())
        .await
        .expect("it is there");
    let found = directory.person_by_address(domain.tenant(), &address).await;
    found.expect("it is there")
}

#[tokio::test]
async fn an_archive_reaches_nobody_of_another_domain() {
    let world = World::start().await;
    let before = person(&world, "ann@abc.test").await;
    let root_before = person(&world, "root@abc.test").await;
    let hash = before.password_hashes[0].expose_secret().clone();
    let own = |address: &str| {
        let person = json!({ "mail": address });
        json!({ "person": person, "password_hashes": [hash] })
    };
    for (path, facts) in [
        ("directory/people/ann", own("ann@abc.test")),
        ("directory/people/root", own("root@abc.test")),
        ("directory/people/new", own("new@abc.test")),
        ("directory/people/alias", own("bob@xyz.example")),
        ("directory/people/far", own("joe@far.test")),
        ("directory/groups/one", json!({ "mail": "one@abc.test" })),
        (
            "directory/aliases/free",
            json!({ "address": "free@abc.test", "targets": ["joe@far.test"] }),
        ),
    ] {
        let refused = import(&world, &[(path, facts)]).await;
        let text = format!("{:#}", refused.expect_err(path));
        assert!(text.contains("is not in new.test"), "{path}: {text}");
    }
    let costly = hash.replace("m=19456", "m=4194304");
    let costly = json!({ "person": { "mail": "ann@new.test" }, "password_hashes": [costly] });
    let refused = import(&world, &[("directory/people/ann", costly)]).await;
    let text = format!("{:#}", refused.expect_err("4 GiB for a login"));
    assert!(text.contains("needs more than m=65536"), "{text}");
    assert_eq!(*person(&world, "ann@abc.test").await, *before);
    assert_eq!(*person(&world, "root@abc.test").await, *root_before);

    let domain = Domain::parse("new.test").expect("a domain");
    let imported = import(&world, &[("directory/people/ann", own("ann@new.test"))]).await;
    assert_eq!(imported.expect("it is its own").people, 1);
    let found = world.api.site.directory.domain(&domain).await;
    assert_eq!(found.expect("it is there").status, directory::State::Active);
    let ann = person(&world, "ann@new.test").await;
    assert_eq!(ann.password_hashes[0].expose_secret(), &hash);
}
