//! A full disk: refused while it lasts, never latched, nothing lost.

use mail::Uid;

use crate::embedded::fault::{FaultDisk, State};
use crate::embedded::tests::script::{Log, access, append, check, inbox_uids, live, open};
use crate::{Error, Store};

/// Appends until the disk refuses.
fn fill(store: &crate::Engine, log: &Log, length: usize) -> usize {
    for seed in 1000..2000 {
        match append(store, log, seed, length) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, Error::Full);
                return seed as usize - 1000;
            }
        }
    }
    panic!("the disk never was full");
}

#[test]
fn f05_a_full_disk_refuses_mail_lets_deletes_through_and_recovers_without_restart() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    disk.set_capacity(Some(disk.used() + 100_000));
    assert!(fill(&store, &log, 3_000) > 5);
    assert!(store.space().unwrap().latched.is_none());
    let uids = inbox_uids(&store);
    let inbox = store
        .mailbox_named(
            &access(),
            crate::Owner::Person(super::script::PERSON),
            "INBOX",
        )
        .unwrap()
        .id;
    let gone = store
        .expunge(&access(), store.operation_id(), inbox, uids[..2].to_vec())
        .wait()
        .unwrap();
    assert_eq!(gone, uids[..2], "deleting must work on a full disk");
    assert_eq!(append(&store, &log, 1, 3_000), Err(Error::Full));
    disk.set_capacity(None);
    append(&store, &log, 2, 3_000).expect("there is room again");
    store.close().unwrap();
    let left: Vec<Uid> = inbox_uids(&open(&FaultDisk::new(disk.state())).unwrap());
    assert!(!left.contains(&uids[0]));
}

#[test]
fn f05_no_room_anywhere_loses_nothing_that_was_acknowledged() {
    for room in (0..400_000).step_by(16_000) {
        let disk = FaultDisk::new(State::default());
        let log = Log::default();
        let store = open(&disk).unwrap();
        disk.set_capacity(Some(disk.used() + room));
        let ended = live(&store, &log);
        assert!(
            matches!(ended, Ok(()) | Err(Error::Full)),
            "{room} bytes of room: {ended:?}"
        );
        disk.set_capacity(None);
        let noted = log.len();
        live(&store, &log)
            .unwrap_or_else(|error| panic!("{room} bytes of room, then plenty: {error}"));
        let all = log.len();
        store.close().unwrap();
        assert!(all > noted);
        let context = format!("{room} bytes of room");
        check(
            &open(&FaultDisk::new(disk.state())).unwrap(),
            &log.first(all),
            &context,
        );
    }
}

#[test]
fn a_large_body_that_finds_no_room_leaves_nothing() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    disk.set_capacity(Some(disk.used() + 1_000_000));
    assert_eq!(append(&store, &log, 1, 600_000), Err(Error::Full));
    assert_eq!(disk.state().names("bodies/"), Vec::<String>::new());
    append(&store, &log, 2, 1_000).expect("small mail still has room");
}

#[test]
fn a_large_body_that_is_dropped_leaves_nothing() {
    let disk = FaultDisk::new(State::default());
    let store = open(&disk).unwrap();
    let mut writer = store.begin_body().unwrap();
    writer.write(&vec![1; 400_000]).unwrap();
    assert_eq!(disk.state().names("bodies/").len(), 1);
    drop(writer);
    assert_eq!(disk.state().names("bodies/").len(), 0);
    let mut writer = store.begin_body().unwrap();
    writer.write(&vec![1; 400_000]).unwrap();
    let finished = writer.finish().unwrap();
    assert_eq!(finished.read(399_990, 100).unwrap(), vec![1; 10]);
    drop(finished);
    assert_eq!(disk.state().names("bodies/").len(), 0);
}

#[test]
fn a_large_body_goes_with_its_last_row() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    let (inbox, uid) = append(&store, &log, 1, 400_000).unwrap();
    let copied = store
        .copy(
            &access(),
            store.operation_id(),
            inbox,
            vec![uid],
            inbox.into(),
        )
        .wait()
        .unwrap();
    let content = store
        .content(&access(), crate::Source::Message(inbox, uid))
        .unwrap();
    store
        .expunge(&access(), store.operation_id(), inbox, vec![uid])
        .wait()
        .unwrap();
    assert_eq!(
        disk.state().names("bodies/").len(),
        1,
        "the copy still names it"
    );
    store
        .expunge(
            &access(),
            store.operation_id(),
            inbox,
            vec![copied.uids[0].1],
        )
        .wait()
        .unwrap();
    assert_eq!(disk.state().names("bodies/").len(), 0);
    assert_eq!(
        content.read_all().unwrap().len(),
        400_016,
        "a reader keeps what it has open"
    );
}
