use mail::{Body, Direction, Mailbox, ReversePath, Timestamp};
use proptest::prelude::{any, proptest};
use store::ParkedReason;

use super::{Entry, FiledWork, Owner, QueueFile};

fn mailbox(address: &str) -> Mailbox {
    Mailbox::parse(address).expect("an address")
}

fn entry(to: &str, work: FiledWork) -> Entry {
    Entry {
        to: mailbox(to),
        id: "w20".to_owned(),
        original: to.to_owned(),
        work,
        parked: None,
        due: Timestamp(1_800_000_000_123),
        expires: Timestamp(1_800_000_000_999),
        created: Timestamp(1_799_999_999_001),
        attempts: 0,
        last: None,
        delay_told: false,
    }
}

/// Everything that can stand in a file.
fn file() -> QueueFile {
    let channel = FiledWork::Channel {
        channel: "smtp".to_owned(),
        next_hop: Some("hub.test:25".to_owned()),
    };
    let route = FiledWork::Route {
        context: "{\"vouched\":\"Yes\"}".to_owned(),
    };
    let option = |owner| FiledWork::Option {
        option: "autoreply".to_owned(),
        owner,
        notes: "{}".to_owned(),
    };
    let mut entries = vec![
        entry("x@far.test", channel),
        entry("\"a b\\\"c\"@abc.test", route),
        entry(
            "ann@abc.test",
            option(Owner::Person(mailbox("ann@abc.test"))),
        ),
        entry(
            "team@abc.test",
            option(Owner::Group(mailbox("team@abc.test"))),
        ),
    ];
    entries[1].parked = Some((ParkedReason::Quarantine, "two\nlines \\ \x01".to_owned()));
    entries[1].due = Timestamp(i64::MAX);
    entries[2].last = Some(("4.4.1".parse().ok(), "mx.test said: 451 später".to_owned()));
    entries[2].attempts = 7;
    entries[3].last = Some((None, String::new()));
    entries[3].delay_told = true;
    QueueFile {
        origin: "mail.site.test".to_owned(),
        envelope: "q1f".to_owned(),
        domain: Some("abc.test".to_owned()),
        from: ReversePath::Mailbox(mailbox("jöe@example.org")),
        received: Timestamp(1_799_999_999_000),
        direction: Direction::Inbound,
        body: Body::EightBitMime,
        utf8: true,
        envid: Some("a b=c".to_owned()),
        peer: "2001:db8::1".parse().ok(),
        helo: "mx.example.org".to_owned(),
        encrypted: true,
        entries,
        message: b"Subject: \xff\r\n\n\x01\x01\nbare \r and \0 and no end".to_vec(),
    }
}

#[test]
fn what_is_written_is_read_again() {
    let whole = file();
    assert_eq!(QueueFile::read(&whole.write()), Ok(whole.clone()));
    let mut bare = whole;
    bare.from = ReversePath::Null;
    bare.domain = None;
    bare.envid = None;
    bare.peer = None;
    bare.helo = String::new();
    bare.message = Vec::new();
    bare.entries.truncate(1);
    assert_eq!(QueueFile::read(&bare.write()), Ok(bare));
}

#[test]
fn it_reads_as_a_text() {
    let mut file = file();
    file.entries.truncate(1);
    file.message = b"Subject: x\r\n\r\nx\r\n".to_vec();
    let text = String::from_utf8(file.write()).expect("it is UTF-8");
    assert_eq!(
        text,
        "Postroom-Queue: 1\nOrigin: mail.site.test\nEnvelope-Id: q1f\nDomain: abc.test\nFrom: <jöe@example.org>\nReceived: 1799999999000 2027-01-15T07:59:59Z\nDirection: inbound\nBody: 8bitmime\nUtf8: yes\nEnvid: a b=c\nPeer: 2001:db8::1\nHelo: mx.example.org\nEncrypted: yes\nSize: 17\nTo: <x@far.test>\nEntry: w20\nOriginal: x@far.test\nChannel: smtp\nNext-Hop: hub.test:25\nDue: 1800000000123 2027-01-15T08:00:00Z\nExpires: 1800000000999 2027-01-15T08:00:00Z\nCreated: 1799999999001 2027-01-15T07:59:59Z\nAttempts: 0\nDelay-Told: no\n\u{1}\u{1}\nSubject: x\r\n\r\nx\r\n"
    );
}

#[test]
fn what_is_malformed_is_refused_with_its_line() {
    let mut good = file();
    good.entries.truncate(1);
    good.message = b"x".to_vec();
    let good = String::from_utf8_lossy(&good.write()).into_owned();
    let without_message = &good[..good.find('\u{1}').expect("a divider")];
    let long = format!(
        "Postroom-Queue: 1\nOrigin: {}\n",
        "x".repeat(super::HEAD_BYTES)
    );
    for (text, line, part) in [
        (String::new(), 1, "two CTRL/A"),
        ("no colon\n".to_owned(), 1, "Name: value"),
        (without_message.to_owned(), 25, "two CTRL/A"),
        (long, 2, "too many"),
        ("\u{1}\u{1}\n".to_owned(), 1, "Postroom-Queue"),
        (good.replace("Queue: 1", "Queue: 2"), 1, "version 1"),
        (good.replace("Domain: abc.test\n", ""), 4, "'Domain: …'"),
        (
            good.replace("<jöe@example.org>", "joe@example.org"),
            5,
            "<>",
        ),
        (good.replace("<jöe@example.org>", "<joe@@x>"), 5, ""),
        (
            good.replace("Received: 1", "Received: x"),
            6,
            "milliseconds",
        ),
        (
            good.replace("Received: 1", "Received: -1"),
            6,
            "milliseconds",
        ),
        (good.replace("inbound", "sideways"), 7, "none of inbound"),
        (
            good.replace("Peer: 2001:db8::1", "Peer: host"),
            11,
            "IP address",
        ),
        (good.replace("Size: ", "Size: 1"), 14, "bytes, not"),
        (good.replace("To: <x@far.test>", "To: <x>"), 15, ""),
        (good.replace("Attempts: 0", "Attempts: many"), 23, "number"),
        (good.replace("Helo: mx", "Helo: \\q"), 12, "backslash"),
        (
            good.replace("Delay-Told: no", "Delay-Told: no\nTo: <y@x>"),
            26,
            "Entry",
        ),
    ] {
        let error = QueueFile::read(text.as_bytes()).expect_err(part);
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.problem.contains(part), "{error}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_lines(text in any::<String>(), message in any::<Vec<u8>>()) {
        let mut file = file();
        file.helo.clone_from(&text);
        file.entries[0].original.clone_from(&text);
        file.entries[1].parked = Some((ParkedReason::Hold, text));
        file.message = message;
        assert_eq!(QueueFile::read(&file.write()), Ok(file));
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in any::<Vec<u8>>(), at in any::<usize>()) {
        let mut whole = file().write();
        let at = at % whole.len();
        whole.splice(at..at, bytes.iter().copied());
        let _ = QueueFile::read(&whole);
        let _ = QueueFile::read(&bytes);
    }
}
