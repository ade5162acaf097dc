use super::*;

#[test]
fn days() {
    for (text, day) in [
        ("1-Jan-1970", Some(0)),
        ("01-jan-1970", Some(0)),
        ("31-Dec-1969", Some(-1)),
        ("29-Feb-2024", Some(19_782)),
        ("29-Feb-2000", Some(11_016)),
        ("1-Feb-1994", Some(8_797)),
        ("29-Feb-2023", None),
        ("29-Feb-1900", None),
        ("31-Apr-2024", None),
        ("0-Jan-2024", None),
        ("1-Foo-2024", None),
        ("1-Jan-24", None),
        ("1-Jan", None),
        ("001-Jan-2024", None),
        ("1-Jan-99999", None),
        ("", None),
    ] {
        assert_eq!(Day::parse(text).map(|day| day.0), day, "{text}");
    }
}

#[test]
fn moments() {
    for (text, seconds, offset) in [
        ("17-Jul-1996 02:44:25 -0700", 837_596_665, -420),
        (" 1-Jan-1970 00:00:00 +0000", 0, 0),
        ("01-Jan-1970 01:30:00 +0130", 0, 90),
        ("31-Dec-2016 23:59:60 +0000", 1_483_228_800, 0),
    ] {
        let date = parse_date_time(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(
            (date.at.seconds(), date.offset_minutes),
            (seconds, offset),
            "{text}"
        );
        if !text.contains(":60") {
            assert_eq!(parse_date_time(&date.at.imap(offset)), Some(date), "{text}");
        }
    }
    for text in [
        "17-Jul-1996",
        "17-Jul-1996 02:44:25",
        "17-Jul-1996 24:00:00 +0000",
        "17-Jul-1996 02:44 +0000",
        "17-Jul-1996 02:44:25 0700",
        "17-Jul-1996 02:44:25 +0760",
        "17-Jul-1996 02:44:25 +é00",
        "17-Jul-1996 02:44:25 +0000 x",
    ] {
        assert_eq!(parse_date_time(text), None, "{text}");
    }
}

#[test]
fn a_moment_falls_on_the_day_of_its_own_zone() {
    let date = parse_date_time("17-Jul-1996 23:44:25 -0700").unwrap();
    assert_eq!(Some(Day::of(date)), Day::parse("17-Jul-1996"));
}

#[test]
fn days_of_header_fields() {
    for (text, day) in [
        ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)", Some("17-Jul-1996")),
        ("3 March 2026 12:00", Some("3-Mar-2026")),
        ("Mon, 1 Jan 96 00:00:00 GMT", Some("1-Jan-1996")),
        ("1 Jan 26 00:00:00 GMT", Some("1-Jan-2026")),
        ("1 Jan 126 00:00:00 GMT", Some("1-Jan-2026")),
        ("yesterday", None),
        ("", None),
    ] {
        assert_eq!(parse_header_day(text), day.and_then(Day::parse), "{text}");
    }
}
