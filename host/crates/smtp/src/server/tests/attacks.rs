//! What hostile peers do, by the numbers of the project's list of attacks.

use std::time::Duration;

use mail::{CloseReason, Session as _, limits};
use proptest::prelude::*;

use super::harness::{Harness, asks};
use super::transcript::{Event, config, parse_reply, transport};
use super::{check, check_text};
use crate::server::{Answer, Ask, Mode, Tls};

const OPENING: &str = "\
ASK connect 192.0.2.7
S: 220 mx.abc.test ESMTP Postroom
C: HELO c.test
ASK hello c.test plain
S: 250 mx.abc.test greets c.test
C: MAIL FROM:<bob@xyz.test>
ASK mail <bob@xyz.test>
S: 250 2.1.0 Sender accepted
C: RCPT TO:<ann@abc.test>
ASK rcpt <ann@abc.test>
S: 250 2.1.5 Recipient accepted
C: DATA
ASK data
S: 354 Send the message; end it with a line that has only a dot
";

/// SMTP smuggling (VU#302671): a line ending that another server takes for the end of the
/// message, with a second message behind it.
#[test]
fn s01_bare_line_endings_never_end_data() {
    // The ending, and what of the text goes out before it is noticed.
    let endings = [
        (r"\n.\n", "text"),
        (r"\n.\r\n", "text"),
        (r"\r.\r", "text"),
        (r"\r\n.\n", r"text\r\n"),
        (r"\r.\r\n", "text"),
        (r"\r\n.\r", r"text\r\n"),
        (r"\r\n.\r\r\n", r"text\r\n"),
        (r"\r\r\n.\r\n", "text"),
        (r"\n\n.\r\n", "text"),
        (r"\r\n\n.\r\n", r"text\r\n"),
        (r"\r\n\r.\r\n", r"text\r\n"),
        (r"\r\n..\n.\r\n", r"text\r\n."),
    ];
    for (ending, body) in endings {
        let text = format!(
            "{OPENING}\
             C- text{ending}MAIL FROM:<evil@xyz.test>\\r\\nRCPT TO:<ann@abc.test>\\r\\nDATA\\r\\nevil\\r\\n.\\r\\n\n\
             BODY- {body}\n\
             DISCARD\n\
             S: 554 5.6.0 The message has a bare CR or LF\n\
             CLOSE\n"
        );
        check_text(ending, &text);
    }
    // A NUL hides nothing: the line is not the end, and the message is refused at the real one.
    let text = format!(
        "{OPENING}\
         C- text\\r\\n\\0.\\r\\nMAIL FROM:<evil@xyz.test>\\r\\n.\\r\\nNOOP\\r\\n\n\
         BODY: text\n\
         DISCARD\n\
         S: 554 5.6.0 The message has a NUL byte\n\
         S: 250 2.0.0 Nothing done\n"
    );
    check_text("NUL", &text);
    // The same at the first line of the text.
    let text = format!(
        "{OPENING}\
         C- .\\nQUIT\\r\\n\n\
         DISCARD\n\
         S: 554 5.6.0 The message has a bare CR or LF\n\
         CLOSE\n"
    );
    check_text("first line", &text);
}

/// A refused text ends where a taken one would: not at a stuffed dot, wherever the refusal fell.
#[test]
fn s01_a_refused_text_ends_at_its_own_dot() {
    let fields = "F: x\\r\\n".repeat(limits::HEADER_COUNT);
    let body = "BODY: F: x\n".repeat(limits::HEADER_COUNT);
    let text = format!(
        "{OPENING}\
         C- {fields}..\\r\\nMAIL FROM:<evil@xyz.test>\\r\\n.\\r\\nNOOP\\r\\n\n\
         {body}\
         DISCARD\n\
         S: 554 5.6.0 The message has too many or too large header fields\n\
         S: 250 2.0.0 Nothing done\n"
    );
    check_text("stuffed dot at the refusal", &text);
}

