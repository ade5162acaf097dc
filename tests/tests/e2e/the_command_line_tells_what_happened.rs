//! Every command once, for people and for scripts: what it says, how it ends, and what it says to
//! do next where it could not do what was asked.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use postroom_tests::{Line, Server, binary, eventually, eventually_some, python, run};
use serde_json::{Value, json};

fn send(server: &Server, recipient: &str, subject: &str) {
    let message = format!("From: joe@example.org\r\nSubject: {subject}\r\n\r\nhello\r\n");
    let reply = Line::smtp(server.address("mx")).send("joe@example.org", &[recipient], &message);
    assert_eq!(reply.code, 250, "{recipient}: {reply:?}");
}

/// How many messages with this subject a person has.
fn count(server: &Server, user: &str, subject: &str) -> usize {
    let mark = format!("Subject: {subject}\r\n");
    let messages = server.messages(user, "INBOX");
    messages
        .iter()
        .filter(|message| String::from_utf8_lossy(message).contains(&mark))
        .count()
}

/// Runs a command that must fail with `code` and say every one of `words`.
#[track_caller]
fn assert_fails(server: &Server, arguments: &[&str], code: i32, words: &[&str]) {
    let ran = server.postroom(arguments);
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    assert_eq!(ran.out, "", "{arguments:?}: what failed is no output");
    for word in words {
        assert!(ran.err.contains(word), "{arguments:?}: {word}: {ran:?}");
    }
}

/// Runs a command that must do well and say every one of `words`.
#[track_caller]
fn assert_says(server: &Server, arguments: &[&str], words: &[&str]) {
    let out = server.ok(arguments);
    for word in words {
        assert!(out.contains(word), "{arguments:?}: {word}: {out}");
    }
}

#[test]
fn the_command_line_tells_what_happened_to_domains() {
    let server = Server::start();
    assert_says(
        &server,
        &["domain", "add", "abc.test", "--postmaster", "ann@abc.test"],
        &["Added abc.test", "postroom user add"],
    );
    let added = server.json(&["domain", "add", "xyz.test", "--alias", "xyz.example"]);
    assert!(added["message"].as_str().is_some(), "{added}");
    assert_says(&server, &["domain", "list"], &["abc.test", "xyz.test"]);
    let domains = server.json(&["domain", "list"]);
    let domains = domains.as_array().expect("it is a list");
    let names: Vec<&Value> = domains.iter().map(|domain| &domain["name"]).collect();
    assert_eq!(names, ["abc.test", "xyz.test"]);
    assert_says(
        &server,
        &["domain", "show", "abc.test"],
        &["ann@abc.test", "abc.test. IN MX 10 mail.site.test."],
    );
    assert_eq!(
        server.json(&["domain", "show", "xyz.test"])["aliases"],
        json!(["xyz.example"])
    );
    assert_says(
        &server,
        &["domain", "set", "xyz.test", "state=inactive"],
        &["Changed xyz.test"],
    );
    assert_eq!(
        server.json(&["domain", "show", "xyz.test"])["status"],
        "inactive"
    );
    assert_says(&server, &["domain", "remove", "xyz.test"], &["is deleted"]);
    assert_eq!(
        server.json(&["domain", "show", "xyz.test"])["status"],
        "deleted"
    );

    assert_fails(
        &server,
        &["domain", "add", "abc.test"],
        4,
        &["'abc.test' is taken", "postroom domain show abc.test"],
    );
    assert_fails(
        &server,
        &["domain", "show", "no.test"],
        3,
        &["there is no domain no.test", "postroom domain list"],
    );
    assert_fails(
        &server,
        &["domain", "set", "abc.test", "state=asleep"],
        1,
        &["'asleep' is not a state", "active, inactive"],
    );
    assert_fails(&server, &["domain", "paint"], 2, &["--help"]);
}

#[test]
fn the_command_line_tells_what_happened_to_people() {
    let server = Server::start();
    server.domain("abc.test");
    let canary = b"canary-Yh7\n";
    let ran = server.postroom_with(&["user", "add", "ann@abc.test", "--password-stdin"], canary);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.out.contains("canary"), "{ran:?}");
    let made = server.json(&["user", "add", "bob@abc.test"]);
    let made = made["password"].as_str().expect("one was made").to_owned();
    assert_says(
        &server,
        &["user", "list", "abc.test"],
        &["ann@abc.test", "bob@abc.test", "mailbox"],
    );
    assert_eq!(
        server.json(&["user", "list", "abc.test"])[0]["address"],
        "ann@abc.test"
    );
    assert_says(
        &server,
        &["user", "set", "ann@abc.test", "alternates=anna@abc.test"],
        &["Changed ann@abc.test"],
    );
    assert_says(
        &server,
        &["user", "show", "ann@abc.test"],
        &["anna@abc.test", "active"],
    );
    let renewed = server.json(&["user", "passwd", "bob@abc.test"]);
    let renewed = renewed["password"]
        .as_str()
        .expect("one was made")
        .to_owned();
    assert_ne!(made, renewed);
    log_in(&server, "bob@abc.test", &made, false);
    log_in(&server, "bob@abc.test", &renewed, true);
    log_in(&server, "ann@abc.test", "canary-Yh7", true);
    log_in(&server, "ann@abc.test", "canary-typo", false);

    assert_fails(
        &server,
        &["user", "add", "ann@abc.test"],
        4,
        &["'ann@abc.test' is taken", "postroom explain ann@abc.test"],
    );
    assert_fails(
        &server,
        &["user", "show", "no@abc.test"],
        3,
        &["no@abc.test", "postroom user list abc.test"],
    );
    assert_fails(
        &server,
        &["user", "add", "ann@no.test"],
        3,
        &["there is no domain no.test", "postroom domain list"],
    );

    // T05: what was said to the server in confidence is in none of its words.
    let log = server.log();
    for secret in ["canary-Yh7", "canary-typo", &made, &renewed] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
    assert!(log.contains("ann@abc.test"), "it was logged at all:\n{log}");
}

