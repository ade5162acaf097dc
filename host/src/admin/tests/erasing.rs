//! Erasures that are refused, interrupted, repeated, or asked for late.

use axum::body::Body;
use mail::Access;
use serde_json::{Value, json};
use store::{Owner, Standing};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::super::Caller;
use super::World;

const BOB: &str = "/v1/users/bob@abc.test";

async fn erase(world: &World, caller: &Caller, user: &str, body: Value) -> super::Answer {
    let path = format!("{user}/erase");
    world
        .call(caller, "POST", &path, Body::from(body.to_string()))
        .await
}

async fn standing(world: &World, id: u64) -> Standing {
    let access = Access::system(world.domain("abc.test").await.tenant());
    let owner = Owner::Person(mail::PersonId(id));
    world
        .api
        .site
        .store
        .standing(&access, owner)
        .expect("known")
}

async fn id_of(world: &World, user: &str) -> u64 {
    let shown = world.operator("GET", user, Value::Null).await;
    shown.body["id"].as_u64().expect("an id")
}

/// What the server says to RCPT.
async fn recipient(world: &World, address: &str) -> String {
    let bound = world.server.bound().iter().find(|(name, _)| name == "mx");
    let mut stream = tokio::net::TcpStream::connect(bound.expect("it listens").1)
        .await
        .expect("it listens");
    let (reader, mut writer) = stream.split();
    let commands =
        format!("HELO x.example\r\nMAIL FROM:<joe@example.org>\r\nRCPT TO:<{address}>\r\nQUIT\r\n");
    let mut replies = BufReader::new(reader).lines();
    let mut said = Vec::new();
    for command in std::iter::once("").chain(commands.split_inclusive("\r\n")) {
        writer.write_all(command.as_bytes()).await.expect("written");
        said.push(
            replies
                .next_line()
                .await
                .expect("it is read")
                .expect("a reply"),
        );
    }
    said.swap_remove(3)
}

#[tokio::test]
async fn what_the_directory_refuses_is_not_erased() {
    let world = World::start().await;
    world.mail("bob@abc.test").await;
    let alone = json!({ "administrators": ["bob@abc.test"] });
    world.operator("PATCH", "/v1/domains/abc.test", alone).await;
    let bob = id_of(&world, BOB).await;
    let refused = erase(&world, &Caller::Operator, BOB, json!({})).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(standing(&world, bob).await, Standing::Known);
    let caller = world.person("bob@abc.test").await;
    let refused = erase(&world, &caller, "/v1/users/root@abc.test", json!({})).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let root = id_of(&world, "/v1/users/root@abc.test").await;
    assert_ne!(standing(&world, root).await, Standing::Erased);
}

/// As a server leaves it that is killed between the store and the directory, and as a restored
/// backup of the directory does.
#[tokio::test]
async fn an_erasure_is_repeated_and_until_then_nobody_is_there() {
    let world = World::start().await;
    world.mail("bob@abc.test").await;
    let bob = id_of(&world, BOB).await;
    let access = Access::system(world.domain("abc.test").await.tenant());
    let owner = Owner::Person(mail::PersonId(bob));
    let store = &world.api.site.store;
    store.erase_owner(&access, owner).await.expect("erased");
    let reply = recipient(&world, "bob@abc.test").await;
    assert!(reply.starts_with("550 5.1.1"), "{reply}");
    let reply = recipient(&world, "ann@abc.test").await;
    assert!(reply.starts_with("250"), "{reply}");
    let again = erase(&world, &Caller::Operator, BOB, json!({})).await;
    assert_eq!(again.status, 200, "{again:?}");
    let shown = world.operator("GET", BOB, Value::Null).await;
    assert_eq!(shown.status, 404, "{shown:?}");
}

#[tokio::test]
async fn who_was_removed_is_erased_by_id() {
    let world = World::start().await;
    world.mail("bob@abc.test").await;
    let removed = world.operator("DELETE", BOB, Value::Null).await;
    let id = removed.body["id"].as_u64().expect("it says the id");
    assert_eq!(standing(&world, id).await, Standing::Known);
    let ann = world.person("ann@abc.test").await;
    let refused = erase(&world, &ann, BOB, json!({ "id": id })).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let unknown = json!({ "id": id + 1_000_000 });
    let refused = erase(&world, &Caller::Operator, BOB, unknown).await;
    assert_eq!(refused.status, 404, "{refused:?}");
    let other = json!({ "id": id_of(&world, "/v1/users/ann@abc.test").await });
    let refused = erase(&world, &Caller::Operator, BOB, other).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let erased = erase(&world, &Caller::Operator, BOB, json!({ "id": id })).await;
    assert_eq!(erased.status, 200, "{erased:?}");
    assert_eq!(standing(&world, id).await, Standing::Erased);
}

#[tokio::test]
async fn a_domain_is_purged_with_its_administrators() {
    let world = World::start().await;
    let domain = "/v1/domains/abc.test";
    let deleted = world.operator("DELETE", domain, Value::Null).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let path = format!("{domain}/purge");
    for _ in 0..2 {
        let purged = world.operator("POST", &path, json!({})).await;
        assert_eq!(purged.status, 200, "{purged:?}");
    }
    let left = world
        .operator("GET", &format!("{domain}/users"), Value::Null)
        .await;
    assert_eq!(left.body, json!([]));
}
