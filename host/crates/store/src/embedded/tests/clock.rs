//! F08: the system's clock jumps. Dates follow it; nothing that has an order does.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mail::{PersonId, Timestamp};

use crate::embedded::disk::Disk;
use crate::embedded::fault::{FaultDisk, State};
use crate::embedded::open_on;
use crate::embedded::tests::script::{Log, accept, access, append, check, config, keys_on, master};
use crate::service::Engine;
use crate::{Config, NewMailbox, Owner, Settled, Settlement, Store};

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 24 * 3600 * 1000;
/// A day ahead, a day back, one second back, 1970, before 1970, and right again.
const JUMPS: [i64; 7] = [
    NOW,
    NOW + DAY,
    NOW - DAY,
    NOW - DAY - 1000,
    0,
    -DAY,
    NOW + 5000,
];

/// The clock of this test alone.
static CLOCK: AtomicI64 = AtomicI64::new(NOW);

fn open(disk: &FaultDisk) -> Engine {
    let keys = keys_on(disk, master());
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let config = Config {
        clock: || Timestamp(CLOCK.load(Ordering::SeqCst)),
        ..config()
    };
    open_on(disk, keys, Path::new("data"), &config).unwrap()
}

#[test]
fn f08_a_clock_that_jumps_changes_no_order() {
    let disk = FaultDisk::new(State::default());
    let (log, mut epochs, mut ids) = (Log::default(), Vec::new(), Vec::new());
    for (number, jump) in JUMPS.iter().enumerate() {
        let store = open(&disk);
        for seed in 0..3 {
            // Between commits of one life too, not only between lives.
            CLOCK.store(jump + seed as i64, Ordering::SeqCst);
            append(&store, &log, (number * 10 + seed) as u64, 700).unwrap();
            let new = NewMailbox {
                owner: Owner::Person(PersonId(12)),
                name: "Again".to_owned(),
                special_use: None,
            };
            let made = store
                .create_mailbox(&access(), store.operation_id(), new)
                .wait()
                .unwrap();
            epochs.push(
                store
                    .mailbox(&access(), made)
                    .unwrap()
                    .status
                    .uid_validity
                    .0,
            );
            ids.push(store.operation_id().0 >> 64);
            store
                .delete_mailbox(&access(), store.operation_id(), made)
                .wait()
                .unwrap();
        }
        check(&store, &log.first(log.len()), &format!("jump {number}"));
        store.close().unwrap();
    }
    assert!(
        epochs.is_sorted_by(|a, b| a < b),
        "UIDVALIDITY went back: {epochs:?}"
    );
    assert!(ids.is_sorted_by(|a, b| a < b), "an id went back: {ids:?}");
}

/// The clock of the test below alone.
static AHEAD: AtomicI64 = AtomicI64::new(NOW + DAY);

#[test]
fn f08_a_clock_that_was_ahead_before_a_restart_delays_nothing_that_is_due() {
    let disk = FaultDisk::new(State::default());
    let open = || {
        let keys = keys_on(&disk, master());
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let config = Config {
            clock: || Timestamp(AHEAD.load(Ordering::SeqCst)),
            ..config()
        };
        open_on(disk, keys, Path::new("data"), &config).unwrap()
    };
    let store = open();
    let log = Log::default();
    for seed in 0..2 {
        accept(&store, &log, seed, 100).unwrap();
    }
    let claim = |store: &Engine| {
        let now = Timestamp(AHEAD.load(Ordering::SeqCst));
        store.claim("worker", now, 60, 1).unwrap()
    };
    let served = claim(&store).remove(0);
    let done = Settlement::new(store.operation_id(), Settled::Done);
    store.complete(&served, done).wait().unwrap();
    store.close().unwrap();

    AHEAD.store(NOW, Ordering::SeqCst);
    let store = open();
    assert!(store.next_due().is_some_and(|due| due <= Timestamp(NOW)));
    assert_eq!(claim(&store).len(), 1, "the account stands still");
}
