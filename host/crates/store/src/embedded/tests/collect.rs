//! Collecting, with everything that can happen meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::embedded::disk::{Disk, Mode};
use crate::embedded::fault::{Failing, FaultDisk, Loss, Snapshot, State};
use crate::embedded::tests::script::{
    Acked, Log, PERSON, access, append, bytes, check, give_keys, inbox_uids, live, open,
};
use crate::{Engine, Error, OpenError, Owner, Source, Store};

fn compact(store: &Engine) -> Result<crate::Collected, Error> {
    store.compact(&mut |_| {})
}

fn inbox(store: &Engine) -> mail::MailboxId {
    store
        .mailbox_named(&access(), Owner::Person(PERSON), "INBOX")
        .unwrap()
        .id
}

/// Expunges an old message of the script's INBOX. The first one has flags, which are looked at.
fn expunge_old(store: &Engine, log: &Log) -> Result<(), Error> {
    let (mailbox, uid) = (inbox(store), inbox_uids(store)[1]);
    store
        .expunge(&access(), store.operation_id(), mailbox, vec![uid])
        .wait()?;
    log.push(Acked::Expunged { mailbox, uid });
    Ok(())
}

/// A life with collections in it, of the log, of settled bodies and of settled rows.
pub(super) fn live_and_collect(store: &Engine, log: &Log) -> Result<(), Error> {
    live(store, log)?;
    compact(store)?;
    for seed in 20..24 {
        append(store, log, seed, 6_000)?;
        expunge_old(store, log)?;
    }
    compact(store)?;
    expunge_old(store, log)?;
    append(store, log, 30, 1_000)?;
    Ok(())
}

/// The same, on a new disk.
pub(super) fn collected() -> (FaultDisk, Log) {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live_and_collect(&store, &log).unwrap();
    store.close().unwrap();
    (disk, log)
}

fn snapshots() -> (Vec<Snapshot>, Log) {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let noted = log.clone();
    disk.record(move || noted.len());
    let store = open(&disk).unwrap();
    live_and_collect(&store, &log).unwrap();
    store.close().unwrap();
    (disk.snapshots(), log)
}

/// Opens an image, checks it, collects, checks again, and once more without its index.
fn survives(state: State, log: &Log, noted: usize, context: &str) -> FaultDisk {
    let disk = FaultDisk::new(state.clone());
    disk.record(|| 0);
    let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    check(&store, &log.first(noted), context);
    compact(&store).unwrap_or_else(|error| panic!("{context}: {error}"));
    check(&store, &log.first(noted), &format!("{context}, collected"));
    store.close().unwrap();
    for (mut state, context) in [
        (state, format!("{context}, without its index")),
        (
            disk.state(),
            format!("{context}, collected, then without its index"),
        ),
    ] {
        if !state.names("").contains(&"FORMAT".to_owned()) {
            continue;
        }
        if state.names("").contains(&"index.redb".to_owned()) {
            state.remove("index.redb");
        }
        let store =
            open(&FaultDisk::new(state)).unwrap_or_else(|error| panic!("{context}: {error}"));
        check(&store, &log.first(noted), &context);
        store.close().unwrap();
    }
    disk
}

#[test]
fn collecting_gives_room_back_and_keeps_what_is_named() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    for seed in 0..40 {
        append(&store, &log, seed, 8_000).unwrap();
    }
    for _ in 0..30 {
        expunge_old(&store, &log).unwrap();
    }
    let before = disk.used();
    let done = compact(&store).unwrap();
    assert!(done.segments >= 7, "{done:?}");
    assert!(done.kept < done.bytes / 3, "{done:?}");
    assert!(
        disk.used() < before - 150_000,
        "{before} bytes before, {} after",
        disk.used()
    );
    check(&store, &log.first(log.len()), "collected");
    let again = compact(&store).unwrap();
    assert!(again.segments <= 1, "there is an end: {again:?}");
    store.close().unwrap();
    let store = open(&FaultDisk::new(disk.state())).unwrap();
    check(&store, &log.first(log.len()), "opened again");
}

