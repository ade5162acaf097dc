//! A backup made under load becomes a server on an empty directory: its mail is there, UIDVALIDITY
//! moved on, queued mail waits, and nothing is given out twice. An older copy of the data put in
//! place is found out.

use std::fs;
use std::path::Path;

use postroom_tests::{Line, Server, eventually, python};
use serde_json::Value;

/// Prints UIDVALIDITY, UIDNEXT and the subjects by UID.
const LOOK: &str = r#"
import imaplib, json, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
client.login("ann@abc.test", "secret")
status = client.status("INBOX", "(UIDVALIDITY UIDNEXT MESSAGES)")[1][0].decode()
numbers = dict(zip(*[iter(status[status.index("(") + 1:-1].split())] * 2))
client.select("INBOX", readonly=True)
found = {}
for part in client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")[1]:
    if isinstance(part, tuple):
        head = part[0].decode()
        uid = head.split("UID ")[1].split()[0].rstrip(")")
        found[uid] = [len(part[1]), "\\Seen" in head]
print(json.dumps({"validity": int(numbers["UIDVALIDITY"]), "next": int(numbers["UIDNEXT"]), "messages": found}))
"#;

fn look(server: &Server) -> Value {
    serde_json::from_str(&python(LOOK, &[&server.port("imaps")]).ok()).expect("it is JSON")
}

fn send(server: &Server, subject: &str, bytes: usize) {
    let body = "0123456789abcdef\r\n".repeat(bytes / 18);
    let message = format!("Subject: {subject}\r\n\r\n{body}");
    let reply = Line::smtp(server.address("mx")).send("joe@far.test", &["ann@abc.test"], &message);
    assert_eq!(reply.code, 250, "{reply:?}");
}

fn copied(backup: &Value) -> u64 {
    backup["copied_bytes"].as_u64().expect("a number")
}

fn put_in_place(server: &mut Server, folder: &str) {
    server.terminate();
    fs::rename(server.path("data"), server.path("data-before")).expect("it is there");
    server.ok(&["restore", folder]);
    server.launch();
}

#[test]
fn a_backup_becomes_a_server_again() {
    let mut server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    for number in 0..5 {
        send(&server, &format!("message {number}"), 2000);
    }
    send(&server, "large", 700_000);
    server.delivered();
    let folder = server.path("backup").display().to_string();
    let first = server.json(&["backup", &folder]);
    assert_eq!(first["files"], first["copied_files"]);
    // The second copies what changed, and no body again.
    send(&server, "later", 2000);
    server.delivered();
    let before = look(&server);
    let second = server.json(&["backup", &folder]);
    assert!(copied(&second) + 600_000 < copied(&first), "{second}");
    // What comes after is not in it.
    send(&server, "lost", 2000);
    server.delivered();

    put_in_place(&mut server, &folder);
    let after = look(&server);
    assert_eq!(after["messages"], before["messages"]);
    assert!(
        after["validity"].as_u64() > before["validity"].as_u64(),
        "{after}"
    );
    send(&server, "new", 2000);
    server.delivered();
    assert_eq!(
        look(&server)["messages"]
            .as_object()
            .expect("an object")
            .len(),
        8
    );
    // The restored server goes on with the same folder.
    server.ok(&["backup", &folder]);

    // The old directory, put in place again, is behind the note.
    server.terminate();
    fs::rename(server.path("data"), server.path("data-restored")).expect("it is there");
    fs::rename(server.path("data-before"), server.path("data")).expect("it is there");
    server.launch();
    let status = server.json(&["status"]);
    assert_eq!(status["takes_mail"], false);
    assert!(
        status["trouble"]
            .as_str()
            .unwrap_or_default()
            .contains("restore --accept-older"),
        "{status}"
    );
    assert!(server.log().contains("older copy"), "{}", server.log());
    let mut line = Line::smtp(server.address("mx"));
    let refused = line.command("MAIL FROM:<joe@far.test>");
    assert_eq!(refused.code / 100, 4, "{refused:?}");
    assert_eq!(
        look(&server)["messages"]
            .as_object()
            .expect("an object")
            .len(),
        8,
        "it can be read"
    );
    let check = server.postroom(&["check"]);
    assert!(check.out.contains("older"), "{}", check.out);
    server.terminate();
    server.ok(&["restore", "--accept-older"]);
    server.launch();
    send(&server, "accepted", 2000);
}

