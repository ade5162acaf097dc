use super::*;

/// A name with its values.
type Given<'a> = (&'a str, &'a [&'a str]);
/// A node, how it is read, and the name that it gets.
type Named<'a> = (&'a str, Layout, &'a [Given<'a>], Option<&'a str>);

fn entry(dn: &str, attributes: &[Given<'_>]) -> Entry {
    let of = |(name, values): &Given<'_>| {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        ((*name).to_owned(), values)
    };
    Entry::from(SearchEntry {
        dn: dn.to_owned(),
        attrs: attributes.iter().map(of).collect(),
        bin_attrs: HashMap::new(),
    })
}

fn abc() -> DomainEntry {
    let node = entry("ou=abc.test,o=mail", &[("ASSOCIATEDDOMAIN", &["abc.test"])]);
    node.domain(DomainId(1), &Attributes::default(), Layout::Flat)
        .expect("a domain")
}

#[test]
fn a10_attributes_are_found_in_any_case() {
    let found = entry(
        "uid=ann,o=mail",
        &[
            ("MAIL", &["ann@abc.test"]),
            ("MAILalternateADDRESS", &["smith@abc.test"]),
            ("InetUserStatus", &["disabled"]),
        ],
    );
    let person = found
        .person(PersonId(2), &abc(), &Attributes::default())
        .expect("a person");
    assert_eq!(person.mail.to_string(), "ann@abc.test");
    assert_eq!(person.alternate_addresses.len(), 1);
    assert_eq!(person.status, State::Disabled);
}

#[test]
fn a10_an_entry_that_is_too_large_is_refused() {
    let large = "x".repeat(ENTRY_BYTES + 1);
    let found = entry("uid=ann,o=mail", &[("mail", &[&large])]);
    let error = found.check_size().expect_err("too large");
    assert!(error.contains("uid=ann,o=mail"), "{error}");
}

#[test]
fn domains_get_their_name_from_the_tree() {
    let names = Attributes::default();
    let cases: [Named<'_>; 8] = [
        ("ou=abc.test,o=mail", Layout::Flat, &[], Some("abc.test")),
        ("ou=people,o=mail", Layout::Flat, &[], None),
        (
            "ou=x,o=mail",
            Layout::Flat,
            &[("associatedDomain", &["abc.test"])],
            Some("abc.test"),
        ),
        (
            "ou=b.test,o=mail",
            Layout::Flat,
            &[("associatedDomain", &["a.test", "b.test"])],
            Some("b.test"),
        ),
        (
            "ou=x,o=mail",
            Layout::Flat,
            &[("associatedDomain", &["b.test", "a.test"])],
            Some("a.test"),
        ),
        (
            "ou=x,o=mail",
            Layout::Flat,
            &[
                ("associatedDomain", &["a.test", "b.test"]),
                ("sunPreferredDomain", &["b.test"]),
            ],
            Some("b.test"),
        ),
        (
            "dc=abc,dc=test,o=internet",
            Layout::Dc,
            &[],
            Some("abc.test"),
        ),
        ("o=internet", Layout::Dc, &[], None),
    ];
    for (dn, layout, attributes, expected) in cases {
        let name = entry(dn, attributes).domain_names(&names, layout);
        assert_eq!(
            name.ok().map(|(name, _)| name.to_string()).as_deref(),
            expected,
            "{dn}"
        );
    }
}

#[test]
fn values_that_make_no_sense_do_what_stored_ones_do() {
    let found = entry(
        "uid=ann,o=mail",
        &[
            ("mail", &["ann@abc.test"]),
            (
                "mailAlternateAddress",
                &["ann@elsewhere.test", "not an address"],
            ),
            ("inetUserStatus", &["asleep"]),
            ("mailUserStatus", &["hold"]),
            ("mailAllowedServiceAccess", &["imap"]),
            ("mailDeliveryOption", &["native", "mailbox"]),
            ("mailQuota", &["-2"]),
            ("mailMsgQuota", &["-7"]),
        ],
    );
    let person = found
        .person(PersonId(2), &abc(), &Attributes::default())
        .expect("a person");
    assert!(person.alternate_addresses.is_empty());
    assert_eq!(person.status, State::Inactive);
    assert_eq!(person.mail_status, State::Inactive);
    assert!(matches!(person.services, ServiceAccess::Unreadable(_)));
    assert_eq!(person.delivery_options, [routing::DeliveryOption::Mailbox]);
    assert_eq!(person.quota_bytes, Quota::Default);
    assert_eq!(person.quota_messages, Quota::Default);
}

#[test]
fn entries_that_stand_for_nobody_are_errors() {
    let names = Attributes::default();
    let no_mail = entry("uid=ann,o=mail", &[]);
    assert!(no_mail.person(PersonId(1), &abc(), &names).is_err());
    let other_store = entry(
        "uid=ann,o=mail",
        &[
            ("mail", &["ann@abc.test"]),
            ("mailMessageStore", &["second"]),
        ],
    );
    assert!(other_store.person(PersonId(1), &abc(), &names).is_err());
    let no_target = entry("cn=x,o=mail", &[("mail", &["x@abc.test"])]);
    assert!(no_target.alias(&abc(), &names).is_err());
}

#[test]
fn times_are_read() {
    let cases = [
        ("19700101000000Z", Some(0)),
        ("20000229120000Z", Some(951_825_600)),
        ("20261123180000.123456Z", Some(1_795_456_800)),
        ("20000229", Some(951_782_400)),
        ("20001301000000Z", None),
        ("20000101000000+0200", None),
        ("now", None),
    ];
    for (text, expected) in cases {
        if let (Some(seconds), 15) = (expected, text.len()) {
            assert_eq!(generalized(Timestamp::from_seconds(seconds)), text);
        }
        assert_eq!(
            generalized_time(text).map(Timestamp::seconds),
            expected,
            "{text}"
        );
    }
}
