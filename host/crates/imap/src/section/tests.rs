use super::*;

const RAW: &[u8] =
    b"A: 1\r\nB: 2\r\n folded\r\nA: 3\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
--x\r\nContent-Type: message/rfc822\r\n\r\nA: inner\r\n\r\nbody\r\n--x\r\n\r\nlast\r\n--x--\r\n";

/// The bytes of a section, as text; `None` where there is none.
fn bytes(part: &[u32], text: SectionText) -> Option<String> {
    let section = Section {
        part: part.to_vec(),
        text,
    };
    let shape = match section.depth() {
        Depth::Bytes => None,
        Depth::Header => Shape::of_header(RAW, true),
        Depth::Parts => Some(Shape::of_message(RAW)),
    };
    let ranges = section.ranges(shape.as_ref(), RAW.len() as u64)?;
    let bytes = ranges
        .iter()
        .flat_map(|range| &RAW[range.start as usize..range.end as usize]);
    Some(String::from_utf8(bytes.copied().collect()).unwrap())
}

fn fields(choice: FieldChoice, names: &[&str]) -> SectionText {
    SectionText::Fields {
        choice,
        names: names.iter().map(|&name| name.to_owned()).collect(),
    }
}

#[test]
fn known_answers() {
    use FieldChoice::{Others, These};
    let text = |range: Range<usize>| Some(String::from_utf8(RAW[range].to_vec()).unwrap());
    let body = RAW.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(bytes(&[], SectionText::All), text(0..RAW.len()));
    assert_eq!(bytes(&[], SectionText::Header), text(0..body));
    assert_eq!(bytes(&[], SectionText::Text), text(body..RAW.len()));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        bytes(&[], fields(These, &["a"])),
        some("A: 1\r\nA: 3\r\n\r\n")
    );
    assert_eq!(
        bytes(&[], fields(These, &["b", "none"])),
        some("B: 2\r\n folded\r\n\r\n")
    );
    assert_eq!(bytes(&[], fields(These, &["none"])), some("\r\n"));
    assert_eq!(
        bytes(&[], fields(Others, &["a", "content-type"])),
        some("B: 2\r\n folded\r\n\r\n")
    );
    assert_eq!(
        bytes(&[1], SectionText::Mime),
        some("Content-Type: message/rfc822\r\n\r\n")
    );
    assert_eq!(bytes(&[1], SectionText::All), some("A: inner\r\n\r\nbody"));
    assert_eq!(bytes(&[1], SectionText::Header), some("A: inner\r\n\r\n"));
    assert_eq!(bytes(&[1], fields(These, &["A"])), some("A: inner\r\n\r\n"));
    assert_eq!(bytes(&[1], SectionText::Text), some("body"));
    assert_eq!(bytes(&[1, 1], SectionText::All), some("body"));
    assert_eq!(bytes(&[2], SectionText::All), some("last"));
    assert_eq!(bytes(&[2], SectionText::Mime), some("\r\n"));
    for (part, text) in [
        (&[3][..], SectionText::All),
        (&[2], SectionText::Header),
        (&[2], SectionText::Text),
        (&[2], fields(These, &["A"])),
        (&[2, 1], SectionText::All),
        (&[1, 2], SectionText::All),
        (&[1, 1, 1], SectionText::All),
        (&[u32::MAX], SectionText::All),
    ] {
        assert_eq!(bytes(part, text.clone()), None, "{part:?} {text:?}");
    }
}

#[test]
fn headers_without_an_end() {
    let section = Section {
        part: Vec::new(),
        text: fields(FieldChoice::These, &["a"]),
    };
    for (raw, expected) in [
        (&b"A: 1"[..], 0..4),
        (b"A: 1\r\n", 0..6),
        (b"A: 1\n\nb", 0..6),
        (b"\r\nbody", 0..2),
    ] {
        let shape = Shape::of_header(raw, true);
        let ranges = section.ranges(shape.as_ref(), raw.len() as u64).unwrap();
        assert_eq!(ranges, Vec::from_iter([expected]), "{raw:?}");
    }
    let empty = Shape::of_header(b"", true);
    assert_eq!(section.ranges(empty.as_ref(), 0), Some(Vec::new()));
}

#[test]
fn partial_ranges() {
    let ranges = || vec![10..20, 30..35];
    type Pairs = &'static [(u64, u64)];
    let table: &[(u64, u64, Pairs)] = &[
        (0, 15, &[(10, 20), (30, 35)]),
        (0, 3, &[(10, 13)]),
        (9, 2, &[(19, 20), (30, 31)]),
        (10, 100, &[(30, 35)]),
        (14, 1, &[(34, 35)]),
        (15, 1, &[]),
        (u64::MAX, u64::MAX, &[]),
        (0, u64::MAX, &[(10, 20), (30, 35)]),
    ];
    for &(start, count, expected) in table {
        let kept = cut(ranges(), start, count);
        let pairs: Vec<(u64, u64)> = kept.iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(pairs, expected, "<{start}.{count}>");
        let length: u64 = expected.iter().map(|(start, end)| end - start).sum();
        assert_eq!(total(&kept), length);
    }
}

#[test]
fn shown_as_asked() {
    let shown = |part: &[u32], text| {
        Section {
            part: part.to_vec(),
            text,
        }
        .to_string()
    };
    assert_eq!(shown(&[], SectionText::All), "");
    assert_eq!(shown(&[1, 2], SectionText::Mime), "1.2.MIME");
    assert_eq!(shown(&[], SectionText::Text), "TEXT");
    assert_eq!(
        shown(&[4], fields(FieldChoice::Others, &["Date", "a\"(b"])),
        "4.HEADER.FIELDS.NOT (Date \"a\\\"(b\")"
    );
}
