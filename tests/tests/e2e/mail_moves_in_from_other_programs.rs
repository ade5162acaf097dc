//! Maildir and mbox, written by Python's `mailbox` and read by it: flags, folders, dates, and
//! nothing twice.

use std::fs;

use postroom_tests::{Server, python};
use serde_json::Value;

/// Writes a Maildir with folders and an mbox.
const WRITE: &str = r#"
import mailbox, os, sys
maildir = mailbox.Maildir(sys.argv[1] + "/Maildir")
def message(subject, flags, seen=True, date=1420070410):
    one = mailbox.MaildirMessage(f"Subject: {subject}\nFrom: joe@far.test\n\nFrom here\nbody {subject}\n")
    one.set_subdir("cur" if seen else "new")
    one.set_flags(flags)
    one.set_date(date)
    return one
for number, flags in enumerate(["", "S", "RS", "FS", "DS", "ST"]):
    maildir.add(message(f"m{number}", flags, bool(flags)))
sent = maildir.add_folder("Sent.2015")
for number in range(3):
    sent.add(message("same", "S"))
open(sys.argv[1] + "/Maildir/cur/empty:2,S", "w").close()
box = mailbox.mbox(sys.argv[1] + "/mbox")
for number, flags in enumerate(["RO", "RAFO", "O"]):
    one = mailbox.mboxMessage(f"Subject: b{number}\n\nFrom here\nbody\n")
    one.set_from("joe@far.test Thu Jan  1 00:00:10 2015")
    one.set_flags(flags)
    box.add(one)
box.flush()
"#;

/// Subjects with flags and dates, by mailbox.
const LOOK: &str = r#"
import imaplib, json, re, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
client.login("ann@abc.test", "secret")
found = {}
for box in ["INBOX", "Sent/2015", "Old"]:
    if client.select(box, readonly=True)[0] != "OK":
        continue
    rows = []
    for part in client.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
        if isinstance(part, tuple):
            head = part[0].decode()
            subject = re.search(rb"Subject: (\S+)", part[1]).group(1).decode()
            flags = sorted(flag for flag in re.search(r"FLAGS \(([^)]*)\)", head).group(1).split() if flag != "\\Recent")
            date = re.search(r'INTERNALDATE "([^"]+)"', head).group(1)
            rows.append([subject, flags, date, b"\r\n\r\nFrom here\r\nbody" in part[1]])
    found[box] = sorted(rows)
print(json.dumps(found))
"#;

/// Reads what was exported.
const READ: &str = r#"
import json, mailbox, sys
maildir = mailbox.Maildir(sys.argv[1] + "/out", create=False)
rows = {"INBOX": [[one["Subject"], "".join(sorted(one.get_flags())), int(one.get_date())] for one in maildir]}
for name in maildir.list_folders():
    rows[name] = [[one["Subject"], "".join(sorted(one.get_flags())), int(one.get_date())] for one in maildir.get_folder(name)]
box = mailbox.mbox(sys.argv[1] + "/out.mbox", create=False)
rows["mbox"] = [[one["Subject"], one.get_flags(), "From here" in one.get_payload()] for one in box]
print(json.dumps({name: sorted(found) for name, found in rows.items()}))
"#;

fn look(server: &Server) -> Value {
    serde_json::from_str(&python(LOOK, &[&server.port("imaps")]).ok()).expect("it is JSON")
}

#[test]
fn mail_moves_in_and_out_with_flags_and_dates() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let folder = server.path("files");
    fs::create_dir(&folder).expect("ours");
    let at = |name: &str| folder.join(name).display().to_string();
    python(WRITE, &[&folder.display().to_string()]).ok();
    let maildir = [
        "user",
        "import",
        "ann@abc.test",
        "--maildir",
        &at("Maildir"),
    ];
    let ran = server.postroom(&maildir);
    assert_eq!(ran.code, 1, "one file is bad: {ran:?}");
    assert!(ran.out.contains("Imported 9 messages"), "{ran:?}");
    assert!(ran.err.contains("empty:2,S: it is empty"), "{ran:?}");
    let found = look(&server);
    let date = " 1-Jan-2015 00:00:10 +0000";
    let row = |subject: &str, flags: &[&str]| {
        serde_json::json!([
            subject,
            flags,
            date,
            subject.starts_with('m') || subject == "same"
        ])
    };
    assert_eq!(
        found["INBOX"],
        serde_json::json!([
            row("m0", &[]),
            row("m1", &["\\Seen"]),
            row("m2", &["\\Answered", "\\Seen"]),
            row("m3", &["\\Flagged", "\\Seen"]),
            row("m4", &["\\Draft", "\\Seen"]),
            row("m5", &["\\Deleted", "\\Seen"]),
        ])
    );
    assert_eq!(
        found["Sent/2015"].as_array().map(Vec::len),
        Some(3),
        "three of the same are three"
    );
    // A second run imports nothing twice.
    let ran = server.postroom(&maildir);
    assert!(
        ran.out.contains("Imported 0 messages") && ran.out.contains("9 were there"),
        "{ran:?}"
    );
    assert_eq!(look(&server), found);

    server.ok(&[
        "user",
        "import",
        "ann@abc.test",
        "--mbox",
        &at("mbox"),
        "--mailbox",
        "Old",
    ]);
    let old = look(&server)["Old"].clone();
    assert_eq!(
        old,
        serde_json::json!([
            ["b0", ["\\Seen"], date, true],
            ["b1", ["\\Answered", "\\Flagged", "\\Seen"], date, true],
            ["b2", [], date, true],
        ])
    );

    server.ok(&["user", "export", "ann@abc.test", "--maildir", &at("out")]);
    server.ok(&[
        "user",
        "export",
        "ann@abc.test",
        "--mbox",
        &at("out.mbox"),
        "--mailbox",
        "Old",
    ]);
    let read = python(READ, &[&folder.display().to_string()]).ok();
    let read: Value = serde_json::from_str(&read).expect("it is JSON");
    let inbox = read["INBOX"].as_array().expect("an array");
    let flags: Vec<_> = inbox
        .iter()
        .map(|row| row[1].as_str().unwrap_or_default())
        .collect();
    assert_eq!(flags, ["", "S", "RS", "FS", "DS", "ST"], "{read}");
    assert!(inbox.iter().all(|row| row[2] == 1_420_070_410), "{read}");
    assert_eq!(
        read["Sent.2015"].as_array().map(Vec::len),
        Some(3),
        "{read}"
    );
    assert_eq!(
        read["mbox"],
        serde_json::json!([["b0", "RO", true], ["b1", "ROAF", true], ["b2", "O", true]])
    );
    let refused = server.postroom(&["user", "export", "ann@abc.test", "--maildir", &at("out")]);
    assert_eq!(refused.code, 1, "it overwrites nothing: {refused:?}");
}

#[test]
fn an_import_keeps_to_the_quota_and_goes_on_after_it_was_raised() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &["quota-messages=4"]);
    let folder = server.path("files");
    fs::create_dir(&folder).expect("ours");
    python(WRITE, &[&folder.display().to_string()]).ok();
    let mbox = folder.join("Maildir").display().to_string();
    let import = ["user", "import", "ann@abc.test", "--maildir", &mbox];
    let refused = server.postroom(&import);
    assert!(
        refused.code == 1 && refused.err.contains("over quota"),
        "{refused:?}"
    );
    server.ok(&["user", "set", "ann@abc.test", "quota-messages=100"]);
    let ran = server.postroom(&import);
    assert!(
        ran.out.contains("Imported 5 messages") && ran.out.contains("4 were there"),
        "{ran:?}"
    );
}
