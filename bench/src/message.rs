//! What is sent, the same in every run.

mod base64;
mod incompressible;
mod ordinary;
mod quoted_printable;
mod words;

use std::borrow::Cow;
use std::fmt::Write as _;

use clap::ValueEnum;

/// What messages are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Letters of one size that come again and again: nothing to make while the load runs.
    #[default]
    Letters,
    /// Replies, letters in HTML and newsletters, of their own sizes, every one another one.
    Ordinary,
    /// Letters with attachments of random bytes in base64.
    Attachments,
    /// Random bytes by 8BITMIME.
    Noise,
}

/// How many different letters there are, and how much memory they may take.
const POOL: usize = 64;
const POOL_BYTES: usize = 64 * 1024 * 1024;
/// The end of the data (RFC 5321 §4.1.1.4).
const DOT: &[u8] = b".\r\n";
const WORDS: &[&str] = &[
    "the", "letter", "of", "your", "order", "has", "come", "to", "our", "office", "and", "we",
    "send", "it", "on", "with", "many", "thanks", "for", "patience", "meeting", "on", "Tuesday",
    "at", "ten", "please", "bring", "report", "figures", "from", "last", "quarter", "invoice",
    "delivery", "address", "changed", "see", "attached", "list", "regards", "number", "customer",
];

/// Messages with CRLF line ends, no line starting with a dot, ready for DATA.
#[derive(Debug)]
pub(crate) struct Messages {
    kind: Kind,
    size: usize,
    /// Letters with the dot behind them: a load writes them as they are.
    letters: Vec<Vec<u8>>,
}

impl Messages {
    /// Of `size` bytes each, where the kind has no sizes of its own; never shorter than their
    /// header, some 300 bytes.
    pub(crate) fn new(kind: Kind, size: usize) -> Self {
        let count = POOL.min(POOL_BYTES / size.max(1)).max(2);
        let letters = match kind {
            Kind::Letters => (0..count)
                .map(|number| with_dot(letter(number, size)))
                .collect(),
            _ => Vec::new(),
        };
        Self {
            kind,
            size,
            letters,
        }
    }

    /// The message for a number and the dot that ends it; letters come again after [`POOL`].
    pub(crate) fn data(&self, number: usize) -> Cow<'_, [u8]> {
        match self.kind {
            Kind::Letters => Cow::Borrowed(&self.letters[number % self.letters.len()]),
            Kind::Ordinary => Cow::Owned(with_dot(ordinary::message(number))),
            Kind::Attachments => {
                Cow::Owned(with_dot(incompressible::attachment(number, self.size)))
            }
            Kind::Noise => Cow::Owned(with_dot(incompressible::noise(number, self.size))),
        }
    }

    /// The message alone, as it is appended.
    pub(crate) fn of(&self, number: usize) -> Cow<'_, [u8]> {
        match self.data(number) {
            Cow::Borrowed(data) => Cow::Borrowed(&data[..data.len() - DOT.len()]),
            Cow::Owned(mut data) => {
                data.truncate(data.len() - DOT.len());
                Cow::Owned(data)
            }
        }
    }
}

fn with_dot(mut message: Vec<u8>) -> Vec<u8> {
    message.extend_from_slice(DOT);
    message
}

fn letter(number: usize, size: usize) -> Vec<u8> {
    let mut random = Random::new(number);
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
    const fn new(seed: usize) -> Self {
        Self(seed as u64 + 1)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let eights = count.div_ceil(8);
        let mut bytes: Vec<u8> = (0..eights)
            .flat_map(|_| self.next().to_le_bytes())
            .collect();
        bytes.truncate(count);
        bytes
    }

    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 4] = [
        Kind::Letters,
        Kind::Ordinary,
        Kind::Attachments,
        Kind::Noise,
    ];

    #[test]
    fn messages_are_valid_as_data() {
        for kind in KINDS {
            for size in [0, 400, 1024, 10 * 1024, 100_001] {
                let messages = Messages::new(kind, size);
                for number in 0..POOL {
                    check(
                        &messages.of(number),
                        &format!("{kind:?} {number} of {size}"),
                    );
                }
            }
        }
    }

    fn check(message: &[u8], what: &str) {
        assert!(message.ends_with(b"\r\n"), "{what}");
        assert!(!message.contains(&0), "{what}");
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r\n").unwrap_or(b"\r");
            assert!(!line.contains(&b'\r'), "{what}: a bare line end");
            assert!(!line.starts_with(b"."), "{what}");
            assert!(line.len() < 998, "{what}");
        }
    }

    #[test]
    fn sizes_are_as_asked_for() {
        for (kind, slack) in [
            (Kind::Letters, 1),
            (Kind::Attachments, 80),
            (Kind::Noise, 4),
        ] {
            for size in [1024, 10 * 1024, 100_001] {
                let length = Messages::new(kind, size).of(3).len();
                assert!(length.abs_diff(size) <= slack, "{kind:?}: {length}");
            }
        }
        let letter = letter(3, 10 * 1024);
        let long = letter
            .split(|byte| *byte == b'\n')
            .find(|line| line.len() > 100);
        assert_eq!(long, None);
    }

    #[test]
    fn they_differ_and_are_the_same_in_every_run() {
        for kind in KINDS {
            let (one, two) = (Messages::new(kind, 2048), Messages::new(kind, 2048));
            assert_eq!(one.of(3), two.of(3));
            assert_ne!(one.of(3), one.of(4));
            // Letters alone come again.
            assert_eq!(one.of(3) == one.of(3 + POOL), kind == Kind::Letters);
        }
    }

    #[test]
    fn ordinary_mail_is_neither_one_text_again_and_again_nor_noise() {
        let messages = Messages::new(Kind::Ordinary, 0);
        let all: Vec<u8> = (0..100)
            .flat_map(|number| messages.of(number).into_owned())
            .collect();
        let mean = all.len() / 100;
        assert!((4_000..40_000).contains(&mean), "{mean} bytes on average");
        let mut seen = [0_usize; 256];
        for byte in &all {
            seen[usize::from(*byte)] += 1;
        }
        let share = |byte: u8| seen[usize::from(byte)] as f64 / all.len() as f64;
        assert!(
            share(b'e') > 0.04 && share(b'e') > 3.0 * share(b'q'),
            "letters as in English"
        );
        let html = all.windows(6).filter(|window| window == b"<html>").count();
        assert_eq!(html, 50, "half of them have HTML");
    }
}
