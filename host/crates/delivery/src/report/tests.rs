use mail::message::{Message, PartKind};
use mail::{
    Body, Class, Direction, EnhancedStatus, Envelope, EnvelopeId, Mailbox, ReversePath, Timestamp,
};

use super::{Kind, RECIPIENTS, Report, ReportRequest, ReportedRecipient, WHOLE_MESSAGE_BYTES};

const NOW: Timestamp = Timestamp::from_seconds(1_795_442_400);
const ORIGINAL: &[u8] =
    b"From: ann@abc.test\r\nSubject: hello\r\nMessage-ID: <1@abc.test>\r\n\r\nbody\r\n.\r\n";

fn mailbox(address: &str) -> Mailbox {
    Mailbox::parse(address).unwrap()
}

fn envelope() -> Envelope {
    Envelope {
        id: EnvelopeId(0x2a),
        reverse_path: ReversePath::Mailbox(mailbox("ann@abc.test")),
        direction: Direction::Submission,
        authenticated: None,
        peer: None,
        helo: String::new(),
        encrypted: true,
        received: NOW.plus_seconds(-60),
        body: Body::SevenBit,
        utf8: false,
        envid: None,
    }
}

fn recipient(address: &str) -> ReportedRecipient {
    ReportedRecipient {
        original: None,
        address: mailbox(address),
        status: EnhancedStatus::new(Class::Permanent, 1, 1),
        reason: "mx.other.test said: 550 5.1.1 no such user".into(),
        remote: Some("mx.other.test".into()),
        last_attempt: NOW,
    }
}

/// Writes a report about `message` and gives it to `check`, which may look at its parts.
fn write(
    kind: Kind,
    envelope: &Envelope,
    message: &[u8],
    recipients: &[ReportedRecipient],
) -> Option<Report> {
    let from = mailbox("postmaster@abc.test");
    ReportRequest {
        kind,
        envelope,
        message,
        whole: true,
        server: "mail.abc.test",
        from: &from,
        recipients,
        now: NOW,
        unique: "q2b-1",
    }
    .write()
}

fn failed(envelope: &Envelope, message: &[u8], recipients: &[ReportedRecipient]) -> Report {
    write(Kind::Failed, envelope, message, recipients).unwrap()
}

/// Type and content of each part.
fn parts(report: &Report) -> Vec<(String, String)> {
    let message = Message::new(&report.message);
    let structure = message.structure();
    let root = structure.root();
    assert!(root.media.is("multipart", "report"));
    assert_eq!(
        root.media.parameter(b"report-type"),
        Some(&b"delivery-status"[..])
    );
    structure
        .children(root)
        .map(|part| {
            let media = [&part.media.main[..], b"/", &part.media.sub].concat();
            let text = message.part_bytes(part).to_vec();
            (
                String::from_utf8(media).unwrap(),
                String::from_utf8(text).unwrap(),
            )
        })
        .collect()
}

#[test]
fn failure_tells_people_and_programs() {
    let report = failed(&envelope(), ORIGINAL, &[recipient("bob@other.test")]);
    assert_eq!(report.recipient, mailbox("ann@abc.test"));
    assert!(!report.utf8 && !report.eight_bit);
    let parts = parts(&report);
    let [(text, words), (status, fields), (returned, original)] = parts.as_slice() else {
        panic!("{parts:?}");
    };
    assert_eq!(
        (text.as_str(), status.as_str(), returned.as_str()),
        ("text/plain", "message/delivery-status", "message/rfc822")
    );
    assert_eq!(
        words,
        "This is the mail server mail.abc.test.\r\n\
         Your message of Mon, 23 Nov 2026 13:59:00 +0000 could not be delivered to:\r\n\r\n  \
         bob@other.test\r\n      mx.other.test said: 550 5.1.1 no such user (5.1.1)\r\n\r\n\
         The message is attached. Its number here is q2a.\r\n"
    );
    assert_eq!(
        fields,
        "Reporting-MTA: dns; mail.abc.test\r\n\
         X-Postroom-Envelope-Id: q2a\r\n\
         Arrival-Date: Mon, 23 Nov 2026 13:59:00 +0000\r\n\r\n\
         Final-Recipient: rfc822; bob@other.test\r\n\
         Action: failed\r\n\
         Status: 5.1.1\r\n\
         Remote-MTA: dns; mx.other.test\r\n\
         Diagnostic-Code: smtp; mx.other.test said: 550 5.1.1 no such user\r\n\
         Last-Attempt-Date: Mon, 23 Nov 2026 14:00:00 +0000\r\n"
    );
    assert_eq!(original.as_bytes(), ORIGINAL);
}

