//! `postroom trace`: a line for each step of a message, found by what people have at hand, and
//! shown to those alone whose mail it is.

use postroom_tests::{
    Line, Ran, Server, ServerOptions, Sink, binary, eventually, fixture, python, run,
};
use serde_json::Value;

const SUBMIT: &str = r#"
import smtplib, ssl, sys
message = b"From: bob@abc.test\r\nMessage-ID: <the.one@abc.test>\r\nSubject: out\r\n\r\nHello\r\n"
with smtplib.SMTP_SSL("127.0.0.1", int(sys.argv[1]), context=ssl._create_unverified_context()) as client:
    client.login("bob@abc.test", "secret")
    assert client.sendmail("bob@abc.test", sys.argv[2:], message) == {}
"#;

/// abc.test with its administrator ann, its postmaster pat, and bob; xyz.test with its
/// administrator zoe, and dan. Everything else goes to the sink.
fn server(sink: &Sink) -> Server {
    let limits = "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\nretry_seconds = [3600]\n";
    let server = Server::start_with(ServerOptions {
        tables: format!("{limits}{}", sink.route("*")),
        ..ServerOptions::default()
    });
    server.ok(&[
        "domain",
        "add",
        "abc.test",
        "--admin",
        "ann@abc.test",
        "--postmaster",
        "pat@abc.test",
    ]);
    server.ok(&["domain", "add", "xyz.test", "--admin", "zoe@xyz.test"]);
    for person in [
        "ann@abc.test",
        "pat@abc.test",
        "bob@abc.test",
        "zoe@xyz.test",
        "dan@xyz.test",
    ] {
        server.user(person, &[]);
    }
    server
}

/// What somebody is told from afar.
fn as_person(server: &Server, person: &str, arguments: &[&str]) -> Ran {
    let password = server.path("password");
    std::fs::write(&password, "secret\n").expect("the folder is ours");
    let url = format!("https://{}", server.address("http"));
    let mut command = std::process::Command::new(binary());
    command
        .args([
            "--server",
            &url,
            "--insecure",
            "--as",
            person,
            "--password-file",
        ])
        .arg(&password)
        .args(["--json", "trace"])
        .args(arguments)
        .env("XDG_STATE_HOME", server.path("state"));
    run(&mut command, b"")
}

fn lines(text: &str) -> Vec<Value> {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    value.as_array().cloned().expect("it is a list")
}

fn operator(server: &Server, what: &str) -> Vec<Value> {
    lines(&server.ok(&["--json", "trace", what]))
}

/// Is there a line of this step with these words, in this order of calls?
#[track_caller]
fn has(lines: &[Value], step: &str, words: &[&str]) {
    let found = lines.iter().any(|line| {
        let text = line["text"].as_str().unwrap_or_default();
        line["step"] == step && words.iter().all(|word| text.contains(word))
    });
    assert!(found, "{step} {words:?}: {lines:#?}");
}

