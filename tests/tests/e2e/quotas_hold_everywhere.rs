//! A quota holds wherever a message comes into a mailbox, and is nobody else's trouble: over SMTP
//! the full one alone is told to wait, or waits in the queue; over IMAP nothing is stored.

use postroom_tests::{Line, Server, eventually, python};

/// `abc.test` with ann, who may have 20,000 bytes, and bob.
fn server() -> Server {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &["quota-bytes=20000"]);
    server.user("bob@abc.test", &[]);
    server.ok(&["domain", "set", "abc.test", "postmaster=ann@abc.test"]);
    server
}

fn large() -> String {
    format!(
        "Subject: large\r\n\r\n{}",
        "A line of thirty-two characters\r\n".repeat(700)
    )
}

const SMALL: &str = "Subject: small\r\n\r\nHello\r\n";

fn inbox(server: &Server, person: &str) -> usize {
    server.messages(person, "INBOX").len()
}

#[test]
fn who_is_over_quota_is_told_at_rcpt_alone() {
    let server = server();
    let mut line = Line::smtp(server.address("mx"));
    assert_eq!(
        line.command("MAIL FROM:<joe@example.org> SIZE=25000").code,
        250
    );
    let full = line.command("RCPT TO:<ann@abc.test>");
    assert_eq!(full.code, 452, "{full:?}");
    assert!(full.text.starts_with("4.2.2 ann@abc.test"), "{full:?}");
    assert_eq!(line.command("RCPT TO:<bob@abc.test>").code, 250);
    // The postmaster can always be written to, whoever that is.
    assert_eq!(line.command("RCPT TO:<postmaster@abc.test>").code, 250);
    assert_eq!(line.command("DATA").code, 354);
    line.write(large().as_bytes());
    assert_eq!(line.command(".").code, 250);
    assert_eq!(inbox(&server, "bob@abc.test"), 1);
    assert_eq!(inbox(&server, "ann@abc.test"), 1, "the postmaster's copy");

    // By now nothing fits any more, whatever SIZE says; and `explain` says the same.
    assert_eq!(line.command("MAIL FROM:<joe@example.org>").code, 250);
    assert_eq!(line.command("RCPT TO:<ann@abc.test>").code, 452);
    let explained = server.json(&["explain", "ann@abc.test"]);
    assert_eq!(explained["by"], "quota", "{explained}");
    // More room, and it fits.
    server.ok(&["user", "set", "ann@abc.test", "quota-bytes=-1"]);
    assert_eq!(line.command("RCPT TO:<ann@abc.test>").code, 250);
}

#[test]
fn what_does_not_fit_after_all_waits_and_hurts_no_other() {
    let server = server();
    let mut line = Line::smtp(server.address("mx"));
    // Nothing was announced, so everybody was taken.
    let both = ["ann@abc.test", "bob@abc.test"];
    assert_eq!(line.send("joe@example.org", &both, &large()).code, 250);
    assert_eq!(inbox(&server, "bob@abc.test"), 1);
    assert_eq!(inbox(&server, "ann@abc.test"), 0);
    let rows = server.json(&["queue", "list"]);
    let row = rows[0].clone();
    assert_eq!(row["recipient"], "ann@abc.test", "{rows}");
    let id = row["id"].as_str().expect("it has an id").to_owned();

    // As long as there is no room it waits; small mail fits all the while.
    server.ok(&["queue", "retry", &id]);
    eventually("it was tried", || {
        let row = server.json(&["queue", "list"])[0].clone();
        row["last"]
            .as_str()
            .is_some_and(|last| last.contains("is full"))
    });
    assert_eq!(
        line.send("joe@example.org", &["ann@abc.test"], SMALL).code,
        250
    );
    assert_eq!(inbox(&server, "ann@abc.test"), 1);

    server.ok(&["user", "set", "ann@abc.test", "quota-bytes=100000"]);
    server.ok(&["queue", "retry", &id]);
    server.delivered();
    let messages = server.messages("ann@abc.test", "INBOX");
    assert_eq!(messages.len(), 2);
    let late = String::from_utf8_lossy(&messages[1]).into_owned();
    assert!(
        late.starts_with("Return-Path: <joe@example.org>\r\n"),
        "{late}"
    );
    assert!(late.ends_with(&large()), "{late}");

    // Where nobody else would get it, the sender keeps it.
    server.ok(&["user", "set", "ann@abc.test", "quota-bytes=30000"]);
    let alone = line.send("joe@example.org", &["ann@abc.test"], &large());
    assert_eq!(alone.code, 452, "{alone:?}");
    assert!(alone.text.starts_with("4.2.2 ann@abc.test"), "{alone:?}");
    assert_eq!(
        server.json(&["queue", "list"]).as_array().map(Vec::len),
        Some(0)
    );
}

#[test]
fn a_domain_has_a_quota_too() {
    let server = server();
    server.ok(&["domain", "set", "abc.test", "quota-messages=2"]);
    let mut line = Line::smtp(server.address("mx"));
    let everybody = ["bob@abc.test", "ann@abc.test"];
    assert_eq!(line.send("joe@example.org", &everybody, SMALL).code, 250);
    let third = line.send("joe@example.org", &["bob@abc.test"], SMALL);
    assert_eq!(third.code, 452, "{third:?}");
    server.ok(&["domain", "set", "abc.test", "quota-messages=3"]);
    assert_eq!(
        line.send("joe@example.org", &["bob@abc.test"], SMALL).code,
        250
    );
    assert_eq!(inbox(&server, "bob@abc.test"), 2);
}

const IMAP: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    def no(answer):
        assert answer[0] == "NO" and answer[1][0].startswith(b"[OVERQUOTA]"), answer
    def ok(answer):
        assert answer[0] == "OK", answer
        return answer[1]
    message = b"Subject: one\r\n\r\n" + b"x" * 8000 + b"\r\n"
    ok(client.append("INBOX", None, None, message))
    ok(client.create("box"))
    ok(client.select("INBOX"))
    ok(client.copy("1", "box"))
    no(client.copy("1", "box"))
    no(client.append("INBOX", None, None, message))
    assert ok(client.status("box", "(MESSAGES)"))[0].endswith(b"(MESSAGES 1)")
    # What moves among the own mailboxes takes no more room; what is deleted makes some.
    typ, data = client.uid("MOVE", "1", "box")
    assert typ == "OK", (typ, data)
    ok(client.select("box"))
    ok(client.store("1", "+FLAGS", "\\Deleted"))
    ok(client.expunge())
    ok(client.copy("1", "INBOX"))
"#;

#[test]
fn i05_append_copy_and_move_count_the_quota() {
    let server = server();
    python(IMAP, &[&server.port("imaps")]).ok();
}
