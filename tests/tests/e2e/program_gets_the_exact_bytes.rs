//! The option `program`: what a program of the operator's list sees and what its end means. The
//! exact bytes are on standard input; 75 is tried again; another exit is a report to the sender;
//! a program that hangs is killed with its children.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use postroom_tests::{Line, Server, ServerOptions, Sink, eventually, eventually_some, python};

/// Each program, by its label. All of them get the folder for their results.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "keep",
        r#"cat > "$1/keep.part" && mv "$1/keep.part" "$1/keep""#,
    ),
    (
        "later",
        r#"echo "$POSTROOM_DELIVERY_ID $POSTROOM_ATTEMPT" >> "$1/later"
[ "$POSTROOM_ATTEMPT" -ge 2 ] || { echo "disk is busy"; exit 75; }
exit 0"#,
    ),
    ("refuse", "echo 'Not for you'; exit 77"),
    (
        "hang",
        r#"sleep 1000 &
echo $! > "$1/child.part" && echo $$ > "$1/parent" && mv "$1/child.part" "$1/child"
trap '' TERM
while :; do sleep 1000; done"#,
    ),
];

const REPORT: &str = r#"
import email, sys
report = email.message_from_bytes(bytes.fromhex(sys.argv[1]))
assert report.get_content_type() == "multipart/report", report.get_content_type()
assert report.get_param("report-type") == "delivery-status"
assert report["To"] and report["From"] and report["Message-ID"] and report["Date"]
assert report["Auto-Submitted"] == "auto-replied", report["Auto-Submitted"]
text, status, original = report.get_payload()
assert status.get_content_type() == "message/delivery-status"
message, recipient = status.get_payload()
assert message["Reporting-MTA"] == "dns; mail.site.test", message
assert recipient["Final-Recipient"] == "rfc822; refuse@abc.test", recipient
assert recipient["Action"] == "failed" and recipient["Status"] == "5.7.1", recipient
assert original.get_content_type() in ("text/rfc822-headers", "message/rfc822")
assert "Subject: tool" in original.as_string()
"#;

struct Bench {
    server: Server,
    sink: Sink,
    folder: tempfile::TempDir,
}

impl Bench {
    /// A server whose people `keep`, `later`, `refuse` and `hang` have the program of that name.
    fn new() -> Self {
        let sink = Sink::start();
        // Where the server is root the programs run as somebody else, who must get here.
        let folder = tempfile::Builder::new()
            .prefix("postroom-programs-")
            .permissions(Permissions::from_mode(0o777))
            .tempdir()
            .expect("a temporary folder");
        let open = |path: &Path, mode| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
        };
        open(folder.path(), 0o777);
        let mut tables = sink.route("*");
        for (label, script) in PROGRAMS {
            let path = folder.path().join(format!("{label}.sh"));
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the folder is ours");
            open(&path, 0o755);
            tables.push_str(&format!(
                "[[program]]\nlabel = \"{label}\"\npath = \"{}\"\nargs = [\"{}\"]\ntimeout_seconds = 1\n",
                path.display(),
                folder.path().display()
            ));
        }
        tables.push_str("[limits]\nretry_seconds = [1, 3600]\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\n");
        let server = Server::start_with(ServerOptions {
            tables,
            ..ServerOptions::default()
        });
        server.domain("abc.test");
        for (label, _) in PROGRAMS {
            server.user(
                &format!("{label}@abc.test"),
                &["options=mailbox,program", &format!("program={label}")],
            );
        }
        Self {
            server,
            sink,
            folder,
        }
    }

    fn send(&self, to: &str, message: &[u8]) {
        let mut line = Line::smtp(self.server.address("mx"));
        let mail = line.command("MAIL FROM:<joe@example.org> BODY=8BITMIME");
        assert_eq!(mail.code, 250);
        let rcpt = line.command(&format!("RCPT TO:<{to}>"));
        assert_eq!(rcpt.code, 250, "{rcpt:?}");
        assert_eq!(line.command("DATA").code, 354);
        line.write(message);
        assert_eq!(line.command(".").code, 250);
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(name)).ok()
    }

    fn pid(&self, name: &str) -> String {
        let bytes = eventually_some(name, || self.read(name));
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    /// The queue row of a recipient.
    fn row(&self, recipient: &str) -> Option<serde_json::Value> {
        let rows = self.server.json(&["queue", "list"]);
        let rows = rows.as_array().expect("it is a list");
        rows.iter()
            .find(|row| row["recipient"] == recipient)
            .cloned()
    }
}

#[test]
fn program_gets_the_exact_bytes() {
    let bench = Bench::new();
    let mut message = b"From: joe@example.org\r\nSubject: tool\r\n\r\nFrom here\r\n".to_vec();
    message.extend((0x80..=0xff_u8).chain(*b"\r\n"));
    bench.send("keep@abc.test", &message);
    let input = eventually_some("the program ran", || bench.read("keep"));
    bench.server.delivered();
    let copies = bench.server.messages("keep@abc.test", "INBOX");
    let copy = copies.first().expect("it is in the mailbox too");
    // The mailbox shows one line more: final delivery writes the sender.
    let own = copy
        .strip_prefix(b"Return-Path: <joe@example.org>\r\n")
        .expect("final delivery");
    assert_eq!(blake3::hash(&input), blake3::hash(own));
    assert!(input.ends_with(&message));
}

#[test]
fn program_that_ends_with_75_is_tried_again() {
    let bench = Bench::new();
    bench.send("later@abc.test", b"Subject: tool\r\n\r\n");
    eventually("it ran twice", || {
        bench
            .read("later")
            .is_some_and(|runs| runs.iter().filter(|byte| **byte == b'\n').count() == 2)
    });
    bench.server.delivered();
    let runs = String::from_utf8(bench.read("later").unwrap_or_default()).expect("it is ASCII");
    let runs: Vec<_> = runs.lines().filter_map(|run| run.split_once(' ')).collect();
    assert_eq!(
        runs.iter().map(|(_, attempt)| *attempt).collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(runs[0].0, runs[1].0, "a repeat can be recognised by its id");
    assert_eq!(bench.sink.letters(), []);
}

#[test]
fn program_that_refuses_becomes_a_report() {
    let bench = Bench::new();
    bench.send("refuse@abc.test", b"Subject: tool\r\n\r\n");
    let report = bench.sink.letter_for("joe@example.org");
    assert!(report.mail.starts_with("MAIL FROM:<>"), "{report:?}");
    let hex: String = report
        .bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    python(REPORT, &[&hex]).ok();
    bench.server.delivered();
    assert_eq!(bench.sink.letters().len(), 1);
}

#[test]
fn program_that_hangs_is_killed_with_its_children() {
    let bench = Bench::new();
    bench.send("hang@abc.test", b"Subject: tool\r\n\r\n");
    let pids = [bench.pid("child"), bench.pid("parent")];
    let is_there = |pid: &String| {
        // What was killed and not yet waited for by init is gone too.
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    };
    eventually("both are gone", || !pids.iter().any(is_there));
    let row = eventually_some("it waits for the next attempt", || {
        bench
            .row("hang@abc.test")
            .filter(|row| row["state"] == "waiting" && row["attempts"] == 2)
    });
    assert!(
        row["last"].as_str().is_some_and(|text| !text.is_empty()),
        "{row}"
    );
    assert_eq!(bench.sink.letters(), [], "nobody is told that it failed");
}
