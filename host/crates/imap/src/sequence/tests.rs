use super::*;

struct Uids(Vec<u32>);

impl UidList for Uids {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn uid(&self, position: usize) -> u32 {
        self.0[position]
    }

    fn first_not_below(&self, uid: u32) -> usize {
        self.0.partition_point(|&known| known < uid)
    }
}

fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a set"))
}

#[test]
fn what_is_no_set() {
    for text in [
        "",
        "0",
        "1,",
        ",1",
        "1:",
        ":1",
        "1:2:3",
        "a",
        "1 2",
        "-1",
        "4294967296",
        "1,,2",
        "**",
        "+1",
    ] {
        assert_eq!(SequenceSet::parse(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(
        set("4294967295").0,
        [(Bound::Number(u32::MAX), Bound::Number(u32::MAX))]
    );
}

#[test]
fn numbers_of_messages() {
    // Set, messages, zero-based positions.
    let table: &[(&str, usize, Option<&[usize]>)] = &[
        ("1", 3, Some(&[0])),
        ("3,1", 3, Some(&[0, 2])),
        ("2:*", 3, Some(&[1, 2])),
        ("*:2", 3, Some(&[1, 2])),
        ("3:1", 3, Some(&[0, 1, 2])),
        ("1:2,2:3,1", 3, Some(&[0, 1, 2])),
        ("*", 3, Some(&[2])),
        ("4", 3, None),
        ("1:4", 3, None),
        // "What is new": a range to `*` is never beyond.
        ("4:*", 3, Some(&[2])),
        ("1:*", 0, Some(&[])),
        ("*", 0, Some(&[])),
        ("1", 0, None),
    ];
    for &(text, count, expected) in table {
        let got = set(text)
            .positions(count)
            .map(|ranges| ranges.into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(got.as_deref(), expected, "{text} of {count}");
    }
}

#[test]
fn uids() {
    let uids = Uids(vec![2, 5, 9, u32::MAX]);
    let table: &[(&str, &[usize])] = &[
        ("2", &[0]),
        ("3", &[]),
        ("1:5", &[0, 1]),
        ("9:6", &[2]),
        ("10:*", &[3]),
        ("*", &[3]),
        ("1:4294967295", &[0, 1, 2, 3]),
        ("5,5:9,2", &[0, 1, 2]),
    ];
    for &(text, expected) in table {
        let got: Vec<usize> = set(text)
            .uid_positions(&uids)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(got, expected, "{text}");
    }
    assert_eq!(set("1:*").uid_positions(&Uids(Vec::new())), []);
    // RFC 3501 §6.4.8: a range to `*` holds the last message even if it begins behind it.
    let got: Vec<usize> = set("100:*")
        .uid_positions(&Uids(vec![3, 4]))
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(got, [1]);
}

#[test]
fn compressed_in_order() {
    for (numbers, text) in [
        (&[][..], ""),
        (&[7], "7"),
        (&[1, 2, 3, 5], "1:3,5"),
        (&[3, 2, 1], "3,2,1"),
        (&[1, 3, 4, u32::MAX], "1,3:4,4294967295"),
        (&[u32::MAX, 0], "4294967295,0"),
    ] {
        assert_eq!(Compressed(numbers).to_string(), text);
    }
}
