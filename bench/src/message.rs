//! What is sent: text such as people write, the same in every run.

use std::fmt::Write as _;

/// How many different messages there are.
const POOL: usize = 64;
const WORDS: &[&str] = &[
    "the", "letter", "of", "your", "order", "has", "come", "to", "our", "office", "and", "we",
    "send", "it", "on", "with", "many", "thanks", "for", "patience", "meeting", "on", "Tuesday",
    "at", "ten", "please", "bring", "report", "figures", "from", "last", "quarter", "invoice",
    "delivery", "address", "changed", "see", "attached", "list", "regards", "number", "customer",
];

/// Messages of one size, with CRLF line ends, no line starting with a dot, ready for DATA.
#[derive(Debug)]
pub(crate) struct Messages(Vec<Vec<u8>>);

impl Messages {
    /// Of `size` bytes each; never shorter than their header, some 300 bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self((0..POOL).map(|number| message(number, size)).collect())
    }

    /// The message for a number; they come again after [`POOL`].
    pub(crate) fn of(&self, number: usize) -> &[u8] {
        &self.0[number % POOL]
    }
}

fn message(number: usize, size: usize) -> Vec<u8> {
    let mut random = Random(number as u64 + 1);
    let mut text = String::with_capacity(size + 80);
    let _ = write!(
        text,
        "From: Sam Sender <sam@sender.example>\r\nTo: Members <members@bench.example>\r\n\
         Subject: Bench letter {number}: your order of Tuesday\r\n\
         Date: Mon, 05 Jan 2026 10:{:02}:00 +0000\r\n\
         Message-ID: <bench.{number}.{size}@sender.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        number % 60
    );
    let mut column = 0;
    while text.len() + 2 < size {
        let word = WORDS[random.below(WORDS.len())];
        if column + word.len() > 72 {
            text.push_str("\r\n");
            column = 0;
        }
        text.push_str(word);
        text.push(' ');
        column += word.len() + 1;
    }
    let header = text.find("\r\n\r\n").map_or(0, |end| end + 4);
    text.truncate(size.saturating_sub(2).max(header));
    // A line end that was cut in half is taken away whole.
    let whole = text.trim_end_matches('\r').len();
    text.truncate(whole);
    text.push_str("\r\n");
    text.into_bytes()
}

/// A small generator of numbers (xorshift), so that every run sends the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_valid_as_data() {
        for size in [0, 400, 1024, 10 * 1024, 100_001] {
            for number in 0..POOL {
                let message = message(number, size);
                let text = String::from_utf8(message).expect("it is text");
                assert!(text.len().abs_diff(size) <= 1 || size < 400, "{size}");
                assert!(text.ends_with("\r\n"), "{size}");
                assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{size}");
                let long = text.split("\r\n").find(|line| line.len() > 100);
                assert_eq!(long, None);
                assert!(!text.contains("\n."));
            }
        }
    }

    #[test]
    fn they_differ_and_are_the_same_in_every_run() {
        let (one, two) = (Messages::new(2048), Messages::new(2048));
        assert_eq!(one.of(3), two.of(3));
        assert_ne!(one.of(3), one.of(4));
        assert_eq!(one.of(3), one.of(3 + POOL));
    }
}
