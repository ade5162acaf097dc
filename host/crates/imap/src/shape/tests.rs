use std::time::{Duration, Instant};

use super::*;

fn envelope(raw: &str) -> String {
    let shape = Shape::of_header(raw.as_bytes(), true).unwrap();
    String::from_utf8(shape.envelope().to_vec()).unwrap()
}

fn body(raw: &str) -> String {
    String::from_utf8(Shape::of_message(raw.as_bytes()).body().unwrap().to_vec()).unwrap()
}

fn body_structure(raw: &str) -> String {
    String::from_utf8(
        Shape::of_message(raw.as_bytes())
            .body_structure()
            .unwrap()
            .to_vec(),
    )
    .unwrap()
}

/// RFC 3501 §8, with the header it came from.
#[test]
fn the_example_of_the_rfc() {
    let raw = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
        Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
        cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
        Message-Id: <B27397-0100000@cac.washington.edu>\r\nMIME-Version: 1.0\r\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nOne\r\nTwo\r\n";
    assert_eq!(
        envelope(raw),
        "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
         ((NIL NIL \"imap\" \"cac.washington.edu\")) \
         ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
         \"<B27397-0100000@cac.washington.edu>\")"
    );
    assert_eq!(
        body(raw),
        "(\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7bit\" 10 2)"
    );
}

#[test]
fn envelopes() {
    let nothing = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
    for (raw, expected) in [
        ("", nothing),
        ("\r\nbody", nothing),
        ("X: y\r\n\r\n", nothing),
        (
            "From: a@b\r\nSender: s@b\r\nReply-To: r@b\r\nIn-Reply-To: <x@y>\r\n\r\n",
            "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"s\" \"b\")) ((NIL NIL \"r\" \"b\")) NIL NIL NIL \"<x@y>\" NIL)",
        ),
        // A group, an empty group, a route.
        (
            "To: g: a@b;, undisclosed:;\r\nCc: <@r1,@r2:c@d>\r\n\r\n",
            "(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)\
             (NIL NIL \"undisclosed\" NIL)(NIL NIL NIL NIL)) ((NIL \"@r1,@r2\" \"c\" \"d\")) NIL NIL NIL)",
        ),
        (
            "Subject: \"q\\uote\"\r\n\r\n",
            "(NIL \"\\\"q\\\\uote\\\"\" NIL NIL NIL NIL NIL NIL NIL NIL)",
        ),
        // Beyond ASCII, and with control characters: literals, NUL left out.
        (
            "Subject: gr\u{fc}n\r\n\r\n",
            "(NIL {5}\r\ngr\u{fc}n NIL NIL NIL NIL NIL NIL NIL NIL)",
        ),
        (
            "Subject: a\0\tb\r\n\r\n",
            "(NIL {3}\r\na\tb NIL NIL NIL NIL NIL NIL NIL NIL)",
        ),
    ] {
        assert_eq!(envelope(raw), expected, "{raw:?}");
    }
}

#[test]
fn long_texts_are_literals() {
    let long = "x".repeat(2000);
    assert!(
        envelope(&format!("Subject: {long}\r\n\r\n")).contains(&format!("{{2000}}\r\n{long} NIL"))
    );
}

#[test]
fn structures() {
    for (raw, expected) in [
        (
            "",
            "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)",
        ),
        (
            "Content-Type: image/png\r\nContent-ID: <i@x>\r\nContent-Description: a picture\r\n\
             Content-Transfer-Encoding: BASE64\r\nContent-MD5: Q2hlY2s=\r\nContent-Language: de, en\r\n\
             Content-Location: http://x/\r\nContent-Disposition: inline; size=3\r\n\r\nAAAA",
            "(\"image\" \"png\" NIL \"<i@x>\" \"a picture\" \"base64\" 4 \"Q2hlY2s=\" \
             (\"inline\" (\"size\" \"3\")) (\"de\" \"en\") \"http://x/\")",
        ),
        // A multipart without a part in it is plain bytes: an empty list would be no grammar.
        (
            "Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing here",
            "(\"application\" \"octet-stream\" (\"boundary\" \"x\") NIL NIL \"7bit\" 12 NIL NIL NIL NIL)",
        ),
        (
            "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhi\r\n",
            "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 19 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) \
             (\"text\" \"plain\" NIL NIL NIL \"7bit\" 4 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)",
        ),
    ] {
        assert_eq!(body_structure(raw), expected, "{raw:?}");
    }
}

#[test]
fn every_piece_of_a_header_is_enough_or_asks_for_more() {
    let raw = b"A: 1\r\nB: 2\r\n\r\nbody";
    let whole = Shape::of_header(raw, true).unwrap();
    for end in 0..raw.len() {
        match Shape::of_header(&raw[..end], false) {
            None => assert!(end < 14, "{end}"),
            Some(shape) => assert_eq!(shape, whole, "{end}"),
        }
    }
    // A header that never ends is taken as it is.
    let endless = vec![b'x'; limits::HEADER_BYTES + 1];
    assert!(Shape::of_header(&endless, false).is_some());
}

/// Parentheses match outside strings, so that a client can read what we write.
fn is_balanced(text: &[u8]) -> bool {
    let (mut depth, mut quoted, mut at) = (0i64, false, 0);
    while at < text.len() {
        match text[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth -= 1,
            b'{' if !quoted => {
                let end = text[at..]
                    .iter()
                    .position(|&byte| byte == b'}')
                    .map_or(text.len(), |end| at + end);
                let length: usize = std::str::from_utf8(&text[at + 1..end])
                    .unwrap()
                    .parse()
                    .unwrap();
                at = end + 2 + length;
            }
            _ => {}
        }
        at += 1;
    }
    depth == 0 && !quoted
}

#[test]
fn i09_deep_and_wide_messages_stay_small_and_fast() {
    let deep: String = (0..10_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    let wide = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\n".repeat(1_000_000)
    );
    let messages = format!(
        "Content-Type: message/rfc822\r\n\r\n{}",
        "Content-Type: message/rfc822\r\n\r\n".repeat(10_000)
    );
    let started = Instant::now();
    for raw in [deep, wide, messages] {
        let shape = Shape::of_message(raw.as_bytes());
        assert!(shape.structure().unwrap().parts().len() <= limits::MIME_PARTS);
        assert!(is_balanced(shape.body_structure().unwrap()));
        assert!(is_balanced(shape.body().unwrap()));
    }
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn i10_monstrous_headers_are_cut() {
    let addresses = format!("To: {}\r\n\r\n", "a@b, ".repeat(500_000));
    let parameters = format!("Content-Type: a/b{}\r\n\r\n", "; x*0=y".repeat(100_000));
    let fields = "X: y\r\n".repeat(1_000_000);
    let started = Instant::now();
    for raw in [addresses, parameters, fields] {
        let shape = Shape::of_message(raw.as_bytes());
        assert!(shape.envelope().len() < 1024 * 1024);
        assert!(shape.body_structure().unwrap().len() < 1024 * 1024);
        assert!(is_balanced(shape.envelope()));
    }
    assert!(started.elapsed() < Duration::from_secs(10));
}

proptest::proptest! {
    #[test]
    fn whatever_the_message_the_answer_is_well_formed(raw in proptest::collection::vec(piece(), 0..30)) {
        let raw = raw.concat();
        let shape = Shape::of_message(&raw);
        proptest::prop_assert!(is_balanced(shape.envelope()));
        proptest::prop_assert!(is_balanced(shape.body().unwrap()));
        proptest::prop_assert!(is_balanced(shape.body_structure().unwrap()));
        for header in &shape.headers {
            proptest::prop_assert!(header.whole.end <= raw.len());
            proptest::prop_assert!(header.fields.iter().all(|field| field.range.end <= header.whole.end));
        }
    }
}

fn piece() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        proptest::sample::select(vec![
            "From: a <b@c>, \"x\r\n",
            "To: g: (",
            "Subject: \"\\\r\n",
            "\r\n",
            "\n",
            "--x\r\n",
            "--x--\r\n",
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n",
            "Content-Type: message/rfc822\r\n\r\n",
            "Content-Disposition: a; b=\"c\\\"",
            "Content-Language: a,,b\r\n",
            "Content-Type: a/b; c*=utf-8''%00\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}
