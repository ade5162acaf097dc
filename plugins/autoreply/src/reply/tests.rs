use super::*;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    Settings::read(&|name| {
        pairs
            .iter()
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
            .collect()
    })
    .unwrap()
}

fn incoming(header: &[(&str, &str)]) -> Incoming {
    Incoming {
        sender: "bob@xyz.test".to_owned(),
        own: vec!["ann@abc.test".to_owned()],
        header: header
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn reply(pairs: &[(&str, &str)], header: &[(&str, &str)], subject: &str) -> Reply {
    Reply::new(
        &settings(pairs),
        &incoming(header),
        "ann@abc.test",
        Some(subject),
        false,
    )
    .unwrap()
}

fn field<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply
        .header
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.as_str())
}

const TEXT: (&str, &str) = (
    "mailAutoReplyText",
    "Away.$$Back on Monday, $FROM.$(About: $SUBJECT)",
);

#[test]
fn the_text_is_filled_in() {
    let made = reply(&[TEXT], &[("From", "Bob <bob@office.test>")], "Lunch");
    assert_eq!(
        made.text,
        "Away.\n\nBack on Monday, bob@office.test.\n(About: Lunch)\n"
    );
    assert_eq!(field(&made, "Subject"), Some("Auto: Lunch"));
    assert_eq!(field(&made, "To"), Some("<bob@xyz.test>"));
    assert_eq!(field(&made, "From"), Some("<ann@abc.test>"));
    assert_eq!(field(&made, "Auto-Submitted"), Some("auto-replied"));
    assert_eq!(made.recipient, "bob@xyz.test");
}

#[test]
fn the_own_subject_is_filled_in() {
    let made = reply(
        &[TEXT, ("mailAutoReplySubject", "Re: $SUBJECT")],
        &[],
        "Lunch",
    );
    assert_eq!(field(&made, "Subject"), Some("Re: Lunch"));
}

#[test]
fn colleagues_get_the_internal_text() {
    let both = settings(&[TEXT, ("mailAutoReplyTextInternal", "Ask Eve.")]);
    let text = |internal| {
        Reply::new(&both, &incoming(&[]), "ann@abc.test", None, internal)
            .unwrap()
            .text
    };
    assert_eq!(text(true), "Ask Eve.\n");
    assert!(text(false).starts_with("Away."));
    let one = settings(&[TEXT]);
    let made = Reply::new(&one, &incoming(&[]), "ann@abc.test", None, true).unwrap();
    assert!(made.text.starts_with("Away."));
}

#[test]
fn without_a_text_there_is_nothing_to_say_but_an_echo() {
    let none = settings(&[]);
    assert!(Reply::new(&none, &incoming(&[]), "ann@abc.test", None, false).is_err());
    let echo = settings(&[("mailAutoReplyMode", "echo")]);
    assert_eq!(
        Reply::new(&echo, &incoming(&[]), "ann@abc.test", None, false)
            .unwrap()
            .text,
        "\n"
    );
}

#[test]
fn the_thread_goes_on() {
    for (header, expected) in [
        (&[][..], None),
        (
            &[("Message-ID", "<1@x.test>")],
            Some(("<1@x.test>", "<1@x.test>")),
        ),
        (
            &[
                ("Message-ID", "<3@x.test>"),
                ("References", "<1@x.test>\r\n <2@x.test>"),
            ],
            Some(("<3@x.test>", "<1@x.test> <2@x.test> <3@x.test>")),
        ),
        (
            &[("Message-ID", "<3@x.test>"), ("In-Reply-To", "<2@x.test>")],
            Some(("<3@x.test>", "<2@x.test> <3@x.test>")),
        ),
        (
            &[
                ("Message-ID", "<3@x.test>"),
                ("In-Reply-To", "<1@x.test> <2@x.test>"),
            ],
            Some(("<3@x.test>", "<3@x.test>")),
        ),
        (&[("Message-ID", "no id at all")], None),
        (&[("Message-ID", "<a@b\u{2028}c>")], None),
    ] {
        let made = reply(&[TEXT], header, "x");
        let found = field(&made, "In-Reply-To").zip(field(&made, "References"));
        assert_eq!(found, expected, "{header:?}");
    }
}

#[test]
fn a_long_thread_keeps_its_start_and_its_end() {
    let references: String = (0..500)
        .map(|number| format!("<{number}@x.test> "))
        .collect();
    let made = reply(
        &[TEXT],
        &[("Message-ID", "<last@x.test>"), ("References", &references)],
        "x",
    );
    let ids: Vec<&str> = field(&made, "References").unwrap().split(' ').collect();
    assert_eq!(ids.len(), REFERENCES);
    assert_eq!(
        (ids[0], ids[1], ids[19]),
        ("<0@x.test>", "<482@x.test>", "<last@x.test>")
    );
}

#[test]
fn l05_no_text_of_a_stranger_makes_a_line() {
    for hostile in [
        "Hi\r\nBcc: eve@evil.test",
        "Hi\nBcc: eve@evil.test",
        "Hi\rBcc: eve@evil.test",
        "Hi\u{2028}Bcc: eve@evil.test",
        "Hi\u{2029}Bcc: eve@evil.test",
        "Hi\u{85}Bcc: eve@evil.test",
        "Hi\u{b}Bcc: eve@evil.test",
        "Hi\0Bcc: eve@evil.test",
    ] {
        let own = [TEXT, ("mailAutoReplySubject", "$SUBJECT $FROM")];
        let from = format!("<bob@{hostile}>");
        let made = reply(&own, &[("From", &from), ("Message-ID", &from)], hostile);
        for (name, value) in &made.header {
            let breaks =
                |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}');
            assert!(!value.contains(breaks), "{name}: {value:?}");
        }
        assert_eq!(made.text.lines().count(), 4, "{:?}", made.text);
    }
}

#[test]
fn a_long_subject_is_cut() {
    let made = reply(&[TEXT], &[], &"ü".repeat(5000));
    assert_eq!(field(&made, "Subject").unwrap().chars().count(), SUBJECT);
    let mut text = "ü".repeat(10);
    truncate(&mut text, 3);
    assert_eq!(text, "ü");
}
