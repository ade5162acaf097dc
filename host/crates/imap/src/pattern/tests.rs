use std::time::{Duration, Instant};

use super::*;

fn matches(pattern: &str, name: &str) -> bool {
    Pattern::new(pattern)
        .unwrap()
        .matches(&MailboxName::parse(name).unwrap())
}

#[test]
fn known_answers() {
    let table = [
        ("*", "a/b/c", true),
        ("%", "a", true),
        ("%", "a/b", false),
        ("%/%", "a/b", true),
        ("%/%", "a/b/c", false),
        ("a*", "a", true),
        ("a%c", "abbc", true),
        ("a%c", "ab/c", false),
        ("a*c", "ab/c", true),
        ("*c", "abc/cc", true),
        ("*b", "abc", false),
        ("a/%", "a/", false),
        ("", "a", false),
        ("a", "ab", false),
        ("ab", "a", false),
        ("%a%b%", "xaxbx", true),
        ("%a%b%", "xbxax", false),
        ("*%", "a/b", true),
        ("%*", "a/b", true),
        ("*%*%a", "b/c/a", true),
        ("inbox", "INBOX", true),
        ("InB%", "INBOX", true),
        ("inbox/a", "INBOX/a", false),
        ("INBOX/*", "INBOX/a", true),
        ("work", "Work", false),
        ("Caf*", "Café", true),
        ("*é", "Café", true),
    ];
    for (pattern, name, expected) in table {
        // A name cannot end in a separator; the pattern may.
        let name = name.trim_end_matches('/');
        assert_eq!(matches(pattern, name), expected, "{pattern} against {name}");
    }
}

#[test]
fn long_patterns_cross_words() {
    let name = "x".repeat(200);
    for length in [1, 62, 63, 64, 65, 127, 128, 129, 199, 200] {
        let head = "x".repeat(length);
        assert!(matches(&format!("{head}*"), &name), "{length}");
        assert!(matches(&format!("*{head}"), &name), "{length}");
        assert_eq!(matches(&head, &name), length == 200, "{length}");
        assert!(!matches(&format!("{head}%y"), &name), "{length}");
    }
    assert!(Pattern::new(&"x".repeat(2000)).is_none());
}

/// The plain meaning, slow: what the fast one is held against.
fn plain(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| plain(rest, &name[at..])),
        Some((b'%', rest)) => {
            let end = name
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(name.len());
            (0..=end).any(|at| plain(rest, &name[at..]))
        }
        Some((byte, rest)) => name.first() == Some(byte) && plain(rest, &name[1..]),
    }
}

#[test]
fn agrees_with_the_plain_meaning() {
    let letters = [b'a', b'/', b'*', b'%'];
    let words = |letters: &[u8], length: u32| -> Vec<Vec<u8>> {
        let count = letters.len().pow(length);
        let word = |mut n: usize| {
            (0..length)
                .map(|_| (letters[n % letters.len()], n /= letters.len()).0)
                .collect::<Vec<u8>>()
        };
        (0..count).map(word).collect()
    };
    for pattern in (0..=5).flat_map(|length| words(&letters, length)) {
        let compiled = Pattern::compile(&pattern).unwrap();
        for name in (0..=4).flat_map(|length| words(&letters[..2], length)) {
            assert_eq!(
                compiled.matches_bytes(&name),
                plain(&pattern, &name),
                "{pattern:?} {name:?}"
            );
        }
    }
}

#[test]
fn i13_wildcards_cost_one_pass() {
    let started = Instant::now();
    for evil in [
        "*%".repeat(400),
        "*a".repeat(400),
        "%a".repeat(400),
        format!("{}b", "*a".repeat(300)),
    ] {
        let pattern = Pattern::new(&evil).unwrap();
        for number in 0..10_000 {
            let name = format!("{}{number}", "a".repeat(60));
            pattern.matches(&MailboxName::parse(&name).unwrap());
        }
    }
    // Quadratic work would take minutes.
    assert!(started.elapsed() < Duration::from_secs(10));
}
