use super::{Localpart, LocalpartError};

#[test]
fn keys_fold_case_and_form() {
    for (text, key) in [
        ("Ann", "ann"),
        ("\"Ann\"", "ann"),
        ("GRU\u{308}N", "grün"),
        ("\u{212b}ngstro\u{308}m", "ångström"),
        ("İ", "i\u{307}"),
        ("\"a b\"", "a b"),
    ] {
        assert_eq!(Localpart::parse(text).unwrap().key(), key, "{text}");
    }
}

#[test]
fn subaddress_is_cut_at_the_first_plus() {
    for (text, expected) in [
        ("ann+lists", Some(("ann", "lists"))),
        ("ann+a+b", Some(("ann", "a+b"))),
        ("ann+", Some(("ann", ""))),
        ("+ann", None),
        ("ann", None),
    ] {
        let localpart = Localpart::parse(text).unwrap();
        let subaddress = localpart.subaddress();
        let pair = subaddress
            .as_ref()
            .map(|(base, detail)| (base.as_str(), *detail));
        assert_eq!(pair, expected, "{text}");
    }
}

#[test]
fn quotes_only_where_needed() {
    for (text, written) in [
        ("\"ann\"", "ann"),
        ("\"a.b\"", "a.b"),
        ("\"a b\"", "\"a b\""),
        ("\".a\"", "\".a\""),
        (r#""\"""#, r#""\"""#),
    ] {
        assert_eq!(Localpart::parse(text).unwrap().to_string(), written);
    }
}

#[test]
fn errors() {
    assert_eq!(Localpart::parse(""), Err(LocalpartError::Empty));
    assert_eq!(Localpart::parse("\"\""), Err(LocalpartError::Empty));
    assert_eq!(
        Localpart::parse(&"a".repeat(65)),
        Err(LocalpartError::TooLong)
    );
    for text in [
        "a b",
        "\"a",
        "a\"",
        "\"",
        "a\u{1}",
        "\"a\tb\"",
        "\"a\\\u{e9}\"",
        "a,b",
        "a:b",
        "(a)",
    ] {
        assert_eq!(
            Localpart::parse(text),
            Err(LocalpartError::Syntax),
            "{text:?}"
        );
    }
}

#[test]
fn postmaster_in_any_case() {
    for text in ["postmaster", "Postmaster", "POSTMASTER", "\"PostMaster\""] {
        assert!(Localpart::parse(text).unwrap().is_postmaster());
    }
    assert!(!Localpart::parse("postmaster2").unwrap().is_postmaster());
}
