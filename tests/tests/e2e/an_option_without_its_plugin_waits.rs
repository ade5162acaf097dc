//! A delivery option whose plugin is not bound is deferred, never lost and never skipped: the
//! message waits in the queue with the reason, and is delivered once the plugin is back.

use postroom_tests::{Line, Server, ServerOptions, Sink, eventually};

#[test]
fn an_option_without_its_plugin_waits() {
    let sink = Sink::start();
    let server = Server::start_with(ServerOptions {
        tables: sink.route("*"),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user(
        "ann@abc.test",
        &["options=forward", "forward-to=ann@example.org"],
    );
    server.ok(&["plugin", "unbind", "abc.test", "forward"]);
    server.ok(&["plugin", "deploy", "abc.test"]);

    let message = "From: joe@example.org\r\nSubject: wait\r\n\r\nfor it\r\n";
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["ann@abc.test"], message);
    assert_eq!(reply.code, 250, "{reply:?}");
    eventually("the attempt was made", || {
        server.json(&["queue", "list"])[0]["attempts"] == 1
    });
    let row = server.json(&["queue", "list"])[0].clone();
    assert_eq!(row["state"], "waiting", "{row}");
    assert_eq!(row["recipient"], "ann@abc.test");
    assert!(
        row["last"]
            .as_str()
            .is_some_and(|text| text.contains("not available for the moment")),
        "{row}"
    );
    assert_eq!(sink.letters(), []);

    server.ok(&["plugin", "deploy", "abc.test", "forward"]);
    server.ok(&["queue", "retry", row["id"].as_str().expect("it has an id")]);
    let letter = sink.letter_for("ann@example.org");
    assert!(letter.bytes.ends_with(message.as_bytes()), "{letter:?}");
    server.delivered();
    assert_eq!(sink.letters().len(), 1);
}
