use super::*;

fn keywords(words: &[&str]) -> Keywords {
    words
        .iter()
        .map(|word| Keyword::parse(word).unwrap())
        .collect()
}

#[test]
fn system_flags() {
    assert_eq!(Flags::parse("\\seen"), Some(Flags::SEEN));
    assert_eq!(Flags::parse("\\Recent"), None);
    assert_eq!(Flags::parse("Seen"), None);
    let both = Flags::SEEN | Flags::DRAFT;
    assert!(both.contains(Flags::SEEN) && !both.contains(Flags::DELETED));
    assert_eq!(both & !Flags::SEEN, Flags::DRAFT);
    assert_eq!(!Flags::NONE & !both & Flags::SEEN, Flags::NONE);
}

#[test]
fn what_is_no_keyword() {
    for text in [
        "",
        "a b",
        "\\a",
        "a(",
        "a]",
        "a\"",
        "é",
        "a\r",
        &"a".repeat(201),
    ] {
        assert_eq!(Keyword::parse(text), None, "{text:?}");
    }
}

#[test]
fn keywords_are_sets_without_case() {
    assert_eq!(keywords(&["a", "B", "A"]).len(), 2);
    assert_eq!(keywords(&["a", "b"]), keywords(&["B", "A"]));
    assert_ne!(keywords(&["a"]), keywords(&["b"]));
    assert_ne!(keywords(&["a"]), Keywords::NONE);
    assert!(keywords(&[]).is_empty());
    // A session holds one for each message.
    assert_eq!(size_of::<Keywords>(), size_of::<usize>());
}
