use super::*;
use crate::rows::encode;
use crate::{Config, FlagChange, FlagOperation, Memory, NewMessage, Piece, Place, Store};

/// A block with these UIDs of it, of which `unseen` are not seen.
fn block(there: &[u32], unseen: &[u32]) -> Block {
    let mut block = Block::default();
    for uid in there {
        let seen = if unseen.contains(uid) {
            Flags::NONE
        } else {
            Flags::SEEN
        };
        block.note(Uid(*uid), Some(seen));
    }
    block
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a row are held still: disks have them.
#[test]
fn a_block_keeps_its_bytes() {
    let every = |step| (0..BLOCK).step_by(step).collect::<Vec<_>>();
    let cases = [
        (block(&[], &[]), "0100000000".to_owned()),
        (
            block(&[1, 2, 3, 1023], &[3]),
            "01000401 03fb0701 000203 01".replace(' ', ""),
        ),
        (block(&every(1), &[]), "010002008008 0000".replace(' ', "")),
        (
            block(&every(2), &every(4)),
            format!(
                "0101 8001 {} 01 8001 {}",
                "55".repeat(128),
                "11".repeat(128)
            )
            .replace(' ', ""),
        ),
    ];
    for (block, expected) in cases {
        let bytes = encode(&block.row());
        assert_eq!(hex(&bytes), expected);
        assert_eq!(Block::from(decode::<BlockRow>(&bytes).unwrap()), block);
    }
}

#[test]
fn a_block_is_as_its_messages_are() {
    let mut noted = block(&[1024, 1030, 1031, 2047], &[1030, 2047]);
    let runs: Vec<_> = noted.there.runs().collect();
    assert_eq!(runs, [(0, 1), (6, 2), (1023, 1)]);
    assert_eq!((noted.there.count(), noted.unseen.count()), (4, 2));
    noted.note(Uid(1030), Some(Flags::SEEN));
    noted.note(Uid(1024), None);
    assert_eq!(noted, block(&[1031, 2047, 1030], &[2047]));
    for uid in [1030, 1031, 2047] {
        assert!(!noted.is_empty());
        noted.note(Uid(uid), None);
    }
    assert!(noted.is_empty());
    assert_eq!(noted, Block::default());
    assert_eq!(
        [1023, 1024, 2047, 2048].map(|uid| block_of(Uid(uid))),
        [0, 1, 1, 2]
    );
}

/// A row that says more than a block holds does no harm.
#[test]
fn a_row_that_is_too_long_is_cut() {
    let long = BitsRow::Runs(vec![1000, 60_000, 1, 5]);
    let bits = Bits::from(long);
    assert_eq!(bits.runs().collect::<Vec<_>>(), [(1000, 24)]);
    let bits = Bits::from(BitsRow::Map(vec![0xff; 1000]));
    assert_eq!(bits.runs().collect::<Vec<_>>(), [(0, BLOCK)]);
    assert_eq!(Bits::from(BitsRow::Map(vec![1; 7])), Bits::default());
}

/// A mailbox of before there were blocks: what it shows is right, and its blocks are there from
/// then on; what changes meanwhile goes into blocks made on the way.
#[test]
fn a_mailbox_without_blocks_gets_them_when_it_is_opened() {
    let access = Access::system(mail::Tenant::HOST);
    let domain = access.domain();
    let store = Memory::new(Config::default()).unwrap();
    let inbox = store.inbox(&access, mail::PersonId(1)).wait().unwrap();
    let append = |count: usize| {
        let message = || NewMessage::new(vec![Piece::Private(b"Subject: x\r\n\r\n".to_vec())]);
        let messages = (0..count).map(|_| message()).collect();
        let place = Place::Mailbox(inbox);
        let appended = store.append(&access, store.operation_id(), place, messages);
        appended.wait().unwrap();
    };
    append(2500);
    let see = |uids: &[u32]| {
        let change = FlagChange {
            operation: FlagOperation::Add,
            flags: Flags::SEEN,
            keywords: Vec::new(),
            unchanged_since: None,
        };
        let uids = uids.iter().map(|uid| Uid(*uid)).collect();
        let stored = store.store_flags(&access, store.operation_id(), inbox, uids, change);
        stored.wait().unwrap();
    };
    see(&[5, 2000]);
    let blocks = || {
        let rows = store.read(|view| kept(view, domain, inbox)).unwrap();
        rows.iter().map(|(number, _)| *number).collect::<Vec<_>>()
    };
    let survey = || {
        let survey = store.survey(&access, inbox).unwrap();
        let gaps: Vec<u32> = (1..=2500)
            .filter(|uid| !survey.unseen.contains(Uid(*uid)))
            .collect();
        (survey.uids.len(), gaps)
    };
    assert_eq!(blocks(), [0, 1, 2]);
    let expected = survey();
    assert_eq!(expected, (2500, vec![5, 2000]));
    store
        .run(move |tx| {
            for (key, _) in tx.prefix(&keys::presence(domain, inbox), usize::MAX)? {
                tx.delete(key);
            }
            Ok(())
        })
        .wait()
        .unwrap();
    see(&[6]);
    assert_eq!(blocks(), [0]);
    assert_eq!(survey(), (2500, vec![5, 6, 2000]));
    // The operation that the survey sent came before this one.
    append(1);
    assert_eq!(blocks(), [0, 1, 2]);
    assert_eq!(survey().1, [5, 6, 2000]);
    assert_eq!(store.check(false, &mut |_| {}).unwrap().problems, 0);
    // Blocks of a moment that is over are not kept, and one that is wrong is found.
    let wrong = vec![(1, block(&[1500], &[]))];
    let now = store.mailbox(&access, inbox).unwrap().status.highest_modseq;
    for (seen, problems) in [(ModSeq(now.0 - 1), 0), (now, 1)] {
        let wrong = wrong.clone();
        store
            .run(move |tx| tx.keep_blocks(domain, inbox, seen, &wrong))
            .wait()
            .unwrap();
        let checked = store.check(false, &mut |_| {}).unwrap();
        assert_eq!(checked.problems, problems, "{checked:?}");
    }
}
