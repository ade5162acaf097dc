//! What the collector compresses, and that it is the same mail.

use std::sync::Arc;

use crate::embedded::disk::{Disk, Mode};
use crate::embedded::fault::{FaultDisk, Loss, State};
use crate::embedded::index::Index;
use crate::embedded::tests::script::{Acked, Log, access, append, body, bytes, check, open};
use crate::keys::{self, Key, Table};
use crate::view::{Layer, Layered, View};
use crate::{Content, Engine, NewMessage, Place, Source, Store};

/// Seeds of text, and of noise.
const TEXT: [u64; 8] = [3, 7, 11, 15, 19, 23, 27, 31];
const NOISE: [u64; 8] = [0, 1, 2, 4, 5, 6, 8, 9];

fn compact(store: &Engine) {
    store.compact(&mut |_| {}).unwrap();
}

/// Settled bodies: bytes of their files, and of the bodies as they were received.
fn settled(store: &Engine) -> (u64, u64) {
    let stats = store.stats(&mut |_| {}).unwrap();
    (stats.settled_bodies.bytes, stats.settled_raw)
}

#[track_caller]
fn assert_sound(store: &Engine) {
    let checked = store.check(true, &mut |_| {}).unwrap();
    assert_eq!((checked.problems, &checked.first[..]), (0, &[][..]));
    assert!(checked.bodies_read > 0);
}

/// A store with a message of each seed.
fn filled(disk: &FaultDisk, seeds: &[u64]) -> (Engine, Log) {
    let log = Log::default();
    let store = open(disk).unwrap();
    for seed in seeds {
        append(&store, &log, *seed, 20_000).unwrap();
    }
    (store, log)
}

#[test]
fn text_is_compressed_and_noise_is_not() {
    for (seeds, least, most) in [(TEXT, 5, 50), (NOISE, 100, 103)] {
        let disk = FaultDisk::new(State::default());
        let (store, log) = filled(&disk, &seeds);
        compact(&store);
        let (bytes, raw) = settled(&store);
        assert_eq!(raw, 8 * 20_000, "nothing is dead, and all of it was moved");
        let percent = bytes * 100 / raw;
        assert!((least..=most).contains(&percent), "{percent} percent");
        assert_sound(&store);
        check(&store, &log.first(log.len()), "collected");
        store.close().unwrap();
        let mut state = disk.state();
        state.remove("index.redb");
        let store = open(&FaultDisk::new(state)).unwrap();
        check(&store, &log.first(log.len()), "without its index");
        assert_sound(&store);
    }
}

/// Every range of some lengths, from front to back and the other way.
fn assert_ranges(content: &Content, whole: &[u8]) {
    assert_eq!(content.size(), whole.len() as u64);
    let forwards = (0..whole.len()).step_by(7_919);
    for (start, length) in forwards.clone().zip([1, 500, 70_000].into_iter().cycle()) {
        let end = whole.len().min(start + length);
        assert_eq!(
            content.read(start as u64, length).unwrap(),
            whole[start..end]
        );
    }
    for start in forwards.rev() {
        let end = whole.len().min(start + 3);
        assert_eq!(content.read(start as u64, 3).unwrap(), whole[start..end]);
    }
}

#[test]
fn every_range_of_a_compressed_body_can_be_read() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    let text = bytes(3, 200_000);
    let (inbox, uid) = append(&store, &log, 3, text.len()).unwrap();
    let whole = [b"Received: here\r\n".as_slice(), &text].concat();
    let before = store
        .content(&access(), Source::Message(inbox, uid))
        .unwrap();
    compact(&store);
    let (bytes, raw) = settled(&store);
    assert!(bytes < raw / 2, "it is compressed: {bytes} of {raw}");
    let after = store
        .content(&access(), Source::Message(inbox, uid))
        .unwrap();
    assert_ranges(&after, &whole);
    // Who had it open goes on with what was there.
    assert_ranges(&before, &whole);
    store.close().unwrap();
    let store = open(&disk).unwrap();
    let opened = store
        .content(&access(), Source::Message(inbox, uid))
        .unwrap();
    assert_ranges(&opened, &whole);
}

#[test]
fn a_part_of_a_compressed_body_is_shared_by_another_message() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    let text = bytes(3, 100_000);
    let piece = body(&store, &text).unwrap();
    append(&store, &log, 3, 100).unwrap();
    let (mailbox, uid) = {
        let message = NewMessage::new(vec![piece]);
        let place = Place::Inbox(crate::embedded::tests::script::PERSON);
        let id = store.operation_id();
        let done = store.append(&access(), id, place, vec![message]).wait();
        let done = done.unwrap().remove(0);
        (done.mailbox, done.uid)
    };
    compact(&store);
    let id = store.operation_id();
    let copied = store
        .copy(&access(), id, mailbox, vec![uid], mailbox.into())
        .wait()
        .unwrap();
    let id = store.operation_id();
    store
        .expunge(&access(), id, mailbox, vec![uid])
        .wait()
        .unwrap();
    compact(&store);
    let copy = copied.uids[0].1;
    let content = store
        .content(&access(), Source::Message(mailbox, copy))
        .unwrap();
    assert_ranges(&content, &text);
    assert_sound(&store);
}

