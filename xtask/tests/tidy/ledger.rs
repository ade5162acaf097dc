//! Every RFC that source, contract or page cites stands in docs/rfc.tsv with what is done of it.

use std::collections::BTreeMap;

use crate::none;
use crate::tree::{FILES, Source, read};

#[test]
fn every_cited_rfc_is_in_the_ledger() {
    let ledger = ledger(&read("docs/rfc.tsv")).expect("docs/rfc.tsv");
    let complaints: Vec<String> = cited(&FILES)
        .into_iter()
        .filter(|(number, _)| !ledger.contains_key(number))
        .map(|(number, place)| format!("docs/rfc.tsv: add RFC {number}, cited in {place}"))
        .collect();
    none(&complaints);
}

#[test]
fn the_ledger_is_in_order() {
    let text = read("docs/rfc.tsv");
    let numbers: Vec<u32> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split('\t').next()?.parse().ok())
        .collect();
    assert!(
        numbers.is_sorted_by(|a, b| a < b),
        "sort it by number, each once"
    );
}

#[test]
fn the_rule_reads_citations() {
    let text =
        "RFC 5321 §4.5.2, RFC\u{a0}2034, RFC5322 and (RFC 6531, 6532); not RFCs or RFC-style";
    let found = cited(&[Source::new("a.rs", text)]);
    assert_eq!(
        found.into_keys().collect::<Vec<_>>(),
        [2034, 5321, 5322, 6531]
    );
    assert!(ledger("number\ttitle\tstatus\tnote\n1\tx\tperhaps\t\n").is_err());
    assert!(ledger("number\ttitle\tstatus\tnote\n1\tx\tyes\n").is_err());
}

/// Number to title; an error says which line is wrong.
fn ledger(text: &str) -> Result<BTreeMap<u32, String>, String> {
    let mut rows = BTreeMap::new();
    for line in text.lines().skip(1) {
        let wrong = || format!("cannot read '{line}'");
        let [number, title, status, _note] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        if !matches!(status, "yes" | "partial" | "no") || title.is_empty() {
            return Err(wrong());
        }
        rows.insert(number.parse().map_err(|_| wrong())?, title.to_owned());
    }
    Ok(rows)
}

/// Each number with the first file that cites it.
fn cited(files: &[Source]) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    let read = |path: &str| {
        [".rs", ".md", ".wit", ".toml", ".tsv"]
            .iter()
            .any(|end| path.ends_with(end))
    };
    for file in files
        .iter()
        .filter(|file| read(&file.path) && file.path != "docs/rfc.tsv")
    {
        for (at, _) in file.text.match_indices("RFC") {
            let rest = file.text[at + 3..].trim_start_matches([' ', '\u{a0}']);
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(number) = digits.parse() {
                found.entry(number).or_insert_with(|| file.path.clone());
            }
        }
    }
    found
}
