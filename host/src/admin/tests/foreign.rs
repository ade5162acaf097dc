//! What is foreign answers as what is not there.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use serde_json::{Value, json};

use super::super::routes::{ROUTES, Role, Route};
use super::{Answer, Objects, World};

/// The log of one thread, for as long as the guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn begin(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// What was said since the last time.
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no panic"));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The objects of a domain that is nowhere.
const NOWHERE: &str = "nowhere.test";

fn is_about_something(route: &Route) -> bool {
    // `{domain}` and the like, not the braces of JSON.
    let names_one = |rest: &str| {
        rest.split_once('}').is_some_and(|(name, _)| {
            name.chars().all(|c| c.is_ascii_lowercase()) && !name.is_empty()
        })
    };
    [route.path, route.query, route.body]
        .iter()
        .any(|text| text.split('{').skip(1).any(names_one))
}

/// The answer as it would be about nowhere.
fn elsewhere(answer: &Answer, objects: &Objects, missing: &Objects) -> Answer {
    let text = answer
        .body
        .to_string()
        .replace(&objects.entry, &missing.entry)
        .replace(&objects.person, &missing.person)
        .replace(&objects.domain, &missing.domain);
    Answer {
        status: answer.status,
        body: serde_json::from_str(&text).expect("names are names"),
    }
}

#[tokio::test]
async fn t01_every_route_answers_for_foreign_objects_as_for_missing_ones() {
    let world = World::start().await;
    let log = Log::default();
    let _logging = log.begin();
    let entry = world.entries("xyz.test")[0].id.to_string();
    let missing = Objects::of(NOWHERE);
    let nobody = Objects {
        person: "nobody@xyz.test".to_owned(),
        group: "nogroup@xyz.test".to_owned(),
        alias: "noalias@xyz.test".to_owned(),
        ..Objects::of("xyz.test")
    };
    let foreign = [
        Objects {
            entry: entry.clone(),
            ..Objects::of("xyz.test")
        },
        // An alias of the domain must not tell whose alias it is.
        Objects {
            entry,
            ..Objects::of("xyz.example")
        },
        nobody,
    ];
    let mut asked = 0;
    for name in ["ann@abc.test", "bob@abc.test"] {
        let caller = world.person(name).await;
        for route in ROUTES {
            if route.role == Role::Anybody || !is_about_something(route) {
                continue;
            }
            let of_route = format!("{} {} by {name}", route.method, route.path);
            let expected = world.ask(&caller, route, &missing).await;
            let status = match (route.method, route.path) {
                // Nobody but the operator adds domains, whatever they are called.
                ("POST", "/v1/domains") => 403,
                _ => 404,
            };
            assert_eq!(expected.status, status, "{of_route}: {expected:?}");
            for objects in &foreign {
                log.take();
                let answer = world.ask(&caller, route, objects).await;
                let log = log.take();
                let audited = log
                    .lines()
                    .any(|line| line.contains("audit") && line.contains(name));
                assert!(audited, "{of_route} left no line: {log}");
                let answer = elsewhere(&answer, objects, &missing);
                assert_eq!(answer, expected, "{of_route}, {}", objects.person);
                asked += 1;
            }
        }
    }
    assert!(asked > 150, "{asked} calls");
    // Nothing of it came through.
    let objects = Objects::of("xyz.test");
    let xyz = world.domain("xyz.test").await;
    assert_eq!(xyz.status.name(), "active");
    for route in ROUTES {
        let is_look = route.method == "GET" && !route.path.contains("{entry}");
        if is_look && is_about_something(route) {
            let answer = world.ask(&super::Caller::Operator, route, &objects).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", route.path);
        }
    }
    assert_eq!(world.entries("xyz.test").len(), 1);
}

