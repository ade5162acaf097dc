use proptest::prelude::*;

use super::{AddressError, ForwardPath, Mailbox, ReversePath};
use crate::{DomainError, LocalpartError};

const LONG_64: &str = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg";

/// What is read, and how it is written again; `None` is refused. One table for every place
/// that reads addresses.
#[test]
fn s11_address_corpus() {
    let ten_thousand = format!("{}@abc.test", "a".repeat(10_000));
    let longest = format!("{LONG_64}@abc.test");
    let too_long = format!("{LONG_64}h@abc.test");
    let long_path = format!("a@{}", vec!["b".repeat(60); 5].join("."));
    let table: &[(&str, Option<&str>)] = &[
        ("ann@abc.test", Some("ann@abc.test")),
        ("Ann@ABC.Test", Some("Ann@abc.test")),
        ("a.b.c@abc.test", Some("a.b.c@abc.test")),
        (
            "!#$%&'*+-/=?^_`{|}~@abc.test",
            Some("!#$%&'*+-/=?^_`{|}~@abc.test"),
        ),
        ("\"ann\"@abc.test", Some("ann@abc.test")),
        ("\"a b\"@abc.test", Some("\"a b\"@abc.test")),
        ("\"a@b\"@abc.test", Some("\"a@b\"@abc.test")),
        (r#""a\"b"@abc.test"#, Some(r#""a\"b"@abc.test"#)),
        (r#""a\\b"@abc.test"#, Some(r#""a\\b"@abc.test"#)),
        (r#""\a\n\n"@abc.test"#, Some("ann@abc.test")),
        ("\"a..b\"@abc.test", Some("\"a..b\"@abc.test")),
        ("\"<script>\"@abc.test", Some("\"<script>\"@abc.test")),
        ("ann@[192.0.2.1]", Some("ann@[192.0.2.1]")),
        ("ann@[IPv6:2001:db8::1]", Some("ann@[IPv6:2001:db8::1]")),
        ("ann@[ipv6:2001:DB8:0::1]", Some("ann@[IPv6:2001:db8::1]")),
        ("grüße@abc.test", Some("grüße@abc.test")),
        ("ann@bücher.test", Some("ann@xn--bcher-kva.test")),
        ("ann@localhost", Some("ann@localhost")),
        (&longest, Some(&longest)),
        ("", None),
        ("ann", None),
        ("@", None),
        ("@abc.test", None),
        ("ann@", None),
        ("ann@@abc.test", None),
        ("a@b@abc.test", None),
        ("\"a@b@abc.test", None),
        ("a\"b\"@abc.test", None),
        ("\"a\"b@abc.test", None),
        ("\"\"@abc.test", None),
        ("\"a\"b\"@abc.test", None),
        (r#""a\"@abc.test"#, None),
        (".ann@abc.test", None),
        ("ann.@abc.test", None),
        ("a..n@abc.test", None),
        ("a b@abc.test", None),
        ("ann(comment)@abc.test", None),
        ("ann@abc.test(comment)", None),
        ("<ann@abc.test>", None),
        ("ann@abc.test>", None),
        ("\"a\r\nb\"@abc.test", None),
        ("\"a\\\r\\\nb\"@abc.test", None),
        ("\"a\0b\"@abc.test", None),
        ("a\0@abc.test", None),
        ("a\u{7f}@abc.test", None),
        ("a\u{85}b@abc.test", None),
        ("ann@abc.test\r\n", None),
        ("ann@abc test", None),
        ("ann@abc..test", None),
        ("ann@.abc.test", None),
        ("ann@abc.test.", None),
        ("ann@-abc.test", None),
        ("ann@abc-.test", None),
        ("ann@abc_.test", None),
        ("ann@[192.0.2.1", None),
        ("ann@192.0.2.1]", None),
        ("ann@[192.0.2]", None),
        ("ann@[192.0.2.256]", None),
        ("ann@[2001:db8::1]", None),
        ("ann@[IPv6:192.0.2.1]", None),
        ("ann@[x:y]", None),
        (&too_long, None),
        (&ten_thousand, None),
        (&long_path, None),
    ];
    for (text, expected) in table {
        let parsed = Mailbox::parse(text);
        assert_eq!(
            parsed.as_ref().ok().map(ToString::to_string).as_deref(),
            *expected,
            "{text:?}"
        );
    }
}

/// The shapes by which relays were opened are local parts like any other, or refused. None of
/// them leads out of the domain behind the last `@`.
#[test]
fn s12_relay_shapes_stay_in_their_domain() {
    for (text, domain) in [
        ("user%other.test@ours.test", Some("ours.test")),
        ("other.test!user@ours.test", Some("ours.test")),
        ("\"user@other.test\"@ours.test", Some("ours.test")),
        ("user+victim=other.test@ours.test", Some("ours.test")),
        (
            "user@[IPv6:::ffff:192.0.2.1]",
            Some("[IPv6:::ffff:192.0.2.1]"),
        ),
        ("@a.test,@b.test:user@c.test", None),
        ("@a.test:user@c.test", None),
        ("user@other.test@ours.test", None),
        ("user@ours.test.", None),
    ] {
        let parsed = Mailbox::parse(text).ok();
        assert_eq!(
            parsed.as_ref().map(|mailbox| mailbox.domain().as_str()),
            domain,
            "{text}"
        );
    }
    assert_eq!(
        Mailbox::parse("@a.test:u@c.test"),
        Err(AddressError::SourceRoute)
    );
}

#[test]
fn errors_name_the_part() {
    for (text, error) in [
        ("ann", AddressError::NoDomain),
        ("@abc.test", AddressError::SourceRoute),
        ("ann@", AddressError::Domain(DomainError::Empty)),
        (
            "\"\"@abc.test",
            AddressError::Localpart(LocalpartError::Empty),
        ),
        (
            "a b@abc.test",
            AddressError::Localpart(LocalpartError::Syntax),
        ),
        (
            "ann@a b",
            AddressError::Domain(DomainError::Syntax("a b".into())),
        ),
    ] {
        assert_eq!(Mailbox::parse(text), Err(error), "{text}");
    }
}

#[test]
fn quoted_and_unquoted_are_the_same_mailbox() {
    for (one, other) in [
        ("ann@abc.test", "\"ann\"@ABC.test"),
        ("ANN@abc.test", r#""\a\N\n"@abc.test"#),
        ("gru\u{308}n@abc.test", "GRÜN@abc.test"),
    ] {
        let (one, other) = (Mailbox::parse(one).unwrap(), Mailbox::parse(other).unwrap());
        assert_eq!(one.key(), other.key());
    }
}

#[test]
fn paths() {
    let ann = Mailbox::parse("ann@abc.test").unwrap();
    assert_eq!(ReversePath::Null.to_string(), "<>");
    assert!(ReversePath::Null.is_null() && ReversePath::Null.mailbox().is_none());
    assert_eq!(
        ReversePath::Mailbox(ann.clone()).to_string(),
        "<ann@abc.test>"
    );
    assert_eq!(ForwardPath::Postmaster.to_string(), "<Postmaster>");
    assert_eq!(
        ForwardPath::Mailbox(ann.clone()).to_string(),
        "<ann@abc.test>"
    );
    assert_eq!(ReversePath::try_from(String::new()), Ok(ReversePath::Null));
    let back = ReversePath::try_from(String::from(ReversePath::Mailbox(ann.clone())));
    assert_eq!(back, Ok(ReversePath::Mailbox(ann)));
    assert!(!Mailbox::parse("ann@bücher.test").unwrap().is_utf8());
    assert!(Mailbox::parse("grün@abc.test").unwrap().is_utf8());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,300}") {
        if let Ok(mailbox) = Mailbox::parse(&text) {
            let written = mailbox.to_string();
            prop_assert!(!written.chars().any(char::is_control));
            prop_assert_eq!(Mailbox::parse(&written), Ok(mailbox));
        }
    }

    #[test]
    fn addresses_survive_writing(local in "[ -~äöüßÅ]{1,20}", domain in "[a-z0-9]{1,10}(\\.[a-z]{2,5}){0,3}") {
        let quoted = local.replace('\\', "\\\\").replace('"', "\\\"");
        let mailbox = Mailbox::parse(&format!("\"{quoted}\"@{domain}")).unwrap();
        prop_assert_eq!(mailbox.localpart().as_str(), &local);
        prop_assert_eq!(Mailbox::parse(&mailbox.to_string()), Ok(mailbox));
    }
}
