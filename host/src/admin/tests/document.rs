//! `docs/api.md` is printed from the table of routes: `UPDATE_DOCS=1 cargo test -p postroom
//! the_api_is_documented` writes it anew.

use std::fmt::Write as _;

use super::super::routes::{COMPONENT, FILE, ROUTES, Role, Route};
use super::Objects;

const ABOUT: &str = include_str!("about.md");

fn page() -> String {
    let mut page = ABOUT.to_owned();
    page.push_str("\n| Call | Who | What it does |\n|---|---|---|\n");
    for route in ROUTES {
        let _ = writeln!(
            page,
            "| `{} {}` | {} | {} |",
            route.method,
            route.path,
            route.role.name(),
            route.about
        );
    }
    page.push_str(
        "\n## An example of each\n\n`$API` is the URL, `$TOKEN` what the login gave.\n\n```\n",
    );
    for route in ROUTES {
        page.push_str(&example(route));
    }
    page.push_str("```\n");
    page
}

/// The call as a line for curl.
fn example(route: &Route) -> String {
    let mut objects = Objects::of("abc.test");
    objects.person = "ann@abc.test".to_owned();
    objects.plugin = "domain-policy".to_owned();
    objects.entry = "w1f".to_owned();
    let mut line = "curl".to_owned();
    if route.method != "GET" {
        let _ = write!(line, " -X {}", route.method);
    }
    if route.role != Role::Anybody {
        line.push_str(" -H \"Authorization: Bearer $TOKEN\"");
    }
    match route.body {
        "" => {}
        COMPONENT => line.push_str(" --data-binary @greeter.wasm"),
        FILE => line.push_str(" --data-binary @q1f-w1f.mail"),
        body => {
            let body = objects.put_into(body);
            let _ = write!(line, " --json '{body}'");
        }
    }
    let query = if route.query.is_empty() {
        String::new()
    } else {
        format!("?{}", objects.put_into(route.query))
    };
    let path = objects.put_into(route.path);
    let _ = writeln!(line, " \"$API{path}{query}\"");
    line
}

#[test]
fn the_api_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).expect("the page is ours");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page(),
        "docs/api.md is old: run UPDATE_DOCS=1 cargo test -p postroom the_api_is_documented"
    );
}

#[test]
fn every_example_can_be_sent() {
    for route in ROUTES {
        let objects = Objects::of("abc.test");
        let of_route = format!("{} {}", route.method, route.path);
        for text in [route.path, route.query] {
            assert!(!objects.put_into(text).contains(['{', '}']), "{of_route}");
        }
        if !matches!(route.body, "" | COMPONENT | FILE) {
            let body: Result<serde_json::Value, _> =
                serde_json::from_str(&objects.put_into(route.body));
            assert!(body.is_ok(), "{of_route}");
        }
        assert!(!route.about.is_empty(), "{of_route}");
    }
}
