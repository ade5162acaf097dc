//! The option `shared`: one mailbox, read by every member of the group; to anybody else it is not
//! there at all.

use postroom_tests::{Line, Server, python};

const STRANGER: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("cat@abc.test", "secret")
    for ask in (client.select, lambda name: client.select(name, readonly=True), lambda name: client.status(name, "(MESSAGES)")):
        hidden, missing = ask('"Shared Folders/office"'), ask('"Shared Folders/nowhere"')
        assert hidden[0] == "NO", hidden
        assert hidden == missing, (hidden, missing)
    names = client.list()[1]
    assert not any(b"office" in name for name in names if name), names
"#;

#[test]
fn shared_folders_are_read_by_members_only() {
    let server = Server::start();
    server.domain("abc.test");
    for person in ["ann@abc.test", "bob@abc.test", "cat@abc.test"] {
        server.user(person, &[]);
    }
    server.ok(&[
        "group",
        "add",
        "office@abc.test",
        "--shared",
        "office",
        "--member",
        "ann@abc.test",
        "--member",
        "bob@abc.test",
        "--option",
        "shared",
    ]);
    let message =
        "From: joe@example.org\r\nTo: office@abc.test\r\nSubject: rent\r\n\r\nIs due.\r\n";
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["office@abc.test"], message);
    assert_eq!(reply.code, 250, "{reply:?}");
    server.delivered();

    for member in ["ann@abc.test", "bob@abc.test"] {
        let shared = server.messages(member, "Shared Folders/office");
        assert_eq!(shared.len(), 1, "{member}");
        assert!(shared[0].ends_with(message.as_bytes()), "{member}");
        assert!(shared[0].starts_with(b"Return-Path: <joe@example.org>\r\n"));
        assert_eq!(server.messages(member, "INBOX").len(), 0, "{member}");
    }
    python(STRANGER, &[&server.port("imaps")]).ok();
}