#[test]
fn settled_segments_are_collected_again_when_what_is_in_them_goes() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    for seed in 0..40 {
        append(&store, &log, seed, 8_000).unwrap();
    }
    compact(&store).unwrap();
    let full = disk.used();
    for _ in 0..38 {
        expunge_old(&store, &log).unwrap();
    }
    compact(&store).unwrap();
    assert!(
        disk.used() < full - 200_000,
        "{full} bytes with all, {} without",
        disk.used()
    );
    check(&store, &log.first(log.len()), "collected twice");
    // Round and round: rows do not pile up.
    let mut sizes = Vec::new();
    for round in 0..12 {
        for seed in 0..20 {
            append(&store, &log, 100 + round * 20 + seed, 500).unwrap();
            expunge_old(&store, &log).unwrap();
        }
        compact(&store).unwrap();
        let settled = disk.state().names("settled/");
        let state = disk.state();
        sizes.push(
            settled
                .iter()
                .map(|name| state.bytes(name).len())
                .sum::<usize>(),
        );
    }
    assert!(sizes[11] < 2 * sizes[5], "settled bytes: {sizes:?}");
    store.close().unwrap();
    survives(disk.state(), &log, log.len(), "round and round");
}

#[test]
fn f02_a_power_loss_at_every_sync_of_a_collection_loses_nothing() {
    let (snapshots, log) = snapshots();
    let mut images = 0;
    for (number, snapshot) in snapshots.iter().enumerate() {
        let other = match number % 3 {
            0 => Loss::Nothing,
            _ => Loss::Some(number as u64 * 1_000_003),
        };
        for loss in [Loss::All, other] {
            let context = format!("sync {number}, {loss:?}");
            survives(snapshot.state.image(loss), &log, snapshot.noted, &context);
            images += 1;
        }
    }
    assert!(images >= 120, "only {images} images");
}

#[test]
fn f09_a_crash_in_the_recovery_of_a_collection_recovers_like_one_crash() {
    let (snapshots, log) = snapshots();
    let mut images = 0;
    for (number, snapshot) in snapshots.iter().enumerate().step_by(9) {
        let first = snapshot.state.image(Loss::Some(number as u64));
        let context = format!("sync {number}");
        // Its recovery, and the collection after it, with a crash at each of their syncs.
        let disk = survives(first, &log, snapshot.noted, &context);
        for (again, second) in disk.snapshots().iter().enumerate().step_by(6) {
            let loss = Loss::Some(again as u64 * 7 + number as u64);
            let context = format!("sync {number}, then sync {again}, {loss:?}");
            let disk = FaultDisk::new(second.state.image(loss));
            let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            check(&store, &log.first(snapshot.noted), &context);
            images += 1;
        }
    }
    assert!(images >= 40, "only {images} images");
}

/// Settled rows whose collection did not end.
fn new_rows(disk: &FaultDisk) -> Vec<String> {
    let Ok(file) = disk.open("SEGMENTS", Mode::Read) else {
        return Vec::new();
    };
    let mut bytes = vec![0; file.length().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("rows "));
    let new = rows.filter(|line| line.ends_with(" new"));
    new.filter_map(|line| Some(line.split(' ').nth(1)?.to_owned()))
        .collect()
}

#[test]
fn rows_of_a_collection_that_did_not_end_are_not_kept_twice() {
    let (snapshots, log) = snapshots();
    let mut images = 0;
    for (number, snapshot) in snapshots.iter().enumerate() {
        let disk = FaultDisk::new(snapshot.state.image(Loss::Nothing));
        let new = new_rows(&disk);
        if new.is_empty() {
            continue;
        }
        images += 1;
        let store = open(&disk).unwrap();
        compact(&store).unwrap();
        check(
            &store,
            &log.first(snapshot.noted),
            &format!("sync {number}"),
        );
        store.close().unwrap();
        let left = disk.state().names("settled/");
        for id in new {
            let is_left = left.iter().any(|name| name.contains(&id));
            assert!(!is_left, "sync {number}: {id} is in {left:?}");
        }
    }
    assert!(images >= 3, "only {images} images");
}

/// A failure while it collects: the store goes on, or stopped and said so.
fn check_failure(failing: Failing) -> bool {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    disk.fail(failing);
    let done = compact(&store);
    let context = format!("{failing:?}: {done:?}");
    let more = append(&store, &log, 50, 2_000);
    // It may not have come to pass.
    disk.fail(Failing::Sync(usize::MAX));
    let latched = store.space().unwrap().latched;
    assert_eq!(more.is_ok(), latched.is_none(), "{context}, {more:?}");
    if latched.is_none() {
        check(&store, &log.first(log.len()), &context);
    }
    drop(store);
    for loss in [Loss::All, Loss::Nothing] {
        let context = format!("{context}, {loss:?}");
        survives(disk.state().image(loss), &log, log.len(), &context);
    }
    done.is_err()
}

