//! Who may do what: the table of routes, held against the handlers.

use axum::body::Body;
use serde_json::{Value, json};

use super::super::Caller;
use super::super::routes::{ROUTES, Role};
use super::{Objects, World};

fn may(caller: &str, role: Role) -> bool {
    match role {
        Role::Anybody | Role::Person => true,
        Role::Administrator => caller != "bob@abc.test",
        Role::Site => matches!(caller, "operator" | "root@abc.test"),
    }
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_and_nothing_else() {
    let world = World::start().await;
    for name in ["bob@abc.test", "ann@abc.test", "root@abc.test", "operator"] {
        for route in ROUTES {
            world.furnish("abc.test").await;
            let caller = match name {
                "operator" => Caller::Operator,
                name => world.person(name).await,
            };
            let objects = Objects {
                entry: world.entries("abc.test")[0].id.to_string(),
                ..Objects::of("abc.test")
            };
            let answer = world.ask(&caller, route, &objects).await;
            let of_route = format!("{} {} by {name}: {answer:?}", route.method, route.path);
            if may(name, route.role) {
                let is_stopped = matches!(answer.status, 401 | 403 | 404 | 405 | 500..);
                assert!(!is_stopped, "{of_route}");
            } else {
                assert!(matches!(answer.status, 403 | 404), "{of_route}");
            }
        }
    }
}

async fn patch(world: &World, caller: &Caller, path: &str, changes: Value) -> u16 {
    let body = Body::from(changes.to_string());
    world.call(caller, "PATCH", path, body).await.status
}

#[tokio::test]
async fn attributes_are_set_by_whom_the_directory_says() {
    let world = World::start().await;
    let bob = world.person("bob@abc.test").await;
    let ann = world.person("ann@abc.test").await;
    let root = world.person("root@abc.test").await;
    let own = "/v1/users/bob@abc.test";
    for (changes, by_bob, by_ann) in [
        (json!({ "autoreply": { "text": "away" } }), 200, 200),
        (
            json!({ "delivery_options": ["mailbox", "forward"], "forwarding_addresses": ["b@example.org"] }),
            200,
            200,
        ),
        (
            json!({ "delivery_options": ["mailbox", "shared"], "shared": "x" }),
            403,
            200,
        ),
        (
            json!({ "delivery_options": null, "shared": null }),
            403,
            200,
        ),
        (json!({ "name": "Bob", "language": "de" }), 200, 200),
        (json!({ "quota_bytes": 5 }), 403, 200),
        (json!({ "status": "active" }), 403, 200),
        (json!({ "services": "+imaps:ALL" }), 403, 200),
        (json!({ "services": null }), 403, 200),
        (json!({ "roles": ["site"] }), 403, 403),
        (json!({ "message_store": "other" }), 403, 403),
    ] {
        assert_eq!(
            patch(&world, &bob, own, changes.clone()).await,
            by_bob,
            "{changes}"
        );
        assert_eq!(
            patch(&world, &ann, own, changes.clone()).await,
            by_ann,
            "{changes}"
        );
    }
    let domain = "/v1/domains/abc.test";
    for (changes, by_ann) in [
        (json!({ "catch_all": "bob@abc.test" }), 200),
        (json!({ "postmaster": "bob@abc.test" }), 200),
        (json!({ "status": "inactive" }), 403),
        (json!({ "mail_status": "inactive" }), 403),
        (json!({ "services": "+imaps:ALL" }), 403),
        (json!({ "aliases": ["abc.example"] }), 403),
        (json!({ "quota_people": -1 }), 403),
        (json!({ "smart_host": "hub.example.org" }), 403),
        (json!({ "people_may_file": true }), 403),
    ] {
        assert_eq!(
            patch(&world, &ann, domain, changes.clone()).await,
            by_ann,
            "{changes}"
        );
        assert_eq!(
            patch(&world, &bob, domain, changes.clone()).await,
            403,
            "{changes}"
        );
        assert_eq!(
            patch(&world, &root, domain, changes.clone()).await,
            200,
            "{changes}"
        );
    }
    // Who could set a new password of the site's administrator would be that.
    let password = || Body::from(json!({ "password": "a new and long one" }).to_string());
    let root_user = "/v1/users/root@abc.test";
    let path = format!("{root_user}/password");
    let set = world.call(&ann, "POST", &path, password()).await;
    assert_eq!(set.status, 403, "{set:?}");
    assert_eq!(
        patch(&world, &ann, root_user, json!({ "status": "inactive" })).await,
        403
    );
    let removed = world.call(&ann, "DELETE", root_user, Body::empty()).await;
    assert_eq!(removed.status, 403, "{removed:?}");
    let set = world.call(&root, "POST", &path, password()).await;
    assert_eq!(set.status, 200, "{set:?}");

    // An administrator may be at home elsewhere.
    let both = json!({ "administrators": ["ann@abc.test", "bob@xyz.test"] });
    assert_eq!(patch(&world, &ann, domain, both).await, 200);
    let guest = world.person("bob@xyz.test").await;
    assert_eq!(
        patch(&world, &guest, domain, json!({ "catch_all": null })).await,
        200
    );
    assert_eq!(
        patch(
            &world,
            &guest,
            "/v1/domains/xyz.test",
            json!({ "catch_all": null })
        )
        .await,
        403
    );
    assert_eq!(
        patch(&world, &guest, own, json!({ "name": "B" })).await,
        200
    );
    // What was tried and done is in the trail that the domain can read.
    let trail = world.call(
        &ann,
        "GET",
        "/v1/domains/abc.test/audit?limit=500",
        Body::empty(),
    );
    let trail = trail.await.body.to_string();
    assert!(
        trail.contains("set user bob@abc.test: roles") && trail.contains("only the operator"),
        "{trail}"
    );
    assert!(!trail.contains("xyz.test: "), "{trail}");
    let guests = world.call(&guest, "GET", "/v1/domains/xyz.test/audit", Body::empty());
    assert_eq!(guests.await.status, 403);
}

#[tokio::test]
async fn t01_a_plugin_of_one_domain_is_not_there_for_another() {
    let world = World::start().await;
    let ann = world.person("ann@abc.test").await;
    let set = json!({ "administrators": ["bob@xyz.test"] });
    let set = world.operator("PATCH", "/v1/domains/xyz.test", set).await;
    assert_eq!(set.status, 200);
    let zoe = world.person("bob@xyz.test").await;
    // The operator's own copy of a bundled plugin, and one that a domain calls the same.
    let bundled = |name: &str| {
        let found = crate::plugins::BUNDLED.iter().find(|(own, _)| *own == name);
        found
            .map(|(_, bytes)| *bytes)
            .expect("the plugins were built: cargo xtask plugins")
    };
    let own = Body::from(marked(bundled("domain-policy"), b"of abc.test"));
    let installed = world.call(&ann, "POST", "/v1/plugins", own).await;
    assert_eq!(installed.status, 200, "{installed:?}");
    let digest = installed.body["digest"].clone();
    let find = async |caller: &Caller, target: &str| {
        let listed = world.call(caller, "GET", target, Body::empty()).await;
        let rows = listed.body.as_array().cloned().unwrap_or_default();
        let of = |row: &&Value| row["digest"] == digest;
        rows.iter().find(of).map(|row| row["for"].clone())
    };
    assert_eq!(find(&ann, "/v1/plugins").await, Some("abc.test".into()));
    assert_eq!(find(&zoe, "/v1/plugins").await, None);
    assert_eq!(find(&Caller::Operator, "/v1/plugins").await, None);
    let named = "/v1/plugins?domain=abc.test";
    assert_eq!(
        find(&Caller::Operator, named).await,
        Some("abc.test".into())
    );

    let bound = async |caller: &Caller, domain: &str| {
        let bind = Body::from(json!({ "plugin": "domain-policy" }).to_string());
        let path = format!("/v1/domains/{domain}/plugins");
        let answer = world.call(caller, "POST", &path, bind).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let deploy = format!("{path}/deploy");
        let answer = world.call(caller, "POST", &deploy, Body::from("{}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let tenant = world.domain(domain).await.tenant();
        let chain = world.api.site.plugins.runtime().pin(tenant);
        let spec = chain
            .spec()
            .bindings
            .iter()
            .find(|spec| spec.plugin == "domain-policy");
        json!(spec.expect("it is bound").digest)
    };
    assert_eq!(bound(&ann, "abc.test").await, digest);
    assert_ne!(bound(&zoe, "xyz.test").await, digest);

    // The same bytes belong to whoever brings them, and nobody learns of the other.
    let same = Body::from(marked(bundled("domain-policy"), b"of abc.test"));
    let installed = world.call(&zoe, "POST", "/v1/plugins", same).await;
    assert_eq!(installed.body["digest"], digest);
    assert_eq!(find(&zoe, "/v1/plugins").await, Some("xyz.test".into()));
    assert_eq!(find(&ann, "/v1/plugins").await, Some("abc.test".into()));
}

/// A component with a custom section at its end: other bytes, the same plugin.
fn marked(component: &[u8], mark: &[u8]) -> Vec<u8> {
    let name = b"mark";
    let length = 1 + name.len() + mark.len();
    assert!(length < 128, "one byte of LEB128");
    let mut bytes = component.to_vec();
    bytes.extend([0, u8::try_from(length).expect("checked"), 4]);
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(mark);
    bytes
}

#[tokio::test]
async fn an_administrator_grants_no_more_than_the_operator_lets() {
    let world = World::start().await;
    let ann = world.person("ann@abc.test").await;
    let settings = world.api.site.settings();
    let mut config = settings.config.clone();
    config.administrator_grants = vec!["kv".to_owned(), "submit:2".to_owned()];
    let next = crate::settings::Settings::new(config).expect("a configuration");
    world.api.site.settings.swap(next);
    let bind = async |caller: &Caller, plugin: &str, grants: &[&str]| {
        let request = json!({ "plugin": plugin, "grants": grants });
        let body = Body::from(request.to_string());
        let path = "/v1/domains/abc.test/plugins";
        world.call(caller, "POST", path, body).await
    };
    for (grants, status) in [
        (&["kv"][..], 200),
        (&["submit:2"], 200),
        (&["submit:3"], 403),
        (&["program:tickets"], 403),
        (&["file"], 403),
        (&["kv", "mailbox"], 403),
    ] {
        let answer = bind(&ann, "domain-policy", grants).await;
        assert_eq!(answer.status, status, "{grants:?}: {answer:?}");
    }
    let refused = bind(&ann, "domain-policy", &["kv", "mailbox"]).await;
    let text = refused.body["error"].as_str().unwrap_or_default();
    assert!(text.contains("grant mailbox to domain-policy"), "{text}");
    assert!(text.contains("administrator_grants"), "{text}");
    // What the operator granted to this very component stays.
    let granted = bind(&Caller::Operator, "domain-policy", &["mailbox"]).await;
    assert_eq!(granted.status, 200, "{granted:?}");
    let order = Body::from(json!({ "plugin": "domain-policy", "order": 7 }).to_string());
    let moved = world.call(&ann, "POST", "/v1/domains/abc.test/plugins", order);
    assert_eq!(moved.await.status, 200);
    assert_eq!(
        bind(&ann, "domain-policy", &["mailbox", "edit"])
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_domain_brings_so_many_plugins() {
    let world = World::start().await;
    let ann = world.person("ann@abc.test").await;
    let mut config = world.api.site.settings().config.clone();
    config.limits.plugins_per_domain = 2;
    let next = crate::settings::Settings::new(config).expect("a configuration");
    world.api.site.settings.swap(next);
    let found = crate::plugins::BUNDLED
        .iter()
        .find(|(own, _)| *own == "forward");
    let (_, bytes) = found.expect("the plugins were built: cargo xtask plugins");
    let install = async |caller: &Caller, mark: &[u8]| {
        let body = Body::from(marked(bytes, mark));
        world.call(caller, "POST", "/v1/plugins", body).await.status
    };
    for (mark, status) in [
        (b"one", 200),
        (b"two", 200),
        (b"six", 409),
        // What is there may come again.
        (b"one", 200),
    ] {
        assert_eq!(install(&ann, mark).await, status, "{mark:?}");
    }
    assert_eq!(
        install(&Caller::Operator, b"six").await,
        200,
        "the site has no such limit"
    );
}
