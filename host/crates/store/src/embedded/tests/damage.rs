//! Bytes on the disk change: an error for whoever reads them, never wrong mail.

use crate::embedded::fault::{FaultDisk, State};
use crate::embedded::segment;
use crate::embedded::tests::script::{Log, access, append, bytes, check, inbox_uids, live, open};
use crate::{Error, OpenError, Source, Store};

/// Where the frames begin of the n-th body of this length in a segment. Its bytes cannot be
/// looked for: they are encrypted.
fn body_in(segment: &[u8], length: u64, nth: usize) -> usize {
    let is_body = |start: &usize| {
        let section = &segment[*start..];
        section[..4] == [2, 0, 1, 0]
            && section[8..32] == [0; 24]
            && section[40..48] == length.to_le_bytes()
    };
    // Header, id, length, salt.
    let starts = (0..segment.len() - 64).filter(is_body);
    starts.map(|start| start + 64).nth(nth).unwrap()
}

#[test]
fn f04_a_flipped_bit_in_a_body_is_an_error_to_its_reader_alone() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    let (inbox, small) = append(&store, &log, 1, 3_000).unwrap();
    let (_, large) = append(&store, &log, 2, 300_000).unwrap();
    let (_, whole) = append(&store, &log, 3, 3_000).unwrap();
    store.close().unwrap();
    let mut state = disk.state();
    let journal = segment::path(1);
    let at = body_in(&state.bytes(&journal), 3_000, 0) + 1_000;
    state.corrupt(&journal, at);
    let file = state.names("bodies/").remove(0);
    state.corrupt(&file, 200_000);
    let store = open(&FaultDisk::new(state)).unwrap();
    for (uid, ok) in [(small, false), (large, false), (whole, true)] {
        let read = store
            .content(&access(), Source::Message(inbox, uid))
            .unwrap()
            .read_all();
        assert_eq!(read.is_ok(), ok, "{uid:?}: {read:?}");
        if let Err(error) = read {
            assert!(matches!(error, Error::Damaged(_)));
        }
    }
    // The frames before the damaged one are good, and read.
    let content = store
        .content(&access(), Source::Message(inbox, large))
        .unwrap();
    assert_eq!(
        content.read(16, 65_536).unwrap(),
        bytes(2, 300_000)[..65_536]
    );
    append(&store, &log, 4, 10).expect("others go on");
}

#[test]
fn f04_a_flipped_bit_in_the_index_never_gives_wrong_rows() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    let uids = inbox_uids(&store);
    store.close().unwrap();
    let length = disk.state().bytes("index.redb").len();
    for offset in (0..length).step_by(1_511) {
        let mut state = disk.state();
        state.corrupt("index.redb", offset);
        // It opens (from the journal, if need be), or says that it is damaged.
        let store = match open(&FaultDisk::new(state)) {
            Ok(store) => store,
            Err(OpenError::Io { .. } | OpenError::Damaged { .. }) => continue,
            Err(error) => panic!("byte {offset}: {error}"),
        };
        let inbox = store.mailbox_named(
            &access(),
            crate::Owner::Person(super::script::PERSON),
            "INBOX",
        );
        let Ok(inbox) = inbox else { continue };
        if let Ok(rows) = store.rows(&access(), inbox.id, 1..=u32::MAX) {
            for row in rows {
                assert!(
                    uids.contains(&row.uid),
                    "byte {offset}: {:?} was never there",
                    row.uid
                );
            }
        }
    }
}

#[test]
fn a_lost_or_broken_index_is_made_again_from_the_journal() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    store.close().unwrap();
    let mut lost = disk.state();
    lost.remove("index.redb");
    let mut broken = disk.state();
    (0..4096)
        .step_by(3)
        .for_each(|offset| broken.corrupt("index.redb", offset));
    for (state, context) in [(lost, "lost"), (broken, "broken")] {
        let disk = FaultDisk::new(state);
        let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
        check(&store, &log.first(log.len()), context);
    }
}

#[test]
fn a_damaged_record_in_the_middle_is_refused_and_left_alone() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    // Without a close: the checkpoint is behind, and the journal must be read.
    let mut state = disk.state();
    let segments = state.names("journal/");
    state.remove("index.redb");
    let first = &segments[0];
    let at = body_in(&state.bytes(first), 900, 0) + 100;
    state.corrupt(first, at);
    let before = state.bytes(first);
    let damaged = FaultDisk::new(state);
    let error = open(&damaged).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
    assert_eq!(
        damaged.state().bytes(first),
        before,
        "nothing is overwritten"
    );
    drop(store);
}

#[test]
fn a_damaged_last_segment_is_told_from_a_torn_tail() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    for seed in 0..4 {
        append(&store, &log, seed, 500).unwrap();
    }
    let path = segment::path(1);
    // The last record torn: it might never have been synced, so the one before ends the journal.
    let mut torn = disk.state();
    let at = body_in(&torn.bytes(&path), 500, 3);
    torn.corrupt(&path, at);
    assert_eq!(inbox_uids(&open(&FaultDisk::new(torn)).unwrap()).len(), 3);
    // One before the last: the last one says that it had been synced.
    let mut damaged = disk.state();
    let at = body_in(&damaged.bytes(&path), 500, 2);
    damaged.corrupt(&path, at);
    assert!(matches!(
        open(&FaultDisk::new(damaged)).unwrap_err(),
        OpenError::Damaged { .. }
    ));
    drop(store);
}