#[test]
fn f03_a_sync_that_fails_while_it_collects_loses_nothing() {
    let failures = (0..20).filter(|n| check_failure(Failing::Sync(*n))).count();
    assert!(failures >= 6, "only {failures} met the collection");
}

#[test]
fn f03_a_write_that_fails_while_it_collects_loses_nothing() {
    let failures = (0..40)
        .filter(|n| check_failure(Failing::Write(*n)))
        .count();
    assert!(failures >= 6, "only {failures} met the collection");
}

#[test]
fn f03_a_directory_that_cannot_be_synced_while_it_collects_loses_nothing() {
    let failures = (0..10)
        .filter(|n| check_failure(Failing::Directory(*n)))
        .count();
    assert!(failures >= 4, "only {failures} met the collection");
}

#[test]
fn f05_a_full_disk_while_it_collects_makes_nothing_worse() {
    let mut refused = 0;
    for room in (0..120_000).step_by(12_000) {
        let disk = FaultDisk::new(State::default());
        let log = Log::default();
        let store = open(&disk).unwrap();
        live(&store, &log).unwrap();
        disk.set_capacity(Some(disk.used() + room));
        let done = compact(&store);
        assert!(
            matches!(done, Ok(_) | Err(Error::Full)),
            "{room} bytes of room: {done:?}"
        );
        refused += usize::from(done.is_err());
        assert!(store.space().unwrap().latched.is_none());
        assert!(
            !disk
                .state()
                .names("settled/")
                .contains(&"settled/new".to_owned()),
            "{room}: something is left lying about"
        );
        check_readable(&store, &log, room);
        disk.set_capacity(None);
        compact(&store).expect("there is room again");
        check(&store, &log.first(log.len()), "with room again");
        store.close().unwrap();
        survives(disk.state(), &log, log.len(), &format!("{room} of room"));
    }
    assert!(refused > 1, "the disk was full {refused} times");
}

/// Everything can be read, without a write.
fn check_readable(store: &Engine, log: &Log, room: u64) {
    let inbox = inbox(store);
    assert!(log.len() > 0);
    for uid in inbox_uids(store) {
        let content = store.content(&access(), Source::Message(inbox, uid));
        let read = content.and_then(|content| content.read_all());
        assert!(read.is_ok(), "{room} bytes of room, {uid:?}: {read:?}");
    }
}

#[test]
fn a_reader_keeps_what_it_has_open() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    let (inbox, uid) = append(&store, &log, 1, 9_000).unwrap();
    let content = store
        .content(&access(), Source::Message(inbox, uid))
        .unwrap();
    for seed in 2..10 {
        append(&store, &log, seed, 9_000).unwrap();
    }
    expunge_old(&store, &log).unwrap();
    assert!(compact(&store).unwrap().segments > 0);
    assert!(
        !disk
            .state()
            .names("journal/")
            .contains(&"journal/0000000000000001.seg".to_owned())
    );
    assert_eq!(content.read_all().unwrap()[16..], bytes(1, 9_000));
}

#[test]
fn a_pin_keeps_every_file_until_it_is_dropped() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    append(&store, &log, 70, 300_000).unwrap();
    let (mailbox, uid) = (inbox(&store), *inbox_uids(&store).last().unwrap());
    let pin = store.pin();
    let before = [
        disk.state().names("journal/"),
        disk.state().names("bodies/"),
    ]
    .concat();
    store
        .expunge(&access(), store.operation_id(), mailbox, vec![uid])
        .wait()
        .unwrap();
    assert_eq!(compact(&store), Err(Error::Busy));
    let names = [
        disk.state().names("journal/"),
        disk.state().names("bodies/"),
    ]
    .concat();
    assert!(before.iter().all(|name| names.contains(name)), "{names:?}");
    drop(pin);
    let names = disk.state().names("bodies/");
    assert!(!names.contains(before.last().unwrap()), "{names:?}");
    assert!(compact(&store).unwrap().segments > 1);
    let names = disk.state().names("journal/");
    assert!(!names.contains(&before[0]), "{names:?}");
}

