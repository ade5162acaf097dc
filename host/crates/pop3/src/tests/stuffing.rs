//! The table of RFC 1939 §3, in every chunking.

use crate::{Extent, Progress, Stuffer};

const WHOLE: Extent = Extent::Whole;

const fn top(lines: u64) -> Extent {
    Extent::Top { lines }
}

fn stuffed(message: &[u8], extent: Extent, piece: usize) -> Vec<u8> {
    let (mut stuffer, mut out) = (Stuffer::new(extent), Vec::new());
    for piece in message.chunks(piece) {
        if stuffer.push(piece, &mut out) == Progress::Enough {
            break;
        }
    }
    stuffer.finish(&mut out);
    out
}

fn check(message: &str, extent: Extent, expected: &str) {
    for piece in 1..=message.len().max(1) {
        let out = stuffed(message.as_bytes(), extent, piece);
        assert_eq!(
            String::from_utf8_lossy(&out),
            expected,
            "{message:?} in pieces of {piece}"
        );
    }
}

#[test]
fn whole_messages() {
    for (message, expected) in [
        ("", ".\r\n"),
        ("a\r\n", "a\r\n.\r\n"),
        (".", "..\r\n.\r\n"),
        (".\r\n", "..\r\n.\r\n"),
        ("..\r\n", "...\r\n.\r\n"),
        ("a.b\r\n.c\r\n", "a.b\r\n..c\r\n.\r\n"),
        ("\r\n.\r\n", "\r\n..\r\n.\r\n"),
        ("no end", "no end\r\n.\r\n"),
        ("cr at the end\r", "cr at the end\r\n.\r\n"),
        ("a\rb\r\n", "a\rb\r\n.\r\n"),
        ("a\r\r\n.\r\n", "a\r\r\n..\r\n.\r\n"),
        ("\0\u{ff}\r\n", "\0\u{ff}\r\n.\r\n"),
    ] {
        check(message, WHOLE, expected);
    }
}

/// A message that ends its lines with LF alone must not end the response early.
#[test]
fn s02_bare_line_feeds_never_end_the_response() {
    check("a\n.\nQUIT\n", WHOLE, "a\r\n..\r\nQUIT\r\n.\r\n");
    check("a\r\n.\n", WHOLE, "a\r\n..\r\n.\r\n");
    check("a\n.\r\n", WHOLE, "a\r\n..\r\n.\r\n");
    check("a\r.\r\n", WHOLE, "a\r.\r\n.\r\n");
}

#[test]
fn tops() {
    let message = "A: 1\r\nB: 2\r\n\r\none\r\n\r\n.three\r\n";
    for (lines, expected) in [
        (0, "A: 1\r\nB: 2\r\n\r\n.\r\n"),
        (1, "A: 1\r\nB: 2\r\n\r\none\r\n.\r\n"),
        (2, "A: 1\r\nB: 2\r\n\r\none\r\n\r\n.\r\n"),
        (3, "A: 1\r\nB: 2\r\n\r\none\r\n\r\n..three\r\n.\r\n"),
        (u64::MAX, "A: 1\r\nB: 2\r\n\r\none\r\n\r\n..three\r\n.\r\n"),
    ] {
        check(message, top(lines), expected);
    }
    check(
        "A: 1\nB: 2\n\none\ntwo\n",
        top(1),
        "A: 1\r\nB: 2\r\n\r\none\r\n.\r\n",
    );
    check("A: only a head\r\n", top(5), "A: only a head\r\n.\r\n");
    check("\r\nbody\r\nmore\r\n", top(1), "\r\nbody\r\n.\r\n");
    check("A: 1\r\n\r\nno end", top(1), "A: 1\r\n\r\nno end\r\n.\r\n");
}

#[test]
fn enough_is_told_as_soon_as_it_is() {
    let mut stuffer = Stuffer::new(top(1));
    let mut out = Vec::new();
    assert_eq!(stuffer.push(b"A: 1\r\n\r\n", &mut out), Progress::More);
    assert_eq!(stuffer.push(b"one\r\ntwo\r\n", &mut out), Progress::Enough);
    assert_eq!(out, b"A: 1\r\n\r\none\r\n");
}
