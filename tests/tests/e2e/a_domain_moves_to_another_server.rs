//! A domain leaves one server as a file and is the same on another: people and passwords, UIDs,
//! flags and dates, plugins with their state, queue. An import that was interrupted goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use postroom_tests::{Line, Server, eventually, python};
use serde_json::Value;

/// Makes mailboxes with flags and dates.
const FILL: &str = r#"
import imaplib, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
client.login("ann@abc.test", "secret")
client.create("Work/Plans")
client.subscribe("Work/Plans")
for number in range(30):
    text = f"Subject: {number}\r\n\r\nbody {number}\r\n".encode()
    client.append("Work/Plans", r"(\Flagged $Label)" if number % 3 else r"(\Seen)", '"05-Mar-2019 10:%02d:00 +0530"' % number, text)
client.append("INBOX", "", '"01-Jan-2020 00:00:00 -0800"', b"Subject: large\r\n\r\n" + b"x" * 400000 + b"\r\n")
client.select("Work/Plans")
client.store("3,5", "+FLAGS", r"(\Deleted)")
client.expunge()
"#;

/// Everything a client keeps of a mailbox.
const LOOK: &str = r#"
import imaplib, json, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
client.login("ann@abc.test", "secret")
found = {"lsub": sorted(line.decode() for line in client.lsub()[1])}
for box in ["INBOX", "Work/Plans", "Work"]:
    found[box] = [client.status(box, "(UIDVALIDITY UIDNEXT MESSAGES UNSEEN)")[1][0].decode()]
    client.select(box, readonly=True)
    for part in client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")[1]:
        if isinstance(part, tuple):
            found[box].append([part[0].decode().split(" ", 1)[1].split(" BODY")[0], hash(part[1]) if False else part[1].decode()])
print(json.dumps(found))
"#;

fn look(server: &Server) -> Value {
    serde_json::from_str(&python(LOOK, &[&server.port("imaps")]).ok()).expect("it is JSON")
}

fn filled() -> Server {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &["name=Ann", "quota-messages=500"]);
    server.user(
        "bob@abc.test",
        &["options=mailbox,forward", "forward-to=joe@far.test"],
    );
    server.ok(&[
        "group",
        "add",
        "office@abc.test",
        "--shared",
        "office",
        "--member",
        "ann@abc.test",
    ]);
    server.ok(&[
        "alias",
        "add",
        "sales@abc.test",
        "ann@abc.test",
        "joe@far.test",
    ]);
    server.ok(&[
        "domain",
        "set",
        "abc.test",
        "postmaster=ann@abc.test",
        "administrators=ann@abc.test",
    ]);
    server.ok(&[
        "plugin",
        "bind",
        "abc.test",
        "domain-policy",
        "--config",
        "{\"denied_senders\":[\"@spam.test\"]}",
    ]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    python(FILL, &[&server.port("imaps")]).ok();
    let mut line = Line::smtp(server.address("mx"));
    let reply = line.send(
        "joe@far.test",
        &["bob@abc.test", "office@abc.test"],
        "Subject: q\r\n\r\nq\r\n",
    );
    assert_eq!(reply.code, 250, "{reply:?}");
    eventually("the forward waits", || {
        server
            .json(&["queue", "list"])
            .as_array()
            .is_some_and(|rows| !rows.is_empty())
    });
    server
}

#[test]
fn a_domain_is_the_same_on_another_server() {
    let from = filled();
    let file = from.path("abc.test.archive");
    let shown = file.display().to_string();
    from.ok(&["domain", "set", "abc.test", "state=inactive"]);
    from.ok(&["domain", "set", "abc.test", "state=active"]);
    from.ok(&["domain", "export", "abc.test", &shown]);
    let to = Server::start();
    let imported = to.json(&["domain", "import", &shown]);
    assert_eq!(imported["people"], 2, "{imported}");
    assert_eq!(look(&to), look(&from));
    assert_eq!(to.json(&["user", "show", "ann@abc.test"])["name"], "Ann");
    let domain =
        |server: &Server, name: &str| server.json(&["domain", "show", "abc.test"])[name].clone();
    for name in ["status", "postmaster", "administrators", "people", "groups"] {
        assert_eq!(domain(&to, name), domain(&from, name), "{name}");
    }
    assert_eq!(
        to.json(&["plugin", "list", "abc.test"]),
        from.json(&["plugin", "list", "abc.test"])
    );
    let mut line = Line::smtp(to.address("mx"));
    line.command("MAIL FROM:<x@spam.test>");
    let refused = line.command("RCPT TO:<ann@abc.test>");
    assert_eq!(refused.code / 100, 5, "the policy runs: {refused:?}");
    // Mail on its way out is the host's, which goes on sending it.
    let queue = to.json(&["queue", "list"]);
    assert_eq!(queue.as_array().map(Vec::len), Some(0), "{queue}");
    // It is one of the domains here, and can take mail.
    let reply = Line::smtp(to.address("mx")).send(
        "joe@far.test",
        &["sales@abc.test"],
        "Subject: n\r\n\r\nn\r\n",
    );
    assert_eq!(reply.code, 250, "{reply:?}");
    let again = to.postroom(&["domain", "import", &shown]);
    assert_eq!(again.code, 4, "{again:?}");
}

