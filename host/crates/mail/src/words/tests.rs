use std::collections::HashSet;

use super::{Codes, all, fill, to_markdown};
use crate::Class;

/// The page is printed from the table: `UPDATE_DOCS=1 cargo test -p mail` writes it anew.
#[test]
fn page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/replies.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, to_markdown()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap();
    assert!(
        page == to_markdown(),
        "docs/replies.md is old: run UPDATE_DOCS=1 cargo test -p mail"
    );
}

#[test]
fn ids_are_used_once() {
    let mut seen = HashSet::new();
    for word in all() {
        assert!(seen.insert(word.id), "{} twice", word.id);
    }
    assert!(seen.len() > 150);
}

#[test]
fn rows_are_whole() {
    for word in all() {
        assert!(
            !word.text.is_empty() && !word.cause.is_empty() && !word.remedy.is_empty(),
            "{}",
            word.id
        );
        assert!(
            !word.text.ends_with('.') || matches!(word.codes, Codes::Report(None)),
            "{}",
            word.id
        );
        assert!(word.text.is_ascii(), "{}", word.id);
        if let Codes::Smtp(code, Some(enhanced)) = word.codes {
            assert_eq!(
                code / 100,
                u16::from(enhanced.class().digit()),
                "{}",
                word.id
            );
        }
        if !matches!(word.codes, Codes::Report(None)) {
            assert!(!word.text.contains('\n'), "{}", word.id);
        }
    }
}

/// The codes that directory.md fixes.
#[test]
fn codes_of_the_message_way() {
    let table = [
        (&super::UNKNOWN_USER, "550 5.1.1"),
        (&super::UNKNOWN_DOMAIN, "550 5.1.2"),
        (&super::RELAYING_DENIED, "550 5.7.1"),
        (&super::DOMAIN_TAKES_NO_MAIL, "556 5.1.10"),
        (&super::INACTIVE, "450 4.2.1"),
        (&super::DISABLED, "550 5.2.1"),
        (&super::DELETED, "550 5.1.6"),
        (&super::OVER_QUOTA, "452 4.2.2"),
        (&super::OVER_QUOTA_LONG, "552 5.2.2"),
        (&super::SENDER_NOT_OWN, "553 5.7.1"),
        (&super::NEXT_TRANSACTION, "452 4.5.3"),
        (&super::DISK_RESERVE, "452 4.3.1"),
        (&super::MESSAGE_TOO_BIG, "552 5.3.4"),
    ];
    for (word, codes) in table {
        assert!(
            word.line().starts_with(codes),
            "{}: {}",
            word.id,
            word.line()
        );
    }
}

#[test]
fn values_cannot_forge_a_line() {
    let reply = super::UNKNOWN_USER.reply_with(&[("address", "x\r\n250 ok\u{2028}y")]);
    assert_eq!(
        reply.wire(),
        b"550 5.1.1 x  250 ok y: there is no such mailbox here\r\n"
    );
}

#[test]
fn places() {
    for (text, values, filled) in [
        ("{a} and {b}", &[("a", "1"), ("b", "2")][..], "1 and 2"),
        ("{a}{a}", &[("a", "{a}")][..], "{a}{a}"),
        ("{missing}", &[("a", "1")][..], "{missing}"),
        ("open {", &[][..], "open {"),
        ("{{a}", &[("a", "1")][..], "{1"),
        ("", &[][..], ""),
    ] {
        assert_eq!(fill(text, values), filled, "{text}");
    }
    assert_eq!(
        fill("{a}", &[("a", &"x".repeat(5000))]).len(),
        super::VALUE_CHARS
    );
}

#[test]
fn outcomes_follow_the_class() {
    use crate::Outcome;
    for word in all() {
        let outcome = word.outcome_with(&[]);
        let class = word
            .enhanced()
            .map_or(Class::Transient, |enhanced| enhanced.class());
        match outcome {
            Outcome::Done { .. } => assert_eq!(class, Class::Success),
            Outcome::Deferred { status, .. } => {
                assert_eq!((class, status.class()), (Class::Transient, class));
            }
            Outcome::Failed { status, .. } => {
                assert_eq!((class, status.class()), (Class::Permanent, class));
            }
            Outcome::NotMine => panic!("{}", word.id),
        }
    }
}

#[test]
fn lines_of_the_protocols() {
    assert_eq!(
        super::POP3_IN_USE.line(),
        "-ERR [IN-USE] Another POP3 session has this mailbox open"
    );
    assert_eq!(
        super::IMAP_DONE.line_with(&[("command", "FETCH")]),
        "OK FETCH done"
    );
    assert_eq!(
        super::IMAP_MAILBOX_MISSING.text(),
        "[NONEXISTENT] There is no such mailbox"
    );
    assert_eq!(super::CLI_EXISTS.exit_code(), 4);
    assert_eq!(
        super::CLI_NOT_FOUND.help_with(&[
            ("what", "Domain"),
            ("name", "a.test"),
            ("kind", "domain")
        ]),
        "Domain 'a.test' is not here\n`postroom domain list` shows what is here."
    );
}
