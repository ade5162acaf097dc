//! Crashes while a copy, or a store that is older than it was, gets the restore rules: whatever
//! was done of them, in the end all of them are applied, and none twice in a way that is seen.

use std::path::Path;

use crate::embedded::disk::{Disk, Mode};
use crate::embedded::fault::{FaultDisk, Loss, Snapshot, State};
use crate::embedded::restore::{RestoreRules, refuse_unfinished, restore_on};
use crate::embedded::tests::dump::Dump;
use crate::embedded::tests::life::{Life, Lived, goes_on, open_and_dump};
use crate::embedded::tests::script::{config, keys_on, master};
use crate::embedded::tests::steps::*;
use crate::{Head, OpenError, Store};

/// What is put back, what was seen in it, and how far the store was in the end.
struct Copied {
    state: State,
    seen: Dump,
    noted: Head,
}

/// A store with mail and queue; what happened to it later is noted and lost.
fn copied(with_index: bool) -> Copied {
    let mut life = Life::begin(4);
    life.live(&[
        accept,
        accept,
        append_several,
        create_mailbox,
        share,
        accept_large,
        settle,
        hold,
        accept,
        note_started,
        append,
        reopen,
        accept,
        flag,
    ])
    .unwrap();
    let seen = life.now().clone();
    let mut state = life.disk.state().image(Loss::Nothing);
    if !with_index {
        state.remove("index.redb");
    }
    life.live(&[accept, create_mailbox, append]).unwrap();
    let noted = life.store().head().unwrap();
    // The keys are those of now: a copy has none.
    for name in life.disk.state().names("keys/") {
        let mut pages = crate::embedded::fault::Pages::default();
        pages.write(0, &life.disk.state().bytes(&name));
        state.put(&name, pages);
    }
    let mut mark = crate::embedded::fault::Pages::default();
    mark.write(0, b"");
    state.put("RESTORING", mark);
    Copied { state, seen, noted }
}

fn rules(noted: Head) -> RestoreRules {
    RestoreRules {
        noted: Some(noted),
        text: "came back with a backup".to_owned(),
    }
}

/// Does what an operator does: restores while the directory says that it is not finished.
fn finish(disk: &FaultDisk, noted: Head) -> Result<(), OpenError> {
    let root = Path::new("data");
    match refuse_unfinished(disk, root) {
        Err(OpenError::Unfinished { .. }) => {
            let keys = keys_on(disk, master());
            let disk = std::sync::Arc::new(disk.clone());
            restore_on(disk, keys, root, config(), &rules(noted)).map(drop)
        }
        done => done,
    }
}

/// Epochs may move on more than once.
fn without_epochs(dump: &Dump) -> Dump {
    let lines = dump.0.iter().map(|(key, line)| {
        let line = match line.split_once(" epoch ") {
            Some((before, rest)) => {
                let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
                format!("{before} epoch later {rest}")
            }
            None => line.clone(),
        };
        (key.clone(), line)
    });
    Dump(lines.collect())
}

