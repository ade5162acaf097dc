use super::*;

#[test]
fn patterns_match() {
    for (pattern, address, expected) in [
        ("ann@xyz.test", "ann@xyz.test", true),
        ("Ann@XYZ.test", "ann@xyz.TEST", true),
        ("ann@xyz.test", "anna@xyz.test", false),
        ("ann@", "ann@anywhere.test", true),
        ("ann@", "joann@anywhere.test", false),
        ("@xyz.test", "ann@xyz.test", true),
        ("@xyz.test", "ann@sub.xyz.test", false),
        ("@xyz.test", "ann@notxyz.test", false),
        (".xyz.test", "ann@sub.xyz.test", true),
        (".xyz.test", "ann@xyz.test", false),
        (".xyz.test", "ann@notxyz.test", false),
        ("<>", "", true),
        ("<>", "ann@xyz.test", false),
        ("@xyz.test", "", false),
        ("*", "", true),
        ("*", "ann@xyz.test", true),
        ("\"a@b\"@xyz.test", "\"a@b\"@xyz.test", true),
        ("xyz.test", "ann@xyz.test", false),
        ("", "ann@xyz.test", false),
    ] {
        assert_eq!(
            any(&[Pattern::new(pattern)], address),
            expected,
            "{pattern} {address}"
        );
    }
}
