use super::*;

#[test]
fn lists_are_read() {
    for (value, expected) in [
        ("ann@abc.test", vec!["ann@abc.test"]),
        (
            " Ann Lee <ann@abc.test>, bob@xyz.test",
            vec!["ann@abc.test", "bob@xyz.test"],
        ),
        ("\"Lee, Ann\" <ann@abc.test>", vec!["ann@abc.test"]),
        ("\"a@b, c\" <ann@abc.test>", vec!["ann@abc.test"]),
        (
            "ann@abc.test (bob@xyz.test, (nested) \\) carl@x.test)",
            vec!["ann@abc.test"],
        ),
        (
            "Team: ann@abc.test, Bob <bob@xyz.test>;",
            vec!["ann@abc.test", "bob@xyz.test"],
        ),
        ("undisclosed-recipients:;", vec![]),
        (
            "<@relay.test,@other.test:ann@abc.test>",
            vec!["ann@abc.test"],
        ),
        ("\"ann lee\"@abc.test", vec!["\"ann lee\"@abc.test"]),
        (
            "=?utf-8?q?ann=40abc.test?= <bob@xyz.test>",
            vec!["bob@xyz.test"],
        ),
        ("ann@\r\n abc.test", vec!["ann@abc.test"]),
        ("<ann@\r\n abc.test>", vec!["ann@abc.test"]),
        ("@abc.test, ann@, ann, <>", vec![]),
        ("\"never closed", vec![]),
        ("(never closed", vec![]),
        ("<ann@abc.test", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(in_list(value), expected, "{value}");
    }
}

#[test]
fn the_key_has_no_case_and_no_quotes() {
    assert_eq!(key("Ann@ABC.test"), "ann@abc.test");
    assert_eq!(key("\"Ann\\ Lee\"@abc.test"), "ann lee@abc.test");
    assert_eq!(key("Ann"), "ann");
}

#[test]
fn hostile_lists_take_linear_time() {
    for unit in ["(", "<", "\"", ",", "a@b,", "\\", "a:"] {
        let value = unit.repeat(100_000);
        assert!(in_list(&value).len() <= 100_000);
    }
}
