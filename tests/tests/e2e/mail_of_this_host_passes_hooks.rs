//! Mail that is made here enters a domain like any other: a binding that names `internal` is
//! asked about recipient and message. What it refuses is reported to a sender that is known and
//! kept aside otherwise; what it defers waits. A submission to several domains is decided by each
//! of them apart.

use postroom_tests::{Line, Server, ServerOptions, Sink, eventually, fixture, python};
use serde_json::Value;

const SUBMIT: &str = r#"
import smtplib, ssl, sys
with smtplib.SMTP_SSL("127.0.0.1", int(sys.argv[1]), context=ssl._create_unverified_context()) as client:
    client.login("eve@home.test", "secret")
    assert client.sendmail("eve@home.test", sys.argv[3:], b"Subject: " + sys.argv[2].encode() + b"\r\n\r\nHello\r\n") == {}
"#;

/// `home.test` has eve, and ann who forwards to bob of `abc.test`; dan is of `xyz.test`.
fn server(sink: &Sink) -> Server {
    let server = Server::start_with(ServerOptions {
        tables: sink.route("*"),
        ..ServerOptions::default()
    });
    for domain in ["home.test", "abc.test", "xyz.test"] {
        server.domain(domain);
    }
    server.user(
        "ann@home.test",
        &["options=forward", "forward-to=bob@abc.test"],
    );
    for person in ["eve@home.test", "bob@abc.test", "dan@xyz.test"] {
        server.user(person, &[]);
    }
    server
}

fn bind(server: &Server, plugin: &str, more: &[&str]) {
    server.ok(&[&["plugin", "bind", "abc.test", plugin], more].concat());
    server.ok(&["plugin", "deploy", "abc.test"]);
}

fn send(server: &Server, subject: &str) {
    let message = format!("Subject: {subject}\r\n\r\nHello\r\n");
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["ann@home.test"], &message);
    assert_eq!(reply.code, 250, "{reply:?}");
}

fn rows(server: &Server) -> Vec<Value> {
    let rows = server.json(&["queue", "list"]);
    rows.as_array().cloned().expect("it is a list")
}

/// A row with all that is known of it.
fn shown(server: &Server, row: &Value) -> String {
    let id = row["id"].as_str().expect("it has an id");
    server.json(&["queue", "show", id]).to_string()
}

fn texts(server: &Server, person: &str) -> Vec<String> {
    let messages = server.messages(person, "INBOX");
    messages
        .iter()
        .map(|message| String::from_utf8_lossy(message).into_owned())
        .collect()
}

const WORDS: &str = r#"{"refused_words": ["casino"]}"#;

#[test]
fn data_hooks_see_a_forward() {
    let sink = Sink::start();
    let server = server(&sink);
    bind(&server, "domain-policy", &["--config", WORDS]);
    send(&server, "casino, for inbound mail only");
    server.delivered();
    assert_eq!(texts(&server, "bob@abc.test").len(), 1, "it was not asked");

    bind(
        &server,
        "domain-policy",
        &["--direction", "inbound", "--direction", "internal"],
    );
    send(&server, "casino");
    send(&server, "something else");
    server.delivered();
    // Nobody vouches for the sender's address: no report, it is kept aside with the reason.
    let kept = rows(&server);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(
        kept[0]["state"]
            .as_str()
            .is_some_and(|state| state.starts_with("parked")),
        "{kept:?}"
    );
    let shown = shown(&server, &kept[0]);
    assert!(shown.contains("refused: 550 5.7.1"), "{shown}");
    assert_eq!(sink.letters(), []);
    let bobs = texts(&server, "bob@abc.test");
    assert_eq!(bobs.len(), 2);
    assert!(bobs[1].contains("Subject: something else"), "{bobs:?}");

    // The same from a person that signed in is reported.
    python(SUBMIT, &[&server.port("smtps"), "casino", "ann@home.test"]).ok();
    server.delivered();
    let told = texts(&server, "eve@home.test");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("Status: 5.7.1") && told[0].contains("bob@abc.test"),
        "{told:?}"
    );
    assert_eq!(rows(&server).len(), 1);
}

#[test]
fn rcpt_hooks_see_a_forward() {
    let sink = Sink::start();
    let server = server(&sink);
    let config = r#"{"denied_recipients": ["bob@abc.test"]}"#;
    bind(
        &server,
        "domain-policy",
        &["--config", config, "--direction", "internal"],
    );
    send(&server, "hello");
    server.delivered();
    let kept = rows(&server);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let shown = shown(&server, &kept[0]);
    assert!(shown.contains("refused: 550 5.7.1"), "{shown}");
    assert_eq!(
        (sink.letters().len(), texts(&server, "bob@abc.test").len()),
        (0, 0)
    );
}

/// A hook that cannot answer does not let mail of this host pass: it asks again until it can.
#[test]
fn what_a_hook_defers_comes_to_it_again() {
    let sink = Sink::start();
    let server = server(&sink);
    server.ok(&["plugin", "install", &fixture("trap")]);
    bind(&server, "trap", &["--direction", "internal"]);
    send(&server, "wait");
    eventually("it was tried", || {
        rows(&server)
            .first()
            .and_then(|row| row["last"].as_str())
            .is_some_and(|last| last.contains("abc.test"))
    });
    let row = rows(&server)[0].clone();
    assert_eq!(row["recipient"], "bob@abc.test", "{row}");
    let id = row["id"].as_str().expect("it has an id").to_owned();
    server.ok(&["queue", "retry", &id]);
    eventually("it was tried again", || {
        let attempts = rows(&server)
            .first()
            .and_then(|row| row["attempts"].as_u64());
        attempts >= row["attempts"].as_u64().map(|attempts| attempts + 1)
    });
    assert_eq!(
        texts(&server, "bob@abc.test").len(),
        0,
        "the plugin was passed by"
    );

    bind(
        &server,
        "trap",
        &["--direction", "internal", "--on-failure", "proceed"],
    );
    server.ok(&["queue", "retry", &id]);
    server.delivered();
    assert_eq!(texts(&server, "bob@abc.test").len(), 1);
    assert_eq!(sink.letters(), []);
}

#[test]
fn domains_decide_apart_about_a_submission() {
    let sink = Sink::start();
    let server = server(&sink);
    bind(&server, "domain-policy", &["--config", WORDS]);
    let recipients = ["bob@abc.test", "dan@xyz.test", "far@example.org"];
    python(
        SUBMIT,
        &[&[&*server.port("smtps"), "casino"], &recipients[..]].concat(),
    )
    .ok();
    server.delivered();
    assert_eq!(texts(&server, "dan@xyz.test").len(), 1);
    assert_eq!(
        sink.letter_for("far@example.org").rcpt,
        ["RCPT TO:<far@example.org>"]
    );
    assert_eq!(texts(&server, "bob@abc.test").len(), 0);
    let told = texts(&server, "eve@home.test");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("Status: 5.7.1") && told[0].contains("bob@abc.test"),
        "{told:?}"
    );
    assert!(!told[0].contains("dan@xyz.test"), "{told:?}");
}