/// Changes rows of the index of a store that is closed; answers what they were.
pub(super) fn change_index(disk: &FaultDisk, change: impl Fn(&Layered<'_>) -> Layer) -> Layer {
    let as_disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let index = Index::open(&as_disk, 1 << 20).unwrap();
    let base = index.base().unwrap();
    let keyring = crate::keyring::Keyring::default();
    let view = Layered {
        layers: Vec::new(),
        base: Some(&base),
        is_closed: false,
        keyring: &keyring,
    };
    let change = change(&view);
    let before = change
        .keys()
        .map(|key| (key.clone(), view.stored(key).unwrap()));
    let before = before.collect();
    drop(view);
    let checkpoint = index.checkpoint().unwrap();
    index.write(&change, checkpoint).unwrap();
    before
}

fn without(keys: impl IntoIterator<Item = Key>) -> Layer {
    keys.into_iter().map(|key| (key, None)).collect()
}

/// A store as a version without compression left it, with settled bodies.
fn of_before() -> (FaultDisk, Log) {
    let disk = FaultDisk::new(State::default());
    let seeds = [TEXT, NOISE].concat();
    let (store, log) = filled(&disk, &seeds);
    store.close().unwrap();
    // Nobody finds a key of a body: all of them are moved as they are.
    let namers = change_index(&disk, |view| {
        let prefix = keys::table(mail::Tenant::HOST.domain(), Table::Namer);
        let rows = view.prefix(&prefix, usize::MAX).unwrap();
        without(rows.into_iter().map(|(key, _)| key))
    });
    assert_eq!(namers.len(), seeds.len());
    let store = open(&disk).unwrap();
    compact(&store);
    let (bytes, raw) = settled(&store);
    assert!(bytes > raw, "{bytes} of {raw}");
    store.close().unwrap();
    change_index(&disk, |_| namers.clone());
    change_index(&disk, |_| without([keys::meta("compressed-from")]));
    (disk, log)
}

/// Settled segments of bodies.
fn segments(disk: &FaultDisk) -> Vec<String> {
    let file = disk.open("SEGMENTS", Mode::Read).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let bodies = text.lines().filter(|line| line.starts_with("bodies "));
    bodies.map(ToOwned::to_owned).collect()
}

#[test]
fn bodies_that_were_settled_raw_are_tried_once() {
    let (disk, log) = of_before();
    let before = segments(&disk);
    let store = open(&disk).unwrap();
    compact(&store);
    let (bytes, raw) = settled(&store);
    assert_eq!(raw, 16 * 20_000);
    let percent = bytes * 100 / raw;
    assert!((50..80).contains(&percent), "half is noise: {percent}");
    let after = segments(&disk);
    assert!(before.iter().all(|line| !after.contains(line)), "{after:?}");
    assert_sound(&store);
    compact(&store);
    assert_eq!(segments(&disk), after, "the noise was tried");
    store.close().unwrap();
    let store = open(&disk).unwrap();
    compact(&store);
    assert_eq!(segments(&disk), after, "and this is known after a start");
    check(&store, &log.first(log.len()), "compressed");
}

#[test]
fn f02_a_power_loss_at_every_sync_while_old_bodies_are_compressed_loses_nothing() {
    let (disk, log) = of_before();
    disk.record(|| 0);
    let store = open(&disk).unwrap();
    compact(&store);
    store.close().unwrap();
    let snapshots = disk.take_snapshots();
    assert!(snapshots.len() >= 10, "only {} syncs", snapshots.len());
    for (number, snapshot) in snapshots.iter().enumerate() {
        for loss in [Loss::All, Loss::Nothing, Loss::Some(number as u64)] {
            let context = format!("sync {number}, {loss:?}");
            let disk = FaultDisk::new(snapshot.state.image(loss));
            let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            compact(&store);
            let (bytes, raw) = settled(&store);
            assert!(bytes * 100 / raw < 80, "{context}: {bytes} of {raw}");
            check(&store, &log.first(log.len()), &context);
            assert_sound(&store);
        }
    }
}

/// A body whose key went with its owner, and one whose bytes are damaged.
#[test]
fn what_cannot_be_read_is_moved_as_it_is() {
    let disk = FaultDisk::new(State::default());
    let (store, log) = filled(&disk, &TEXT);
    let Acked::Message { mailbox, uid, .. } = log.first(1).remove(0) else {
        panic!("a message");
    };
    store.close().unwrap();
    // The bytes of the first body, and a record that fits to them.
    let mut state = disk.state();
    damage_first_body(&mut state);
    let disk = FaultDisk::new(state);
    let store = open(&disk).unwrap();
    compact(&store);
    let (bytes, raw) = settled(&store);
    let percent = bytes * 100 / raw;
    assert!((10..50).contains(&percent), "one of eight: {percent}");
    let content = store
        .content(&access(), Source::Message(mailbox, uid))
        .unwrap();
    let read = content.read_all();
    assert!(matches!(read, Err(crate::Error::Damaged(_))), "{read:?}");
    let all = log.first(log.len());
    check(&store, &all[1..], "the others");
    let checked = store.check(true, &mut |_| {}).unwrap();
    assert_eq!(checked.problems, 1, "{checked:?}");
}

/// Flips a bit in the frames of the first body of the log, and mends the record's sum: damage
/// from before the record was written.
fn damage_first_body(state: &mut State) {
    use crate::embedded::record::{self, Header, decode_payload};

    let path = "journal/0000000000000001.seg";
    let bytes = state.bytes(path);
    let mut at = crate::embedded::segment::HEADER;
    loop {
        let header = Header::decode(&bytes[at..]).expect("a record");
        let start = at + record::HEADER;
        let payload = &bytes[start..start + header.length];
        let (_, places) = decode_payload(payload).expect("it is whole");
        let Some(place) = places.first() else {
            at += header.record_length();
            continue;
        };
        let mut payload = payload.to_vec();
        payload[place.offset + 1_000] ^= 1;
        let mut mended = Vec::new();
        let (sequence, synced) = (header.sequence, header.synced);
        record::write_record(&mut mended, header.segment, sequence, synced, &payload);
        let mut pages = crate::embedded::fault::Pages::default();
        pages.write(0, &bytes);
        pages.write(at as u64, &mended);
        state.put(path, pages);
        return;
    }
}
