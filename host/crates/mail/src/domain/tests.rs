use proptest::prelude::*;

use super::{Domain, DomainError};

/// Different spellings of one name must be one domain (T02).
#[test]
fn twins_are_one_domain() {
    for (spelling, normal) in [
        ("abc.test", "abc.test"),
        ("ABC.Test", "abc.test"),
        ("BÜCHER.test", "xn--bcher-kva.test"),
        ("bu\u{308}cher.test", "xn--bcher-kva.test"),
        ("XN--BCHER-KVA.test", "xn--bcher-kva.test"),
        ("xn--bcher-kva.TEST", "xn--bcher-kva.test"),
        ("a\u{3002}test", "a.test"),
        ("ａｂｃ.test", "abc.test"),
        ("straße.test", "xn--strae-oqa.test"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPV6:2001:0DB8::0001]", "[IPv6:2001:db8::1]"),
    ] {
        assert_eq!(
            Domain::parse(spelling).unwrap().as_str(),
            normal,
            "{spelling}"
        );
    }
}

#[test]
fn refused() {
    let label = "a".repeat(64);
    let long = vec!["a".repeat(60); 5].join(".");
    for text in [
        "abc.test.",
        ".",
        "..",
        "a..b",
        ".a",
        "-a.test",
        "a-.test",
        "a_b.test",
        "a b",
        "a@b",
        "a/b",
        "a\tb",
        "a\0b",
        "a\r\n",
        "xn--a",
        "[",
        "[]",
        "[1.2.3]",
        "[1.2.3.4",
        "[IPv6:1.2.3.4]",
        "[IPv6:]",
        "[ä:::::]",
        "[abcdé]",
        "xn--0.test",
        label.as_str(),
    ] {
        assert!(
            matches!(Domain::parse(text), Err(DomainError::Syntax(_))),
            "{text:?}"
        );
    }
    assert_eq!(Domain::parse(""), Err(DomainError::Empty));
    assert_eq!(Domain::parse(&long), Err(DomainError::TooLong));
}

#[test]
fn shown_to_people() {
    let domain = Domain::parse("xn--bcher-kva.test").unwrap();
    assert_eq!(domain.to_unicode(), "bücher.test");
    assert!(!domain.is_address_literal());
    assert!(Domain::parse("[192.0.2.1]").unwrap().is_address_literal());
    assert_eq!(String::from(domain.clone()).parse::<Domain>(), Ok(domain));
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing(text in "\\PC{0,80}") {
        if let Ok(domain) = Domain::parse(&text) {
            prop_assert!(domain.as_str().is_ascii());
            prop_assert_eq!(Domain::parse(domain.as_str()), Ok(domain));
        }
    }
}
