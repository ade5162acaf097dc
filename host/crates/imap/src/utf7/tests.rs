use proptest::prelude::*;

use super::*;

#[test]
fn known_answers() {
    for (text, wire) in [
        ("INBOX", "INBOX"),
        ("a&b", "a&-b"),
        ("&", "&-"),
        ("Café", "Caf&AOk-"),
        // RFC 3501 §5.1.3.
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", "&2D3eAA-"),
        ("", ""),
    ] {
        assert_eq!(encode(text), wire);
        assert_eq!(decode(wire.as_bytes()).as_deref(), Some(text), "{wire}");
    }
    // As clients of IMAP4rev2 send it.
    assert_eq!(decode("Café".as_bytes()).as_deref(), Some("Café"));
}

#[test]
fn i12_only_the_one_right_form_is_read() {
    for wire in [
        "&AC8-",      // "/", which needs no shift
        "&AEE-",      // "A"
        "Caf&AOk",    // not closed
        "&AOk-&AOk-", // two shifts where one does
        "&AOl-",      // bits that are left over are not zero
        "&AO-",       // half a character
        "&2D0-",      // half a pair
        "&3gA-",
        "&*-",
        "&AOk/-",
    ] {
        assert_eq!(decode(wire.as_bytes()), None, "{wire}");
    }
    // Overlong UTF-8, and no UTF-8 at all.
    for wire in [&b"\xc0\xaf"[..], b"\xff", b"\xed\xa0\x80"] {
        assert_eq!(decode(wire), None, "{wire:?}");
    }
}

proptest! {
    #[test]
    fn round_trip(text in "\\PC{0,40}") {
        prop_assert_eq!(decode(encode(&text).as_bytes()), Some(text));
    }

    #[test]
    fn what_is_read_is_written_back(wire in "[&A-Za-z0-9+,/ -]{0,30}") {
        if let Some(text) = decode(wire.as_bytes()) {
            prop_assert_eq!(encode(&text), wire);
        }
    }
}
