use super::*;

#[test]
fn labels_are_read() {
    for label in ["archive", "spam-filter.2", "A_b", " archive ", "9"] {
        assert_eq!(read(Some(label)), Label::Named(label.trim().to_owned()));
    }
    for nothing in [None, Some(""), Some("  ")] {
        assert_eq!(read(nothing), Label::Unset);
    }
}

#[test]
fn d05_what_a_shell_would_read_is_no_label() {
    for value in [
        "$(touch x)",
        "a;b",
        "a`b`",
        "a\nb",
        "-rf",
        "a\0b",
        "a b",
        "/bin/sh",
        "../x",
        "a|b",
        "a&b",
        "a>b",
        "a*",
        "~a",
        "\"a\"",
        "'a'",
        "a=b",
        "a%b",
        "${a}",
        "ä",
        "a\u{202e}b",
    ] {
        assert!(matches!(read(Some(value)), Label::Wrong(_)), "{value:?}");
    }
    assert!(matches!(read(Some(&"a".repeat(65))), Label::Wrong(_)));
}
