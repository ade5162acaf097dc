use super::*;

#[test]
fn names_are_read() {
    for value in ["team", "Shared Folders/team", " team "] {
        assert_eq!(
            read(Some(value)),
            Name::Mailbox("Shared Folders/team".to_owned()),
            "{value}"
        );
    }
    assert_eq!(
        read(Some("Größe 2")),
        Name::Mailbox("Shared Folders/Größe 2".to_owned())
    );
    for nothing in [None, Some(""), Some(" "), Some("Shared Folders/")] {
        assert_eq!(read(nothing), Name::Unset, "{nothing:?}");
    }
}

#[test]
fn other_levels_are_refused() {
    for value in [
        "a/b",
        "/team",
        "Shared Folders/a/b",
        "../INBOX",
        "Shared Folders/../INBOX",
        "a\0b",
        "a\r\nb",
    ] {
        assert!(matches!(read(Some(value)), Name::Wrong(_)), "{value:?}");
    }
    assert!(matches!(read(Some(&"a".repeat(201))), Name::Wrong(_)));
}
