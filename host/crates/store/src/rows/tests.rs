//! The bytes of every row, held still: what is on disks must be read by every later version.

use std::fmt::Debug;

use mail::{
    BodyId, Class, Direction, EmailId, EnhancedStatus, Envelope, EnvelopeId, GroupId, ModSeq,
    PersonId, RecipientId, ReversePath, ThreadId, Timestamp, Uid, UidValidity,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::{ContentId, Rights, Usage};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(row: T, expected: &str) {
    let bytes = encode(&row);
    assert_eq!(hex(&bytes), expected, "the format of {row:?} changed");
    assert_eq!(decode::<T>(&bytes), Ok(row));
}

#[test]
fn rows_keep_their_bytes() {
    check(
        MailboxRow {
            owner: Owner::Group(GroupId(5)),
            parent: 300,
            name: "Café".to_owned(),
            special_use: Some(SpecialUse::Junk),
            uid_validity: UidValidity(1_800_000_000),
            uid_next: Uid(7),
            highest_modseq: ModSeq(9),
            messages: 6,
            unseen: 1,
            deleted: 0,
            bytes: 4_711,
            keywords: vec!["$Work".to_owned()],
            expunge_floor: ModSeq(2),
            expunge_log: 3,
        },
        "010205ac0205436166c3a9010480a4a7da060709060100e724010524576f726b0203",
    );
    check(
        MessageRow {
            email: EmailId(77),
            thread: ThreadId(78),
            created: ModSeq(2),
            changed: ModSeq(3),
            internal_date: Timestamp(1_800_000_000_123),
            internal_offset_minutes: -330,
            received: Timestamp(-1),
            saved: Timestamp(0),
            size: 10_240,
            utf8: true,
            flags: Flags::SEEN.union(Flags::DRAFT),
            keywords: vec![0, 300],
            content: ContentId(79),
            copied: None,
        },
        "014d4e0203f6c1e285e36893050100805001110200ac024f",
    );
    // A row from before copies were known as such has no more bytes, as all that are none.
    check(
        MessageRow {
            email: EmailId(77),
            thread: ThreadId(78),
            created: ModSeq(2),
            changed: ModSeq(3),
            internal_date: Timestamp(1_800_000_000_123),
            internal_offset_minutes: -330,
            received: Timestamp(-1),
            saved: Timestamp(0),
            size: 10_240,
            utf8: true,
            flags: Flags::SEEN.union(Flags::DRAFT),
            keywords: vec![0, 300],
            content: ContentId(79),
            copied: Some(EmailId(80)),
        },
        "014d4e0203f6c1e285e36893050100805001110200ac024f0150",
    );
    let extents = vec![
        ExtentRow::Private(b"X: y\r\n".to_vec()),
        ExtentRow::Body {
            body: BodyId(80),
            offset: 128,
            length: 256,
        },
    ];
    check(
        ContentRow {
            references: 2,
            size: 262,
            extents,
        },
        "01028602020006583a20790d0a015080018002",
    );
    check(
        ContentRow {
            references: 1,
            size: 6,
            extents: vec![
                ExtentRow::Hidden { length: 6 },
                ExtentRow::Secret(vec![7, 8]),
            ],
        },
        "010106020206030207 08".replace(' ', "").as_str(),
    );
    check(
        Secret {
            private: b"X".to_vec(),
            keys: vec![(BodyId(80), [9; 32])],
        },
        &format!("010158 0150{}", "09".repeat(32)).replace(' ', ""),
    );
    check(
        ContentKeyRow {
            rows: 2,
            wrapped: vec![1, 2],
        },
        "0102020102",
    );
    check(
        BodyRow {
            references: 3,
            length: 65_537,
        },
        "0103818004",
    );
    check(
        BodyAtRow::Segment {
            segment: 1,
            offset: 4_096,
        },
        "0100018020",
    );
    check(BodyAtRow::File, "0101");
    check(
        BodyAtRow::Encoded {
            segment: 1,
            offset: 4_096,
            encoding: Encoding {
                codec: crate::embedded::Codec::Zstd,
                salt: Some([5; 16]),
            },
        },
        &format!("010201802001 01{}", "05".repeat(16)).replace(' ', ""),
    );
    check(DepthRow { rows: 1, parked: 2 }, "010102");
    check(
        FeedRow {
            owner: Owner::Domain,
        },
        "0100",
    );
    check(
        FullRow {
            since: Timestamp(5),
            usage: Usage {
                bytes: 300,
                messages: 2,
            },
        },
        "010aac0202",
    );
    check(
        GoneRow {
            length: 3,
            floor: FeedCursor::START,
        },
        "01030000",
    );
    check(
        NodeRow {
            first: (Timestamp(5), 300),
            served: Timestamp(i64::MIN),
        },
        "010aac02ffffffffffffffffff01",
    );
    check(
        KvRow {
            expires: Some(Timestamp(5)),
            value: vec![1, 2],
        },
        "01010a020102",
    );
    let line = TraceLine {
        at: Timestamp(6),
        recipient: Some(RecipientId(7)),
        step: "intake".to_owned(),
        text: "ok".to_owned(),
    };
    check(
        TraceRow { lines: vec![line] },
        "01010c010706696e74616b65026f6b",
    );
    check(OperationRow { answer: vec![1, 0] }, "01020100");
    check(
        CheckpointRow {
            sequence: 1,
            segment: 2,
            offset: 300,
        },
        "010102ac02",
    );
    check(
        Usage {
            bytes: 1,
            messages: 2,
        },
        "010102",
    );
    check(Rights::MEMBER, "01bf06");
}

#[test]
fn a_queue_row_keeps_its_bytes() {
    let envelope = Envelope {
        id: EnvelopeId(1),
        reverse_path: ReversePath::Mailbox(mail::Mailbox::parse("\"a b\"@abc.test").unwrap()),
        direction: Direction::Submission,
        authenticated: Some(PersonId(2)),
        peer: Some("192.0.2.1".parse().unwrap()),
        helo: "h".to_owned(),
        encrypted: true,
        received: Timestamp(3),
        body: mail::Body::EightBitMime,
        utf8: false,
        envid: Some("e".to_owned()),
    };
    let row = WorkRow {
        envelope,
        recipient: RecipientId(4),
        original: "B@x.test".to_owned(),
        address: mail::Mailbox::parse("b@x.test").unwrap(),
        work: Work::Remote {
            channel: "smtp".to_owned(),
            next_hop: Some("mx".to_owned()),
        },
        parked: Some((ParkedReason::Circuit, "p".to_owned())),
        due: Timestamp(5),
        attempts: 6,
        created: Timestamp(7),
        expires: Timestamp(8),
        last: Some((
            Some(EnhancedStatus::new(Class::Transient, 4, 1)),
            "t".to_owned(),
        )),
        started: Some(Started {
            attempt: 1,
            label: "l".to_owned(),
            file_length: Some(9),
            at: Timestamp(10),
        }),
        delay_told: true,
        content: ContentId(11),
        size: 12,
        utf8: false,
        thread: Some(ThreadId(13)),
    };
    check(
        row,
        "01010e2261206222406162632e746573740101020100c000020101680106010001016504084240782e74657374086240782e746573740104736d747001026d78010301700a060e10010105342e342e3101740101016c010914010b0c00010d",
    );
}

#[test]
fn an_encrypted_row_opens_with_its_key_at_its_place_alone() {
    let domain = DomainId(3);
    let ring = Keyring::default();
    let plain = encode(&"text".to_owned());
    for owner in [Owner::Domain, Owner::Person(PersonId(4))] {
        let with = ring.need(domain, owner).unwrap();
        let key = keys::setting(domain, b"k");
        let mailbox = keys::mailbox(domain, mail::MailboxId(9));
        let value = encrypt(&mailbox, owner, &with, &plain);
        assert_eq!(locked_owner(&value), Some(owner));
        assert_eq!(reveal(&mailbox, (&value[..]).into(), &ring), plain);
        // Another row, another table, another ring: it stays what it is.
        let other = keys::mailbox(domain, mail::MailboxId(8));
        assert_eq!(reveal(&other, (&value[..]).into(), &ring), value);
        assert_eq!(reveal(&key, (&value[..]).into(), &ring), value);
        let strange = Keyring::default();
        strange.need(domain, owner).unwrap();
        assert_eq!(reveal(&mailbox, (&value[..]).into(), &strange), value);
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            let read = reveal(&mailbox, (&changed[..]).into(), &ring);
            assert_eq!(read, changed, "byte {at}");
        }
        let read = decode::<String>(&value);
        assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
    }
}

#[test]
fn other_versions_and_cut_rows_are_damage() {
    let good = encode(&BodyRow {
        references: 3,
        length: 65_537,
    });
    for bytes in [
        &[][..],
        &[2, 3, 1],
        &good[..good.len() - 1],
        &[1, 255, 255, 255, 255, 255, 255],
    ] {
        let read = decode::<BodyRow>(bytes);
        assert!(
            matches!(read, Err(Error::Damaged(_))),
            "{bytes:?}: {read:?}"
        );
    }
}
