use super::{Field, HeaderEdit};

const HEADER: &str =
    "From: a@b.test\r\nX-Mark: one\r\n two\r\nSubject: Hello\r\nx-mark: three\r\n\r\n";

#[track_caller]
fn check(edit: &HeaderEdit, header: &str, expected: &str) {
    let edited = edit.apply(header.as_bytes());
    assert_eq!(String::from_utf8(edited).unwrap(), expected);
}

fn field(name: &str, value: &str) -> Field {
    Field::new(name, value).unwrap()
}

#[test]
fn each_edit_does_what_it_says() {
    check(
        &HeaderEdit::Prepend(field("X-New", "1")),
        HEADER,
        "X-New: 1\r\nFrom: a@b.test\r\nX-Mark: one\r\n two\r\nSubject: Hello\r\nx-mark: three\r\n\r\n",
    );
    check(
        &HeaderEdit::Append(field("X-New", "1")),
        HEADER,
        "From: a@b.test\r\nX-Mark: one\r\n two\r\nSubject: Hello\r\nx-mark: three\r\nX-New: 1\r\n\r\n",
    );
    check(
        &HeaderEdit::Remove("X-MARK".into()),
        HEADER,
        "From: a@b.test\r\nSubject: Hello\r\n\r\n",
    );
    check(
        &HeaderEdit::Replace(field("X-Mark", "new")),
        HEADER,
        "From: a@b.test\r\nX-Mark: new\r\nSubject: Hello\r\n\r\n",
    );
    check(&HeaderEdit::Remove("None".into()), HEADER, HEADER);
}

#[test]
fn odd_headers_stay_headers() {
    check(&HeaderEdit::Append(field("A", "1")), "\r\n", "A: 1\r\n\r\n");
    check(&HeaderEdit::Append(field("A", "1")), "", "A: 1\r\n");
    check(
        &HeaderEdit::Replace(field("A", "1")),
        "B: 2",
        "B: 2\r\nA: 1\r\n",
    );
    check(
        &HeaderEdit::Replace(field("A", "1")),
        " a: folded first\n\n",
        " a: folded first\nA: 1\r\n\n",
    );
}

#[test]
fn p15_a_field_cannot_forge_another() {
    for (name, value) in [
        ("X-A", "a\r\nBcc: b@c.test"),
        ("X-A", "a\nb"),
        ("X-A", "a\rb"),
        ("X-A", "a\0b"),
        ("X-A", "a\u{2028}b"),
        ("X A", "a"),
        ("X:A", "a"),
        ("X-A\r\nB", "a"),
        ("", "a"),
        ("Ünïcode", "a"),
        ("Received", "a"),
        ("RETURN-PATH", "a"),
        ("Delivered-To", "a"),
        ("X-A", &"a".repeat(10_001)),
    ] {
        assert!(Field::new(name, value).is_err(), "{name}: {value}");
    }
    let edited = HeaderEdit::Prepend(field("Subject", "Grüße")).apply(b"\r\n");
    assert!(edited.is_ascii(), "{}", String::from_utf8_lossy(&edited));
    // An encoded word that would be a line end is text, and stays text.
    let trick = "=?utf-8?q?a=0D=0ABcc:_b?=";
    let edited = HeaderEdit::Prepend(field("X-A", trick)).apply(b"\r\n");
    let header = mail::message::Header::parse(&edited);
    assert_eq!(header.text("X-A").as_deref(), Some(trick));
    assert_eq!(header.len(), 1);
}
