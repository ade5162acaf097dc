use super::*;

#[test]
fn ends_mean_what_sysexits_says() {
    for (exit_code, timed_out, expected) in [
        (Some(0), false, "done"),
        (Some(75), false, "again"),
        (None, false, "again"),
        (None, true, "again"),
        (Some(0), true, "again"),
        (Some(1), false, "5.3.0"),
        (Some(64), false, "5.3.0"),
        (Some(65), false, "5.6.0"),
        (Some(67), false, "5.1.1"),
        (Some(68), false, "5.1.2"),
        (Some(77), false, "5.7.1"),
        (Some(78), false, "5.3.5"),
        (Some(127), false, "5.3.0"),
        (Some(-1), false, "5.3.0"),
        (Some(255), false, "5.3.0"),
    ] {
        let found = match meaning(exit_code, timed_out) {
            Meaning::Done => "done",
            Meaning::TryAgain(_) => "again",
            Meaning::Refused { status, .. } => status,
        };
        assert_eq!(found, expected, "{exit_code:?} {timed_out}");
    }
}

#[test]
fn the_first_line_is_fit_for_a_trace() {
    assert_eq!(
        first_line(b"\n  \nno such folder\nmore").as_deref(),
        Some("no such folder")
    );
    assert_eq!(
        first_line(b"red \x1b[31m\x07").as_deref(),
        Some("red  [31m ")
    );
    assert_eq!(first_line(&[b'x'; 5000]).map(|line| line.len()), Some(LINE));
    assert_eq!(first_line(b"\xff").as_deref(), Some("\u{fffd}"));
    assert_eq!(first_line(b"\n\n"), None);
}
