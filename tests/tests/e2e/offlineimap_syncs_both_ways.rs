//! OfflineIMAP keeps a tree of Maildirs and an account alike, in both directions.

use std::path::{Path, PathBuf};
use std::process::Command;

use postroom_tests::{Server, program, python, run};

const FILL: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    client.create("work/plans")
    client.create('"Entw&APw-rfe"')
    for mailbox in ["INBOX", "work/plans", '"Entw&APw-rfe"']:
        for number in range(3):
            text = f"From: bob@abc.test\r\nSubject: {number}\r\nMessage-ID: <{number}@abc.test>\r\n\r\nline {number}\r\n"
            status, answer = client.append(mailbox, None, None, text.encode())
            assert status == "OK", answer
"#;

/// What the other side did meanwhile.
const CHANGE: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    client.select("work/plans")
    client.store("1", "+FLAGS", r"(\Deleted)")
    client.store("2", "+FLAGS", r"(\Flagged)")
    client.expunge()
"#;

const LOOK: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    client.select("INBOX", readonly=True)
    found = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
    for part in found:
        if isinstance(part, tuple):
            print(part[1].split()[1].decode(), r"\Seen" in part[0].decode())
    print(client.select("made/here", readonly=True)[1][0].decode())
"#;

fn configuration(server: &Server) -> PathBuf {
    let here = server.path("").display().to_string();
    let text = format!(
        "[general]\naccounts = ann\nmetadata = {here}offlineimap\n\n\
         [Account ann]\nlocalrepository = near\nremoterepository = far\n\n\
         [Repository near]\ntype = Maildir\nlocalfolders = {here}mail\nsep = /\n\n\
         [Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {}\n\
         remoteuser = ann@abc.test\nremotepass = secret\nssl = yes\nsslcacertfile = {}\n",
        server.port("imaps"),
        server.path("data/tls/certificate.pem").display(),
    );
    let path = server.path("offlineimaprc");
    std::fs::write(&path, text).expect("the folder is ours");
    path
}

fn sync(configuration: &Path) {
    let mut command = Command::new(program("offlineimap"));
    command.args(["-o", "-u", "basic", "-c"]).arg(configuration);
    let ran = run(&mut command, b"");
    let said = format!("{}{}", ran.out, ran.err);
    assert!(ran.code == 0 && !said.contains("ERROR"), "{said}");
}

/// The messages of a Maildir, by the letters of their flags.
fn messages(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut messages = Vec::new();
    for name in ["cur", "new"] {
        let entries = std::fs::read_dir(folder.join(name));
        let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        messages.extend(entries.map(|entry| {
            let path = entry.expect("it can be read").path();
            let text = path.display().to_string();
            let flags = text.rsplit_once(":2,").map_or("", |(_, flags)| flags);
            (path.clone(), flags.to_owned())
        }));
    }
    messages.sort();
    messages
}

#[test]
fn offlineimap_syncs_both_ways() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    python(FILL, &[&server.port("imaps")]).ok();
    let configuration = configuration(&server);
    sync(&configuration);
    let mail = server.path("mail");
    for folder in ["INBOX", "work/plans", "Entw&APw-rfe", "Sent"] {
        let expected = if folder == "Sent" { 0 } else { 3 };
        assert_eq!(messages(&mail.join(folder)).len(), expected, "{folder}");
    }

    // Here one is read, one goes, one is new, and a folder is made; there others change.
    let inbox = messages(&mail.join("INBOX"));
    let number = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("it can be read");
        let line = text
            .lines()
            .find(|line| line.starts_with("line "))
            .map(str::to_owned);
        line.expect("each has one")
    };
    let of = |wanted: &str| {
        let found = inbox.iter().find(|(path, _)| number(path) == wanted);
        found.expect("it came").0.clone()
    };
    let (read, goes) = (of("line 0"), of("line 1"));
    let name = read
        .file_name()
        .expect("a file")
        .to_string_lossy()
        .into_owned();
    let name = name.split(":2,").next().unwrap_or_default().to_owned();
    std::fs::rename(&read, mail.join(format!("INBOX/cur/{name}:2,S"))).expect("ours");
    std::fs::remove_file(goes).expect("ours");
    for folder in ["made", "made/here"] {
        for inner in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(mail.join(folder).join(inner)).expect("the folder is ours");
        }
    }
    let new = "From: ann@abc.test\nSubject: new\nMessage-ID: <new@abc.test>\n\nnew here\n";
    for folder in ["INBOX", "made/here"] {
        std::fs::write(mail.join(folder).join("new/1.new.here"), new).expect("ours");
    }
    python(CHANGE, &[&server.port("imaps")]).ok();
    sync(&configuration);

    let there = python(LOOK, &[&server.port("imaps")]).ok();
    assert_eq!(there, "0 True\n2 False\nnew False\n1\n");
    let plans = messages(&mail.join("work/plans"));
    let flags: Vec<&str> = plans.iter().map(|(_, flags)| flags.as_str()).collect();
    assert_eq!(plans.len(), 2, "{plans:?}");
    assert!(flags.contains(&"F"), "{plans:?}");
}
