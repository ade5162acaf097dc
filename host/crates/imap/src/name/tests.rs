use super::*;

#[test]
fn i12_names_are_keys_in_one_form() {
    let good = [
        ("inbox", "INBOX"),
        ("Inbox/Sub", "INBOX/Sub"),
        ("Inboxes", "Inboxes"),
        ("a/b/", "a/b"),
        ("Caf&AOk-", "Café"),
        // Letter and accent apart (NFD) and together (NFC).
        ("Cafe&AwE-", "Café"),
        ("Café", "Café"),
        ("...", "..."),
        ("a/.b", "a/.b"),
        ("C:\\x", "C:\\x"),
        ("a b\"c", "a b\"c"),
    ];
    for (wire, text) in good {
        let name = MailboxName::parse_wire(wire.as_bytes())
            .unwrap_or_else(|error| panic!("{wire}: {error}"));
        assert_eq!(name.as_str(), text, "{wire}");
        assert_eq!(
            MailboxName::parse_wire(name.to_wire().as_bytes()),
            Ok(name.clone()),
            "{wire}"
        );
        assert_eq!(MailboxName::parse(name.as_str()), Ok(name), "{wire}");
    }
    let bad = [
        ("", NameError::Empty),
        ("/", NameError::Empty),
        ("/a", NameError::Empty),
        ("a//b", NameError::Empty),
        ("a//", NameError::Empty),
        ("../../x", NameError::Forbidden),
        ("INBOX/../b", NameError::Forbidden),
        ("./a", NameError::Forbidden),
        ("a\0b", NameError::Encoding),
        ("a\r\nb", NameError::Encoding),
        ("a&AAA-b", NameError::Forbidden),
        ("a*", NameError::Forbidden),
        ("a%b", NameError::Forbidden),
        ("&AC8-", NameError::Encoding),
    ];
    for (wire, error) in bad {
        assert_eq!(
            MailboxName::parse_wire(wire.as_bytes()),
            Err(error),
            "{wire:?}"
        );
    }
    for text in ["a\0b", "a\u{2028}b", "\u{feff}", "a\u{7f}"] {
        assert_eq!(
            MailboxName::parse(text),
            Err(NameError::Forbidden),
            "{text:?}"
        );
    }
}

#[test]
fn i12_levels_and_bytes_are_bounded() {
    let levels = |count: usize| vec!["a"; count].join("/");
    assert!(MailboxName::parse(&levels(limits::MAILBOX_LEVELS)).is_ok());
    assert_eq!(
        MailboxName::parse(&levels(limits::MAILBOX_LEVELS + 1)),
        Err(NameError::TooLong)
    );
    assert_eq!(MailboxName::parse(&levels(1000)), Err(NameError::TooLong));
    assert!(MailboxName::parse(&"a".repeat(limits::MAILBOX_NAME)).is_ok());
    assert_eq!(
        MailboxName::parse(&"a".repeat(limits::MAILBOX_NAME + 1)),
        Err(NameError::TooLong)
    );
    assert_eq!(
        MailboxName::parse_wire(&[b'a'; 1_000_000]),
        Err(NameError::TooLong)
    );
    // A text that grows when it is composed anew.
    assert_eq!(
        MailboxName::parse(&"\u{1d15e}".repeat(250)),
        Err(NameError::TooLong)
    );
}

#[test]
fn relations() {
    let name = |text| MailboxName::parse(text).unwrap();
    assert_eq!(name("a/b/c").parent(), Some(name("a/b")));
    assert_eq!(name("a").parent(), None);
    assert!(name("a/b").is_below(&name("a")));
    assert!(!name("ab").is_below(&name("a")));
    assert!(!name("a").is_below(&name("a")));
    assert_eq!(name("Shared Folders/Team/x").shared(), Some("Team/x"));
    assert_eq!(name("Shared Folders").shared(), Some(""));
    assert_eq!(name("Shared Foldersx").shared(), None);
    assert!(name("iNbOx").is_inbox());
}
