//! What mail takes on the disk when all was collected: index, rows and unused room included.

use std::sync::LazyLock;
use std::time::Duration;

use store::{Config, Embedded, Stats, Store};

use crate::world::{ANN, person};

/// Numbers that look like chance, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }
}

fn noise(dice: &mut Dice) -> Vec<u8> {
    let mut seed = blake3::Hasher::new();
    seed.update(&dice.0.to_le_bytes());
    dice.roll(2);
    let mut bytes = vec![0; 40_000 + dice.roll(400_000)];
    seed.finalize_xof().fill(&mut bytes);
    bytes
}

/// Words that are made up, as many as people use, the frequent ones short.
fn vocabulary() -> Vec<String> {
    const SYLLABLES: [&str; 40] = [
        "a", "be", "con", "de", "er", "fa", "gen", "ho", "in", "jo", "ka", "le", "men", "no", "or",
        "pre", "qui", "re", "sto", "ti", "un", "ver", "wa", "ex", "yo", "zu", "ing", "ed", "ly",
        "ness", "th", "st", "ou", "ea", "sh", "ch", "pl", "tr", "al", "ic",
    ];
    let mut dice = Dice(11);
    let word = |rank: usize| {
        let syllables = 1 + dice.roll(2 + rank.ilog2() as usize / 4);
        (0..syllables).map(|_| SYLLABLES[dice.roll(40)]).collect()
    };
    (1..6_000).map(word).collect()
}

/// A letter as mail is: fields that cannot be guessed, text and the same in HTML.
fn letter(dice: &mut Dice) -> Vec<u8> {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(vocabulary);
    let mut text = String::new();
    let paragraphs = 2 + dice.roll(30);
    for _ in 0..paragraphs {
        for _ in 0..20 + dice.roll(80) {
            // The n-th most frequent word comes about 1/n as often as the first.
            let below = 1 + dice.roll(WORDS.len());
            text.push_str(&WORDS[dice.roll(below)]);
            text.push(if dice.roll(12) == 0 { '\n' } else { ' ' });
        }
        text.push_str("\n\n");
    }
    let plain = text.replace('\n', "\r\n");
    // Half of the letters are in HTML too.
    let html = match dice.roll(2) {
        0 => String::new(),
        _ => text.replace(
            "\n\n",
            "</span></p>\r\n<p class=\"MsoNormal\" style=\"margin:0cm\"><span>",
        ),
    };
    let mut secret = vec![0; 600];
    let mut seed = blake3::Hasher::new();
    seed.update(&dice.roll(usize::MAX >> 33).to_le_bytes());
    seed.update(&text.len().to_le_bytes());
    seed.finalize_xof().fill(&mut secret);
    let signature: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let message = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=sender.test; b={signature}\r\nFrom: ann@sender.test\r\n\
         Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
         {plain}\r\n--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b--\r\n"
    );
    message.into_bytes()
}

/// Stores mail of so many bytes, collects, and says what there is, before and after.
fn fill(mail: fn(&mut Dice) -> Vec<u8>, bytes: usize) -> (Stats, Stats) {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        // A share of the whole as small as 64 MiB are of some gigabytes.
        segment_bytes: bytes as u64 / 64,
        checkpoint_interval: Duration::from_secs(3600),
        disk_reserve_bytes: 0,
        disk_reserve_percent: 0,
        collect: false,
        ..Config::default()
    };
    let store = Embedded::open(&directory.path().join("data"), config.clone()).unwrap();
    let ann = person(1, ANN);
    let mut dice = Dice(7);
    let (mut stored, mut waiting) = (0, Vec::new());
    while stored < bytes {
        let content = mail(&mut dice);
        stored += content.len();
        let mut writer = store.begin_body().unwrap();
        writer.write(&content).unwrap();
        let message = store::NewMessage::new(vec![writer.finish().unwrap().piece()]);
        waiting.push(store.append(
            &ann,
            store.operation_id(),
            store::Place::Inbox(ANN),
            vec![message],
        ));
        if waiting.len() == 64 {
            waiting
                .drain(..)
                .for_each(|pending| drop(pending.wait().unwrap()));
        }
    }
    waiting
        .into_iter()
        .for_each(|pending| drop(pending.wait().unwrap()));
    let before = store.stats(&mut |_| {}).unwrap();
    store.compact(&mut |_| {}).unwrap();
    store.close().unwrap();
    Embedded::compact_index(&directory.path().join("data"), &config).unwrap();
    let store = Embedded::open(&directory.path().join("data"), config).unwrap();
    let after = store.stats(&mut |_| {}).unwrap();
    assert_eq!(store.check(true, &mut |_| {}).unwrap().problems, 0);
    (before, after)
}

#[track_caller]
fn takes_at_most(name: &str, (before, after): &(Stats, Stats), most: f64) {
    let share = |stats: &Stats| stats.disk_bytes() as f64 / stats.mail_bytes() as f64;
    println!(
        "{name}: {} messages, {} bytes; {:.3} bytes a byte as written, {:.3} collected: {after:?}",
        after.messages,
        after.mail_bytes(),
        share(before),
        share(after),
    );
    assert!(share(after) <= most, "{name}: {:.3}", share(after));
}

#[test]
fn incompressible_mail_takes_little_more_than_its_bytes() {
    takes_at_most("noise", &fill(noise, 48 << 20), 1.05);
}

#[test]
fn ordinary_mail_takes_two_thirds_of_its_bytes() {
    takes_at_most("ordinary", &fill(letter, 24 << 20), 0.7);
}
