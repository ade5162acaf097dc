use super::{Hop, delivered_to, received, return_path};
use crate::message::Message;
use crate::{Body, Direction, Envelope, EnvelopeId, Mailbox, PersonId, ReversePath, Timestamp};

fn envelope() -> Envelope {
    Envelope {
        id: EnvelopeId(0x2a),
        reverse_path: ReversePath::Null,
        direction: Direction::Inbound,
        authenticated: None,
        peer: Some("192.0.2.1".parse().unwrap()),
        helo: "mx.example".into(),
        encrypted: false,
        received: Timestamp::from_seconds(1_795_442_400),
        body: Body::SevenBit,
        utf8: false,
        envid: None,
    }
}

fn unfolded(envelope: &Envelope, recipient: Option<&str>) -> String {
    unfolded_after(envelope, Hop::Esmtp, recipient)
}

fn unfolded_after(envelope: &Envelope, hop: Hop, recipient: Option<&str>) -> String {
    let recipient = recipient.map(|address| Mailbox::parse(address).unwrap());
    let field = received(envelope, hop, "mail.abc.test", recipient.as_ref());
    let message = Message::new(&field);
    assert_eq!(message.header().len(), 1);
    message.header().text("received").unwrap()
}

#[test]
fn received_says_who_how_and_when() {
    assert_eq!(
        unfolded(&envelope(), Some("ann@abc.test")),
        "from mx.example ([192.0.2.1]) by mail.abc.test (Postroom) with ESMTP id q2a for <ann@abc.test>; \
         Mon, 23 Nov 2026 14:00:00 +0000"
    );
    let made_here = Envelope {
        peer: None,
        direction: Direction::Internal,
        ..envelope()
    };
    assert_eq!(
        unfolded(&made_here, None),
        "by mail.abc.test (Postroom) id q2a; Mon, 23 Nov 2026 14:00:00 +0000"
    );
}

#[test]
fn protocol_names() {
    for (utf8, encrypted, person, name) in [
        (false, false, false, "with ESMTP id"),
        (false, true, false, "with ESMTPS id"),
        (false, false, true, "with ESMTPA id"),
        (false, true, true, "with ESMTPSA id"),
        (true, false, false, "with UTF8SMTP id"),
        (true, true, false, "with UTF8SMTPS id"),
        (true, false, true, "with UTF8SMTPA id"),
        (true, true, true, "with UTF8SMTPSA id"),
    ] {
        let authenticated = person.then_some(PersonId(1));
        let field = unfolded(
            &Envelope {
                utf8,
                encrypted,
                authenticated,
                ..envelope()
            },
            None,
        );
        assert!(field.contains(name), "{field}");
    }
}

/// RFC 3848 §2: ESMTP and its kin are for EHLO.
#[test]
fn helo_is_plain_smtp() {
    let encrypted = Envelope {
        encrypted: true,
        ..envelope()
    };
    for envelope in [envelope(), encrypted] {
        let field = unfolded_after(&envelope, Hop::Smtp, None);
        assert!(field.contains("(Postroom) with SMTP id q2a"), "{field}");
    }
}

/// A row that is looked at again later was not brought by its peer a second time.
#[test]
fn a_hop_inside_names_no_peer() {
    let field = unfolded_after(&envelope(), Hop::Inside, None);
    assert!(
        field.starts_with("by mail.abc.test (Postroom) id q2a;"),
        "{field}"
    );
}

/// S16: the peer writes no comments, fields or lines of its own.
#[test]
fn a_strange_name_is_not_shown() {
    for helo in [
        "",
        "a b",
        "a)(b",
        "a;b",
        "a\r\nX: y",
        "a\0",
        "<a>",
        "ä\u{2028}",
        &"a".repeat(1_000_000),
    ] {
        let field = unfolded(
            &Envelope {
                helo: helo.into(),
                ..envelope()
            },
            None,
        );
        assert!(
            field.starts_with("from unknown ([192.0.2.1]) by "),
            "{field}"
        );
    }
    for (helo, shown) in [
        ("[192.0.2.7]", "[192.0.2.7]"),
        ("my_host", "my_host"),
        ("BÜRO.test", "xn--bro-hoa.test"),
    ] {
        let field = unfolded(
            &Envelope {
                helo: helo.into(),
                ..envelope()
            },
            None,
        );
        assert!(field.starts_with(&format!("from {shown} (")), "{field}");
    }
}

#[test]
fn addresses_of_the_peer() {
    for (peer, shown) in [
        ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ("::ffff:192.0.2.9", "[192.0.2.9]"),
    ] {
        let field = unfolded(
            &Envelope {
                peer: Some(peer.parse().unwrap()),
                ..envelope()
            },
            None,
        );
        assert!(field.contains(shown), "{field}");
    }
}

#[test]
fn utf8_recipient_only_with_smtputf8() {
    assert!(!unfolded(&envelope(), Some("grün@abc.test")).contains(" for "));
    assert!(
        unfolded(
            &Envelope {
                utf8: true,
                ..envelope()
            },
            Some("grün@abc.test")
        )
        .contains(" for <grün@abc.test>")
    );
}

#[test]
fn final_delivery() {
    let ann = Mailbox::parse("\"a b\"@abc.test").unwrap();
    assert_eq!(return_path(&ReversePath::Null), b"Return-Path: <>\r\n");
    assert_eq!(
        return_path(&ReversePath::Mailbox(ann.clone())),
        b"Return-Path: <\"a b\"@abc.test>\r\n"
    );
    assert_eq!(delivered_to(&ann), b"Delivered-To: \"a b\"@abc.test\r\n");
}