#[test]
fn s03_commands_before_the_greeting_close() {
    let server = crate::server::Server::new(
        std::sync::Arc::new(config()),
        transport(false),
        std::time::Instant::now(),
    );
    let mut harness = Harness {
        server,
        now: std::time::Instant::now(),
        answer: |_| Answer::Accept,
        buffered_max: 0,
    };
    let events = harness.input(b"EHLO c.test\r\nMAIL FROM:<bob@xyz.test>\r\n");
    assert_eq!(asks(&events), ["connect 192.0.2.7"]);
    assert_eq!(
        events[1..],
        [
            Event::Write("554 5.5.0 Commands came before it was their turn\r\n".into()),
            Event::Close
        ]
    );
}

#[test]
fn s04_plaintext_behind_starttls_is_never_executed() {
    check("starttls_injection.txt");
    // It may also arrive while the handshake begins.
    let mut settings = config();
    settings.tls = Tls::Available;
    let mut harness = Harness::greeted_with(settings);
    let events = harness.input(b"STARTTLS\r\n");
    assert_eq!(events.last(), Some(&Event::StartTls(false)));
    assert_eq!(harness.input(b"HELO evil.test\r\n"), []);
    harness
        .server
        .handle_transport(transport(true), harness.now);
    assert_eq!(harness.drain(), [Event::Close]);
}

#[test]
fn s06_state_is_not_carried_over_starttls() {
    check("submission.txt");
}

#[test]
fn s07_end_of_tls_inside_a_chunk_stores_nothing() {
    check("broken_in_chunk.txt");
}

#[test]
fn s08_chunks_out_of_order_are_refused_and_resynchronised() {
    check("chunks.txt");
    check("chunks_refused.txt");
}

/// A chunk without a size that makes sense has no end: the connection has.
#[test]
fn s08_sizes_that_make_no_sense_close() {
    let table = [
        ("BDAT -1", "501 5.5.4"),
        ("BDAT +5", "501 5.5.4"),
        ("BDAT 0x10", "501 5.5.4"),
        ("BDAT", "501 5.5.4"),
        ("BDAT  5", "501 5.5.4"),
        ("BDAT five LAST", "501 5.5.4"),
        ("BDAT 5 FIRST", "501 5.5.4"),
        ("BDAT 5 LAST LAST", "501 5.5.4"),
        ("BDAT 18446744073709551616", "501 5.5.4"),
        ("BDAT 99999999999999999999999 LAST", "501 5.5.4"),
        ("BDAT\0", "501 5.5.2"),
        ("BDAT 5\u{e4}", "501 5.5.4"),
        ("BDAT 9223372036854775808", "552 5.3.4"),
        ("BDAT 18446744073709551615 LAST", "552 5.3.4"),
    ];
    for (command, reply) in table {
        let mut harness = Harness::in_transaction(config());
        let events = harness.input(format!("{command}\r\nQUIT\r\n").as_bytes());
        let written: Vec<&Event> = events
            .iter()
            .filter(|event| matches!(event, Event::Write(_)))
            .collect();
        assert!(
            matches!(written[..], [Event::Write(text)] if text.starts_with(reply) && text.lines().count() == 1),
            "{command}: {events:?}"
        );
        assert!(!asks(&events).contains(&"quit"), "{command}: {events:?}");
        assert_eq!(events.last(), Some(&Event::Close), "{command}");
    }
    // Also a line too long to be read as a command.
    let mut harness = Harness::in_transaction(config());
    let line = format!("BDAT {}\r\nQUIT\r\n", "1".repeat(limits::SMTP_COMMAND_LINE));
    let events = harness.input(line.as_bytes());
    assert_eq!(
        events,
        [
            Event::Write("500 5.5.2 The line is too long\r\n".into()),
            Event::Close
        ]
    );
}

/// The declared size is never allocated, only compared.
#[test]
fn s08_a_huge_chunk_costs_nothing() {
    let mut settings = config();
    settings.limits.message_bytes = u64::MAX;
    let mut harness = Harness::in_transaction(settings);
    let events = harness.input(b"BDAT 9223372036854775808\r\nQUIT\r\n");
    assert_eq!(asks(&events), ["data"]);
    assert_eq!(events.last(), Some(&Event::Body("QUIT\r\n".into())));
    assert_eq!(harness.server.buffered(), 0);
    harness.server.handle_closed(CloseReason::PeerClosed);
    assert_eq!(harness.drain(), [Event::Discard, Event::Close]);
}