fn ids(lines: &[Value]) -> Vec<String> {
    let mut ids: Vec<_> = lines
        .iter()
        .filter_map(|line| line["message"].as_str().map(str::to_owned))
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

#[test]
fn a_submission_is_followed_to_the_reply_of_the_next_hop() {
    let sink = Sink::start();
    sink.answer("RCPT TO:<far", "451 4.7.1 Greylisted, come back");
    let server = server(&sink);
    for domain in ["abc.test", "xyz.test"] {
        let both = ["--direction", "inbound", "--direction", "submission"];
        server.ok(&[&["plugin", "bind", domain, "domain-policy"], &both[..]].concat());
        server.ok(&["plugin", "deploy", domain]);
    }
    let recipients = ["dan@xyz.test", "far@example.org"];
    python(
        SUBMIT,
        &[&[&*server.port("smtps")], &recipients[..]].concat(),
    )
    .ok();
    let first = || server.json(&["queue", "list"])[0].clone();
    eventually("it was tried", || first()["last"].is_string());
    let row = first()["id"].as_str().expect("an id").to_owned();
    sink.answer_well();
    server.ok(&["queue", "retry", &row]);
    sink.letter_for("far@example.org");
    server.delivered();

    let all = operator(&server, "<the.one@abc.test>");
    let [id] = &*ids(&all) else {
        panic!("one message: {all:#?}");
    };
    has(&all, "intake.recipient", &["far@example.org"]);
    has(&all, "intake.hook.rcpt", &["domain-policy@", "µs"]);
    has(&all, "intake.hook.data", &["domain-policy@", "proceed"]);
    has(&all, "store", &["mailbox", "dan@xyz.test"]);
    has(
        &all,
        "store",
        &[&format!("queue {row} "), "far@example.org"],
    );
    has(
        &all,
        "outflow.remote",
        &["attempt 1: deferred", "451 4.7.1 Greylisted"],
    );
    has(&all, "queue.retry", &[&row, "operator"]);
    has(&all, "outflow.remote", &["attempt 2: ", "250"]);
    for what in [
        id,
        "the.one@abc.test",
        &row,
        "far@example.org",
        "bob@abc.test",
    ] {
        assert_eq!(
            ids(&operator(&server, what)),
            std::slice::from_ref(id),
            "{what}"
        );
    }
    // One line a step for people.
    let text = server.ok(&["trace", &row]);
    assert!(
        text.lines()
            .any(|line| line.contains("451 4.7.1 Greylisted")),
        "{text}"
    );

    // The sender's domain reads where it went; the other domain's plugins are not its business.
    for person in ["ann@abc.test", "pat@abc.test"] {
        for what in [
            id,
            "the.one@abc.test",
            &row,
            "far@example.org",
            "dan@xyz.test",
        ] {
            let own = lines(&as_person(&server, person, &[what]).ok());
            has(&own, "intake.hook.data", &["domain-policy@"]);
            has(&own, "outflow.remote", &["attempt 2: ", "250"]);
            has(&own, "intake.recipient", &["dan@xyz.test"]);
            let foreign = own.iter().any(|line| line["domain"] == "xyz.test");
            assert!(!foreign, "{own:#?}");
            let stored = own
                .iter()
                .any(|line| line["step"] == "store" && line["recipient"] == "dan@xyz.test");
            assert!(!stored, "{own:#?}");
        }
    }
    // The recipient's domain reads of its own recipient alone.
    let own = lines(&as_person(&server, "zoe@xyz.test", &["bob@abc.test"]).ok());
    has(&own, "store", &["dan@xyz.test"]);
    let text = format!("{own:?}");
    assert!(
        !text.contains("far@example.org") && !text.contains(&format!("queue {row} ")),
        "{text}"
    );
    // Foreign, missing and reserved are one answer.
    let denied = |person, what: &str| {
        let ran = as_person(&server, person, &[what]);
        (ran.code, ran.err.replace(what, "WHAT"))
    };
    let missing = denied("zoe@xyz.test", "nobody@abc.test");
    assert_eq!(missing.0, 3);
    for (person, what) in [
        ("zoe@xyz.test", "far@example.org"),
        ("zoe@xyz.test", row.as_str()),
        ("bob@abc.test", id.as_str()),
        ("bob@abc.test", "qffffff"),
    ] {
        assert_eq!(denied(person, what), missing, "{person} {what}");
    }
}

#[test]
fn refusals_reports_and_decisions_stand_in_the_trace() {
    let sink = Sink::start();
    sink.answer("RCPT", "550 5.1.1 Nobody here");
    let server = server(&sink);
    let words = r#"{"refused_words": ["casino"]}"#;
    server.ok(&[
        "plugin",
        "bind",
        "abc.test",
        "domain-policy",
        "--config",
        words,
    ]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    let message = "Message-ID: <no@example.org>\r\nSubject: casino\r\n\r\nx\r\n";
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["bob@abc.test"], message);
    assert_eq!(reply.code, 550, "{reply:?}");
    eventually("the refusal is there", || {
        server.postroom(&["trace", "no@example.org"]).code == 0
    });
    let refused = operator(&server, "no@example.org");
    has(
        &refused,
        "intake.hook.data",
        &["domain-policy@", "reject: 550"],
    );
    has(&refused, "intake.data-hooks", &["refused: 550"]);
    assert_eq!(ids(&operator(&server, "joe@example.org")), ids(&refused));

    // A bounce: the report has a trace of its own, and is named in that of the message.
    python(SUBMIT, &[&server.port("smtps"), "far@example.org"]).ok();
    server.delivered();
    let bounced = operator(&server, "the.one@abc.test");
    has(
        &bounced,
        "outflow.remote",
        &["attempt 1: failed: 5.1.1", "550 5.1.1 Nobody here"],
    );
    let report = bounced
        .iter()
        .find(|line| line["step"] == "report")
        .and_then(|line| line["text"].as_str()?.split(' ').next())
        .expect("a report was made")
        .to_owned();
    has(
        &operator(&server, &report),
        "store",
        &["mailbox", "bob@abc.test"],
    );

    // Kept aside, released by the domain's administrator.
    server.ok(&["plugin", "install", &fixture("trap")]);
    let aside = [
        "plugin",
        "bind",
        "abc.test",
        "trap",
        "--on-failure",
        "quarantine",
    ];
    server.ok(&aside);
    server.ok(&["plugin", "deploy", "abc.test"]);
    let message = "Message-ID: <aside@example.org>\r\nSubject: x\r\n\r\nx\r\n";
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["bob@abc.test"], message);
    assert_eq!(reply.code, 250, "{reply:?}");
    let aside = operator(&server, "aside@example.org");
    has(
        &aside,
        "store",
        &["kept aside (quarantine: ", "bob@abc.test"],
    );
    let row = server.json(&["queue", "list", "--state", "quarantine"])[0]["id"].clone();
    let row = row.as_str().expect("an id");
    server.ok(&["queue", "release", row]);
    server.delivered();
    let aside = operator(&server, "aside@example.org");
    has(&aside, "queue.release", &[row, "operator"]);
    let asked = |lines: &[Value]| {
        let hooks = lines.iter().filter(|line| {
            let text = line["text"].as_str().unwrap_or_default();
            text.starts_with("trap@")
        });
        hooks.count()
    };
    let before = asked(&aside);
    assert!(before > 0, "{aside:#?}");
    assert_eq!(
        server.messages("bob@abc.test", "INBOX").len(),
        2,
        "the report, and it, once"
    );
    has(&aside, "store", &["mailbox", "bob@abc.test"]);
}
