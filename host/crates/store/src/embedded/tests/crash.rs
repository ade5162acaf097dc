//! A crash at every sync, with everything that was not synced lost, kept or torn.

use crate::Store;
use crate::embedded::fault::{FaultDisk, Loss, Snapshot, State};
use crate::embedded::tests::script::{Log, append, check, inbox_uids, live, open};

/// Lives the script and keeps a snapshot at every sync.
fn snapshots() -> (Vec<Snapshot>, Log) {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let noted = log.clone();
    disk.record(move || noted.len());
    let store = open(&disk).unwrap();
    live(&store, &log).unwrap();
    store.close().unwrap();
    (disk.snapshots(), log)
}

/// Reopens an image and checks it; answers the disk as the check left it.
fn reopen(state: State, log: &Log, noted: usize, context: &str) -> FaultDisk {
    let disk = FaultDisk::new(state);
    disk.record(|| 0);
    let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    check(&store, &log.first(noted), context);
    store.close().unwrap();
    disk
}

#[test]
fn f02_everything_acknowledged_survives_a_power_loss_at_every_sync() {
    let (snapshots, log) = snapshots();
    assert!(
        snapshots.len() > 40,
        "the script has only {} syncs",
        snapshots.len()
    );
    let mut images = 0;
    for (number, snapshot) in snapshots.iter().enumerate() {
        let seeds = (0..6).map(|seed| Loss::Some(seed * 1_000_003 + number as u64));
        for loss in [Loss::All, Loss::Nothing].into_iter().chain(seeds) {
            let context = format!("sync {number}, {loss:?}");
            reopen(snapshot.state.image(loss), &log, snapshot.noted, &context);
            images += 1;
        }
    }
    assert!(images >= 200, "only {images} images");
}

#[test]
fn f09_a_crash_during_recovery_recovers_like_one_crash() {
    let (snapshots, log) = snapshots();
    let mut images = 0;
    for (number, snapshot) in snapshots.iter().enumerate().step_by(3) {
        let context = format!("sync {number}");
        let first = snapshot.state.image(Loss::Some(number as u64));
        let recovering = FaultDisk::new(first);
        recovering.record(|| 0);
        let store = open(&recovering).unwrap_or_else(|error| panic!("{context}: {error}"));
        store.close().unwrap();
        for (again, snapshot_again) in recovering.snapshots().iter().enumerate() {
            for loss in [
                Loss::All,
                Loss::Nothing,
                Loss::Some(again as u64 * 7 + number as u64),
            ] {
                let context = format!("sync {number}, then sync {again} of the recovery, {loss:?}");
                let disk = reopen(
                    snapshot_again.state.image(loss),
                    &log,
                    snapshot.noted,
                    &context,
                );
                images += 1;
                // A third crash, somewhere in the recovery of the second.
                let third = disk.snapshots();
                let third = &third[(number + again) % third.len()];
                let context = format!("{context}, then a third");
                reopen(
                    third.state.image(Loss::Some(again as u64)),
                    &log,
                    snapshot.noted,
                    &context,
                );
            }
        }
    }
    assert!(images >= 200, "only {images} images");
}

#[test]
fn f09_a_record_seen_after_a_kill_is_synced_before_it_is_shown() {
    let (snapshots, log) = snapshots();
    for (number, snapshot) in snapshots.iter().enumerate() {
        // The process is killed: unsynced writes are still in memory of the system, and seen.
        let killed = FaultDisk::new(snapshot.state.kill());
        let Ok(store) = open(&killed) else {
            panic!("sync {number} does not open")
        };
        let seen = inbox_uids(&store);
        let acked = Log::of(log.first(snapshot.noted));
        append(&store, &acked, 500, 100).unwrap();
        // And only now the power goes: what was seen must still be there, and what was
        // acknowledged since.
        let after = killed.state().image(Loss::All);
        drop(store);
        let store =
            open(&FaultDisk::new(after)).unwrap_or_else(|error| panic!("sync {number}: {error}"));
        let again = inbox_uids(&store);
        assert_eq!(
            again[..seen.len()],
            seen,
            "sync {number}: shown and then lost"
        );
        check(&store, &acked.first(acked.len()), &format!("sync {number}"));
    }
}
