use super::*;

fn patterns(items: &[&str]) -> Vec<Pattern> {
    items.iter().map(|item| Pattern::new(item)).collect()
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

#[test]
fn an_empty_policy_refuses_nothing() {
    let policy = Policy::default();
    assert_eq!(policy.sender(String::new), Ok(()));
    assert_eq!(policy.recipient("ann@abc.test", || false), Ok(()));
    assert_eq!(policy.size(|| u64::MAX), Ok(()));
    assert_eq!(policy.subject(""), Ok(()));
    assert_eq!(policy.text("anything"), Ok(()));
    assert_eq!(policy.attachment("a.exe"), Ok(()));
    assert!(!policy.reads_parts());
}

#[test]
fn senders() {
    let policy = Policy {
        allowed_senders: patterns(&["@partner.test", "<>"]),
        denied_senders: patterns(&["spam@partner.test"]),
        ..Policy::default()
    };
    for (sender, allowed) in [
        ("ann@partner.test", true),
        ("spam@partner.test", false),
        ("ann@else.test", false),
        ("", true),
    ] {
        assert_eq!(
            policy.sender(|| sender.to_owned()).is_ok(),
            allowed,
            "{sender}"
        );
    }
    let no_reports = Policy {
        denied_senders: patterns(&["<>"]),
        ..Policy::default()
    };
    assert!(no_reports.sender(String::new).is_err());
    let known_only = Policy {
        allowed_senders: patterns(&["@partner.test"]),
        ..Policy::default()
    };
    assert!(
        known_only.sender(String::new).is_ok(),
        "reports come from nobody"
    );
}

#[test]
fn recipients() {
    let policy = Policy {
        denied_recipients: patterns(&["old@abc.test"]),
        internal_recipients: patterns(&["all@abc.test"]),
        ..Policy::default()
    };
    for (recipient, inside, allowed) in [
        ("ann@abc.test", false, true),
        ("old@abc.test", true, false),
        ("all@abc.test", false, false),
        ("all@abc.test", true, true),
    ] {
        assert_eq!(
            policy.recipient(recipient, || inside).is_ok(),
            allowed,
            "{recipient} {inside}"
        );
    }
}

#[test]
fn sizes() {
    let policy = Policy {
        max_size: Some(100),
        ..Policy::default()
    };
    assert!(policy.size(|| 100).is_ok());
    let refusal = policy.size(|| 101).unwrap_err();
    assert_eq!((refusal.code, refusal.status), (552, "5.3.4"));
}

#[test]
fn attachments() {
    let policy = Policy {
        refused_extensions: list(&["exe", ".JS"]),
        ..Policy::default()
    };
    for (name, allowed) in [
        ("a.pdf", true),
        ("a.exe", false),
        ("A.EXE", false),
        ("invoice.pdf.exe", false),
        ("a.exe.", false),
        ("a.exe . ", false),
        ("a.js", false),
        ("a.e\u{200b}xe", false),
        ("a.\u{202e}exe", false),
        ("exe", true),
        ("a.exe.pdf", true),
        ("a.exefile", true),
        ("", true),
    ] {
        assert_eq!(policy.attachment(name).is_ok(), allowed, "{name:?}");
    }
}

#[test]
fn words() {
    let policy = Policy {
        refused_words: list(&["Lottery", "größe"]),
        required_words: list(&["[ticket", "invoice"]),
        ..Policy::default()
    };
    assert!(policy.text("You won the LOTTERY").is_err());
    assert!(policy.text("die GRÖSSE").is_ok());
    assert!(policy.text("die GRÖßE").is_err());
    assert!(policy.text("nothing").is_ok());
    assert!(policy.subject("Re: [Ticket 5]").is_ok());
    assert!(policy.subject("hello").is_err());
}

#[test]
fn a_reason_is_one_line_of_bounded_length() {
    assert_eq!(reason("p 1", "too big", None), "Refused by p 1: too big");
    assert_eq!(
        reason("p 1", "too big", Some(" Ask us. ")),
        "Refused by p 1: too big. Ask us."
    );
    let long = reason("p 1", "a\r\n250 ok", Some(&"ü".repeat(500)));
    assert!(
        long.len() <= REASON && !long.contains(char::is_control),
        "{long}"
    );
}
