use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::Day;

const RAW: &str = "Date: Tue, 3 Feb 2026 23:30:00 -0500\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@abc.test>\r\n\
    Subject: =?iso-8859-1?q?Gr=FC=DFe?= and\r\n more\r\nX-Empty:\r\n\
    Content-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n--x\r\n\
    Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Sch=F6n, a long=\r\nword\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nPGI+w4RwZmVsPC9iPg==\r\n--x\r\n\
    Content-Type: application/pdf\r\n\r\nsecret words\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n\
    Subject: within\r\n\r\ndeepest\r\n--x--\r\n";

fn header(field: &str, text: &str) -> TextKey {
    TextKey::Header {
        field: field.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn texts_are_found_decoded_and_without_case() {
    let day = |text| Day::parse(text).unwrap();
    let body = |text: &str| TextKey::Body(text.to_owned());
    let text = |text: &str| TextKey::Text(text.to_owned());
    let table = [
        (header("FROM", "jürgen"), true),
        (header("from", "J@ABC"), true),
        (header("from", "utf-8"), false),
        (header("SUBJECT", "grüße and more"), true),
        (header("Subject", "within"), false),
        (header("X-EMPTY", ""), true),
        (header("X-None", ""), false),
        (body("schön, a longword"), true),
        (body("ÄPFEL"), true),
        (body("within"), true),
        (body("deepest"), true),
        (body("secret words"), false),
        (body("grüße"), false),
        (text("grüße"), true),
        (text("x-empty:"), true),
        (text("nowhere"), false),
        (text(""), true),
        // The day where the sender was.
        (TextKey::SentOn(day("3-Feb-2026")), true),
        (TextKey::SentBefore(day("4-Feb-2026")), true),
        (TextKey::SentBefore(day("3-Feb-2026")), false),
        (TextKey::SentSince(day("3-Feb-2026")), true),
        (TextKey::SentSince(day("4-Feb-2026")), false),
    ];
    let keys: Vec<TextKey> = table.iter().map(|(key, _)| key.clone()).collect();
    let verdicts = match_text(&keys, RAW.as_bytes());
    for ((key, expected), verdict) in table.iter().zip(verdicts) {
        assert_eq!(verdict, *expected, "{key:?}");
    }
}

#[test]
fn the_header_is_enough_where_it_is_said_to_be() {
    let keys = [
        header("SUBJECT", "grüße"),
        TextKey::SentOn(Day::parse("3-Feb-2026").unwrap()),
    ];
    assert_eq!(TextNeed::of(&keys), TextNeed::Header);
    let end = RAW.find("\r\n\r\n").unwrap() + 4;
    assert_eq!(match_text(&keys, &RAW.as_bytes()[..end]), [true, true]);
    assert_eq!(
        TextNeed::of(&[TextKey::Body("a".to_owned())]),
        TextNeed::Message
    );
    assert_eq!(TextNeed::of(&[]), TextNeed::Header);
}

#[test]
fn no_date_matches_no_day() {
    let day = Day::parse("1-Jan-2000").unwrap();
    let keys = [
        TextKey::SentBefore(day),
        TextKey::SentOn(day),
        TextKey::SentSince(day),
    ];
    assert_eq!(match_text(&keys, b"Date: soon\r\n\r\n"), [false; 3]);
    assert_eq!(match_text(&keys, b""), [false; 3]);
}

#[test]
fn i07_a_large_text_is_looked_through_in_linear_time() {
    let raw = format!("Subject: x\r\n\r\n{}", "aaaaaaaaab".repeat(300_000));
    let keys: Arc<[TextKey]> = [TextKey::Body(format!("{}c", "a".repeat(500)))].into();
    let started = Instant::now();
    assert_eq!(match_text(&keys, raw.as_bytes()), [false]);
    assert!(started.elapsed() < Duration::from_secs(5));
}
