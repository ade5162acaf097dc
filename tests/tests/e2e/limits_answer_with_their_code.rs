//! Whatever a peer does too much of has an answer with its code, and costs the server little.

use std::time::Duration;

use postroom_tests::{Line, Server, ServerOptions, python, until};

/// No message with `limits.message_bytes` may cost the server more than this while it is pushed.
const GROWTH: u64 = 8 * 1024 * 1024;

/// Pushed against the limit in all.
const PUSHED: usize = 100 * 1024 * 1024;

const LIMITS: &str = "[limits]\nmessage_bytes = 1000000\nrecipients = 100\n\
                      connections_per_address = 1000\ndisk_reserve_bytes = 1048576\n\
                      disk_reserve_percent = 0\n";

/// Little time and few places.
const TIGHT: &str = "[limits]\nconnections_per_address = 3\nsmtp_idle_seconds = 2\n\
                     pop3_idle_seconds = 2\nimap_idle_seconds = 2\n\
                     disk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\n";

fn server(limits: &str) -> Server {
    let server = Server::start_with(ServerOptions {
        tables: limits.to_owned(),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server
}

/// A session that may go on with DATA.
fn in_data(server: &Server) -> Line {
    let mut line = Line::smtp(server.address("mx"));
    assert_eq!(line.command("MAIL FROM:<joe@example.org>").code, 250);
    assert_eq!(line.command("RCPT TO:<ann@abc.test>").code, 250);
    assert_eq!(line.command("DATA").code, 354);
    line
}

/// The answer to a message; its text begins with the enhanced status.
#[track_caller]
fn assert_message(server: &Server, message: &str, code: u16, status: &str) {
    let mut line = Line::smtp(server.address("mx"));
    let reply = line.send("joe@example.org", &["ann@abc.test"], message);
    assert_eq!(reply.code, code, "{reply:?}");
    assert!(reply.text.starts_with(status), "{reply:?}");
}

/// Memory of the server in bytes.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("Linux says so") * 1024
}

#[test]
fn limits_of_commands_answer_with_their_code() {
    let server = server(LIMITS);

    let mut line = Line::smtp(server.address("mx"));
    let reply = line.command(&format!("NOOP {}", "x".repeat(3000)));
    assert_eq!(reply.code, 500, "{reply:?}");
    assert!(reply.text.starts_with("5.5.2 "), "{reply:?}");
    assert_eq!(line.command("NOOP").code, 250, "the session goes on");

    for command in 1..20 {
        assert_eq!(line.command("FOO").code, 500, "bad command {command}");
    }
    let reply = line.command("FOO");
    assert_eq!(reply.code, 421, "{reply:?}");
    assert_eq!(line.rest(), b"");

    let mut line = Line::smtp(server.address("mx"));
    assert_eq!(line.command("MAIL FROM:<joe@example.org>").code, 250);
    for recipient in 1..=100 {
        assert_eq!(
            line.command("RCPT TO:<ann@abc.test>").code,
            250,
            "recipient {recipient}"
        );
    }
    let reply = line.command("RCPT TO:<ann@abc.test>");
    assert_eq!(reply.code, 452, "{reply:?}");
    assert!(reply.text.starts_with("4.5.3 "), "{reply:?}");
    line.command("DATA");
    line.write(b"Subject: the first hundred\r\n\r\n");
    assert_eq!(line.command(".").code, 250, "the others get it");

    let mut line = Line::smtp(server.address("mx"));
    let reply = line.command("MAIL FROM:<joe@example.org> SIZE=1000001");
    assert_eq!(reply.code, 552, "{reply:?}");
    assert!(reply.text.starts_with("5.3.4 "), "{reply:?}");
}

#[test]
fn limits_of_messages_answer_with_their_code() {
    let server = server(LIMITS);
    let line = format!("{}\r\n", "x".repeat(98));
    assert_message(
        &server,
        &format!("Subject: big\r\n\r\n{}", line.repeat(12_000)),
        552,
        "5.3.4 ",
    );
    let fields = "X-Field: x\r\n";
    assert_message(
        &server,
        &format!("{}\r\n", fields.repeat(1001)),
        554,
        "5.6.0 ",
    );
    assert_message(
        &server,
        &format!("{}\r\n", fields.repeat(990)),
        250,
        "2.0.0 ",
    );
    assert_message(
        &server,
        &format!("Subject: endless\r\n\r\n{}\r\n", "x".repeat(70_000)),
        554,
        "5.6.0 ",
    );
    assert_message(&server, &nested(60), 554, "5.6.0 ");
    assert_message(&server, &nested(40), 250, "2.0.0 ");
}

/// A multipart in a multipart in a multipart.
fn nested(levels: usize) -> String {
    let level = |number: usize| {
        format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n")
    };
    let inner: String = (0..levels).map(level).collect();
    format!("{inner}\r\ntext\r\n")
}

#[test]
fn s17_a_flood_behind_data_costs_no_memory() {
    let server = server(LIMITS);
    let line = format!("{}\r\n", "x".repeat(998)).repeat(64);
    let push = |bytes: usize| {
        let mut session = in_data(&server);
        session.write(b"Subject: flood\r\n\r\n");
        let mut pushed = 0;
        while pushed < bytes {
            session.write(line.as_bytes());
            pushed += line.len();
        }
        session.write(b".\r\n");
        // The server reads on for a while and closes at last: either answer may be cut off.
        let reply = session.reply();
        assert!(matches!(reply.code, 552 | 0), "{reply:?}");
        reply.code
    };
    // What the first message of a process costs once is no growth.
    assert_eq!(push(1_500_000), 552);
    let before = resident(&server);
    let (mut pushed, mut peak, mut answered) = (0, before, 0);
    while pushed < PUSHED {
        // Every other one goes far over what the server is willing to throw away.
        let bytes = if answered % 2 == 0 {
            1_900_000
        } else {
            8_000_000
        };
        push(bytes);
        answered += 1;
        pushed += bytes;
        peak = peak.max(resident(&server));
    }
    let growth = peak.saturating_sub(before);
    assert!(growth < GROWTH, "{before} grew by {growth}");
    assert_eq!(server.messages("ann@abc.test", "INBOX").len(), 0);
}

#[test]
fn s01_smuggled_ends_end_nothing_on_the_wire() {
    let server = server(LIMITS);
    for end in ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r.\r\n", "\r\n.\r"] {
        let mut line = in_data(&server);
        let smuggled = format!(
            "Subject: first\r\n\r\nhello{end}MAIL FROM:<eve@example.org>\r\n\
             RCPT TO:<ann@abc.test>\r\nDATA\r\nSubject: second\r\n\r\n.\r\n"
        );
        line.write(smuggled.as_bytes());
        let reply = line.reply();
        assert_eq!(reply.code, 554, "{end:?}: {reply:?}");
        assert_eq!(line.rest(), b"", "{end:?}: one reply, and closed");
    }
    // A zero byte is no line ending: the message is read to its true end, and refused.
    let mut line = in_data(&server);
    line.write(b"Subject: first\r\n\r\nhello\r\n\0.\r\nMAIL FROM:<eve@example.org>\r\n");
    assert_eq!(line.command(".").code, 554);
    assert_eq!(line.command("NOOP").code, 250);
    assert_eq!(server.messages("ann@abc.test", "INBOX").len(), 0);
}

