use proptest::prelude::*;

use super::{HeaderBuilder, HeaderError, base64};
use crate::message::Message;
use crate::{Mailbox, Timestamp};

fn built(
    write: impl FnOnce(&mut HeaderBuilder) -> Result<&mut HeaderBuilder, HeaderError>,
) -> Result<String, HeaderError> {
    let mut header = HeaderBuilder::new();
    write(&mut header)?;
    Ok(String::from_utf8(header.finish()).unwrap())
}

/// What would begin a line of its own, in each way a value gets into a field.
#[test]
fn l05_no_value_begins_a_field() {
    let ann = Mailbox::parse("ann@abc.test").unwrap();
    for bad in [
        "a\r\nBcc: victim@other.test",
        "a\nBcc: victim@other.test",
        "a\rBcc: victim@other.test",
        "\r\n\r\nbody",
        "a\0b",
        "a\u{b}b",
        "a\u{c}b",
        "a\u{85}b",
        "a\u{2028}Bcc: victim@other.test",
        "a\u{2029}b",
        "a\u{1b}[2Jb",
        "a\u{7f}b",
    ] {
        let control = |name: &str| Err(HeaderError::Control(name.to_owned()));
        assert_eq!(
            built(|header| header.text("Subject", bad)),
            control("Subject"),
            "{bad:?}"
        );
        assert_eq!(
            built(|header| header.raw("Subject", bad)),
            control("Subject"),
            "{bad:?}"
        );
        assert_eq!(
            built(|header| header.addresses("To", &[(bad, &ann)])),
            control("To"),
            "{bad:?}"
        );
        assert!(
            built(|header| header.structured("X-A", bad)).is_err(),
            "{bad:?}"
        );
        assert!(built(|header| header.text(bad, "x")).is_err(), "{bad:?}");
    }
    // An encoded word that decodes to a line end is refused as written …
    for bad in [
        "=?utf-8?Q?a=0D=0ABcc:_x?=",
        "=?utf-8?B?YQ0KQmNjOiB4?=",
        "=?utf-8?q?a=00?=",
        "x =?utf-8?q?=E2=80=A8?=",
    ] {
        assert_eq!(
            built(|header| header.raw("Subject", bad)),
            Err(HeaderError::Control("Subject".into())),
            "{bad}"
        );
        // … and as text it is shown letter by letter, not decoded.
        let field = built(|header| header.text("Subject", bad)).unwrap();
        assert_eq!(
            Message::new(field.as_bytes())
                .header()
                .text("subject")
                .unwrap(),
            bad
        );
    }
}

#[test]
fn names() {
    for name in ["Subject", "X-1", "!#$"] {
        assert!(built(|header| header.text(name, "x")).is_ok(), "{name}");
    }
    let long = "a".repeat(77);
    for name in ["", "a b", "a:", "ä", "a\t", &long] {
        assert!(
            matches!(
                built(|header| header.text(name, "x")),
                Err(HeaderError::Name(_))
            ),
            "{name:?}"
        );
    }
}

#[test]
fn written_forms() {
    let ann = Mailbox::parse("ann@abc.test").unwrap();
    let bob = Mailbox::parse("\"b b\"@abc.test").unwrap();
    for (field, expected) in [
        (built(|h| h.text("Subject", "hello")), "Subject: hello\r\n"),
        (built(|h| h.text("Subject", "")), "Subject: \r\n"),
        (built(|h| h.text("Subject", "a  b ")), "Subject: a  b \r\n"),
        (
            built(|h| h.text("Subject", "Grüße")),
            "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n",
        ),
        (built(|h| h.raw("Subject", "Grüße")), "Subject: Grüße\r\n"),
        (
            built(|h| h.addresses("From", &[("", &ann)])),
            "From: ann@abc.test\r\n",
        ),
        (
            built(|h| h.addresses("From", &[("Ann A", &ann)])),
            "From: Ann A <ann@abc.test>\r\n",
        ),
        (
            built(|h| h.addresses("From", &[("A. \"B\"", &ann)])),
            "From: \"A. \\\"B\\\"\" <ann@abc.test>\r\n",
        ),
        (
            built(|h| h.addresses("To", &[("Änn", &ann), ("", &bob)])),
            "To: =?utf-8?B?w4Rubg==?= <ann@abc.test>, \"b b\"@abc.test\r\n",
        ),
        (
            built(|h| h.date("Date", Timestamp(0))),
            "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n",
        ),
    ] {
        assert_eq!(field.unwrap(), expected);
    }
    assert_eq!(
        built(|h| h.structured("X", "ä")),
        Err(HeaderError::NotAscii("X".into()))
    );
    assert_eq!(
        built(|h| h.raw("X", &"a".repeat(1000))),
        Err(HeaderError::TooLong("X".into()))
    );
    assert_eq!(
        built(|h| h.text("X", &"a ".repeat(40_000))),
        Err(HeaderError::TooLong("X".into()))
    );
}

/// RFC 4648 §10.
#[test]
fn base64_vectors() {
    for (plain, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(plain.as_bytes()), encoded);
    }
}

proptest! {
    /// Whatever is accepted is one field of lines that are not too long, and reads back.
    #[test]
    fn text_reads_back(text in "[ -~äöü€𝄞]{0,300}") {
        let field = built(|header| header.text("Subject", &text)).unwrap();
        let header = Message::new(field.as_bytes()).header().clone();
        prop_assert_eq!(header.len(), 1);
        prop_assert!(field.lines().all(|line| line.len() <= 998 && !line.trim().is_empty()));
        let read = header.text("subject").unwrap();
        let squeeze = |text: &str| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(squeeze(&read), squeeze(&text));
    }

    #[test]
    fn any_text_makes_one_field_or_none(name in ".{0,10}", value in "(.|[\r\n]){0,200}") {
        for field in [built(|h| h.text(&name, &value)), built(|h| h.raw(&name, &value))].into_iter().flatten() {
            let bytes = [field.as_bytes(), b"X-After: 1\r\n\r\n"].concat();
            let message = Message::new(&bytes);
            prop_assert_eq!(message.header().len(), 2);
        }
    }
}
