use super::*;

#[test]
fn labels_are_read() {
    for (value, label) in [
        ("archive", "archive"),
        ("file:archive", "archive"),
        (" a.b-c_1 ", "a.b-c_1"),
    ] {
        assert_eq!(read(Some(value)), Label::Named(label.to_owned()), "{value}");
    }
    for nothing in [None, Some(""), Some(" "), Some("file:")] {
        assert_eq!(read(nothing), Label::Unset, "{nothing:?}");
    }
}

#[test]
fn d01_a_path_is_no_label() {
    for value in [
        "/etc/passwd",
        "../x",
        "..",
        ".hidden",
        "a/b",
        "file:///x",
        "file://host/x",
        "file:/x",
        "a\\b",
        "a%2fb",
        "a\0b",
        "a\u{2215}b",
        "a\u{ff0f}b",
        "%u/x",
        "+/x",
        "a b",
        "-a",
    ] {
        assert_eq!(read(Some(value)), Label::Wrong, "{value:?}");
    }
    assert_eq!(read(Some(&"a".repeat(65))), Label::Wrong);
}