#[tokio::test]
async fn t01_own_calls_do_not_reach_foreign_objects_by_the_way() {
    let world = World::start().await;
    let ann = world.person("ann@abc.test").await;
    let bob = world.person("bob@abc.test").await;
    // One person is hidden from another as one that is not there.
    let shown = |answer: Answer, name: &str| {
        let text = answer.body.to_string().replace(name, "NAME");
        (answer.status, text)
    };
    for method in ["GET", "PATCH", "DELETE"] {
        let body = || Body::from("{}");
        let there = world.call(&bob, method, "/v1/users/ann@abc.test", body());
        let there = shown(there.await, "ann@abc.test");
        let absent = world.call(&bob, method, "/v1/users/eve@abc.test", body());
        assert_eq!(there, shown(absent.await, "eve@abc.test"));
        assert_eq!(there.0, 404);
    }
    // Who is named as the sender must be one's own, too.
    let by = async |domain: &str| {
        let target = format!("/v1/explain/ann@abc.test?authenticated=bob@{domain}");
        let answer = world.call(&ann, "GET", &target, Body::empty()).await;
        shown(answer, domain)
    };
    let foreign = by("xyz.test").await;
    assert_eq!(foreign, by("nowhere.test").await);
    assert_eq!(foreign.0, 404);

    // An own alias leads into a foreign domain: what that does with the mail is not shown.
    let alias = json!({ "address": "spy@abc.test", "targets": ["away@xyz.test", "bob@abc.test"] });
    let added = world.call(&ann, "POST", "/v1/aliases", Body::from(alias.to_string()));
    assert_eq!(added.await.status, 200);
    let explain = "/v1/explain/spy@abc.test";
    let told = world.call(&ann, "GET", explain, Body::empty()).await;
    let text = told.body.to_string();
    assert_eq!(told.status, 200);
    assert!(!text.contains("away@xyz.test"), "{text}");
    assert!(text.contains("mailbox bob@abc.test"), "{text}");
    assert!(text.contains("another domain"), "{text}");
    let told = world.operator("GET", explain, Value::Null).await;
    let text = told.body.to_string();
    assert!(text.contains("autoreply of away@xyz.test"), "{text}");

    // Lists have what is one's own.
    for (caller, expected) in [(&ann, vec!["abc.test"]), (&bob, vec![])] {
        let listed = world
            .call(caller, "GET", "/v1/domains", Body::empty())
            .await;
        let names: Vec<_> = listed.body.as_array().expect("a list").iter().collect();
        let names: Vec<_> = names
            .iter()
            .filter_map(|row| row["name"].as_str())
            .collect();
        assert_eq!(names, expected);
    }
    let queue = world.call(&ann, "GET", "/v1/queue", Body::empty()).await;
    let queue = queue.body.to_string();
    assert!(
        queue.contains("@abc.test") && !queue.contains("xyz.test"),
        "{queue}"
    );
    let retried = world
        .call(&ann, "POST", "/v1/queue/all/retry", Body::from("{}"))
        .await;
    assert_eq!(retried.body["message"], "1 are tried now", "{retried:?}");
}

#[tokio::test]
async fn t02_a_domain_that_is_anothers_cannot_be_claimed() {
    let world = World::start().await;
    let ann = world.person("ann@abc.test").await;
    for twin in [
        "xyz.test",
        "XYZ.Test",
        "xyz.test.",
        "xyz.example",
        "Xyz.EXAMPLE",
    ] {
        let new = json!({ "name": twin }).to_string();
        let added = world
            .operator("POST", "/v1/domains", json!({ "name": twin }))
            .await;
        assert!([409, 422].contains(&added.status), "{twin}: {added:?}");
        let denied = world
            .call(&ann, "POST", "/v1/domains", Body::from(new))
            .await;
        assert_eq!(denied.status, 403, "{twin}");
        for changes in [
            json!({ "aliases": [twin] }),
            json!({ "service_names": [twin] }),
        ] {
            let body = Body::from(changes.to_string());
            let set = world
                .call(&ann, "PATCH", "/v1/domains/abc.test", body)
                .await;
            assert!([403, 422].contains(&set.status), "{twin}: {set:?}");
            let set = world
                .operator("PATCH", "/v1/domains/abc.test", changes)
                .await;
            assert!([409, 422].contains(&set.status), "{twin}: {set:?}");
        }
        let address = json!({ "alternate_addresses": [format!("bob@{twin}")] });
        let body = Body::from(address.to_string());
        let set = world
            .call(&ann, "PATCH", "/v1/users/ann@abc.test", body)
            .await;
        assert!([409, 422].contains(&set.status), "{twin}: {set:?}");
    }
    // One name in two writings (IDNA).
    let umlaut = json!({ "name": "bücher.test" });
    let added = world.operator("POST", "/v1/domains", umlaut).await;
    assert_eq!(added.status, 200, "{added:?}");
    for twin in ["xn--bcher-kva.test", "BÜCHER.test", "bu\u{308}cher.test"] {
        let added = world
            .operator("POST", "/v1/domains", json!({ "name": twin }))
            .await;
        assert_eq!(added.status, 409, "{twin}: {added:?}");
    }
}