#[test]
fn an_interrupted_backup_and_an_interrupted_restore_go_on() {
    let mut server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    send(&server, "large", 700_000);
    server.delivered();
    let folder = server.path("backup").display().to_string();
    let first = server.json(&["backup", &folder]);
    // As if it had ended before its manifest: what was copied is known.
    let manifest = server.path("backup/manifest");
    let text = fs::read_to_string(&manifest).expect("it is there");
    let life = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .expect("it has one");
        line.to_owned()
    };
    let kept: String = text
        .lines()
        .filter(|line| line.starts_with("final "))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(
        server.path("backup/progress"),
        format!("{} {}\n{kept}final 12 half", life("store "), life("life ")),
    )
    .expect("ours");
    fs::remove_file(&manifest).expect("it is there");
    let again = server.json(&["backup", &folder]);
    assert!(copied(&again) + 600_000 < copied(&first), "{again}");

    let before = look(&server);
    server.terminate();
    fs::rename(server.path("data"), server.path("data-before")).expect("it is there");
    // A file of the backup is damaged: the restore says which, and nothing starts.
    let body = largest(&server.path("backup/files"));
    let whole = fs::read(&body).expect("it is there");
    let mut damaged = whole.clone();
    damaged[300_000] ^= 1;
    fs::write(&body, damaged).expect("ours");
    let refused = server.postroom(&["restore", &folder]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("store/bodies/"), "{}", refused.err);
    let started = server.postroom(&["serve"]);
    assert_ne!(started.code, 0);
    assert!(started.err.contains("did not end"), "{}", started.err);
    fs::write(&body, whole).expect("ours");
    server.ok(&["restore", &folder]);
    server.launch();
    assert_eq!(look(&server)["messages"], before["messages"]);
}

#[test]
fn a_backup_and_a_restore_overwrite_nothing() {
    let server = Server::start();
    fs::create_dir(server.path("other")).expect("ours");
    fs::write(server.path("other/file"), "x").expect("ours");
    let other = server.path("other").display().to_string();
    let refused = server.postroom(&["backup", &other]);
    assert!(
        refused.code == 1 && refused.err.contains("no backup of postroom"),
        "{refused:?}"
    );
    assert_eq!(fs::read_dir(&other).expect("ours").count(), 1);
    let folder = server.path("backup").display().to_string();
    server.ok(&["backup", &folder]);
    let refused = server.postroom(&["restore", &folder]);
    assert!(
        refused.code == 1 && refused.err.contains("is not empty"),
        "{refused:?}"
    );
    let refused = server.postroom(&["--data", &other, "restore", &other]);
    assert!(
        refused.code == 1 && refused.err.contains("is no backup"),
        "{refused:?}"
    );
}

fn largest(folder: &Path) -> std::path::PathBuf {
    let folders = fs::read_dir(folder)
        .expect("it is there")
        .filter_map(Result::ok);
    let files = folders.flat_map(|folder| {
        fs::read_dir(folder.path())
            .expect("a folder")
            .filter_map(Result::ok)
    });
    // The journal is longer and mostly empty: bodies begin with their own mark.
    files
        .map(|file| file.path())
        .find(|file| fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"PRBODY")))
        .expect("there is a body")
}

#[test]
fn queued_mail_of_a_backup_waits_for_release() {
    let mut server = Server::start();
    server.domain("abc.test");
    server.user(
        "ann@abc.test",
        &["options=mailbox,forward", "forward-to=joe@far.test"],
    );
    send(&server, "on its way", 2000);
    eventually("the forward waits", || {
        server
            .json(&["queue", "list"])
            .as_array()
            .is_some_and(|rows| !rows.is_empty())
    });
    let folder = server.path("backup").display().to_string();
    server.ok(&["backup", &folder]);
    put_in_place(&mut server, &folder);
    let queue = server.json(&["queue", "list"]);
    assert_eq!(queue[0]["state"], "parked (restored)", "{queue}");
}
