use super::*;

fn incoming(sender: &str, header: &[(&str, &str)]) -> Incoming {
    let mut header: Vec<(String, String)> = header
        .iter()
        .map(|(name, value)| ((*name).to_owned(), format!(" {value}")))
        .collect();
    if !header.iter().any(|(name, _)| name == "To") {
        header.push(("To".to_owned(), " Ann <ann@abc.test>".to_owned()));
    }
    let own = ["ann@abc.test", "lee@abc.test"].map(str::to_owned).to_vec();
    Incoming {
        sender: sender.to_owned(),
        own,
        header,
    }
}

const BOB: &str = "bob@xyz.test";

#[test]
fn a_letter_from_a_person_is_answered() {
    for header in [
        &[][..],
        &[("Auto-Submitted", "no")],
        &[("Auto-Submitted", "No ; by=hand")],
        &[("Precedence", "first-class")],
        &[("To", "LEE@ABC.TEST")],
        &[("To", "x@y.test"), ("Cc", "\"Lee\" <lee@abc.test>")],
        &[("To", "x@y.test"), ("Resent-To", "ann@abc.test")],
        &[("X-Auto-Response-Suppress", "DR, RN")],
        &[("Listen", "to this")],
    ] {
        assert_eq!(check(&incoming(BOB, header)), Ok(()), "{header:?}");
    }
}

#[test]
fn l03_what_is_not_from_a_person_is_not_answered() {
    for (sender, header) in [
        ("", &[][..]),
        ("MAILER-DAEMON@xyz.test", &[]),
        ("owner-friends@xyz.test", &[]),
        ("friends-request@xyz.test", &[]),
        ("friends-bounces@xyz.test", &[]),
        ("bounces+17-ann=abc.test@xyz.test", &[]),
        ("LISTSERV@xyz.test", &[]),
        ("no-reply@xyz.test", &[]),
        ("ann@abc.test", &[]),
        ("Lee@ABC.test", &[]),
        ("\"ann\"@abc.test", &[]),
        (BOB, &[("Auto-Submitted", "auto-replied")]),
        (BOB, &[("auto-submitted", "auto-generated (cron)")]),
        (BOB, &[("Auto-Submitted", "")]),
        (
            BOB,
            &[
                ("Auto-Submitted", "no"),
                ("Auto-Submitted", "auto-notified"),
            ],
        ),
        (BOB, &[("List-Id", "<friends.xyz.test>")]),
        (BOB, &[("LIST-UNSUBSCRIBE", "<mailto:x@y.test>")]),
        (BOB, &[("Precedence", "bulk")]),
        (BOB, &[("precedence", "Junk")]),
        (BOB, &[("Precedence", "list")]),
        (BOB, &[("X-Auto-Response-Suppress", "DR, OOF")]),
        (
            BOB,
            &[(
                "Content-Type",
                "Multipart/Report; report-type=delivery-status",
            )],
        ),
        (BOB, &[("Return-Path", "< >")]),
        (BOB, &[("To", "friends@xyz.test")]),
        (BOB, &[("To", "\"ann@abc.test\" <friends@xyz.test>")]),
        (BOB, &[("To", "undisclosed-recipients:;")]),
    ] {
        assert!(
            check(&incoming(sender, header)).is_err(),
            "{sender} {header:?}"
        );
    }
}

#[test]
fn a_domain_is_whole() {
    assert!(is_of_domain("ann@ABC.test", "abc.test"));
    assert!(!is_of_domain("ann@notabc.test", "abc.test"));
    assert!(!is_of_domain("abc.test", "abc.test"));
}
