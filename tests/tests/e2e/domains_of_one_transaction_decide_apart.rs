//! Several domains in one transaction: where their plugins could answer differently after DATA, the
//! second domain is told to come in a transaction of its own; what one domain's plugin writes into
//! the header is not seen by another; a domain without a recipient sees nothing.

use std::io::{Read as _, Write as _};

use postroom_tests::{Line, Server, fixture, python};

const MESSAGE: &str = "From: joe@example.org\r\nSubject: hello\r\n\r\nHello\r\n";

const SUBMIT: &str = r#"
import smtplib, ssl, sys
with smtplib.SMTP_SSL("127.0.0.1", int(sys.argv[1]), context=ssl._create_unverified_context()) as client:
    client.login("eve@home.test", "secret")
    refused = client.sendmail("eve@home.test", ["ann@abc.test", "bob@xyz.test"], b"From: eve@home.test\r\nSubject: both\r\n\r\nHello\r\n")
    assert refused == {}, refused
"#;

fn server() -> Server {
    let server = Server::start();
    for (domain, person) in [
        ("abc.test", "ann@abc.test"),
        ("xyz.test", "bob@xyz.test"),
        ("home.test", "eve@home.test"),
    ] {
        server.domain(domain);
        server.user(person, &[]);
    }
    server
}

fn bind(server: &Server, domain: &str, guest: &str, version: &str) {
    server.ok(&["plugin", "install", &fixture(guest)]);
    server.ok(&["plugin", "bind", domain, &format!("swap@{version}")]);
    server.ok(&["plugin", "deploy", domain]);
}

/// The fields that the plugin wrote into the only message of an INBOX.
fn marks(server: &Server, person: &str) -> Vec<String> {
    let messages = server.messages(person, "INBOX");
    assert_eq!(messages.len(), 1, "{person}");
    String::from_utf8_lossy(&messages[0])
        .lines()
        .filter(|line| line.starts_with("X-Swap"))
        .map(str::to_owned)
        .collect()
}

/// How often a hook of a domain was called.
fn calls(server: &Server, domain: &str, hook: &str) -> u64 {
    let mut stream = std::net::TcpStream::connect(server.address("metrics")).expect("it listens");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it is open");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it is text");
    let counts = text.lines().filter(|line| {
        line.contains("hook_seconds_count")
            && line.contains(&format!("domain=\"{domain}\""))
            && line.contains(&format!("hook=\"{hook}\""))
    });
    counts
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[test]
fn domains_that_decide_apart_come_in_transactions_of_their_own() {
    let server = server();
    let mut line = Line::smtp(server.address("mx"));
    let both = ["ann@abc.test", "bob@xyz.test"];
    let free = line.send("joe@example.org", &both, MESSAGE);
    assert_eq!(free.code, 250, "no hook can refuse: {free:?}");

    bind(&server, "abc.test", "swap-v1", "1.0.0");
    for (first, second) in [(both[0], both[1]), (both[1], both[0])] {
        assert_eq!(line.command("MAIL FROM:<joe@example.org>").code, 250);
        assert_eq!(line.command(&format!("RCPT TO:<{first}>")).code, 250);
        let other = line.command(&format!("RCPT TO:<{second}>"));
        assert_eq!(other.code, 452, "{first}, then {second}: {other:?}");
        assert!(other.text.starts_with("4.5.3 "), "{other:?}");
        assert_eq!(line.command("RSET").code, 250);
        assert_eq!(line.send("joe@example.org", &[second], MESSAGE).code, 250);
    }
}

#[test]
fn a_domain_without_a_recipient_sees_no_message() {
    let server = server();
    bind(&server, "abc.test", "swap-v1", "1.0.0");
    bind(&server, "xyz.test", "swap-v2", "2.0.0");
    let mut line = Line::smtp(server.address("mx"));
    assert_eq!(line.command("MAIL FROM:<joe@example.org>").code, 250);
    assert_eq!(line.command("RCPT TO:<ann@abc.test>").code, 250);
    assert_eq!(line.command("RCPT TO:<bob@xyz.test>").code, 452);
    assert_eq!(line.command("DATA").code, 354);
    line.write(MESSAGE.as_bytes());
    assert_eq!(line.command(".").code, 250);
    assert_eq!(calls(&server, "abc.test", "data"), 1);
    assert_eq!(calls(&server, "xyz.test", "data"), 0);
}

#[test]
fn header_edits_of_one_domain_are_not_seen_by_another() {
    let server = server();
    bind(&server, "abc.test", "swap-v1", "1.0.0");
    python(SUBMIT, &[&server.port("smtps")]).ok();
    server.delivered();
    assert_eq!(
        marks(&server, "ann@abc.test"),
        ["X-Swap: rcpt=1.0.0 data=1.0.0"]
    );
    assert_eq!(marks(&server, "bob@xyz.test"), [""; 0]);
}
