use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    AddressListEntry, Encoding, Message, PartKind, Section, decode_words, parse_address_list,
};
use crate::limits;

const NESTED: &str = "\
From: Ann <ann@abc.test>\r\n\
Subject: outer\r\n\
Content-Type: multipart/mixed; boundary=\"one\"\r\n\
\r\n\
preamble\r\n\
--one\r\n\
\r\n\
first\r\n\
text\r\n\
--one\r\n\
Content-Type: message/rfc822\r\n\
\r\n\
Subject: inner\r\n\
Content-Type: multipart/alternative; boundary=two\r\n\
\r\n\
--two\r\n\
Content-Type: text/plain; charset=iso-8859-1\r\n\
Content-Transfer-Encoding: quoted-printable\r\n\
\r\n\
gr=FCn\r\n\
--two\r\n\
Content-Type: text/html\r\n\
Content-Transfer-Encoding: base64\r\n\
\r\n\
PGI+eDwvYj4=\r\n\
--two--\r\n\
--one\r\n\
Content-Type: application/octet-stream; name=a.bin\r\n\
Content-Disposition: attachment; filename*=utf-8''gr%C3%BCn%20.bin\r\n\
Content-ID: <x@y>\r\n\
Content-Description: a thing\r\n\
Content-Language: de, en\r\n\
Content-MD5: Q2hlY2s=\r\n\
Content-Location: http://a.test/\r\n\
\r\n\
\0\x01\r\n\
--one--\r\n\
epilogue\r\n";

fn section(message: &Message<'_>, path: &[u32], section: Section) -> Option<String> {
    let range = message.structure().section(path, section)?;
    Some(String::from_utf8_lossy(&message.raw()[range]).into_owned())
}