#[test]
fn a_cut_of_a_collected_store_is_a_whole_store() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live_and_collect(&store, &log).unwrap();
    let cut = store.cut().unwrap();
    let noted = log.len();
    // What happens while it is copied is not in it, and harms nothing of it.
    for seed in 90..100 {
        append(&store, &log, seed, 9_000).unwrap();
        expunge_old(&store, &log).unwrap();
    }
    let copy = FaultDisk::new(State::default());
    for directory in ["journal", "bodies", "settled"] {
        copy.create_dir(directory).unwrap();
    }
    for file in &cut.files {
        let mut bytes = disk.state().bytes(&file.path);
        bytes.truncate(file.length.map_or(bytes.len(), |length| length as usize));
        let copied = copy.open(&file.path, Mode::Create).unwrap();
        copied.write_at(0, &bytes).unwrap();
    }
    // A copy has no keys: whoever puts it back has them from elsewhere.
    give_keys(&disk, &copy);
    drop(cut);
    compact(&store).expect("nobody copies any more");
    let copied = open(&copy).unwrap();
    check(&copied, &log.first(noted), "the copy");
    assert_eq!(copied.check(true, &mut |_| {}).unwrap().problems, 0);
    check(&store, &log.first(log.len()), "the store");
}

#[test]
fn lost_settled_segments_and_a_lost_manifest_are_damage() {
    let (disk, _) = collected();
    let settled = disk.state().names("settled/");
    assert!(settled.len() >= 2, "{settled:?}");
    for lost in settled.into_iter().chain(["SEGMENTS".to_owned()]) {
        let mut state = disk.state();
        state.remove(&lost);
        let error = open(&FaultDisk::new(state)).unwrap_err();
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{lost}: {error}"
        );
    }
    let mut state = disk.state();
    state.corrupt("SEGMENTS", 60);
    let error = open(&FaultDisk::new(state)).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn f04_a_flipped_bit_in_a_settled_segment_is_never_wrong_mail() {
    let (disk, log) = collected();
    let before = disk.state();
    for name in before.names("settled/") {
        let length = before.bytes(&name).len();
        for offset in (64..length).step_by(length / 12) {
            let mut state = disk.state();
            state.corrupt(&name, offset);
            // With its index it opens; who reads the damaged body is told.
            let store = open(&FaultDisk::new(state.clone())).unwrap();
            let inbox = inbox(&store);
            let mut damaged = 0;
            for uid in inbox_uids(&store) {
                let content = store
                    .content(&access(), Source::Message(inbox, uid))
                    .unwrap();
                damaged += u32::from(content.read_all().is_err());
            }
            assert!(damaged <= 1, "{name} at {offset}: {damaged} messages");
            append(&store, &log, 80, 100).expect("others go on");
            drop(store);
            // Without it, it is damage, or the bit was in what nobody needs.
            state.remove("index.redb");
            match open(&FaultDisk::new(state)) {
                Err(OpenError::Damaged { .. }) => {}
                Err(error) => panic!("{name} at {offset}: {error}"),
                Ok(_) => panic!("{name} at {offset}: a record with a flipped bit was believed"),
            }
        }
    }
}

#[test]
fn an_index_older_than_the_journal_is_made_again() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    store.close().unwrap();
    let old = disk.state().bytes("index.redb");
    let store = open(&disk).unwrap();
    live_and_collect(&store, &log).unwrap();
    store.close().unwrap();
    let file = disk.open("index.redb", Mode::Create).unwrap();
    file.write_at(0, &old).unwrap();
    let store = open(&disk).unwrap();
    check(&store, &log.first(log.len()), "with an old index");
    assert!(
        disk.state()
            .names("")
            .contains(&"index.redb.damaged-1".to_owned())
    );
}

/// Collecting, delivering, deleting and reading at once.
#[test]
fn mail_goes_on_while_it_collects() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    let done = AtomicBool::new(false);
    let collected = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let some = compact(&store).unwrap();
                collected.fetch_add(some.segments, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            let inbox = inbox(&store);
            while !done.load(Ordering::Acquire) {
                for uid in inbox_uids(&store) {
                    match store.content(&access(), Source::Message(inbox, uid)) {
                        Ok(content) => drop(content.read_all().unwrap()),
                        Err(error) => assert_eq!(error, Error::NotFound, "{uid:?}"),
                    }
                }
            }
        });
        for seed in 200..400 {
            append(&store, &log, seed, 3_000).unwrap();
            if seed % 3 != 0 {
                expunge_old(&store, &log).unwrap();
            }
        }
        // At least one collection of what is there now.
        let before = collected.load(Ordering::Relaxed);
        while collected.load(Ordering::Relaxed) == before {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Release);
    });
    check(&store, &log.first(log.len()), "at once");
    store.close().unwrap();
    survives(disk.state(), &log, log.len(), "at once");
}