#[test]
fn s09_long_command_lines_are_refused_and_not_held() {
    let noop = |length: usize| format!("NOOP {}\r\n", "x".repeat(length - 7));
    let mut harness = Harness::greeted();
    assert!(
        harness
            .replies(noop(limits::SMTP_COMMAND_LINE).as_bytes())
            .starts_with("250")
    );
    assert!(
        harness
            .replies(noop(limits::SMTP_COMMAND_LINE + 1).as_bytes())
            .starts_with("500 5.5.2")
    );
    // One without an end, in pieces: nothing is said and nothing is held before the end comes.
    for _ in 0..200 {
        assert_eq!(harness.input(&[b'x'; 1000]), []);
    }
    assert!(
        harness.buffered_max <= limits::SMTP_AUTH_LINE,
        "{}",
        harness.buffered_max
    );
    assert!(harness.replies(b"\r\n").starts_with("500 5.5.2"));
    assert!(harness.replies(b"NOOP\r\n").starts_with("250"));
    // AUTH has its own limit, and its line is judged as AUTH.
    let auth = |length: usize| format!("AUTH PLAIN {}\r\n", "A".repeat(length - 13));
    let mut harness = Harness::greeted();
    assert!(
        harness
            .replies(auth(limits::SMTP_AUTH_LINE).as_bytes())
            .starts_with("503 5.5.1")
    );
    assert!(
        harness
            .replies(auth(limits::SMTP_AUTH_LINE + 1).as_bytes())
            .starts_with("500 5.5.2")
    );
}

/// Commands end in CRLF too: a lone LF is answered and not guessed at.
#[test]
fn s09_a_bare_line_feed_ends_the_session() {
    for line in ["NOOP\nQUIT\r\n", "\nQUIT\r\n", "NOOP\r\n\nQUIT\r\n"] {
        let mut harness = Harness::greeted();
        let events = harness.input(line.as_bytes());
        assert_eq!(asks(&events), [""; 0], "{line:?}");
        assert_eq!(events.last(), Some(&Event::Close), "{line:?}");
    }
}

#[test]
fn s09_text_lines_have_a_limit() {
    let mut settings = config();
    settings.text_line = 2000;
    let text = |length: usize| format!("A: b\r\n\r\n{}\r\n.\r\n", "x".repeat(length - 2));
    let mut harness = Harness::in_transaction(settings.clone());
    assert_eq!(
        harness.replies(b"DATA\r\n"),
        "354 Send the message; end it with a line that has only a dot\r\n"
    );
    assert!(harness.replies(text(2000).as_bytes()).starts_with("250"));
    let mut harness = Harness::in_transaction(settings.clone());
    harness.input(b"DATA\r\n");
    let events = harness.input(text(2001).as_bytes());
    let refused = Event::Write("554 5.6.0 A line of the message is too long\r\n".into());
    assert_eq!(events[1..], [Event::Discard, refused]);
    // RFC 5321 §4.5.3.1.6: never below 1,000, whatever the configuration says.
    settings.text_line = 10;
    let mut harness = Harness::in_transaction(settings);
    harness.input(b"DATA\r\n");
    assert!(
        harness
            .replies(text(limits::SMTP_TEXT_LINE).as_bytes())
            .starts_with("250")
    );
}

