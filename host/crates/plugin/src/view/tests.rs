use std::sync::Arc;

use bytes::Bytes;

use super::MessageView;
use crate::edit::{Field, HeaderEdit};
use crate::source::MessageSource;

const MESSAGE: &str = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Two: one\r\nx-two: two\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n\
    Content-Type: application/x-thing\r\nContent-Disposition: attachment; filename=\"a.bin\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n";

fn view(message: &str) -> MessageView {
    MessageView::open(
        Arc::new(Bytes::copy_from_slice(message.as_bytes())),
        vec!["spf=pass".to_owned()],
    )
    .unwrap()
}

#[test]
fn everything_is_read_as_it_is() {
    let view = view(MESSAGE);
    assert_eq!(view.size(), MESSAGE.len() as u64);
    assert_eq!(view.headers("subject"), ["Grüße"]);
    assert_eq!(view.headers("X-TWO"), ["one", "two"]);
    assert_eq!(
        view.raw_headers()[1],
        ("X-Two".to_owned(), b" one".to_vec())
    );
    assert_eq!(view.auth_results(), ["spf=pass"]);
    for offset in [0, 3, 100, 143, 144, 200] {
        for length in [0, 1, 7, 150, 5000] {
            let end = (offset + length).min(MESSAGE.len());
            let expected = &MESSAGE.as_bytes()[offset..end];
            assert_eq!(
                view.raw(offset as u64, length as u32).unwrap(),
                expected,
                "{offset}+{length}"
            );
        }
    }
    assert_eq!(view.raw(u64::MAX, 1).unwrap(), "");
    let parts = view.parts().unwrap();
    assert_eq!(
        parts
            .iter()
            .map(|part| part.path.as_str())
            .collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(parts[1].name.as_deref(), Some("a.bin"));
    assert_eq!(view.part_bytes(1).unwrap(), [0, 1, 2]);
    assert_eq!(view.part_text(0).unwrap(), "Hello");
    assert_eq!(view.part_bytes(7).unwrap(), b"");
}

#[test]
fn an_edited_message_is_seen_edited_everywhere() {
    let edits = [
        HeaderEdit::Remove("X-Two".into()),
        HeaderEdit::Prepend(Field::new("X-Seen", "yes").unwrap()),
    ];
    let original = view(MESSAGE);
    let edited = original.edited(&edits);
    let expected = format!(
        "X-Seen: yes\r\n{}",
        MESSAGE.replace("X-Two: one\r\nx-two: two\r\n", "")
    );
    assert_eq!(edited.size(), expected.len() as u64);
    assert_eq!(edited.raw(0, 10_000).unwrap(), expected.as_bytes());
    assert_eq!(edited.headers("x-seen"), ["yes"]);
    assert_eq!(edited.part_bytes(1).unwrap(), [0, 1, 2]);
    assert!(original.edited_header().is_none());
    let header = edited.edited_header().unwrap();
    assert!(header.header.ends_with(b"\r\n\r\n"));
    assert_eq!(
        &MESSAGE.as_bytes()[header.body_offset as usize..][..3],
        b"--b"
    );
}

#[test]
fn a_header_without_end_and_a_huge_one_are_cut() {
    assert_eq!(view("Subject: x").headers("subject"), ["x"]);
    let long = format!("A: {}\r\nB: 1\r\n\r\nbody", "x".repeat(100_000));
    assert_eq!(view(&long).headers("b"), ["1"]);
    let huge = "A: x\r\n".repeat(100_000);
    let seen = view(&huge);
    assert_eq!(seen.size(), huge.len() as u64);
    assert_eq!(seen.raw(huge.len() as u64 - 3, 9).unwrap(), "x\r\n");
}