#[test]
fn sections_by_number() {
    let message = Message::new(NESTED.as_bytes());
    let inner_header =
        "Subject: inner\r\nContent-Type: multipart/alternative; boundary=two\r\n\r\n";
    for (path, what, expected) in [
        (&[][..], Section::Whole, Some(NESTED)),
        (
            &[],
            Section::Header,
            NESTED.split_once("preamble").map(|(header, _)| header),
        ),
        (&[], Section::Mime, None),
        (&[1], Section::Whole, Some("first\r\ntext")),
        (&[1], Section::Mime, Some("\r\n")),
        (&[1], Section::Header, None),
        (
            &[2],
            Section::Mime,
            Some("Content-Type: message/rfc822\r\n\r\n"),
        ),
        (&[2], Section::Header, Some(inner_header)),
        (&[2, 1], Section::Whole, Some("gr=FCn")),
        (&[2, 2], Section::Whole, Some("PGI+eDwvYj4=")),
        (
            &[2, 2],
            Section::Mime,
            Some("Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
        ),
        (&[2, 3], Section::Whole, None),
        (&[3], Section::Whole, Some("\0\x01")),
        (&[0], Section::Whole, None),
        (&[4], Section::Whole, None),
        (&[1, 1], Section::Whole, None),
        (&[u32::MAX], Section::Whole, None),
    ] {
        assert_eq!(
            section(&message, path, what).as_deref(),
            expected,
            "{path:?} {what:?}"
        );
    }
    let whole = section(&message, &[2], Section::Whole).unwrap();
    assert_eq!(
        whole,
        format!(
            "{inner_header}{}",
            section(&message, &[2], Section::Text).unwrap()
        )
    );
}

#[test]
fn what_parts_say() {
    let message = Message::new(NESTED.as_bytes());
    let structure = message.structure();
    let first = structure.find(&[1]).unwrap();
    assert_eq!(
        (first.lines, first.size(), first.encoding),
        (1, 11, Encoding::Identity)
    );
    assert!(first.media.is("text", "plain") && first.is_text());
    let plain = structure.find(&[2, 1]).unwrap();
    assert_eq!(message.text(plain), "grün");
    assert_eq!(message.decoded(plain).as_ref(), b"gr\xfcn");
    let html = structure.find(&[2, 2]).unwrap();
    assert_eq!(message.text(html), "<b>x</b>");
    let file = structure.find(&[3]).unwrap();
    assert_eq!(message.file_name(file).as_deref(), Some("grün .bin"));
    assert_eq!(file.id.as_deref(), Some(&b"<x@y>"[..]));
    assert_eq!(file.description.as_deref(), Some(&b"a thing"[..]));
    assert_eq!(file.language, [b"de", b"en"]);
    assert_eq!(file.md5.as_deref(), Some(&b"Q2hlY2s="[..]));
    assert_eq!(file.location.as_deref(), Some(&b"http://a.test/"[..]));
    assert_eq!(file.disposition.as_ref().unwrap().word, b"attachment");
    let paths: Vec<_> = structure
        .leaves()
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(paths, [vec![1], vec![2], vec![2, 1], vec![2, 2], vec![3]]);
    assert!(!structure.is_cut());
}

/// The whole message/rfc822 part has the lines between its boundaries.
#[test]
fn lines_of_contained_messages() {
    let message = Message::new(NESTED.as_bytes());
    for part in message.structure().parts() {
        let counted = message
            .part_bytes(part)
            .iter()
            .filter(|&&b| b == b'\n')
            .count() as u64;
        assert_eq!(part.lines, counted, "{part:?}");
    }
}

#[test]
fn plain_message_is_its_own_part() {
    let message = Message::new(b"Subject: x\r\n\r\nhello\r\n");
    assert_eq!(
        section(&message, &[1], Section::Whole).as_deref(),
        Some("hello\r\n")
    );
    assert_eq!(
        section(&message, &[1], Section::Mime).as_deref(),
        Some("Subject: x\r\n\r\n")
    );
    assert_eq!(section(&message, &[1, 1], Section::Whole), None);
    assert_eq!(message.structure().root().lines, 1);
}

#[test]
fn message_that_is_a_message() {
    let message = Message::new(b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody");
    assert_eq!(
        section(&message, &[1], Section::Header).as_deref(),
        Some("Subject: in\r\n\r\n")
    );
    assert_eq!(
        section(&message, &[1, 1], Section::Whole).as_deref(),
        Some("body")
    );
    assert_eq!(section(&message, &[1, 1, 1], Section::Whole), None);
    assert_eq!(message.structure().leaves().len(), 2);
}

#[test]
fn boundaries_are_exact() {
    let raw = b"Content-Type: multipart/mixed; boundary=a\n\n--ab\nno\n--a \t\nContent-Type: multipart/mixed; boundary=ab\n\n--ab\n\nx\n--abc\n--ab--\n--a--\n--a\n\nlate\n";
    let message = Message::new(raw);
    assert_eq!(
        section(&message, &[1, 1], Section::Whole).as_deref(),
        Some("x\n--abc")
    );
    assert_eq!(message.structure().parts().len(), 3);
}

#[test]
fn digest_parts_are_messages() {
    let raw = b"Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\nSubject: in\r\n\r\nbody\r\n--a--\r\n";
    let message = Message::new(raw);
    assert!(matches!(
        message.structure().find(&[1]).unwrap().kind,
        PartKind::Message(_)
    ));
    assert_eq!(
        section(&message, &[1, 1], Section::Whole).as_deref(),
        Some("body")
    );
}

/// Containers that cannot be looked into are leaves that are shown as bytes.
#[test]
fn opaque_containers() {
    for raw in [
        "Content-Type: multipart/mixed\r\n\r\n--x\r\n",
        "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n",
        "Content-Type: multipart/mixed; boundary=a\r\n\r\nno parts here\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogYQ==\r\n",
    ] {
        let message = Message::new(raw.as_bytes());
        let root = message.structure().root();
        assert_eq!(
            (&root.kind, root.shown_type()),
            (&PartKind::Leaf, (&b"application"[..], &b"octet-stream"[..])),
            "{raw}"
        );
    }
}

#[test]
fn header_fields() {
    let raw = b"Received: one\r\nReceived:two\r\n three\r\nSUBJECT : =?utf-8?q?gr=C3=BCn?=\r\n =?utf-8?q?_ist?= es\r\nnot a field\r\nX-Raw: \xff\r\n\r\nbody: x\r\n";
    let message = Message::new(raw);
    let header = message.header();
    let names: Vec<_> = header.fields().map(|field| field.name()).collect();
    assert_eq!(names, ["Received", "Received", "SUBJECT", "", "X-Raw"]);
    assert_eq!(header.hops(), 2);
    assert_eq!(header.text("subject").as_deref(), Some("grün ist es"));
    assert_eq!(
        header.all("received").next_back().unwrap().unfolded(),
        b"two three"
    );
    assert_eq!(
        header.all("received").next_back().unwrap().raw(),
        b"Received:two\r\n three\r\n"
    );
    assert_eq!(header.first("x-raw").unwrap().raw_value(), b" \xff");
    assert!(header.has("x-RAW") && !header.has("body"));
    assert_eq!(&raw[header.body_offset()..], b"body: x\r\n");
    let together: Vec<u8> = header
        .fields()
        .flat_map(|field| field.raw().to_vec())
        .collect();
    assert_eq!([together.as_slice(), b"\r\n"].concat(), header.raw());
}

#[test]
fn top_counts_body_lines() {
    let message = Message::new(b"A: b\r\n\r\none\r\ntwo\r\nthree");
    for (lines, end) in [(0, 8), (1, 13), (2, 18), (3, 23), (1000, 23)] {
        assert_eq!(message.top(lines), 0..end, "{lines}");
    }
    assert_eq!(Message::new(b"A: b\r\n").top(5), 0..6);
}

#[test]
fn address_lists() {
    let show = |entry: &AddressListEntry| match entry {
        AddressListEntry::GroupStart(name) => format!("({}", String::from_utf8_lossy(name)),
        AddressListEntry::GroupEnd => ")".to_owned(),
        AddressListEntry::Address(address) => format!(
            "{}|{}|{}|{}",
            String::from_utf8_lossy(address.name.as_deref().unwrap_or(b"-")),
            String::from_utf8_lossy(address.route.as_deref().unwrap_or(b"-")),
            String::from_utf8_lossy(&address.localpart),
            String::from_utf8_lossy(&address.domain)
        ),
    };
    for (value, expected) in [
        ("ann@abc.test", &["-|-|ann|abc.test"][..]),
        ("Ann Lee <ann@abc.test>", &["Ann Lee|-|ann|abc.test"]),
        (
            "\"Lee, Ann\" <ann@abc.test>, bob@b.test",
            &["Lee, Ann|-|ann|abc.test", "-|-|bob|b.test"],
        ),
        (r#""a \"q\"" <ann@abc.test>"#, &["a \"q\"|-|ann|abc.test"]),
        ("ann@abc.test (Ann)", &["Ann|-|ann|abc.test"]),
        ("\"a@b\"@abc.test", &["-|-|\"a@b\"|abc.test"]),
        (
            "<@x.test,@y.test:ann@abc.test>",
            &["-|@x.test,@y.test|ann|abc.test"],
        ),
        (
            "Us: ann@abc.test, B <b@b.test>;",
            &["(Us", "-|-|ann|abc.test", "B|-|b|b.test", ")"],
        ),
        (
            "undisclosed-recipients:;",
            &["(undisclosed-recipients", ")"],
        ),
        ("ann@[IPv6:2001:db8::1]", &["-|-|ann|[IPv6:2001:db8::1]"]),
        (
            "=?utf-8?q?gr=C3=BCn?= <a@b.test>",
            &["=?utf-8?q?gr=C3=BCn?=|-|a|b.test"],
        ),
        ("ann", &["-|-|ann|"]),
        (" , ,", &[]),
        ("", &[]),
        ("<>", &["-|-||"]),
        ("open (comment", &["comment|-|open|"]),
        ("\"open", &["-|-|\"open|"]),
        ("A <a@b.test", &["A|-|a|b.test"]),
    ] {
        let entries = parse_address_list(value.as_bytes());
        assert_eq!(
            entries.iter().map(show).collect::<Vec<_>>(),
            expected,
            "{value}"
        );
    }
    let list = parse_address_list(b"=?utf-8?q?gr=C3=BCn?= <a@b.test>");
    let address = list[0].address().unwrap();
    assert_eq!(address.display_name().as_deref(), Some("grün"));
    assert_eq!(address.mailbox().unwrap().to_string(), "a@b.test");
}

#[test]
fn summary_falls_back_to_from() {
    let summary = Message::new(
        b"From: a@b.test\r\nTo: x@y.test\r\nTo: z@y.test\r\nMessage-ID: <1@b>\r\n\r\n",
    )
    .summary();
    assert_eq!(
        (&summary.sender, &summary.reply_to),
        (&summary.from, &summary.from)
    );
    assert_eq!(summary.to.len(), 2);
    assert_eq!(summary.message_id.as_deref(), Some(&b"<1@b>"[..]));
    assert_eq!(
        (summary.subject, summary.date, summary.cc.len()),
        (None, None, 0)
    );
}

#[test]
fn encoded_words() {
    for (value, text) in [
        ("plain", "plain"),
        (" two\r\n words ", "two words"),
        ("=?iso-8859-1?Q?gr=FCn?= x", "grün x"),
        ("=?utf-8?B?w4Q=?= =?utf-8?B?w7Y=?=", "Äö"),
        ("=?broken", "=?broken"),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("", ""),
    ] {
        assert_eq!(decode_words(value.as_bytes()), text, "{value}");
    }
}

#[test]
fn pieces_of_parameters() {
    for (value, name) in [
        ("attachment; filename=a.txt", Some("a.txt")),
        (
            "attachment; filename=\"a;b \\\"c\\\".txt\"",
            Some("a;b \"c\".txt"),
        ),
        ("attachment; FileName = \"a\" (comment) ; x=y", Some("a")),
        ("attachment; filename*=iso-8859-1'de'gr%FCn", Some("grün")),
        (
            "attachment; filename*0*=utf-8''a%20; filename*1=b; filename*2*=%63",
            Some("a bc"),
        ),
        ("attachment; filename*1=b; filename*0=a", Some("ab")),
        (
            "attachment; filename=\"=?utf-8?q?gr=C3=BCn?=\"",
            Some("grün"),
        ),
        ("attachment; filename*1=b", None),
        ("attachment; filename*=100%", Some("100%")),
        ("attachment; filename", None),
        ("attachment; =x; ;;", None),
        ("attachment", None),
    ] {
        let raw = format!("Content-Disposition: {value}\r\n\r\n");
        let message = Message::new(raw.as_bytes());
        assert_eq!(
            message.file_name(message.structure().root()).as_deref(),
            name,
            "{value}"
        );
    }
}

/// A bomb is looked at within `seconds` (generous: the machine may be loaded) and stays inside
/// the bounds.
fn check_bomb(name: &str, raw: &[u8]) {
    let begin = Instant::now();
    let message = Message::new(raw);
    let structure = message.structure();
    assert!(structure.parts().len() <= limits::MIME_PARTS, "{name}");
    assert!(
        structure
            .parts()
            .iter()
            .all(|part| part.depth <= limits::MIME_DEPTH),
        "{name}"
    );
    assert!(message.header().len() <= limits::HEADER_COUNT, "{name}");
    structure.leaves();
    message.summary();
    for part in structure.parts() {
        message.file_name(part);
    }
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{name} took {:?}",
        begin.elapsed()
    );
}

#[test]
fn i09_mime_bombs_are_cut_in_linear_time() {
    let mut deep = String::new();
    let mut same = String::new();
    for level in 0..10_000 {
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        ));
        same.push_str("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
    }
    let letters = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    let flat = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\nx\r\n".repeat(1_000_000)
    );
    let open = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--bb\r\n".repeat(1_000_000)
    );
    let digest = format!(
        "Content-Type: multipart/digest; boundary=b\r\n\r\n{}",
        "--b\r\n\r\n".repeat(100_000)
    );
    for (name, raw) in [
        ("deep", &deep),
        ("same", &same),
        ("letters", &letters),
        ("flat", &flat),
        ("open", &open),
        ("digest", &digest),
    ] {
        check_bomb(name, raw.as_bytes());
    }
    let flat = Message::new(flat.as_bytes());
    assert_eq!(flat.structure().parts().len(), limits::MIME_PARTS);
    assert!(flat.structure().is_cut() && Message::new(deep.as_bytes()).structure().is_cut());
    assert!(Message::new(letters.as_bytes()).structure().is_cut());
}

