use mail::{Class, EnhancedStatus, Outcome, Reply};

use super::{RawKind, RawOutcome, RawSettlement, RawVerdict, Verdict, escaped};

fn check(kind: RawKind) -> Result<Verdict, String> {
    RawVerdict {
        kind,
        explanations: Vec::new(),
    }
    .check()
    .map(|(verdict, _)| verdict)
}

#[test]
fn good_answers_pass() {
    let status = EnhancedStatus::new(Class::Permanent, 7, 1);
    assert_eq!(
        check(RawKind::Reject(550, "5.7.1".into(), "No".into())),
        Ok(Verdict::Reject(Reply::new(550, status, "No")))
    );
    assert_eq!(
        check(RawKind::Delay(70_000)),
        Ok(Verdict::Delay { ms: 10_000 })
    );
    let outcome = RawOutcome {
        kind: RawSettlement::NotMine,
        explanations: vec!["Why".into()],
    };
    assert_eq!(
        outcome.check(),
        Ok((Outcome::NotMine, vec!["Why".to_owned()]))
    );
}

#[test]
fn p15_codes_texts_and_line_ends_are_checked() {
    let reject =
        |code, status: &str, text: &str| check(RawKind::Reject(code, status.into(), text.into()));
    for text in [
        "",
        "a\r\n250 OK",
        "a\nb",
        "a\u{2028}b",
        "a\u{85}b",
        "a\0b",
        &"x".repeat(401),
    ] {
        assert!(reject(550, "5.7.1", text).is_err(), "{text:?}");
        assert!(
            check(RawKind::Quarantine(text.repeat(3))).is_err(),
            "{text:?}"
        );
        let done = RawOutcome {
            kind: RawSettlement::Done(text.into()),
            explanations: Vec::new(),
        };
        assert!(done.check().is_err(), "{text:?}");
    }
    for (code, status) in [
        (250, "2.0.0"),
        (450, "5.7.1"),
        (550, "4.7.1"),
        (550, "5.7"),
        (999, "5.7.1"),
        (550, "5.7.1\r\n"),
    ] {
        assert!(reject(code, status, "No").is_err(), "{code} {status}");
    }
    assert!(check(RawKind::Defer(550, "5.7.1".into(), "No".into())).is_err());
    assert!(check(RawKind::Score("s".into(), f64::NAN, "r".into())).is_err());
    for explanations in [vec!["a\r\nb".to_owned()], vec!["a".to_owned(); 9]] {
        assert!(
            RawVerdict {
                kind: RawKind::Proceed,
                explanations
            }
            .check()
            .is_err()
        );
    }
}

#[test]
fn escaping_leaves_one_line() {
    assert_eq!(escaped("a\u{1b}[31m\r\nb", 100), "a\\u{1b}[31m\\r\\nb");
    assert_eq!(escaped("abcdef", 3), "abc…");
}