#[test]
fn s04_i01_plaintext_behind_starttls_closes() {
    let server = server(LIMITS);
    for (service, command, ready) in [
        ("mx", "STARTTLS", "220 "),
        ("smtp", "STARTTLS", "220 "),
        ("imap", "a STARTTLS", "a OK"),
        ("pop3", "STLS", "+OK"),
    ] {
        let mut line = match service {
            "mx" | "smtp" => Line::smtp(server.address(service)),
            _ => {
                let mut line = Line::connect(server.address(service));
                line.line();
                line
            }
        };
        let injected = match service {
            "imap" => "b CAPABILITY",
            "pop3" => "CAPA",
            _ => "EHLO injected.example",
        };
        line.write(format!("{command}\r\n{injected}\r\n").as_bytes());
        let rest = String::from_utf8_lossy(&line.rest()).into_owned();
        assert!(
            rest.is_empty() || (rest.starts_with(ready) && rest.matches("\r\n").count() == 1),
            "{service}: {rest:?}"
        );
    }
}

#[test]
fn s12_no_shape_of_an_address_makes_an_open_relay() {
    let server = server(LIMITS);
    for recipient in [
        "<joe@remote.example>",
        "<joe%remote.example@abc.test>",
        "<@abc.test:joe@remote.example>",
        "<@abc.test,@xyz.test:joe@remote.example>",
        "<remote.example!joe@abc.test>",
        "<\"joe@remote.example\"@abc.test>",
        "<joe@remote.example@abc.test>",
        "<joe@remote.example.>",
        "<joe@[127.0.0.1]>",
        "<joe@[IPv6:::1]>",
        "<joe@abc.test@remote.example>",
        "<joe@sub.abc.test>",
        "joe@remote.example",
        "<joe>",
    ] {
        let mut line = Line::smtp(server.address("mx"));
        assert_eq!(line.command("MAIL FROM:<ann@abc.test>").code, 250);
        let reply = line.command(&format!("RCPT TO:{recipient}"));
        assert!((450..560).contains(&reply.code), "{recipient}: {reply:?}");
        let reply = line.command("DATA");
        assert!(
            matches!(reply.code, 503 | 554),
            "{recipient}: DATA without a recipient: {reply:?}"
        );
    }
    assert_eq!(server.json(&["queue", "list"]), serde_json::json!([]));
}

