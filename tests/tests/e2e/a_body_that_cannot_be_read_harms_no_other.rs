//! F04: the disk has an unreadable place (EIO) where the body of a message is. Who reads that message
//! is told, other messages are read and taken, and what waits in the queue with that body is
//! kept until it can be read.

use std::path::{Path, PathBuf};

use postroom_tests::{Line, Server, ServerOptions, Sink, eventually_some, injected, python};
use serde_json::Value;

/// Beyond what travels in a journal record (256 KiB): such a body has a file of its own.
const LARGE_BYTES: usize = 400 * 1024;

/// Fetches each message, in one session as far as that goes; prints who answered.
const FETCH: &str = r#"
import imaplib, json, ssl, sys
def session():
    client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
    client.login("ann@abc.test", "secret")
    client.select("INBOX", readonly=True)
    return client
client, said = session(), {}
for number in range(1, int(client.select("INBOX", readonly=True)[1][0]) + 1):
    try:
        status, parts = client.fetch(str(number), "(BODY.PEEK[])")
        bytes = [part[1] for part in parts if isinstance(part, tuple)]
        said[number] = len(bytes[0]) if status == "OK" and bytes else status
    except imaplib.IMAP4.abort:
        said[number], client = "closed", session()
    except imaplib.IMAP4.error as error:
        said[number] = "refused"
print(json.dumps([said[number] for number in sorted(said)]))
"#;

fn fetch(server: &Server) -> Vec<Value> {
    let said = python(FETCH, &[&server.port("imaps")]).ok();
    serde_json::from_str(&said).expect("it is JSON")
}

fn send(server: &Server, to: &[&str], subject: &str, bytes: usize) {
    let body = "0123456789abcdef\r\n".repeat(bytes / 18 + 1);
    let text = format!("Subject: {subject}\r\n\r\n{body}");
    let reply = Line::smtp(server.address("mx")).send("joe@example.org", to, &text);
    assert_eq!(reply.code, 250, "{reply:?}");
}

/// The largest file of bodies.
fn body(folder: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it is there") {
            let entry = entry.expect("it is there");
            let meta = entry.metadata().expect("it is there");
            match meta.is_dir() {
                true => folders.push(entry.path()),
                false => files.push((meta.len(), entry.path())),
            }
        }
    }
    let (bytes, path) = files.into_iter().max().expect("there is a body");
    assert!(bytes > 100_000, "a body of its own: {}", path.display());
    path
}

fn rows(server: &Server) -> Vec<Value> {
    let rows = server.json(&["queue", "list"]);
    rows.as_array().cloned().expect("it is a list")
}

/// The row once it was tried more often than `attempts`.
fn tried(server: &Server, attempts: u64) -> Value {
    eventually_some("it is tried", || {
        let rows = rows(server);
        assert_eq!(rows.len(), 1, "nothing is lost, nobody is told: {rows:?}");
        let is_done = rows[0]["attempts"].as_u64() > Some(attempts);
        is_done.then(|| rows[0].clone())
    })
}

#[test]
fn a_body_that_cannot_be_read_harms_no_other() {
    let sink = Sink::start();
    sink.answer("RCPT", "451 4.3.0 Busy");
    let mut server = Server::start_with(ServerOptions {
        tables: format!(
            "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\nretry_seconds = [3600]\n{}",
            sink.route("far.test")
        ),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server.user(
        "bob@abc.test",
        &["options=forward", "forward-to=x@far.test"],
    );
    send(&server, &["ann@abc.test"], "before", 1000);
    send(
        &server,
        &["ann@abc.test", "bob@abc.test"],
        "large",
        LARGE_BYTES,
    );
    let row = tried(&server, 0);
    let body = body(&server.path("data/store/bodies"));
    let whole = fetch(&server);
    assert!(whole.iter().all(Value::is_number), "{whole:?}");

    server.kill();
    server.set_under(&injected("pread64", "error=EIO", Some(&body)));
    server.launch();
    sink.answer_well();
    let said = fetch(&server);
    assert_eq!(said[0], whole[0], "others are read: {said:?}");
    assert!(!said[1].is_number(), "who reads it is told: {said:?}");
    send(&server, &["ann@abc.test"], "after", 1000);
    server.ok(&["queue", "retry", row["id"].as_str().expect("it has one")]);
    let row = tried(&server, 1);
    let last = row["last"].as_str().unwrap_or_default();
    assert!(last.contains("could not be read"), "{row}");
    assert_eq!(sink.letters().len(), 0, "half a message went out");
    assert_eq!(fetch(&server).len(), 3);

    server.kill();
    server.set_under(&[]);
    server.launch();
    assert_eq!(fetch(&server)[..2], whole);
    server.ok(&["queue", "retry", row["id"].as_str().expect("it has one")]);
    let letter = sink.letter_for("x@far.test");
    assert!(letter.bytes.len() >= LARGE_BYTES, "{}", letter.bytes.len());
}