#[test]
fn an_interrupted_import_goes_on_and_is_no_domain_until_then() {
    let from = filled();
    let shown = from.path("archive").display().to_string();
    from.ok(&["domain", "export", "abc.test", &shown]);
    let whole = fs::read(&shown).expect("it is there");
    let to = Server::start();
    // Cut short somewhere in the mail: what is missing is told, the domain is not used.
    let cut = from.path("cut").display().to_string();
    fs::write(&cut, &whole[..whole.len() * 3 / 4]).expect("ours");
    let refused = to.postroom(&["domain", "import", &cut]);
    assert!(
        refused.code == 1 && refused.err.contains("damaged"),
        "{refused:?}"
    );
    let mut line = Line::smtp(to.address("mx"));
    line.command("MAIL FROM:<joe@far.test>");
    let refused = line.command("RCPT TO:<ann@abc.test>");
    assert_ne!(refused.code / 100, 2, "{refused:?}");
    // Another archive of the same domain is not mixed into it.
    let other = from.path("other").display().to_string();
    from.ok(&["domain", "export", "abc.test", &other]);
    let refused = to.postroom(&["domain", "import", &other]);
    assert_eq!(refused.code, 4, "{refused:?}");
    let imported = to.json(&["domain", "import", &shown]);
    assert_eq!(imported["people"], 2, "{imported}");
    assert_eq!(look(&to), look(&from));
}

/// Messages that each fill a good part of a part.
const FILL_MUCH: &str = r#"
import imaplib, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
client.login("ann@abc.test", "secret")
for number in range(7):
    text = f"Subject: {number}\r\n\r\n" + f"line {number} of many\r\n" * 200000
    client.append("INBOX", "", None, text.encode())
"#;

#[test]
fn an_interrupted_export_goes_on_behind_what_is_whole() {
    let from = filled();
    python(FILL_MUCH, &[&from.port("imaps")]).ok();
    let at = |name: &str| from.path(name).display().to_string();
    let first = from.json(&["domain", "export", "abc.test", &at("whole")]);
    assert_eq!(first["kept_bytes"], 0, "{first}");
    let whole = fs::read(at("whole")).expect("it is there");
    let cut = &whole[..whole.len() * 3 / 4];
    let mut damaged = cut.to_vec();
    damaged[1000] ^= 1;
    for (name, left, mode, is_kept) in [
        ("again", cut, 0o600, true),
        ("damaged", &damaged[..], 0o600, false),
        // Who else might have written it?
        ("open", cut, 0o644, false),
        ("none", &b""[..], 0o600, false),
        ("ready", &whole[..], 0o600, false),
    ] {
        let partial = at(&format!("{name}.partial"));
        fs::write(&partial, left).expect("the folder is ours");
        fs::set_permissions(&partial, fs::Permissions::from_mode(mode)).expect("it is ours");
        let said = from.json(&["domain", "export", "abc.test", &at(name)]);
        let kept = said["kept_bytes"].as_u64().expect("a number");
        assert_eq!(kept > 0, is_kept, "{name}: {said}");
        assert!(!fs::exists(&partial).expect("the folder is ours"), "{name}");
        if is_kept {
            assert!(kept < cut.len() as u64, "{said}");
        }
    }
    let to = Server::start();
    let imported = to.json(&["domain", "import", &at("again")]);
    assert_eq!(imported["people"], 2, "{imported}");
    assert_eq!(look(&to), look(&from));
}