#[test]
fn s10_envelopes_of_odd_bytes_are_refused() {
    let table: &[(&[u8], &str)] = &[
        (b"MAIL FROM:<b\0b@xyz.test>", "501 5.5.2"),
        (b"MAIL FROM:<b\x01b@xyz.test>", "501 5.5.2"),
        (b"MAIL FROM:<b\x7fb@xyz.test>", "501 5.5.2"),
        (b"MAIL FROM:<b\tb@xyz.test>", "501 5.5.2"),
        (b"MAIL FROM:<bob@xyz.test>\r", "501 5.5.2"),
        (b"MAIL FROM:<\"b\rb\"@xyz.test>", "501 5.5.2"),
        (b"MAIL FROM:<\xf6b@xyz.test>", "501 5.5.2"),
        (b"MAIL FROM:<\xf6b@xyz.test> SMTPUTF8", "501 5.5.2"),
        ("MAIL FROM:<öb@xyz.test>".as_bytes(), "553 5.6.7"),
        ("MAIL FROM:<bob@xÿz.test>".as_bytes(), "553 5.6.7"),
        ("MAIL FROM:<bob@xyz.test> ENVID=ö".as_bytes(), "501 5.5.4"),
        (
            "MAIL FROM:<ob\u{85}@xyz.test> SMTPUTF8".as_bytes(),
            "501 5.5.2",
        ),
    ];
    let mut harness = Harness::greeted();
    for (line, reply) in table {
        let events = harness.input(&[line, b"\r\n".as_slice()].concat());
        assert!(
            matches!(&events[..], [Event::Write(text)] if text.starts_with(reply)),
            "{line:?}: {events:?}"
        );
    }
}

#[test]
fn s12_source_routes_and_odd_paths_are_refused() {
    let table = [
        ("RCPT TO:<@a.test,@b.test:user@c.test>", "501 5.1.3"),
        ("RCPT TO:<@a.test:user@c.test>", "501 5.1.3"),
        ("RCPT TO:ann@abc.test", "501 5.1.3"),
        ("RCPT TO:<ann@abc.test", "501 5.1.3"),
        ("RCPT TO:<ann@abc.test>x", "501 5.1.3"),
        ("RCPT TO:<ann@abc.test>>", "501 5.1.3"),
        ("RCPT TO:<<ann@abc.test>>", "501 5.1.3"),
        ("RCPT TO:<\"ann@abc.test>", "501 5.1.3"),
        ("RCPT TO:<ann@abc.test.>", "501 5.1.3"),
        ("RCPT TO:<ann>", "501 5.1.3"),
        ("RCPT TO:<>", "501 5.1.3"),
        ("RCPT TO:", "501 5.1.3"),
        ("RCPT <ann@abc.test>", "501 5.1.3"),
        ("RCPT", "501 5.1.3"),
    ];
    let mut harness = Harness::in_transaction(config());
    for (line, reply) in table {
        let events = harness.input(format!("{line}\r\n").as_bytes());
        assert!(
            matches!(&events[..], [Event::Write(text)] if text.starts_with(reply)),
            "{line}: {events:?}"
        );
    }
    for line in [
        "MAIL FROM:<Postmaster>",
        "MAIL FROM:<@a.test:b@c.test>",
        "MAIL",
        "MAIL TO:<a@b.test>",
    ] {
        let replies = Harness::greeted().replies(format!("{line}\r\n").as_bytes());
        assert!(replies.starts_with("501 5.1.7"), "{line}: {replies}");
    }
}

