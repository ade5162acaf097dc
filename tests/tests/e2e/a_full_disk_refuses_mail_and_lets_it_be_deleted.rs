//! F05: the data directory on a small file system that is filled from outside. Below the reserve
//! senders get 452 4.3.1 before they send anything, with nothing free mail can still be deleted,
//! and when there is room again mail is taken without a restart.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use postroom_tests::{Line, Server, ServerOptions, eventually, python};

const MESSAGE: &str = "From: joe@example.org\r\nSubject: hi\r\n\r\nhello\r\n";

/// Deletes the first message; prints what is left.
const DELETE: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    client.select("INBOX")
    status, _ = client.store("1", "+FLAGS", "(\\Deleted)")
    assert status == "OK"
    status, gone = client.expunge()
    assert status == "OK" and gone == [b"1"], gone
    print(len(client.search(None, "ALL")[1][0].split()))
"#;

/// Makes the folder of the store, beside the configuration that is the last argument, a small file
/// system, and becomes the server.
const MOUNT: &str = r#"
for last; do :; done
store=$(dirname "$last")/data/store
mkdir -p "$store" && mount -t tmpfs -o size=300m tmpfs "$store" && exec "$@"
"#;

/// The server in a mount namespace of its own.
fn server() -> Server {
    let under = [
        "unshare",
        "--mount",
        "--map-root-user",
        "sh",
        "-c",
        MOUNT,
        "sh",
    ];
    let server = Server::start_with(ServerOptions {
        tables: "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 16777216\ndisk_reserve_percent = 0\n".to_owned(),
        under: under.map(str::to_owned).to_vec(),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server
}

/// A file on the small file system.
fn ballast(server: &Server) -> PathBuf {
    let path = server.path("data/store/ballast");
    let path = path.strip_prefix("/").expect("it is absolute");
    PathBuf::from(format!("/proc/{}/root", server.pid())).join(path)
}

/// Leaves so much room.
fn fill(server: &Server, left: u64) {
    let status = server.json(&["status"]);
    let free = status["free_bytes"].as_u64().expect("it says what is free");
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(ballast(server))
        .expect("it can be made");
    let block = vec![1; 65_536];
    for _ in 0..free.saturating_sub(left) / 65_536 {
        file.write_all(&block).expect("there was room");
    }
}

fn send(server: &Server) -> (u16, String) {
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["ann@abc.test"], MESSAGE);
    (reply.code, reply.text)
}

#[test]
fn a_full_disk_refuses_mail_and_lets_it_be_deleted() {
    let mut server = server();
    for _ in 0..3 {
        assert_eq!(send(&server).0, 250);
    }
    fill(&server, 8 * 1024 * 1024);
    let mail = Line::smtp(server.address("mx")).command("MAIL FROM:<joe@example.org>");
    assert_eq!(mail.code, 452, "{mail:?}");
    assert!(mail.text.starts_with("4.3.1 "), "{mail:?}");
    assert_eq!(python(DELETE, &[&server.port("imaps")]).ok().trim(), "2");

    fill(&server, 0);
    assert_eq!(send(&server).0, 452);
    assert_eq!(python(DELETE, &[&server.port("imaps")]).ok().trim(), "1");

    std::fs::remove_file(ballast(&server)).expect("it is ours");
    eventually("mail is taken again", || send(&server).0 == 250);
    assert!(server.messages("ann@abc.test", "INBOX").len() >= 2);
    assert_eq!(server.terminate(), Some(0), "a full disk is no failure");
}
