//! Two domains in an LDAP server: mail comes in, people read it, and when the directory goes away
//! nobody who is known loses mail, and nobody is told that a person does not exist.

use postroom_tests::slapd::{READER, SECRET, SUFFIX, Slapd};
use postroom_tests::{Line, Server, ServerOptions, eventually, python};

/// What the IMAP server says to a login.
const LOGIN: &str = r#"
import imaplib, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
try:
    client.login(sys.argv[2], "secret")
    count = client.select("INBOX")[1][0].decode()
    print("in", count)
except imaplib.IMAP4.error as error:
    print(error)
"#;

fn tree() -> String {
    let mut out = format!("dn: {SUFFIX}\nobjectClass: organization\no: mail\n\n");
    for domain in ["abc.test", "xyz.test"] {
        out.push_str(&format!(
            "dn: ou={domain},{SUFFIX}\nobjectClass: organizationalUnit\nobjectClass: inetDomain\nobjectClass: mailDomain\nou: {domain}\nassociatedDomain: {domain}\n\n"
        ));
    }
    for (uid, domain) in [
        ("ann", "abc.test"),
        ("bob", "abc.test"),
        ("ann", "xyz.test"),
    ] {
        out.push_str(&format!(
            "dn: uid={uid},ou={domain},{SUFFIX}\nobjectClass: inetOrgPerson\nobjectClass: inetMailUser\nuid: {uid}\ncn: {uid}\nsn: {uid}\nmail: {uid}@{domain}\nuserPassword: secret\n\n"
        ));
    }
    out
}

fn rcpt(server: &Server, address: &str) -> (u16, String) {
    let mut line = Line::smtp(server.address("mx"));
    line.command("MAIL FROM:<joe@example.org>");
    let reply = line.command(&format!("RCPT TO:<{address}>"));
    (reply.code, reply.text)
}

fn send(server: &Server, address: &str) -> u16 {
    let message =
        format!("From: joe@example.org\r\nTo: {address}\r\nSubject: hello\r\n\r\nHello.\r\n");
    Line::smtp(server.address("mx"))
        .send("joe@example.org", &[address], &message)
        .code
}

fn login(server: &Server, user: &str) -> String {
    let said = python(LOGIN, &[&server.port("imaps"), user]).ok();
    said.trim().to_owned()
}

/// A server that reads this directory, with more settings of it.
fn server(directory: &Slapd, password: &std::path::Path, more: &str) -> Server {
    std::fs::write(password, format!("{SECRET}\n")).expect("it is ours");
    Server::start_with(ServerOptions {
        tables: format!(
            "[directory]\nkind = \"ldap\"\nurl = \"{}\"\nbase = \"{SUFFIX}\"\nbind_dn = \"{READER}\"\nbind_password_file = \"{}\"\n{more}\n",
            directory.url(),
            password.display()
        ),
        ..ServerOptions::default()
    })
}

#[test]
fn a_directory_is_read_over_ldaps() {
    let directory = Slapd::start_over_tls(&tree());
    let password = tempfile::NamedTempFile::new().expect("a file");
    let ca = format!("ca_file = \"{}\"", directory.certificate().display());
    let trusting = server(&directory, password.path(), &ca);
    assert_eq!(send(&trusting, "ann@abc.test"), 250);
    assert_eq!(rcpt(&trusting, "nobody@abc.test").0, 550);
    assert_eq!(login(&trusting, "ann@abc.test"), "in 1");
    // Whoever nobody vouches for is not asked, and never taken for an empty directory.
    let doubting = server(&directory, password.path(), "");
    for address in ["ann@abc.test", "nobody@abc.test"] {
        let (code, text) = rcpt(&doubting, address);
        assert_eq!(code, 451, "{address}: {text}");
    }
}

/// `packaging/postroom.ldif`, loaded into `cn=config`, has everything that the server reads.
#[test]
fn the_shipped_schema_serves_in_the_online_configuration() {
    let directory = Slapd::start_online(&tree());
    directory.change(&format!(
        "dn: uid=bob,ou=abc.test,{SUFFIX}\nchangetype: modify\nreplace: mailUserStatus\nmailUserStatus: inactive\n"
    ));
    let password = tempfile::NamedTempFile::new().expect("a file");
    let server = server(&directory, password.path(), "");
    assert_eq!(send(&server, "ann@abc.test"), 250);
    assert_eq!(login(&server, "ann@abc.test"), "in 1");
    assert_eq!(rcpt(&server, "bob@abc.test").0, 450);
}

#[test]
fn domains_are_served_from_an_ldap_directory() {
    let mut directory = Slapd::start(&tree());
    let password = tempfile::NamedTempFile::new().expect("a file");
    let mut server = server(&directory, password.path(), "");

    let names = server.ok(&["domain", "list"]);
    assert!(
        names.contains("abc.test") && names.contains("xyz.test"),
        "{names}"
    );
    assert_eq!(send(&server, "ann@abc.test"), 250);
    assert_eq!(send(&server, "ann@xyz.test"), 250);
    assert_eq!(
        rcpt(&server, "nobody@xyz.test").0,
        550,
        "while the directory says so"
    );
    assert_eq!(login(&server, "ann@abc.test"), "in 1");
    assert_eq!(login(&server, "ann@xyz.test"), "in 1");

    let refused = server.postroom_with(
        &["user", "add", "new@abc.test", "--password-stdin"],
        b"secret\n",
    );
    assert_ne!(refused.code, 0);
    let told = format!("{}{}", refused.out, refused.err);
    assert!(
        told.contains(&directory.url()) && told.contains("only reads"),
        "{told}"
    );

    directory.stop();
    for _ in 0..3 {
        assert_eq!(send(&server, "ann@abc.test"), 250, "she is known");
        for address in ["bob@abc.test", "nobody@abc.test", "other@xyz.test"] {
            let (code, text) = rcpt(&server, address);
            assert_eq!(code, 451, "{address}: {text}");
        }
    }
    for user in ["ann@abc.test", "bob@abc.test"] {
        let said = login(&server, user);
        assert!(said.contains("UNAVAILABLE"), "{user}: {said}");
    }

    // A server that starts without its directory takes nothing and refuses nothing.
    assert_eq!(server.terminate(), Some(0));
    server.launch();
    for address in ["ann@abc.test", "nobody@abc.test", "ann@elsewhere.test"] {
        let (code, text) = rcpt(&server, address);
        assert_eq!(code, 451, "{address}: {text}");
    }
    let said = login(&server, "ann@abc.test");
    assert!(said.contains("UNAVAILABLE"), "{said}");

    directory.launch();
    eventually("mail is taken again", || {
        rcpt(&server, "bob@abc.test").0 == 250
    });
    assert_eq!(rcpt(&server, "nobody@abc.test").0, 550);
    assert_eq!(
        login(&server, "ann@abc.test"),
        "in 4",
        "the mailbox is the same"
    );
    assert_eq!(login(&server, "ann@xyz.test"), "in 1");
}