#[test]
fn i10_header_bombs_are_cut_in_linear_time() {
    let addresses = format!("To: {}\r\n\r\n", "a@b, ".repeat(500_000));
    let folded = format!("To: {}\r\n\r\n", "a@b,\r\n ".repeat(500_000));
    let spaces = format!("To: {}\r\n\r\n", "[ ".repeat(100_000));
    let large = format!("X: {}\r\n\r\n", "x".repeat(100 << 20));
    let many = format!("{}\r\n", "A: b\r\n".repeat(1_000_000));
    let pieces: String = (0..100_000)
        .map(|number| format!(" name*{number}*=%41;"))
        .collect();
    let parameters = format!("Content-Type: a/b;{pieces}\r\n\r\n");
    let comments = format!("Content-Type: text/plain {}\r\n\r\n", "(".repeat(200_000));
    let words = format!("Subject: {}\r\n\r\n", "=?utf-8?q?a".repeat(20_000));
    let colons = format!("To: {}\r\n\r\n", "a:b;".repeat(60_000));
    for (name, raw) in [
        ("addresses", &addresses),
        ("folded", &folded),
        ("spaces", &spaces),
        ("large", &large),
        ("many", &many),
        ("parameters", &parameters),
        ("comments", &comments),
        ("words", &words),
        ("colons", &colons),
    ] {
        check_bomb(name, raw.as_bytes());
        Message::new(raw.as_bytes()).header().text("subject");
    }
    assert!(Message::new(many.as_bytes()).header().is_cut());
    assert!(!Message::new(many.as_bytes()).header_is_within_limits());
    assert!(!Message::new(large.as_bytes()).header_is_within_limits());
    let list = parse_address_list("a@b, ".repeat(500_000).as_bytes());
    assert_eq!(list.len(), limits::HEADER_ADDRESSES);
}