fn log_in(server: &Server, user: &str, password: &str, is_let_in: bool) {
    let script = r#"
import imaplib, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
try:
    client.login(sys.argv[2], sys.argv[3])
    print("in")
except imaplib.IMAP4.error as error:
    assert "AUTHENTICATIONFAILED" in str(error), error
    assert sys.argv[3] not in str(error), error
    print("out")
client.shutdown()
"#;
    let out = python(script, &[&server.port("imaps"), user, password]).ok();
    assert_eq!(out.trim() == "in", is_let_in, "{user} {password}");
}

#[test]
fn a_person_that_is_removed_takes_the_mail_along() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    send(&server, "ann@abc.test", "before");
    server.delivered();
    assert_eq!(count(&server, "ann@abc.test", "before"), 1);
    assert_says(
        &server,
        &["user", "remove", "ann@abc.test"],
        &["Removed ann@abc.test"],
    );
    let mut line = Line::smtp(server.address("mx"));
    let reply = line.send("joe@example.org", &["ann@abc.test"], "\r\n");
    assert_eq!(reply.code, 550, "{reply:?}");

    // Who has the same name later is somebody else.
    server.user("ann@abc.test", &[]);
    assert_eq!(server.messages("ann@abc.test", "INBOX").len(), 0);
    send(&server, "ann@abc.test", "after");
    server.delivered();
    assert_eq!(server.messages("ann@abc.test", "INBOX").len(), 1);
    assert_eq!(count(&server, "ann@abc.test", "after"), 1);
}

#[test]
fn the_command_line_tells_what_happened_to_groups_and_aliases() {
    let server = Server::start();
    server.domain("abc.test");
    for person in ["ann@abc.test", "bob@abc.test"] {
        server.user(person, &[]);
    }
    assert_says(
        &server,
        &[
            "group",
            "add",
            "team@abc.test",
            "--member",
            "ann@abc.test",
            "--member",
            "bob@abc.test",
        ],
        &["Added team@abc.test"],
    );
    assert_says(&server, &["group", "list", "abc.test"], &["team@abc.test"]);
    assert_eq!(
        server.json(&["group", "show", "team@abc.test"])["members"],
        json!(["ann@abc.test", "bob@abc.test"])
    );
    assert_says(
        &server,
        &["alias", "add", "sales@abc.test", "ann@abc.test"],
        &["Added sales@abc.test"],
    );
    assert_says(&server, &["alias", "list", "abc.test"], &["sales@abc.test"]);
    assert_eq!(
        server.json(&["alias", "list", "abc.test"])[0]["targets"],
        json!(["ann@abc.test"])
    );
    server.ok(&["domain", "set", "abc.test", "catch-all=bob@abc.test"]);
    send(&server, "team@abc.test", "team");
    send(&server, "sales@abc.test", "sales");
    send(&server, "whoever@abc.test", "caught");
    server.delivered();
    let seen =
        |subject| ["ann@abc.test", "bob@abc.test"].map(|person| count(&server, person, subject));
    assert_eq!(seen("team"), [1, 1]);
    assert_eq!(seen("sales"), [1, 0]);
    assert_eq!(seen("caught"), [0, 1]);

    server.ok(&["group", "set", "team@abc.test", "members=ann@abc.test"]);
    send(&server, "team@abc.test", "smaller");
    server.delivered();
    assert_eq!(seen("smaller"), [1, 0]);
    assert_says(&server, &["group", "remove", "team@abc.test"], &["Removed"]);
    assert_says(
        &server,
        &["alias", "remove", "sales@abc.test"],
        &["Removed"],
    );
    assert_fails(
        &server,
        &["group", "show", "team@abc.test"],
        3,
        &["team@abc.test", "postroom group list abc.test"],
    );
    assert_fails(
        &server,
        &["alias", "remove", "sales@abc.test"],
        3,
        &["sales@abc.test", "postroom alias list abc.test"],
    );
}