#[test]
fn header_says_that_nobody_should_answer() {
    let report = failed(&envelope(), ORIGINAL, &[recipient("bob@other.test")]);
    let message = Message::new(&report.message);
    let header = message.header();
    for (name, value) in [
        ("From", "Mail delivery <postmaster@abc.test>"),
        ("To", "ann@abc.test"),
        ("Subject", "Your message was not delivered"),
        ("Date", "Mon, 23 Nov 2026 14:00:00 +0000"),
        ("Auto-Submitted", "auto-replied"),
        ("In-Reply-To", "<1@abc.test>"),
        ("References", "<1@abc.test>"),
        ("Message-ID", "<q2b1@abc.test>"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(header.text(name).as_deref(), Some(value), "{name}");
    }
    assert!(
        report
            .message
            .split(|&b| b == b'\n')
            .all(|line| line.is_empty() || line.ends_with(b"\r"))
    );
}

/// RFC 5321 §6.1: a report about a report would go round for ever.
#[test]
fn null_sender_gets_none() {
    let null = Envelope {
        reverse_path: ReversePath::Null,
        ..envelope()
    };
    assert_eq!(
        write(
            Kind::Failed,
            &null,
            ORIGINAL,
            &[recipient("bob@other.test")]
        ),
        None
    );
    assert_eq!(write(Kind::Failed, &envelope(), ORIGINAL, &[]), None);
}

#[test]
fn delay_notice_gives_back_the_header_only() {
    let kind = Kind::Delayed {
        until: NOW.plus_seconds(86_400),
    };
    let late = ReportedRecipient {
        status: EnhancedStatus::new(Class::Transient, 4, 1),
        reason: "no answer".into(),
        remote: None,
        original: Some("Bob@Other.Test".into()),
        ..recipient("bob@other.test")
    };
    let noted = Envelope {
        envid: Some("E 1\r\nX: y".into()),
        ..envelope()
    };
    let report = write(kind, &noted, ORIGINAL, &[late]).unwrap();
    let parts = parts(&report);
    assert!(parts[0].1.contains("You need not send it again:\r\nthis server keeps trying until Tue, 24 Nov 2026 14:00:00 +0000."));
    for field in [
        "Original-Envelope-Id: E 1  X: y\r\n",
        "Original-Recipient: rfc822; Bob@Other.Test\r\n",
        "Action: delayed\r\n",
        "Status: 4.4.1\r\n",
        "Diagnostic-Code: x-postroom; no answer\r\n",
        "Will-Retry-Until: Tue, 24 Nov 2026 14:00:00 +0000\r\n",
    ] {
        assert!(parts[1].1.contains(field), "{field}{}", parts[1].1);
    }
    assert_eq!(parts[2].0, "text/rfc822-headers");
    assert_eq!(
        parts[2].1,
        "From: ann@abc.test\r\nSubject: hello\r\nMessage-ID: <1@abc.test>\r\n"
    );
}

/// L09: a report does not grow with the message or the number of recipients.
#[test]
fn large_messages_and_lists_are_cut() {
    let large = [ORIGINAL, &b"xxxxxxxx\r\n".repeat(WHOLE_MESSAGE_BYTES / 10)].concat();
    let recipients: Vec<_> = (0..250)
        .map(|number| recipient(&format!("r{number}@other.test")))
        .collect();
    let report = failed(&envelope(), &large, &recipients);
    let parts = parts(&report);
    assert_eq!(parts[2].0, "text/rfc822-headers");
    assert_eq!(parts[1].1.matches("Final-Recipient").count(), RECIPIENTS);
    assert!(parts[0].1.contains("  and 150 more\r\n"));
    let many = [&b"X-Large: y\r\n".repeat(20_000)[..], b"\r\n"].concat();
    assert!(failed(&envelope(), &many, &recipients[..1]).message.len() < WHOLE_MESSAGE_BYTES);
}

/// What comes back cannot break the report or what carries it.
#[test]
fn strange_messages_come_back_harmless() {
    let boundary = "--postroom-q2a-q2b1\r\n";
    let with_boundary = [ORIGINAL, boundary.as_bytes()].concat();
    for message in [
        &b""[..],
        b"no header at all",
        b"A: b\nbare: lf\n\nx\n",
        b"A: b\rC: d\r\n\r\nx",
        b"A: b\0\r\n\r\n",
        b"A: \xff\xfe\r\n\r\n\xff\r\n",
        &with_boundary,
        &[&b"A: "[..], &[b'x'; 5000], b"\r\nB: c\r\n\r\n"].concat(),
        b"Message-ID: <a b>\r\n\r\n",
        b"Message-ID: <\xff>\r\n\r\n",
    ] {
        let report = failed(&envelope(), message, &[recipient("bob@other.test")]);
        let view = Message::new(&report.message);
        let root = view.structure().root();
        assert!(
            matches!(&root.kind, PartKind::Multipart(children) if children.len() == 3),
            "{message:?}"
        );
        assert_eq!(report.eight_bit, !report.message.is_ascii());
        for line in report.message.split_inclusive(|&b| b == b'\n') {
            assert!(
                line.ends_with(b"\r\n")
                    && line.len() <= 1000
                    && !line[..line.len() - 2].contains(&b'\r'),
                "{message:?}"
            );
        }
        assert!(!report.message.contains(&0));
    }
}

/// RFC 6533.
#[test]
fn utf8_addresses_make_a_global_report() {
    let report = failed(&envelope(), ORIGINAL, &[recipient("grün@other.test")]);
    assert!(report.utf8 && report.eight_bit);
    let parts = parts(&report);
    assert_eq!(
        (parts[1].0.as_str(), parts[2].0.as_str()),
        ("message/global-delivery-status", "message/global")
    );
    assert!(
        parts[1]
            .1
            .contains("Final-Recipient: utf-8; grün@other.test\r\n")
    );
}

#[test]
fn a_reason_makes_no_field() {
    let nasty = ReportedRecipient {
        reason: "x\r\nStatus: 2.0.0\r\n\r\nAction: delivered\u{2028}y".into(),
        ..recipient("bob@other.test")
    };
    let report = failed(&envelope(), ORIGINAL, &[nasty]);
    let parts = parts(&report);
    assert_eq!(
        parts[1]
            .1
            .lines()
            .filter(|line| line.starts_with("Status:"))
            .count(),
        1
    );
    assert_eq!(
        parts[1]
            .1
            .lines()
            .filter(|line| line.starts_with("Action:"))
            .count(),
        1
    );
}
