//! What hostile servers and hostile stored bytes do.

use std::time::Instant;

use proptest::prelude::*;

use super::script::{Event, Run, check, config, describe, letter};
use crate::client::stuffing::DotEncoder;
use crate::client::{Client, Step};

/// What a strict server makes of the bytes behind 354: the messages, unstuffed.
fn strict_reading(wire: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut message = Vec::new();
    for line in wire.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.ends_with(b"\r\n"), "a line without CRLF: {line:?}");
        let text = &line[..line.len() - 2];
        assert!(!text.contains(&b'\r'), "a bare CR: {line:?}");
        match text {
            b"." => messages.push(std::mem::take(&mut message)),
            [b'.', rest @ ..] => message.extend([rest, b"\r\n"].concat()),
            text => message.extend([text, b"\r\n"].concat()),
        }
    }
    assert_eq!(message, b"", "bytes behind the last dot");
    messages
}

fn encode(pieces: &[&[u8]]) -> Vec<u8> {
    let mut encoder = DotEncoder::new();
    let mut wire: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| encoder.encode(piece))
        .collect();
    wire.extend_from_slice(encoder.finish());
    wire
}

#[test]
fn s02_stored_bytes_never_end_the_message_early() {
    let table: &[(&[u8], &[u8])] = &[
        (b"", b""),
        (b"text", b"text\r\n"),
        (b"text\r\n", b"text\r\n"),
        (b".", b".\r\n"),
        (b".\r\n", b".\r\n"),
        (b"..\r\n.\r\n", b"..\r\n.\r\n"),
        (
            b"a\n.\nMAIL FROM:<evil@xyz.test>\n",
            b"a\r\n.\r\nMAIL FROM:<evil@xyz.test>\r\n",
        ),
        (b"a\r.\rb", b"a\r\n.\r\nb\r\n"),
        (b"a\n.\r\nb", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\nb", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\rb", b"a\r\n.\r\nb\r\n"),
        (b"a\r.\r\nb", b"a\r\n.\r\nb\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\n\r\n.\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n"),
        (b"a\r", b"a\r\n"),
        (b"a\n\n", b"a\r\n\r\n"),
        (b"a\0b\r\n", b"a\0b\r\n"),
    ];
    for (stored, read) in table {
        let wire = encode(&[stored]);
        assert_eq!(
            strict_reading(&wire),
            [read.to_vec()],
            "{:?}",
            stored.escape_ascii().to_string()
        );
        for at in 0..=stored.len() {
            let (before, after) = stored.split_at(at);
            assert_eq!(encode(&[before, after]), wire, "cut at {at}");
        }
    }
    check(
        &config(),
        &[letter(&["ann@abc.test"], b"a\n.\nQUIT\r.\rb")],
        "
        S: 220 mx
        C: EHLO out.test
        S: 250-mx
        S: 250 PIPELINING
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: a
        C: ..
        C: QUIT
        C: ..
        C: b
        C: .
    ",
    );
}

#[test]
fn s05_bytes_before_the_handshake_ends_are_never_replies() {
    // Behind the reply to STARTTLS, in the same segment or in the next.
    let events = |chunks: &[&[u8]]| {
        let mut run = Run::new(config(), &[letter(&["ann@abc.test"], b"x")], 1);
        run.client.handle_input(b"220 mx\r\n", run.now);
        run.drain();
        run.client
            .handle_input(b"250-mx\r\n250 STARTTLS\r\n", run.now);
        run.drain();
        run.events.clear();
        for chunk in chunks {
            run.client.handle_input(chunk, run.now);
            run.drain();
        }
        run.client.handle_encrypted(run.now);
        run.drain();
        run.events
    };
    let failed = || Event::Done("connection 4.7.5".to_owned());
    assert_eq!(
        events(&[b"220 go\r\n250 injected\r\n"]),
        [failed(), Event::Close]
    );
    assert_eq!(events(&[b"220 go\r\nx"]), [failed(), Event::Close]);
    assert_eq!(
        events(&[b"220 go\r\n", b"250 injected\r\n"]),
        [Event::StartTls, failed(), Event::Close]
    );
    assert_eq!(
        events(&[b"220 go\r\n", b"2"]),
        [Event::StartTls, failed(), Event::Close]
    );
    // Half a line behind it is as bad.
    let clean = Event::Write("EHLO out.test\r\n".to_owned());
    assert_eq!(events(&[b"220 go\r\n"]), [Event::StartTls, clean]);
}