fn check_any(raw: &[u8]) {
    let message = Message::new(raw);
    let structure = message.structure();
    for (index, part) in structure.parts().iter().enumerate() {
        assert!(part.header.start <= part.header.end && part.header.end <= part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= raw.len());
        let counted = raw[part.body.clone()]
            .iter()
            .filter(|&&b| b == b'\n')
            .count() as u64;
        assert_eq!(
            part.lines,
            counted,
            "part {index} of {:?}",
            String::from_utf8_lossy(raw)
        );
        message.decoded(part);
        message.text(part);
        message.file_name(part);
    }
    for (path, part) in structure.leaves() {
        assert!(
            std::ptr::eq(structure.find(&path).unwrap(), part),
            "{path:?}"
        );
    }
    for field in message.header().fields() {
        field.text();
        field.addresses();
    }
    message.summary();
    assert!(message.top(3).end <= raw.len());
}

proptest! {
    #[test]
    fn any_bytes(raw in proptest::collection::vec(any::<u8>(), 0..2000)) {
        check_any(&raw);
    }

    /// Pieces of mail in any order.
    #[test]
    fn any_pieces(pieces in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let raw: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        check_any(raw.as_bytes());
    }
}

const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "--a",
    "--a\r\n",
    "--a--\r\n",
    "--b\n",
    "--b--\n",
    " ",
    "\t",
    "x",
    "Subject: =?utf-8?q?",
    "?=",
    ":",
    "Content-Type: multipart/mixed; boundary=a\r\n",
    "Content-Type: multipart/digest; boundary=\"b\"\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: text/plain; charset=utf-16",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Disposition: a; filename*0*=u''%4;filename*1=\"",
    "=3",
    "=\r\n",
    "To: \"",
    "(",
    ")",
    "<",
    ">",
    ",",
    ";",
    "[",
    "]",
    "\\",
    "@",
    "\u{e9}",
];
