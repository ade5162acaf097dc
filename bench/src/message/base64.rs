//! Base64 (RFC 4648 §4) in lines of 76, as bodies have it (RFC 2045 §6.8).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Bytes that fill a line.
const LINE: usize = 57;

/// Encodes; no line end behind the last line.
pub(super) fn encode(bytes: &[u8]) -> String {
    let lines: Vec<String> = bytes.chunks(LINE).map(line).collect();
    lines.join("\r\n")
}

fn line(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(76);
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_section_10() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(encode(bytes.as_bytes()), expected);
        }
        assert_eq!(encode(&[0; 58]), format!("{}\r\nAA==", "A".repeat(76)));
    }
}