#[test]
fn the_command_line_tells_what_happened_to_plugins_and_the_queue() {
    let server = Server::start();
    server.domain("abc.test");
    server.user(
        "ann@abc.test",
        &["options=forward", "forward-to=ann@example.org"],
    );
    assert_says(&server, &["plugin", "list"], &["domain-policy", "forward"]);
    assert_says(
        &server,
        &["plugin", "unbind", "abc.test", "forward"],
        &["Took forward off abc.test", "plugin deploy abc.test"],
    );
    assert!(server.json(&["plugin", "deploy", "abc.test"])["generation"].is_u64());
    assert!(!running(&server).contains("forward@"));
    assert_says(
        &server,
        &["plugin", "rollback", "abc.test"],
        &["the chain before"],
    );
    assert!(running(&server).contains("forward@"));
    server.ok(&["plugin", "unbind", "abc.test", "forward"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    assert_says(
        &server,
        &["plugin", "bind", "abc.test", "domain-policy"],
        &["Bound domain-policy@", "plugin deploy abc.test"],
    );
    assert_fails(
        &server,
        &["plugin", "bind", "abc.test", "nosuch"],
        3,
        &["nosuch", "postroom plugin install"],
    );
    assert_fails(
        &server,
        &["plugin", "install", "/nowhere/nosuch.wasm"],
        1,
        &["/nowhere/nosuch.wasm", "No such file"],
    );
    let file = server.path("postroom.toml").display().to_string();
    assert_fails(&server, &["plugin", "install", &file], 1, &["component"]);

    send(&server, "ann@abc.test", "wait");
    let row = eventually_some("it waits", || {
        let row = server.json(&["queue", "list"])[0].clone();
        (row["attempts"] == 1).then_some(row)
    });
    let id = row["id"].as_str().expect("it has an id");
    assert_says(&server, &["queue", "list"], &[id, "ann@abc.test"]);
    assert_says(
        &server,
        &["queue", "show", id],
        &["<joe@example.org>", "outflow.option", "route.person"],
    );
    assert_eq!(server.json(&["queue", "show", id])["state"], "waiting");
    assert_says(&server, &["queue", "retry", id], &["is tried now"]);
    eventually("it was tried again", || {
        server.json(&["queue", "show", id])["attempts"] == 2
    });
    assert_says(&server, &["queue", "remove", id], &["nobody is told"]);
    for command in ["show", "retry", "remove"] {
        assert_fails(
            &server,
            &["queue", command, id],
            3,
            &[id, "postroom queue list"],
        );
    }
    assert_eq!(server.json(&["queue", "list"]), json!([]));

    assert_says(
        &server,
        &["explain", "ann@abc.test"],
        &["250 2.1.5", "delivery option forward"],
    );
    let explained = server.json(&["explain", "nobody@abc.test"]);
    assert!(
        explained["answer"]
            .as_str()
            .is_some_and(|answer| answer.starts_with("550 5.1.1")),
        "{explained}"
    );
}

/// The running chain, as JSON.
fn running(server: &Server) -> String {
    server.json(&["plugin", "list", "abc.test"])["running"].to_string()
}

#[test]
fn the_command_line_says_that_no_server_answers() {
    let nowhere = std::env::temp_dir().join("postroom-is-not-here");
    let mut command = Command::new(binary());
    command
        .arg("--data")
        .arg(&nowhere)
        .args(["domain", "list", "--json"]);
    let ran = run(&mut command, b"");
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.err.contains("postroom serve"), "{ran:?}");
    for command in ["domain", "user", "group", "alias", "plugin", "queue"] {
        let mut help = Command::new(binary());
        help.args([command, "--help"]);
        assert!(run(&mut help, b"").ok().contains("Usage: postroom"));
    }
}

/// Body of an HTTP answer with status 200.
fn get(server: &Server, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address("metrics")).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn metrics_count_what_happened() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    assert!(get(&server, "/live").ends_with("alive\n"));
    assert!(get(&server, "/ready").ends_with("ready\n"));
    for number in 0..3 {
        send(&server, "ann@abc.test", &format!("message {number}"));
    }
    let mut line = Line::smtp(server.address("mx"));
    let reply = line.send("joe@example.org", &["nobody@abc.test"], "\r\n");
    assert_eq!(reply.code, 550, "{reply:?}");
    server.delivered();
    log_in(&server, "ann@abc.test", "secret", true);
    let metrics = get(&server, "/metrics");
    for sample in [
        "postroom_accepted_total{channel=\"mx\",domain=\"abc.test\"} 3\n",
        "postroom_logins_total{result=\"accepted\",service=\"imaps\"} 1\n",
        "postroom_ready 1\n",
    ] {
        assert!(metrics.contains(sample), "{sample}: {metrics}");
    }
    let refused = metrics
        .lines()
        .find(|line| line.starts_with("postroom_refused_total{") && line.contains("abc.test"));
    assert!(
        refused.is_some_and(|line| line.ends_with(" 1")),
        "{metrics}"
    );
}