/// The state that every interrupted restore must end in.
fn check(disk: &FaultDisk, copied: &Copied, expected: &Dump, context: &str) {
    let (store, found) = open_and_dump(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    let difference = without_epochs(&found).difference(expected);
    assert_eq!(difference, None, "{context}");
    let known = copied.noted.uid_validity;
    for (mailbox, epoch) in found.epochs() {
        assert!(
            epoch > u64::from(known),
            "{context}: mailbox {mailbox} has {epoch}, and {known} was given"
        );
    }
    let head = store.head().unwrap();
    assert!(!head.is_behind(&copied.noted), "{context}: {head:?}");
    assert!(head.ids > copied.noted.ids, "{context}: {head:?}");
    let checked = store.check(true, &mut |_| {}).unwrap();
    assert_eq!(checked.problems, 0, "{context}: {checked:?}");
    goes_on(&store, &found, &Lived::of(copied.seen.clone()), 0)
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    store.close().unwrap();
}

/// The copy restored without a crash: what is seen then, and the disk at each sync on the way.
fn uninterrupted(copied: &Copied) -> (Dump, Vec<Snapshot>) {
    let disk = FaultDisk::new(copied.state.clone());
    disk.record(|| 0);
    finish(&disk, copied.noted).unwrap();
    let snapshots = disk.take_snapshots();
    let (store, found) = open_and_dump(&disk).unwrap();
    store.close().unwrap();
    // The rules were applied: nothing in the queue is ready, and all mail is there.
    let mut parked = 0;
    for (key, line) in &found.0 {
        if key.contains("/queue/") {
            assert!(!line.contains(" ready "), "{line}");
            parked += usize::from(line.contains("Restored"));
        }
    }
    assert!(parked > 1, "{found:?}");
    for (key, line) in &copied.seen.0 {
        if key.contains("/message/") {
            assert_eq!(found.0.get(key), Some(line));
        }
    }
    (without_epochs(&found), snapshots)
}

const LOSSES: [Loss; 4] = [Loss::All, Loss::Nothing, Loss::Some(17), Loss::Some(4_711)];

#[test]
fn f09_a_crash_at_every_sync_of_a_restore_ends_like_none() {
    for with_index in [false, true] {
        let copied = copied(with_index);
        let (expected, snapshots) = uninterrupted(&copied);
        assert!(snapshots.len() > 10, "only {} syncs", snapshots.len());
        for (number, snapshot) in snapshots.iter().enumerate() {
            for loss in LOSSES {
                let context = format!("index {with_index}, sync {number}, {loss:?}");
                let disk = FaultDisk::new(snapshot.state.image(loss));
                finish(&disk, copied.noted).unwrap_or_else(|error| panic!("{context}: {error}"));
                check(&disk, &copied, &expected, &context);
            }
        }
    }
}

#[test]
fn f09_a_crash_in_the_restore_after_a_crash_ends_like_none() {
    let copied = copied(false);
    let (expected, snapshots) = uninterrupted(&copied);
    let mut images = 0;
    for (number, first) in snapshots.iter().enumerate().step_by(3) {
        let disk = FaultDisk::new(first.state.image(Loss::Some(number as u64)));
        disk.record(|| 0);
        finish(&disk, copied.noted).unwrap();
        for (again, second) in disk.take_snapshots().iter().enumerate().step_by(4) {
            let loss = LOSSES[(number + again) % LOSSES.len()];
            let context = format!("sync {number}, then sync {again}, {loss:?}");
            let disk = FaultDisk::new(second.state.image(loss));
            finish(&disk, copied.noted).unwrap_or_else(|error| panic!("{context}: {error}"));
            check(&disk, &copied, &expected, &context);
            images += 1;
        }
    }
    assert!(images > 10, "only {images} images");
}

#[test]
fn an_older_copy_that_was_not_accepted_is_not_changed_by_a_look() {
    let Copied {
        mut state, noted, ..
    } = copied(true);
    state.remove("RESTORING");
    let disk = FaultDisk::new(state);
    let look = || {
        let config = crate::Config {
            at_least: Some(noted),
            ..config()
        };
        let keys = keys_on(&disk, master());
        let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(disk.clone());
        let store = crate::embedded::open_on(disk, keys, Path::new("data"), &config).unwrap();
        assert!(store.space().unwrap().latched.is_some());
        let dump = Dump::of(&store).unwrap();
        drop(store);
        dump
    };
    let first = look();
    assert_eq!(look().difference(&first), None);
    // Accepted, it serves; and the note of before does not hold it back any more.
    disk.open("RESTORING", Mode::Create).unwrap();
    finish(&disk, noted).unwrap();
    let (store, found) = open_and_dump(&disk).unwrap();
    assert!(!store.head().unwrap().is_behind(&noted));
    assert_eq!(found.mailbox_ids(), first.mailbox_ids());
}
