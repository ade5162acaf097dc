//! The option `forward`, seen by the next server: the bytes are the same behind our trace fields,
//! the envelope sender is kept, also the null one; two forwards that point at each other end in
//! one report.

use postroom_tests::{Line, Server, ServerOptions, Sink, python};

const REPORT: &str = r#"
import email, sys
report = email.message_from_bytes(bytes.fromhex(sys.argv[1]))
assert report.get_content_type() == "multipart/report", report.get_content_type()
assert report.get_param("report-type") == "delivery-status"
status = report.get_payload(1).get_payload()[1]
assert status["Action"] == "failed", status
assert status["Status"] == "5.4.6", status
"#;

fn server_behind(sink: &Sink) -> Server {
    let server = Server::start_with(ServerOptions {
        tables: sink.route("*"),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.domain("xyz.test");
    server
}

#[test]
fn forward_keeps_bytes_and_sender() {
    let sink = Sink::start();
    let server = server_behind(&sink);
    server.user(
        "ann@abc.test",
        &["options=mailbox,forward", "forward-to=ann@example.org"],
    );
    // 8-bit bytes that are not UTF-8, dots, a long line, no line end that a parser could mend.
    let mut message =
        b"From: joe@example.org\r\nSUBJECT:  odd   spacing\r\nX-Empty:\r\n\r\n.\r\n..two\r\n"
            .to_vec();
    message.extend((0x80..=0xff_u8).chain(*b"\r\n"));
    message.extend([b'x'; 900]);
    message.extend(b"\r\n \t \r\n\r\n");
    for from in ["joe@example.org", ""] {
        let mut line = Line::smtp(server.address("mx"));
        let mail = line.command(&format!("MAIL FROM:<{from}> BODY=8BITMIME"));
        assert_eq!(mail.code, 250);
        assert_eq!(line.command("RCPT TO:<ann@abc.test>").code, 250);
        assert_eq!(line.command("DATA").code, 354);
        for piece in message.split_inclusive(|byte| *byte == b'\n') {
            if piece.starts_with(b".") {
                line.write(b".");
            }
            line.write(piece);
        }
        assert_eq!(line.command(".").code, 250);
    }
    server.delivered();

    let letters = sink.letters();
    let mut senders: Vec<_> = letters
        .iter()
        .map(|letter| letter.mail.split_whitespace().nth(1).unwrap_or_default())
        .collect();
    senders.sort_unstable();
    assert_eq!(senders, ["FROM:<>", "FROM:<joe@example.org>"]);
    for letter in &letters {
        assert!(letter.mail.contains("BODY=8BITMIME"), "{}", letter.mail);
        assert_eq!(letter.rcpt, ["RCPT TO:<ann@example.org>"]);
        let own = letter.bytes.len() - message.len();
        assert_eq!(
            blake3::hash(&letter.bytes[own..]),
            blake3::hash(&message),
            "{}",
            letter.text()
        );
        let trace = String::from_utf8_lossy(&letter.bytes[..own]).into_owned();
        let names = trace
            .split("\r\n")
            .filter(|line| !line.is_empty() && !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':').map(|(name, _)| name));
        assert!(
            names
                .into_iter()
                .all(|name| ["Received", "Delivered-To"].contains(&name)),
            "{trace}"
        );
        assert!(trace.contains("Delivered-To: ann@abc.test\r\n"), "{trace}");
    }
    assert_eq!(
        server.messages("ann@abc.test", "INBOX").len(),
        2,
        "a copy is kept"
    );
}

#[test]
fn forwards_that_point_at_each_other_end_in_one_report() {
    let sink = Sink::start();
    let server = server_behind(&sink);
    server.user(
        "ann@abc.test",
        &["options=forward", "forward-to=bob@xyz.test"],
    );
    server.user(
        "bob@xyz.test",
        &["options=forward", "forward-to=ann@abc.test"],
    );
    let message = "From: joe@example.org\r\nSubject: round\r\n\r\nand round\r\n";
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["ann@abc.test"], message);
    assert_eq!(reply.code, 250, "{reply:?}");
    let report = sink.letter_for("joe@example.org");
    server.delivered();
    assert_eq!(sink.letters().len(), 1, "one report: {:?}", sink.letters());
    assert!(report.mail.starts_with("MAIL FROM:<>"), "{report:?}");
    let hex: String = report
        .bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    python(REPORT, &[&hex]).ok();

    // The report's own way round has no sender to tell, and ends all the same.
    let reply = Line::smtp(server.address("mx")).send("", &["ann@abc.test"], message);
    assert_eq!(reply.code, 250, "{reply:?}");
    server.delivered();
    assert_eq!(sink.letters().len(), 1);
}