const LITERALS: &str = r#"
import socket, ssl, sys
plain, tls = int(sys.argv[1]), int(sys.argv[2])

def connect(port=tls):
    connection = socket.create_connection(("127.0.0.1", port), 60)
    if port == tls:
        connection = ssl._create_unverified_context().wrap_socket(connection)
    file = connection.makefile("rb")
    assert file.readline().startswith(b"* OK")
    return connection, file

def answer(file, tag):
    seen = []
    while not seen or not seen[-1].startswith(tag):
        seen.append(file.readline())
        if not seen[-1]:
            return seen
    return seen

# Before sign-in nothing big is taken, announced as it may be.
for size in [b"4294967295", b"9000", b"1" + b"0" * 30]:
    for plus in [b"", b"+"]:
        connection, file = connect()
        connection.sendall(b"a LOGIN {" + size + plus + b"}\r\n")
        first = file.readline()
        assert not first.startswith(b"+"), (size, first)
        assert b"BAD" in first or b"BYE" in first, (size, first)
        if plus:
            # It was sent without waiting, so nothing behind it can be told from commands.
            assert b"" in answer(file, b"never"), size
        connection.close()

connection, file = connect()
connection.sendall(b"a LOGIN ann@abc.test secret\r\n")
assert b"a OK" in answer(file, b"a ")[-1]
connection.sendall(b"b APPEND INBOX {1000001}\r\n")
line = file.readline()
assert line.startswith(b"b NO [") and b"1000000" in line, line
connection.sendall(b"c SEARCH SUBJECT {90000}\r\n")
line = file.readline()
assert line.startswith(b"c BAD [TOOBIG]"), line
connection.sendall(b"d NOOP\r\n")
assert b"d OK" in answer(file, b"d ")[-1]
connection.sendall(b"e SELECT {5000+}\r\n" + b"x" * 5000 + b"\r\n")
seen = answer(file, b"never")
assert any(b"BAD" in line or b"BYE" in line for line in seen) and seen[-1] == b"", seen

# Twenty lines that are no commands, and it is over.
connection, file = connect()
for number in range(20):
    connection.sendall(b"x FOO\r\n")
seen = answer(file, b"never")
assert any(line.startswith(b"* BYE") for line in seen) and seen[-1] == b"", seen
"#;

#[test]
fn i02_i03_literals_answer_with_their_code() {
    let server = server(LIMITS);
    python(LITERALS, &[&server.port("imap"), &server.port("imaps")]).ok();
}

const SILENT: &str = r#"
import imaplib, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context(), timeout=60)
client.login("ann@abc.test", "secret")
line = client.readline()
assert line.startswith(b"* BYE"), line
"#;

#[test]
fn limits_of_connections_and_idle_time_answer_with_their_code() {
    let server = server(TIGHT);
    for (service, refusal) in [
        ("mx", "421 4.7.0 "),
        ("smtp", "421 4.7.0 "),
        ("imap", "* BYE [LIMIT] "),
        ("pop3", "-ERR [SYS/TEMP] "),
    ] {
        let address = server.address(service);
        let mut open = Vec::new();
        let refused = until("a connection is refused", Duration::from_secs(30), || {
            let mut line = Line::connect(address);
            let greeting = line.line();
            let is_taken = ["220 ", "* OK", "+OK"]
                .iter()
                .any(|begin| greeting.starts_with(begin));
            if !is_taken {
                return Some((greeting, line));
            }
            open.push(line);
            None
        });
        let (greeting, mut line) = refused;
        assert!(greeting.starts_with(refusal), "{service}: {greeting}");
        assert_eq!(line.rest(), b"", "{service}: closed");

        // Those that are open and silent are closed one after the other, which makes room. Before
        // sign-in IMAP gives a minute, whatever is configured.
        for mut line in open.into_iter().filter(|_| service != "imap") {
            let farewell = String::from_utf8_lossy(&line.rest()).into_owned();
            // RFC 1939 §3: closed without a word.
            let expected = if service == "pop3" { "" } else { "421 4.4.2 " };
            assert!(farewell.starts_with(expected), "{service}: {farewell}");
            assert_eq!(farewell.is_empty(), expected.is_empty(), "{service}");
        }
    }
    python(SILENT, &[&server.port("imaps")]).ok();
}
