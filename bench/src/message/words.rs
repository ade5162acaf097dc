//! Text as people write it: the words of a list by their natural frequency, phrases that come
//! again in every letter, names and numbers that do not.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::Random;

/// The most frequent word first.
const LIST: &str = include_str!("words.txt");
/// What stands in many letters as it is.
const PHRASES: &[&str] = &[
    "thank you for your message",
    "please let me know if you have any questions",
    "looking forward to hearing from you",
    "as discussed on the phone",
    "please find attached",
    "at the end of the month",
    "I hope this finds you well",
    "we would like to inform you that",
    "in the meantime",
    "as soon as possible",
    "for the time being",
    "with reference to your letter of",
    "do not hesitate to contact us",
    "at your earliest convenience",
    "on behalf of the whole team",
    "I don’t think that we’ll need",
    "it’s a pity that",
    "by the way",
];
const NAMES: &[&str] = &[
    "Ann", "Bob", "Joe", "Maria", "Jürgen", "Zoë", "Peter", "Susan", "Takeshi", "Olga", "Renée",
    "Ahmed", "Ingrid", "Paolo", "Fiona", "Chidi", "Sven", "Lucía", "Henrik", "Amélie",
];

/// The words with the sum of the weights up to each.
static VOCABULARY: LazyLock<(Vec<&str>, Vec<u64>)> = LazyLock::new(|| {
    let words: Vec<&str> = LIST.split_whitespace().collect();
    let mut sum = 0;
    // Zipf's law with Mandelbrot's shift: how often the n-th word of a language comes.
    let weights = (0..words.len()).map(|rank| {
        sum += 100_000_000 / (rank as u64 * 10 + 27);
        sum
    });
    let weights = weights.collect();
    (words, weights)
});

pub(super) fn name(random: &mut Random) -> &'static str {
    NAMES[random.below(NAMES.len())]
}

/// A few words without a full stop: a subject, a heading.
pub(super) fn heading(random: &mut Random) -> String {
    let count = 2 + random.below(5);
    let words: Vec<&str> = (0..count).map(|_| word(random)).collect();
    capital(&words.join(" "))
}

/// Some sentences, on one line.
pub(super) fn paragraph(random: &mut Random) -> String {
    let count = 2 + random.below(5);
    let sentences: Vec<String> = (0..count).map(|_| sentence(random)).collect();
    sentences.join(" ")
}

fn sentence(random: &mut Random) -> String {
    let mut text = String::new();
    let count = 5 + random.below(14);
    for index in 0..count {
        if index > 0 {
            text.push_str(if random.below(9) == 0 { ", " } else { " " });
        }
        match random.below(60) {
            0..4 => text.push_str(PHRASES[random.below(PHRASES.len())]),
            4 => text.push_str(name(random)),
            5 => {
                let _ = write!(text, "{}", 1 + random.below(5000));
            }
            6 => {
                let (whole, cents) = (random.below(900), random.below(100));
                let _ = write!(text, "€{whole}.{cents:02}");
            }
            _ => text.push_str(word(random)),
        }
    }
    text.push_str(if random.below(8) == 0 { "?" } else { "." });
    capital(&text)
}

fn word(random: &mut Random) -> &'static str {
    let (words, weights) = &*VOCABULARY;
    let all = weights.last().copied().unwrap_or(1);
    let drawn = random.below(all as usize) as u64;
    let index = weights.partition_point(|sum| *sum <= drawn);
    words[index]
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}