/// A verdict on a message that was not sent yet, whole or only begun.
#[test]
fn s05_a_verdict_before_the_message_is_no_verdict() {
    for early in ["250 taken\r\n", "2", "550 5.7.1 no\r\n"] {
        let mut run = Run::new(config(), &[letter(&["ann@abc.test"], b"x")], 1);
        for chunk in [
            "220 mx\r\n",
            "250-mx\r\n250 PIPELINING\r\n",
            &format!("250 ok\r\n250 ok\r\n354 go\r\n{early}"),
        ] {
            run.client.handle_input(chunk.as_bytes(), run.now);
            run.drain();
        }
        let end = [Event::Done("4.5.0".to_owned()), Event::Close];
        assert_eq!(run.events[run.events.len() - 2..], end, "{early:?}");
    }
    // While the text goes out, a refusal counts and everything else does not.
    for (early, outcome) in [
        ("250 taken\r\n", "4.5.0"),
        ("552 5.3.4 no\r\n", "5.3.4"),
        ("421 bye\r\n", "4.0.0"),
    ] {
        let now = Instant::now();
        let mut client = Client::new(config(), now);
        client.send(letter(&["ann@abc.test"], b"").message, now);
        for chunk in [
            "220 mx\r\n",
            "250-mx\r\n250 PIPELINING\r\n",
            "250 ok\r\n250 ok\r\n354 go\r\n",
        ] {
            client.handle_input(chunk.as_bytes(), now);
            while matches!(client.poll_step(), Step::Write(_)) {}
        }
        assert_eq!(client.poll_step(), Step::NeedBody);
        client.handle_body(b"half of it", now);
        client.handle_input(early.as_bytes(), now);
        assert!(matches!(client.poll_step(), Step::Write(_)));
        let Step::Done(report) = client.poll_step() else {
            panic!("a report comes")
        };
        assert_eq!(describe(&report), outcome);
        assert_eq!(client.poll_step(), Step::Close);
    }
}

#[test]
fn n08_replies_have_a_form_and_an_end() {
    let table: &[&[u8]] = &[
        b"HTTP/1.1 400 Bad Request\r\n",
        b"22\r\n",
        b"\r\n",
        b"2200 mx\r\n",
        b"+20 mx\r\n",
        b"100 mx\r\n",
        b"600 mx\r\n",
        b"220-mx\r\n250 mx\r\n",
        b"220_mx\r\n",
        b"\xff\xfe\xfd mx\r\n",
    ];
    for garbage in table {
        let mut run = Run::new(config(), &[letter(&["ann@abc.test"], b"x")], 1);
        run.client.handle_input(garbage, run.now);
        run.drain();
        let expected = [Event::Done("connection 4.5.0".to_owned()), Event::Close];
        assert_eq!(
            run.events,
            expected,
            "{:?}",
            garbage.escape_ascii().to_string()
        );
    }
    // Without an end: a line, and lines.
    for endless in [b"x".as_slice(), b"220-more\r\n"] {
        let mut client = Client::new(config(), Instant::now());
        let mut sent = 0;
        if endless == b"x" {
            client.handle_input(b"220 ", Instant::now());
        }
        while client.poll_step() == Step::NeedInput {
            client.handle_input(endless, Instant::now());
            sent += endless.len();
            assert!(sent <= 65 * 1024, "it goes on for ever");
        }
        assert_eq!(client.poll_step(), Step::Close);
    }
    // All at once, and with an end.
    let mut run = Run::new(config(), &[], 1);
    run.client.handle_input(
        format!("{}220 mx\r\n", "220-y\r\n".repeat(10_000)).as_bytes(),
        run.now,
    );
    run.drain();
    assert_eq!(run.events, [Event::Close]);
    // A long one that has an end, in lines that end as they like.
    let mut run = Run::new(config(), &[], 1);
    run.client.handle_input(
        format!("{}220 mx\n", "220-y\n".repeat(1000)).as_bytes(),
        run.now,
    );
    run.drain();
    assert_eq!(run.events, [Event::Write("EHLO out.test\r\n".to_owned())]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s02_any_bytes_are_one_message(
        pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab.\r\n\0".to_vec()), 0..12), 0..8),
    ) {
        let borrowed: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let wire = encode(&borrowed);
        prop_assert_eq!(strict_reading(&wire).len(), 1);
        prop_assert_eq!(encode(&[&pieces.concat()]), wire);
    }

    /// Whatever a server says: one report for the message, then the end.
    #[test]
    fn any_server_ends_in_one_report(
        lines in prop::collection::vec(prop::sample::select(vec![
            "220 mx\r\n", "250 ok\r\n", "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "250-mx\r\n250 SIZE 5\r\n",
            "354 go\r\n", "550 5.1.1 no\r\n", "450 4.2.1 later\r\n", "421 bye\r\n", "334 \r\n", "235 ok\r\n", "x", "\r\n",
            "250-", "999 ?\r\n",
        ]), 0..20),
    ) {
        let mut run = Run::new(config(), &[letter(&["a@abc.test", "b@abc.test"], b"text")], 2);
        for line in lines {
            run.client.handle_input(line.as_bytes(), run.now);
            run.drain();
            if run.events.last() == Some(&Event::StartTls) {
                run.client.handle_encrypted(run.now);
                run.drain();
            }
        }
        run.client.handle_closed();
        run.drain();
        let reports: Vec<&String> =
            run.events.iter().filter_map(|event| if let Event::Done(text) = event { Some(text) } else { None }).collect();
        prop_assert_eq!(reports.len(), 1, "{:?}", run.events);
        let outcomes = reports[0].split(' ').filter(|word| *word != "connection").count();
        prop_assert_eq!(outcomes, 2);
        prop_assert_eq!(run.events.last(), Some(&Event::Close));
    }
}
