//! `postroom queue`: what waits is listed by filters, tried, held, released and removed, one by
//! one and many at once; what was released is delivered once, and no plugin is asked again.

use postroom_tests::{Line, Server, ServerOptions, Sink, eventually, fixture};
use serde_json::Value;

/// abc.test whose plugin keeps all mail aside, and xyz.test, whose mail goes out to a sink that is
/// busy.
fn server(sink: &Sink) -> Server {
    sink.answer("RCPT", "451 4.3.0 Busy");
    let limits = "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\nretry_seconds = [3600]\n";
    let server = Server::start_with(ServerOptions {
        keys: "trusted_networks = [\"127.0.0.1\"]\n".to_owned(),
        tables: format!("{limits}{}", sink.route("*")),
        ..ServerOptions::default()
    });
    server.ok(&["domain", "add", "abc.test"]);
    server.user("bob@abc.test", &[]);
    server.ok(&["plugin", "install", &fixture("trap")]);
    server.ok(&[
        "plugin",
        "bind",
        "abc.test",
        "trap",
        "--on-failure",
        "quarantine",
    ]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    server
}

fn send(server: &Server, from: &str, recipient: &str) {
    let message = format!("Subject: to {recipient}\r\n\r\nHello\r\n");
    let reply = Line::smtp(server.address("mx")).send(from, &[recipient], &message);
    assert_eq!(reply.code, 250, "{reply:?}");
}

fn ids(server: &Server, filters: &[&str]) -> Vec<String> {
    let rows = server.json(&[&["queue", "list"], filters].concat());
    let rows = rows.as_array().cloned().expect("it is a list");
    let id = |row: &Value| row["id"].as_str().map(str::to_owned);
    rows.iter().filter_map(id).collect()
}

#[test]
fn entries_are_found_by_filters_and_decided_about_together() {
    let sink = Sink::start();
    let server = server(&sink);
    for number in 0..3 {
        send(&server, &format!("joe{number}@example.org"), "bob@abc.test");
    }
    send(&server, "", "x@far.test");
    send(&server, "joe0@example.org", "y@near.test");
    eventually("they were tried", || {
        let rows = server.json(&["queue", "list", "--state", "waiting"]);
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.len() == 2 && rows.iter().all(|row| row["last"].is_string())
    });
    for (filters, count) in [
        (&[][..], 5),
        (&["--domain", "abc.test"], 3),
        (&["--state", "quarantine"], 3),
        (&["--state", "parked"], 3),
        (&["--state", "hold"], 0),
        (&["--to", "far.test"], 1),
        (&["--to", "bob@abc.test"], 3),
        (&["--from", "joe0@example.org"], 2),
        (&["--from", "example.org"], 4),
        (&["--from", "<>"], 1),
        (&["--from", "example.org", "--state", "waiting"], 1),
        (&["--older", "1d"], 0),
        (&["--older", "0s"], 5),
        (&["--channel", "route"], 3),
        (&["--limit", "2"], 2),
    ] {
        assert_eq!(ids(&server, filters).len(), count, "{filters:?}");
    }
    let all = ids(&server, &[]);
    assert_eq!(ids(&server, &["--after", &all[1]]), all[2..]);
    for wrong in [
        &["queue", "list", "--state", "sleeping"][..],
        &["queue", "list", "--older", "soon"],
        &["queue", "release", "x1"],
    ] {
        let ran = server.postroom(wrong);
        assert_eq!(ran.code, 1, "{wrong:?}: {ran:?}");
    }
    assert_eq!(server.postroom(&["queue", "release"]).code, 2);
    assert_eq!(server.postroom(&["queue", "hold", "wffffff"]).code, 3);

    // Only said, then done.
    let both = ["--state", "quarantine", "--from", "joe1@example.org"];
    let dry = server.json(&[&["queue", "release", "--dry-run"], &both[..]].concat());
    assert_eq!(dry["message"], "1 would be released", "{dry}");
    assert_eq!(ids(&server, &both).len(), 1);
    let done = server.json(&[&["queue", "release"], &both[..]].concat());
    assert_eq!(done["message"], "1 are released", "{done}");
    assert_eq!(done["entries"], dry["entries"]);
    eventually("it is delivered", || {
        server.messages("bob@abc.test", "INBOX").len() == 1
    });
    let left = server.json(&[
        "queue",
        "remove",
        "--state",
        "quarantine",
        "--from",
        "joe2@example.org",
    ]);
    assert_eq!(left["message"], "1 are removed", "{left}");
    assert_eq!(ids(&server, &["--state", "quarantine"]).len(), 1);
    assert_eq!(server.postroom(&["queue", "release", "all"]).code, 0);
    eventually("the last is delivered", || {
        server.messages("bob@abc.test", "INBOX").len() == 2
    });
    assert_eq!(
        ids(&server, &["--domain", "abc.test"]),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_held_waits_until_it_is_released() {
    let sink = Sink::start();
    let server = server(&sink);
    send(&server, "joe@example.org", "x@far.test");
    let row = || server.json(&["queue", "list"])[0].clone();
    eventually("it was tried", || row()["last"].is_string());
    let id = row()["id"].as_str().expect("an id").to_owned();
    let ran = server.postroom(&["queue", "release", &id]);
    assert_eq!(ran.code, 1, "it is not kept aside: {ran:?}");
    server.ok(&["queue", "hold", &id]);
    assert_eq!(row()["state"], "parked (hold)");
    for refused in ["retry", "hold"] {
        let ran = server.postroom(&["queue", refused, &id]);
        assert_eq!(ran.code, 1, "{refused}: {ran:?}");
    }
    sink.answer_well();
    assert_eq!(
        server.json(&["queue", "retry", "all"])["message"],
        "0 are tried now"
    );
    assert!(sink.letters().is_empty());
    server.ok(&["queue", "release", &id]);
    sink.letter_for("x@far.test");
    server.delivered();
    assert_eq!(sink.letters().len(), 1);
    let steps = server.ok(&["trace", &id]);
    for step in ["queue.hold", "queue.release"] {
        assert!(steps.contains(step), "{steps}");
    }
}