#[test]
fn s14_ten_thousand_recipients_stay_flat() {
    let mut harness = Harness::in_transaction(config());
    let mut accepted = 1;
    let mut later = 0;
    for number in 0..10_000 {
        let replies = harness.replies(format!("RCPT TO:<u{number}@abc.test>\r\n").as_bytes());
        match &replies[..9] {
            "250 2.1.5" => accepted += 1,
            "452 4.5.3" => later += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((accepted, later), (1000, 9001));
    assert_eq!(harness.server.buffered(), 0);
}

#[test]
fn s15_harvesting_ends_the_session() {
    let mut harness = Harness::in_transaction(config());
    harness.answer = |ask| match ask {
        Ask::Recipient { .. } => {
            Answer::Reply(parse_reply("550 5.1.1 no such mailbox").expect("a reply"))
        }
        _ => Answer::Accept,
    };
    for _ in 1..limits::BAD_RECIPIENTS {
        assert_eq!(
            harness.replies(b"RCPT TO:<x@abc.test>\r\n"),
            "550 5.1.1 no such mailbox\r\n"
        );
    }
    // Then each waits longer than the one before, whatever was sent meanwhile.
    for seconds in [1, 2, 4, 8] {
        let events = harness.input(b"RCPT TO:<x@abc.test>\r\n");
        assert_eq!(asks(&events), ["rcpt <x@abc.test>"]);
        assert_eq!(harness.replies(b"NOOP\r\n"), "", "{seconds}");
        let due = harness.server.poll_timeout().expect("it waits");
        assert_eq!(due, harness.now + Duration::from_secs(seconds));
        harness
            .server
            .handle_timeout(due - Duration::from_millis(1));
        assert_eq!(harness.replies(b""), "", "{seconds}");
        harness.now = due;
        harness.server.handle_timeout(due);
        let late = harness.replies(b"");
        assert!(
            late.starts_with("550 5.1.1 no such mailbox\r\n250 "),
            "{late}"
        );
    }
    let events = harness.input(b"RCPT TO:<x@abc.test>\r\nRCPT TO:<y@abc.test>\r\n");
    assert_eq!(asks(&events), ["rcpt <x@abc.test>"]);
    let Some(Event::Write(last)) = events.get(1) else {
        panic!("{events:?}")
    };
    assert!(
        last.ends_with("421 4.7.0 Too many recipients that are not here\r\n"),
        "{last}"
    );
    assert_eq!(events.last(), Some(&Event::Close));
    // VRFY tells nothing, not even to whom it would.
    let mut harness = Harness::greeted();
    let known = harness.replies(b"VRFY ann@abc.test\r\n");
    assert_eq!(known, harness.replies(b"VRFY nobody@abc.test\r\n"));
    assert!(known.starts_with("252"));
    assert!(
        harness
            .replies(b"EXPN list@abc.test\r\n")
            .starts_with("502")
    );
}

/// Who has to wait must not fill the memory meanwhile, and does not hold up the server's end.
#[test]
fn s15_a_pause_holds_no_more_than_a_buffer() {
    let paused = || {
        let mut harness = Harness::in_transaction(config());
        harness.answer = |_| Answer::Reply(parse_reply("550 5.1.1 no").expect("a reply"));
        for _ in 0..limits::BAD_RECIPIENTS {
            harness.input(b"RCPT TO:<x@abc.test>\r\n");
        }
        harness
    };
    let mut harness = paused();
    let piece = [b'x'; 16 * 1024];
    let pieces = (0..10).take_while(|_| harness.replies(&piece).is_empty());
    assert_eq!(pieces.count(), 4);
    assert!(harness.server.buffered() <= limits::SESSION_BUFFER + piece.len());

    let mut harness = paused();
    harness.server.handle_closed(CloseReason::Shutdown);
    let last = harness.replies(b"");
    assert!(last.starts_with("550 5.1.1 no\r\n421 4.3.2"), "{last}");
}

#[test]
fn s15_wrong_commands_end_the_session() {
    let mut harness = Harness::greeted();
    for _ in 1..limits::BAD_COMMANDS {
        assert_eq!(
            harness.replies(b"XYZZY\r\n"),
            "500 5.5.1 This command is not known\r\n"
        );
    }
    let events = harness.input(b"XYZZY\r\nNOOP\r\n");
    let Some(Event::Write(last)) = events.first() else {
        panic!("{events:?}")
    };
    assert!(
        last.ends_with("421 4.7.0 Too many commands that were no commands\r\n"),
        "{last}"
    );
    assert_eq!(events.last(), Some(&Event::Close));
}

#[test]
fn s16_names_that_could_forge_a_trace_are_refused() {
    for verb in ["EHLO", "HELO"] {
        for name in [
            "",
            "a b",
            "a\0b",
            "a\rb",
            "a\tb",
            "a\x1bb",
            "ä.test",
            "\u{2028}",
            "a\x7f",
            &"x".repeat(256),
            &"x".repeat(1 << 20),
        ] {
            let mut harness = Harness::new(config());
            let events = harness.input(format!("{verb} {name}\r\n").as_bytes());
            assert_eq!(asks(&events), [""; 0], "{verb} {name:.20?}");
            assert!(
                matches!(&events[..], [Event::Write(text)] if text.starts_with("50")),
                "{verb} {name:.20?}: {events:?}"
            );
        }
        for name in [
            "c",
            "client_1.test",
            "[192.0.2.7]",
            "[IPv6:::1]",
            "<>",
            &"x".repeat(255),
        ] {
            let events = Harness::new(config()).input(format!("{verb} {name}\r\n").as_bytes());
            assert_eq!(asks(&events).len(), 1, "{verb} {name}");
        }
    }
}

/// SIZE says 1 KB; what comes is as much as the peer can send.
#[test]
fn s17_size_that_lies_is_refused_and_streamed() {
    const PIECE: usize = 64 * 1024;
    let mut settings = config();
    settings.limits.message_bytes = 8 * 1024 * 1024;
    let piece = format!("{}\r\n", "x".repeat(1022)).repeat(64).into_bytes();
    assert_eq!(piece.len(), PIECE);
    // It ends within the same amount again: the reply waits for the end.
    let mut harness = Harness::greeted_with(settings.clone());
    harness.input(
        b"MAIL FROM:<bob@xyz.test> SIZE=1000\r\nRCPT TO:<ann@abc.test>\r\nDATA\r\nA: b\r\n\r\n",
    );
    let mut stored = 0;
    let mut discarded_at = None;
    for count in 0..200 {
        for event in harness.input(&piece) {
            match event {
                Event::Body(bytes) => stored += bytes.chars().count(),
                Event::Discard => discarded_at = Some(count),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(discarded_at, Some(127));
    assert_eq!(stored as u64, 8 * 1024 * 1024 - 8);
    assert!(harness.buffered_max <= PIECE);
    let replies = harness.replies(b".\r\nNOOP\r\n");
    assert_eq!(
        replies,
        "552 5.3.4 The message is larger than 8388608 bytes\r\n250 2.0.0 Nothing done\r\n"
    );
    // It does not: the connection ends.
    let mut harness = Harness::in_transaction(settings);
    harness.input(b"DATA\r\nA: b\r\n\r\n");
    let end = (0..1000).find_map(|count| {
        let events = harness.input(&piece);
        (events.last() == Some(&Event::Close)).then_some((count, events))
    });
    let Some((count, events)) = end else {
        panic!("it went on for ever")
    };
    assert_eq!(count, 255);
    let refused = Event::Write("552 5.3.4 The message is larger than 8388608 bytes\r\n".into());
    assert_eq!(events, [refused, Event::Close]);
    assert!(harness.buffered_max <= PIECE);
}

#[test]
fn s21_other_protocols_are_closed_at_their_first_line() {
    check("foreign_protocol.txt");
    for line in [
        "GET / HTTP/1.1",
        "PRI * HTTP/2.0",
        "CONNECT mx.abc.test:25 HTTP/1.1",
        "put /x",
    ] {
        let events = Harness::greeted().input(format!("{line}\r\nNOOP\r\n").as_bytes());
        assert_eq!(events.last(), Some(&Event::Close), "{line}");
        assert_eq!(events.len(), 2, "{line}");
    }
}

#[test]
fn s24_parameters_that_are_wrong_are_refused() {
    let table = [
        ("SIZE=1 SIZE=1", "501 5.5.4"),
        ("SIZE=1 size=2", "501 5.5.4"),
        ("BODY=7BIT BODY=8BITMIME", "501 5.5.4"),
        ("SMTPUTF8 SMTPUTF8", "501 5.5.4"),
        ("SIZE", "501 5.5.4"),
        ("SIZE=", "501 5.5.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=+1", "501 5.5.4"),
        ("SIZE=1k", "501 5.5.4"),
        ("SIZE=100000000000000000000", "501 5.5.4"),
        ("SIZE=99999999999999999999", "552 5.3.4"),
        ("SIZE=18446744073709551615", "552 5.3.4"),
        ("BODY=BINARYMIME", "504 5.5.4"),
        ("BODY=16BIT", "504 5.5.4"),
        ("BODY", "501 5.5.4"),
        ("SMTPUTF8=yes", "501 5.5.4"),
        ("RET=BODY", "501 5.5.4"),
        ("RET", "501 5.5.4"),
        ("ENVID=a+0d+0a", "501 5.5.4"),
        ("ENVID=a+0D+0AX-Forged:+20yes", "501 5.5.4"),
        ("ENVID=a+4", "501 5.5.4"),
        ("ENVID=a=b", "501 5.5.4"),
        ("ENVID=+C3+B6", "501 5.5.4"),
        (&format!("ENVID={}", "x".repeat(101)), "501 5.5.4"),
        ("AUTH=nobody", "501 5.5.4"),
        ("AUTH=", "501 5.5.4"),
        ("=x", "501 5.5.4"),
        ("S!ZE=1", "501 5.5.4"),
        ("NOTIFY=NEVER", "555 5.5.4"),
        ("HOLDFOR=1", "555 5.5.4"),
        ("XYZZY", "555 5.5.4"),
    ];
    for (parameters, reply) in table {
        let line = format!("MAIL FROM:<bob@xyz.test> {parameters}\r\n");
        let events = Harness::greeted().input(line.as_bytes());
        assert!(
            matches!(&events[..], [Event::Write(text)] if text.starts_with(reply)),
            "{parameters}: {events:?}"
        );
    }
    let table = [
        ("NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4"),
        ("NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("NOTIFY=", "501 5.5.4"),
        ("NOTIFY", "501 5.5.4"),
        ("NOTIFY=SUCCESS,", "501 5.5.4"),
        ("ORCPT=ann@abc.test", "501 5.5.4"),
        ("ORCPT=rfc822;", "501 5.5.4"),
        ("ORCPT=;ann@abc.test", "501 5.5.4"),
        ("ORCPT=rfc822;a+0D+0Ab", "501 5.5.4"),
        (&format!("ORCPT=rfc822;{}", "x".repeat(494)), "501 5.5.4"),
        ("SIZE=1", "555 5.5.4"),
        ("XYZZY=1", "555 5.5.4"),
    ];
    for (parameters, reply) in table {
        let line = format!("RCPT TO:<ann@abc.test> {parameters}\r\n");
        let events = Harness::in_transaction(config()).input(line.as_bytes());
        assert!(
            matches!(&events[..], [Event::Write(text)] if text.starts_with(reply)),
            "{parameters}: {events:?}"
        );
    }
    // 64 KiB of them never become a command.
    let line = format!("MAIL FROM:<bob@xyz.test> {}\r\n", "X=1 ".repeat(16 * 1024));
    assert!(
        Harness::greeted()
            .replies(line.as_bytes())
            .starts_with("500 5.5.2")
    );
}

#[test]
fn a03_auth_is_refused_before_tls() {
    for name in [
        "auth_not_offered.txt",
        "auth_without_certificate.txt",
        "submission.txt",
    ] {
        check(name);
    }
    // Not even announced.
    let mut settings = config();
    settings.mode = Mode::Submission;
    settings.tls = Tls::Available;
    let mut harness = Harness::new(settings);
    let replies = harness.replies(b"EHLO c.test\r\n");
    assert!(
        replies.contains("250 STARTTLS\r\n") && !replies.contains("AUTH"),
        "{replies}"
    );
}

#[test]
fn a05_failed_logins_end_the_session() {
    check("auth_failures.txt");
    check("auth_login.txt");
}

#[test]
fn i10_header_sections_have_a_limit() {
    let refused = "554 5.6.0 The message has too many or too large header fields\r\n";
    let accepted = |harness: &mut Harness, text: &str| {
        harness.input(b"DATA\r\n");
        harness.replies(text.as_bytes())
    };
    let fields = |count: usize| format!("{}\r\nX: y\r\n.\r\n", "F: x\r\n\ty\r\n".repeat(count));
    let mut harness = Harness::in_transaction(config());
    assert!(accepted(&mut harness, &fields(limits::HEADER_COUNT)).starts_with("250"));
    let mut harness = Harness::in_transaction(config());
    assert_eq!(
        accepted(&mut harness, &fields(limits::HEADER_COUNT + 1)),
        refused
    );
    let large = |bytes: usize| {
        let line = format!("F: {}\r\n", "x".repeat(1019)).repeat(bytes / 1024);
        format!("{line}\r\n{}\r\n.\r\n", "body\r\n".repeat(1000))
    };
    let mut harness = Harness::in_transaction(config());
    assert!(accepted(&mut harness, &large(limits::HEADER_BYTES)).starts_with("250"));
    let mut harness = Harness::in_transaction(config());
    assert_eq!(
        accepted(&mut harness, &large(limits::HEADER_BYTES + 1024)),
        refused
    );
}

/// Pieces of sessions, so that random input gets somewhere.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@abc.test>\r\n",
        "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<ann@abc.test>\r\nDATA\r\n",
        "EHLO c.test\r\n",
        "HELO c\r\n",
        "MAIL FROM:<a@b.test>\r\n",
        "MAIL FROM:<> SIZE=5 BODY=8BITMIME\r\n",
        "RCPT TO:<ann@abc.test>\r\n",
        "RCPT TO:<\"x>y\"@abc.test> NOTIFY=NEVER\r\n",
        "DATA\r\n",
        ".\r\n",
        "..\r\n",
        "\r\n",
        "\r",
        "\n",
        "\0",
        "text\r\n",
        "A: b\r\n\r\n",
        "BDAT 5\r\n",
        "BDAT 12 LAST\r\n",
        "BDAT 0\r\n",
        "BDAT 2000000\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "QUIT\r\n",
        "AUTH PLAIN\r\n",
        "AUTH LOGIN YW5u\r\n",
        "YW5u\r\n",
        "AUTH PLAIN AGFubgBzZWNyZXQ=\r\n",
        "*\r\n",
        "VRFY x\r\n",
        "STARTTLS\r\n",
        ".",
        "BDAT ",
        "\u{e4}",
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..50),
        1 => (any::<u8>(), 0..5000usize).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn small(tls: Tls) -> crate::server::Config {
    let mut settings = config();
    settings.limits.message_bytes = 3000;
    settings.limits.recipients = 3;
    settings.mode = if tls == Tls::Implicit {
        Mode::Submission
    } else {
        Mode::Mx
    };
    settings.tls = tls;
    settings
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_input_keeps_the_rules(
        pieces in prop::collection::vec(fragments(), 0..60),
        tls in prop::sample::select(vec![Tls::None, Tls::Implicit]),
        refusing: bool,
    ) {
        let mut whole = Harness::new(small(tls));
        let mut bytewise = Harness::new(small(tls));
        if refusing {
            let refuse: fn(&Ask) -> Answer = |ask| match ask {
                Ask::Data { .. } | Ask::Authenticate { .. } => {
                    Answer::Reply(parse_reply("450 4.0.0 no").expect("a reply"))
                }
                _ => Answer::Accept,
            };
            whole.answer = refuse;
            bytewise.answer = refuse;
        }
        let input = pieces.concat();
        let events = whole.input(&input);
        let mut bytewise_events = Vec::new();
        for byte in &input {
            for event in bytewise.input(std::slice::from_ref(byte)) {
                if event != Event::Close || bytewise_events.last() != Some(&Event::Close) {
                    super::transcript::push(&mut bytewise_events, event);
                }
            }
        }
        prop_assert_eq!(&events, &bytewise_events);
        prop_assert!(bytewise.buffered_max <= limits::SMTP_AUTH_LINE);
        // A body is between an accepted question and its end, and within the limit.
        let mut body: Option<usize> = None;
        for event in &events {
            match event {
                Event::Ask(ask) if ask.starts_with("data") && !refusing => body = Some(0),
                Event::Ask(ask) if ask.starts_with("end") => {
                    let size = body.take().expect("a body before its end");
                    prop_assert!(ask.starts_with(&format!("end size={size} ")), "{} {}", size, ask);
                }
                Event::Ask(_) => prop_assert!(body.is_none(), "{:?}", events),
                Event::Body(bytes) => {
                    let size = body.as_mut().expect("a body after it was accepted");
                    *size += bytes.chars().count();
                    prop_assert!(*size <= 3000);
                }
                Event::Discard => prop_assert!(body.take().is_some()),
                _ => {}
            }
        }
    }
}
