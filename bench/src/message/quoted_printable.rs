//! Quoted-printable (RFC 2045 §6.7), as mail programs write it.

use std::fmt::Write as _;

/// Columns of a line, with the `=` of a soft line break.
const COLUMNS: usize = 76;

/// Encodes text whose lines end with CRLF.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 11 / 10);
    for line in text.split_inclusive("\r\n") {
        encode_line(line.trim_end_matches("\r\n"), &mut encoded);
        if line.ends_with("\r\n") {
            encoded.push_str("\r\n");
        }
    }
    encoded
}

fn encode_line(line: &str, encoded: &mut String) {
    let mut column = 0;
    let last = line.len().saturating_sub(1);
    for (index, byte) in line.bytes().enumerate() {
        // A blank at the end would be lost, a dot at the start be taken for the end.
        let is_plain = match byte {
            b'=' => false,
            b' ' | b'\t' => index != last,
            b'.' => column != 0,
            _ => byte.is_ascii_graphic(),
        };
        let width = if is_plain { 1 } else { 3 };
        if column + width > COLUMNS - 1 {
            encoded.push_str("=\r\n");
            column = 0;
        }
        // A soft line break may have brought a dot to the start.
        if is_plain && !(byte == b'.' && column == 0) {
            encoded.push(char::from(byte));
            column += 1;
        } else {
            let _ = write!(encoded, "={byte:02X}");
            column += 3;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_rules_say() {
        let cases = [
            ("plain\r\n", "plain\r\n"),
            ("1 = 1\r\n", "1 =3D 1\r\n"),
            ("it’s\r\n", "it=E2=80=99s\r\n"),
            ("blank \r\n", "blank=20\r\n"),
            (".\r\n..\r\n", "=2E\r\n=2E.\r\n"),
            ("no end", "no end"),
        ];
        for (text, expected) in cases {
            assert_eq!(encode(text), expected);
        }
    }

    #[test]
    fn no_line_is_too_long_or_starts_with_a_dot() {
        for text in ["a".repeat(400), "é".repeat(200), ".".repeat(300)] {
            for line in encode(&text).split("\r\n") {
                assert!(line.len() <= COLUMNS, "{line}");
                assert!(!line.starts_with('.'), "{line}");
            }
        }
    }
}
