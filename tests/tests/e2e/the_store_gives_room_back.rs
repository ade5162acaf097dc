//! Mail comes, goes, and the disk is free again; what stayed is as it was. With the server running
//! and without.

use std::path::Path;

use postroom_tests::{Line, Server, ServerOptions, python};

/// One message a step of this size, so that a few fill a segment of 64 MiB.
const SIZE: usize = 200_000;

/// Lines that no compression makes much smaller.
fn message(number: usize) -> String {
    let mut text = format!("Subject: number {number}\r\n\r\n");
    let mut hash = blake3::hash(&number.to_le_bytes());
    while text.len() < SIZE {
        for _ in 0..14 {
            text.push_str(hash.to_hex().as_str());
            hash = blake3::hash(hash.as_bytes());
        }
        text.push_str("\r\n");
    }
    text
}

/// Bytes of the files beneath a folder.
fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .expect("it is ours")
        .map(|entry| entry.expect("it is ours").path())
        .map(|path| match path.is_dir() {
            true => size(&path),
            false => path.metadata().map_or(0, |file| file.len()),
        })
        .sum()
}

const EXPUNGE: &str = r#"
import imaplib, ssl, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    client.select("INBOX")
    client.store("1:%d" % count, "+FLAGS.SILENT", r"(\Deleted)")
    client.expunge()
"#;

fn number(server: &Server, arguments: &[&str], field: &str) -> u64 {
    let answer = server.json(arguments);
    answer[field]
        .as_u64()
        .unwrap_or_else(|| panic!("no {field}: {answer}"))
}

#[test]
fn mail_that_is_gone_takes_no_room() {
    let mut server = Server::start_with(ServerOptions {
        tables: "[store]\ncollect = false\n".to_owned(),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let mut line = Line::smtp(server.address("mx"));
    let all = 700;
    for number in 0..all {
        let reply = line.send("joe@example.org", &["ann@abc.test"], &message(number));
        assert_eq!(reply.code, 250);
    }
    drop(line);
    let gone = all - 20;
    python(EXPUNGE, &[&server.port("imaps"), &gone.to_string()]).ok();
    let store = server.path("data/store");
    let full = size(&store);
    assert!(full > 140_000_000, "{full} bytes for {all} messages");

    let given_back = number(&server, &["store", "compact"], "given_back");
    assert!(given_back > 100_000_000, "{given_back} bytes given back");
    // The log keeps one segment of 64 MiB, allocated ahead.
    let left = size(&store);
    assert!(left < 90_000_000, "{left} bytes of {full} are left");
    assert_eq!(number(&server, &["store", "stats"], "messages"), 20);
    assert_eq!(
        number(&server, &["store", "check", "--deep"], "problems"),
        0
    );
    intact(&server, gone, all);

    // Without the server, by the same commands, and with a new index.
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(
        number(&server, &["store", "check", "--deep"], "problems"),
        0
    );
    assert_eq!(number(&server, &["store", "repair"], "problems"), 0);
    assert!(store.join("index.redb.replaced-1").exists());
    server.ok(&["store", "compact"]);
    server.launch();
    intact(&server, gone, all);

    // While it runs nobody takes its index away.
    let ran = server.postroom(&["store", "repair"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("stop it first"), "{ran:?}");
}

/// The last messages are there, byte for byte.
#[track_caller]
fn intact(server: &Server, first: usize, end: usize) {
    let messages = server.messages("ann@abc.test", "INBOX");
    assert_eq!(messages.len(), end - first);
    for (found, number) in messages.iter().zip(first..end) {
        let found = String::from_utf8_lossy(found);
        let sent = message(number);
        let sent = sent.trim_end();
        assert!(found.trim_end().ends_with(sent), "message {number} differs");
    }
}
