//! Guests that loop, trap, eat memory, recurse, answer with megabytes or flood the log, bound to one
//! domain: its mail is answered by the binding's failure policy, and the mail of the domain beside
//! it goes through as always.

use postroom_tests::{Line, Reply, Server, fixture};

const MESSAGE: &str = "From: joe@example.org\r\nSubject: hello\r\n\r\nHello\r\n";

/// Guests that never answer well.
const FAILING: &[&str] = &[
    "spin",
    "trap",
    "memory-bomb",
    "giant-result",
    "deep-recursion",
];

fn server() -> Server {
    let server = Server::start();
    server.domain("bad.test");
    server.domain("good.test");
    server.user("bob@bad.test", &[]);
    server.user("ann@good.test", &[]);
    server
}

/// Installs a guest and makes it the only policy of `bad.test`.
fn bind(server: &Server, guest: &str, more: &[&str]) {
    server.ok(&["plugin", "install", &fixture(guest)]);
    server.ok(&[&["plugin", "bind", "bad.test", guest], more].concat());
    server.ok(&["plugin", "deploy", "bad.test"]);
}

fn unbind(server: &Server, guest: &str) {
    server.ok(&["plugin", "unbind", "bad.test", guest]);
    server.ok(&["plugin", "deploy", "bad.test"]);
}

fn send(server: &Server, to: &str) -> Reply {
    Line::smtp(server.address("mx")).send("joe@example.org", &[to], MESSAGE)
}

#[test]
fn hostile_guests_harm_nobody_else() {
    let server = server();
    for (number, guest) in FAILING.iter().enumerate() {
        bind(&server, guest, &[]);
        let mut bad = Line::smtp(server.address("mx"));
        assert_eq!(bad.command("MAIL FROM:<joe@example.org>").code, 250);
        // While the guest is at work, the neighbour's mail goes through.
        bad.write(b"RCPT TO:<bob@bad.test>\r\n");
        assert_eq!(send(&server, "ann@good.test").code, 250, "{guest}");
        let reply = bad.reply();
        assert_eq!(reply.code, 451, "{guest}: {reply:?}");
        assert!(reply.text.starts_with("4."), "{guest}: {reply:?}");
        assert!(
            reply.text.len() < 512,
            "{guest}: {} bytes",
            reply.text.len()
        );
        // The session goes on, and is of use to the other domain.
        bad.command("RSET");
        let same = bad.send("joe@example.org", &["ann@good.test"], MESSAGE);
        assert_eq!(same.code, 250, "{guest}: {same:?}");
        unbind(&server, guest);
        assert_eq!(send(&server, "bob@bad.test").code, 250, "without {guest}");
        assert_eq!(
            server.messages("ann@good.test", "INBOX").len(),
            (number + 1) * 2
        );
    }
    assert_eq!(
        server.messages("bob@bad.test", "INBOX").len(),
        FAILING.len()
    );
    server.ok(&["status"]);
}

#[test]
fn a_flood_of_log_lines_is_cut_and_cannot_forge() {
    let server = server();
    bind(&server, "log-flood", &[]);
    assert_eq!(send(&server, "bob@bad.test").code, 250);
    assert_eq!(send(&server, "ann@good.test").code, 250);
    server.delivered();
    let log = server.log();
    assert!(log.contains("line 0"), "the first lines are there");
    assert!(!log.contains("line 9999"), "the last ones are not");
    assert!(!log.contains("\u{7}"), "control characters are escaped");
    let forged = log
        .lines()
        .filter(|line| line.starts_with("forged"))
        .count();
    assert_eq!(forged, 0, "no text of a guest begins a line");
    let lines = log.lines().filter(|line| line.contains("forged")).count();
    assert!((1..=64).contains(&lines), "{lines} lines of one call");
}

#[test]
fn a_guest_that_imports_what_it_does_not_ask_for_is_not_taken() {
    let server = server();
    server.ok(&["plugin", "install", &fixture("ungranted")]);
    server.ok(&["plugin", "bind", "bad.test", "ungranted"]);
    let ran = server.postroom(&["plugin", "deploy", "bad.test"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ["clock", "kv", "submit"]
            .iter()
            .any(|name| ran.err.contains(&format!("postroom:plugin/{name}"))),
        "it names the import: {ran:?}"
    );
    let running = server.json(&["plugin", "list", "bad.test"])["running"].to_string();
    assert!(running.contains("autoreply"), "{running}");
    assert!(
        !running.contains("ungranted"),
        "the chain before goes on: {running}"
    );
    assert_eq!(send(&server, "bob@bad.test").code, 250);
}

#[test]
fn the_failure_policy_of_a_binding_decides() {
    let server = server();
    bind(&server, "trap", &["--on-failure", "proceed"]);
    assert_eq!(send(&server, "bob@bad.test").code, 250);
    server.delivered();
    assert_eq!(server.messages("bob@bad.test", "INBOX").len(), 1);

    server.ok(&[
        "plugin",
        "bind",
        "bad.test",
        "trap",
        "--on-failure",
        "quarantine",
    ]);
    server.ok(&["plugin", "deploy", "bad.test"]);
    assert_eq!(send(&server, "bob@bad.test").code, 250);
    let rows = server.json(&["queue", "list", "--domain", "bad.test"]);
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!(rows[0]["recipient"], "bob@bad.test");
    assert_eq!(rows[0]["state"], "parked (quarantine)", "{rows}");
    assert_eq!(server.messages("bob@bad.test", "INBOX").len(), 1);
    let others = server.json(&["queue", "list", "--domain", "good.test"]);
    assert_eq!(others.as_array().map(Vec::len), Some(0), "{others}");
}
