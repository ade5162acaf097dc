//! A Maildir that Dovecot wrote comes in with folders, flags, keywords and dates, and Dovecot reads
//! the Maildir that is exported.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use postroom_tests::{Ran, Server, program, python, run};

/// Somebody who is not root: Dovecot reads no mail for that.
const USER: u32 = 65_534;

/// Flags, keywords and subject of every message, by mailbox.
const LOOK: &str = r#"
import imaplib, re, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    for box in ["INBOX", "Work/Pl&AOQ-ne"]:
        client.select('"' + box + '"', readonly=True)
        for part in client.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                flags = re.search(r"FLAGS \(([^)]*)\)", part[0].decode()).group(1).split()
                subject = re.search(rb"Subject: (\S+)", part[1]).group(1).decode()
                print(box, subject, *sorted(flag for flag in flags if flag != "\\Recent"))
"#;

/// `doveadm` for the Maildir in a folder.
fn doveadm(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let shown = folder.display();
    let config = folder.join("dovecot.conf");
    std::fs::write(
        &config,
        format!(
            "protocols =\nssl = no\nbase_dir = {shown}/run\nstate_dir = {shown}/run\nlog_path = /dev/stderr\nmail_location = maildir:{shown}/Maildir\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n"
        ),
    )
    .expect("the folder is ours");
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt as _;
        own.uid() == 0
    });
    let mut command = Command::new(program("env"));
    command.env("HOME", folder).env("USER", "ann");
    if is_root {
        let user = USER.to_string();
        command.args([
            "setpriv",
            "--reuid",
            &user,
            "--regid",
            &user,
            "--clear-groups",
        ]);
        give_away(folder);
    }
    command.arg(program("doveadm")).arg("-c").arg(config);
    run(command.args(arguments), input.as_bytes())
}

/// Everything beneath a folder becomes the user's.
fn give_away(path: &Path) {
    chown(path, Some(USER), Some(USER)).expect("we are root");
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("it is there") {
            give_away(&entry.expect("it is there").path());
        }
    }
}

/// What Dovecot says of all messages, one line each.
fn shown(folder: &Path) -> Vec<String> {
    let said = doveadm(
        folder,
        &[
            "-f",
            "tab",
            "fetch",
            "mailbox hdr.subject flags date.received",
            "all",
        ],
        "",
    );
    let mut lines: Vec<String> = said
        .ok()
        .lines()
        .skip(1)
        .map(|line| line.replace("\\Recent ", "").replace(" \\Recent", ""))
        .collect();
    lines.sort();
    lines
}

#[test]
fn dovecot_and_postroom_read_each_others_maildirs() {
    let home = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let (theirs, back) = (home.path().join("theirs"), home.path().join("back"));
    for folder in [&theirs, &back] {
        std::fs::create_dir(folder).expect("the folder is ours");
    }
    let ask = |arguments: &[&str], input: &str| doveadm(&theirs, arguments, input).ok();
    ask(&["mailbox", "create", "Work.Pl\u{e4}ne"], "");
    for (mailbox, subject) in [
        ("INBOX", "one"),
        ("INBOX", "two"),
        ("Work.Pl\u{e4}ne", "three"),
    ] {
        let text = format!("Subject: {subject}\n\nFrom here\nbody\n");
        ask(&["save", "-m", mailbox], &text);
    }
    let flag = |flags: &str, mailbox: &str, subject: &str| {
        ask(
            &[
                "flags", "add", flags, "mailbox", mailbox, "header", "subject", subject,
            ],
            "",
        );
    };
    flag("\\Flagged $Label1 later", "INBOX", "one");
    flag("\\Seen \\Answered", "INBOX", "two");
    flag("\\Seen later", "Work.Pl\u{e4}ne", "three");

    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let maildir = |folder: &Path| folder.join("Maildir").display().to_string();
    let import = [
        "user",
        "import",
        "ann@abc.test",
        "--maildir",
        &maildir(&theirs),
    ];
    let said = server.json(&import);
    assert_eq!(said["imported"], 3, "{said}");
    let found = python(LOOK, &[&server.port("imaps")]).ok();
    let mut found: Vec<&str> = found.lines().collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "INBOX one $Label1 \\Flagged later",
            "INBOX two \\Answered \\Seen",
            "Work/Pl&AOQ-ne three \\Seen later",
        ]
    );
    server.ok(&[
        "user",
        "export",
        "ann@abc.test",
        "--maildir",
        &maildir(&back),
    ]);
    assert_eq!(shown(&back), shown(&theirs), "with dates");
}
