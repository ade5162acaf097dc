use super::*;

#[test]
fn a_sender_waits_for_the_window() {
    let week = 168 * HOUR_MS;
    for (last, now, expected) in [
        (None, 0, Turn::Answer),
        (Some("1000"), 1000, Turn::Wait),
        (Some("1000"), 999 + week, Turn::Wait),
        (Some("1000"), 1000 + week, Turn::Answer),
        (Some("5000"), 1000, Turn::Wait),
        (Some("nonsense"), 1000 + week, Turn::Wait),
    ] {
        assert_eq!(
            turn(last.map(str::as_bytes), week, now),
            expected,
            "{last:?} at {now}"
        );
    }
}

#[test]
fn replies_are_counted_by_the_hour() {
    let now = 10 * HOUR_MS + 5;
    assert_eq!(counted(None, 2, now).as_deref(), Some("10 1"));
    assert_eq!(counted(Some(b"10 1"), 2, now).as_deref(), Some("10 2"));
    assert_eq!(counted(Some(b"10 2"), 2, now), None);
    assert_eq!(counted(Some(b"9 2"), 2, now).as_deref(), Some("10 1"));
    assert_eq!(counted(Some(b"10 many"), 2, now), None);
}

#[test]
fn keys_fit_and_differ() {
    let long = |end: &str| format!("{}{end}@abc.test", "ü".repeat(120));
    let one = Memory::new("ann@abc.test", &long("1")).sender_key;
    let two = Memory::new("ann@abc.test", &long("2")).sender_key;
    assert!(one.len() <= KEY && two.len() <= KEY);
    assert_ne!(one, two);
    assert_eq!(
        Memory::new("Ann@abc.test", "Bob@XYZ.test"),
        Memory::new("ann@abc.test", "bob@xyz.test")
    );
}
