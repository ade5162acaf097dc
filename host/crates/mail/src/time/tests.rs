use super::Timestamp;

#[test]
fn forms() {
    let at = Timestamp::from_seconds(1_795_442_400);
    assert_eq!(at.rfc5322(), "Mon, 23 Nov 2026 14:00:00 +0000");
    assert_eq!(at.to_string(), "2026-11-23T14:00:00Z");
    for (offset, text) in [
        (0, "23-Nov-2026 14:00:00 +0000"),
        (60, "23-Nov-2026 15:00:00 +0100"),
        (-570, "23-Nov-2026 04:30:00 -0930"),
        (840, "24-Nov-2026 04:00:00 +1400"),
    ] {
        assert_eq!(at.imap(offset), text);
    }
    assert_eq!(Timestamp::default().imap(0), " 1-Jan-1970 00:00:00 +0000");
    assert_eq!(
        Timestamp::default().rfc5322(),
        "Thu, 1 Jan 1970 00:00:00 +0000"
    );
}

#[test]
fn arithmetic() {
    assert_eq!(Timestamp(1_999).seconds(), 1);
    assert_eq!(Timestamp(-1).seconds(), -1);
    assert_eq!(Timestamp(5).plus_seconds(-1), Timestamp(-995));
    assert!(!Timestamp(i64::MAX).to_string().is_empty());
    assert!(!Timestamp(i64::MIN).rfc5322().is_empty());
}
