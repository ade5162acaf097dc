use super::*;

const LIMITS: FrameLimits = FrameLimits {
    line: 40,
    total: 60,
    literals: 2,
};

/// What comes out for some input: commands, and `+` for each literal that is asked about.
fn frames(input: &[u8], chunk: usize) -> Vec<String> {
    let mut framer = Framer::default();
    let mut seen = Vec::new();
    for chunk in input.chunks(chunk) {
        framer.push(chunk);
        loop {
            match framer.poll(LIMITS) {
                Framed::NeedMore => break,
                Framed::Command => seen.push(String::from_utf8_lossy(&framer.take()).into_owned()),
                Framed::Literal { size, form } if framer.fits(size, LIMITS) => {
                    seen.push(format!("{form:?} {size}"));
                    framer.accept(size);
                }
                Framed::Literal { size, .. } => {
                    seen.push(format!("refused {size}"));
                    framer.take();
                }
                end => {
                    seen.push(format!("{end:?}"));
                    return seen;
                }
            }
        }
    }
    seen
}

fn check(input: &str, expected: &[&str]) {
    for chunk in 1..=input.len().max(1) {
        assert_eq!(
            frames(input.as_bytes(), chunk),
            expected,
            "{input:?} in pieces of {chunk}"
        );
    }
}

#[test]
fn lines_and_literals() {
    check("a NOOP\r\nb", &["a NOOP"]);
    check("a\r\n\r\nb\r\n", &["a", "", "b"]);
    check("a {3}\r\nx\r\n y\r\n", &["Waiting 3", "a {3}\r\nx\r\n y"]);
    check(
        "a {3+}\r\nabc {2+}\r\nde\r\nb\r\n",
        &["AtOnce 3", "AtOnce 2", "a {3+}\r\nabc {2+}\r\nde", "b"],
    );
    // A literal of no bytes.
    check("a {0}\r\n\r\n", &["Waiting 0", "a {0}\r\n"]);
}

#[test]
fn what_only_looks_like_a_literal() {
    for line in [
        "a {}", "a {+}", "a {3} ", "a {-1}", "a {3++}", "a 3}", "a {3}x", "a { 3}",
    ] {
        check(&format!("{line}\r\n"), &[line]);
    }
}

#[test]
fn sizes_that_no_number_holds_are_too_large() {
    check(
        "a {99999999999999999999999999}\r\nb\r\n",
        &["refused 18446744073709551615", "b"],
    );
    check("a {4294967295}\r\n", &["refused 4294967295"]);
}

#[test]
fn only_crlf_ends_a_line() {
    check("a NOOP\nb\r\n", &["BareLineFeed"]);
    check("a {3}\nabc\r\n", &["BareLineFeed"]);
    check("a\rb\r\n", &["a\rb"]);
}

#[test]
fn limits_hold_in_any_pieces() {
    let long = "x".repeat(39);
    check(&format!("{long}\r\n"), &["TooLong"]);
    check(&format!("{}\r\n", &long[..38]), &[&long[..38]]);
    // Lines of one command count together.
    check(
        &format!("a {{1}}\r\nb{}\r\n", &long[..36]),
        &["Waiting 1", "TooLong"],
    );
    // So do literals, by number and by size.
    check("a {50}\r\n", &["Waiting 50"]);
    check("a {60}\r\n", &["refused 60"]);
    check(
        "a {1+}\r\nx {1+}\r\ny {1+}\r\n",
        &["AtOnce 1", "AtOnce 1", "refused 1"],
    );
}

#[test]
fn raw_bytes_between_commands() {
    let mut framer = Framer::default();
    framer.push(b"abcdef\r\nb NOOP\r\n");
    assert_eq!(framer.take_raw(4), b"abcd");
    assert_eq!(framer.poll(LIMITS), Framed::Command);
    assert_eq!(framer.take(), b"ef");
    assert!(framer.has_input());
    assert_eq!(framer.take_raw(100), b"b NOOP\r\n");
    assert!(!framer.has_input());
}
