//! Channels beside MX: a mailbox server by LMTP on a Unix socket, a smart host that wants a login
//! under TLS.

use postroom_tests::{Line, Server, ServerOptions, Sink, eventually};

const MESSAGE: &str = "From: ann@abc.test\r\nSubject: out\r\n\r\nhello\r\n";

fn server(keys: &str, tables: String) -> Server {
    let server = Server::start_with(ServerOptions {
        keys: format!("{keys}trusted_networks = [\"127.0.0.1\"]\n"),
        tables,
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server
}

/// RFC 2033: a reply for each recipient after the one text.
#[test]
fn lmtp_answers_for_each_recipient() {
    let mailboxes = Sink::start_lmtp();
    mailboxes.answer(". RCPT TO:<full@", "552 5.2.2 Over quota");
    let server = server(
        "",
        format!(
            "[[channel]]\nname = \"boxes\"\nkind = \"lmtp\"\nhost = \"{}\"\n[[route]]\ndomain = \".far.test\"\nchannel = \"boxes\"\n",
            mailboxes.host()
        ),
    );
    let to = ["bob@in.far.test", "full@in.far.test"];
    let reply = Line::smtp(server.address("mx")).send("ann@abc.test", &to, MESSAGE);
    assert_eq!(reply.code, 250, "{reply:?}");
    let letter = mailboxes.letter_for("bob@in.far.test");
    assert_eq!(letter.rcpt.len(), 2);
    server.delivered();
    assert_eq!(mailboxes.commands()[0], "LHLO mail.site.test");
    let inbox = server.messages("ann@abc.test", "INBOX");
    let report = String::from_utf8_lossy(&inbox[0]).into_owned();
    assert_eq!(inbox.len(), 1);
    assert!(
        report.contains("Final-Recipient: rfc822; full@in.far.test"),
        "{report}"
    );
    assert!(!report.contains("bob@in.far.test"), "{report}");
}

/// Another Postroom's submission port is the smart host: STARTTLS with its certificate checked,
/// AUTH, and mail of its person goes on from there.
#[test]
fn a_relay_gets_everything_after_a_login() {
    let far = Sink::start();
    let hub = Server::start_with(ServerOptions {
        tables: far.route("*"),
        ..ServerOptions::default()
    });
    hub.domain("abc.test");
    hub.user("ann@abc.test", &[]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "secret\n").expect("the folder is ours");
    let authority = hub.path("data/tls/certificate.pem");
    let channel = |service: &str, tls: &str, ca: &str| {
        format!(
            "[[channel]]\nname = \"hub\"\nkind = \"relay\"\nhost = \"{}\"\ntls = \"{tls}\"\nuser = \"ann@abc.test\"\npassword_file = \"{}\"\n{ca}[[route]]\ndomain = \"*\"\nchannel = \"hub\"\n",
            hub.address(service),
            password.display()
        )
    };
    let ca = format!("ca = \"{}\"\n", authority.display());
    for (service, tls) in [("smtp", "starttls"), ("smtps", "tls")] {
        let server = server("", channel(service, tls, &ca));
        let to = format!("{tls}@far.test");
        let reply = Line::smtp(server.address("mx")).send("ann@abc.test", &[&to], MESSAGE);
        assert_eq!(reply.code, 250, "{reply:?}");
        let letter = far.letter_for(&to);
        assert!(letter.text().contains("ESMTPSA id"), "{}", letter.text());
        server.delivered();
    }
}

/// N11: where TLS is required nothing goes without it, and not to a host that cannot show who it
/// is; the password is not sent either.
#[test]
fn n11_without_a_certificate_to_believe_the_mail_waits() {
    let hub = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "secret\n").expect("the folder is ours");
    let plain = Sink::start();
    for (host, reason) in [
        (hub.address("smtp").to_string(), "TLS with"),
        // STARTTLS is not offered, or somebody took it out of the answer.
        (plain.host(), "STARTTLS is not offered"),
    ] {
        let server = server(
            "",
            format!(
                "[[channel]]\nname = \"hub\"\nkind = \"relay\"\nhost = \"{host}\"\nuser = \"ann@abc.test\"\npassword_file = \"{}\"\n[[route]]\ndomain = \"*\"\nchannel = \"hub\"\n",
                password.display()
            ),
        );
        let reply = Line::smtp(server.address("mx")).send("ann@abc.test", &["x@far.test"], MESSAGE);
        assert_eq!(reply.code, 250, "{reply:?}");
        eventually("it was tried", || {
            let last = server.json(&["queue", "list"])[0]["last"].clone();
            last.as_str().is_some_and(|text| text.contains(reason))
        });
    }
    let commands = plain.commands();
    assert!(
        commands
            .iter()
            .all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{commands:?}"
    );
}
