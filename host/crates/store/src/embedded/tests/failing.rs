//! A sync or a write fails, once: the store stops, and nothing it said is untrue.

use crate::embedded::fault::{Failing, FaultDisk, Loss, State};
use crate::embedded::tests::script::{Log, append, check, inbox_uids, live, open};
use crate::{Error, Store};

/// Fails once in the script; then nothing more is accepted, and a restart has what was said.
fn check_failure(failing: Failing) -> bool {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    disk.fail(failing);
    let context = format!("{failing:?}");
    let ended = live(&store, &log);
    let noted = log.len();
    if let Err(error) = &ended {
        assert!(matches!(error, Error::Latched(_)), "{context}: {error:?}");
        for seed in 100..103 {
            let again = append(&store, &log, seed, 10);
            assert!(
                matches!(again, Err(Error::Latched(_))),
                "{context}: accepted after a failure: {again:?}"
            );
        }
        assert!(
            store.space().unwrap().latched.is_some(),
            "{context}: health does not show it"
        );
    }
    drop(store);
    // What the failed sync should have made durable is lost, as on Linux.
    for loss in [Loss::All, Loss::Some(3)] {
        let reopened = FaultDisk::new(disk.state().image(loss));
        let store = open(&reopened).unwrap_or_else(|error| panic!("{context}, {loss:?}: {error}"));
        check(&store, &log.first(noted), &context);
    }
    ended.is_err()
}

#[test]
fn f03_a_failed_sync_latches_and_is_never_tried_again() {
    let failures = (0..60)
        .filter(|number| check_failure(Failing::Sync(*number)))
        .count();
    assert!(
        failures >= 20,
        "only {failures} of the failures met an operation"
    );
}

#[test]
fn f03_a_failed_write_latches() {
    let failures = (0..90)
        .filter(|number| check_failure(Failing::Write(*number)))
        .count();
    assert!(
        failures >= 20,
        "only {failures} of the failures met an operation"
    );
}

/// A new segment whose name may or may not be there ends what can be told about the journal.
#[test]
fn f03_a_directory_that_cannot_be_synced_loses_nothing() {
    for number in 0..12 {
        let disk = FaultDisk::new(State::default());
        let log = Log::default();
        let store = open(&disk).unwrap();
        disk.fail(Failing::Directory(number));
        let ended = live(&store, &log);
        assert!(
            matches!(ended, Ok(()) | Err(Error::Full | Error::Latched(_))),
            "{number}: {ended:?}"
        );
        // Full passes: the same life goes on, unless the store stopped.
        let again: Vec<_> = (0..3).map(|_| live(&store, &log)).collect();
        let latched = store.space().unwrap().latched.is_some();
        assert_eq!(again[2].is_err(), latched, "{number}: {again:?}");
        drop(store);
        for loss in [Loss::All, Loss::Nothing, Loss::Some(9)] {
            let context = format!("directory sync {number}, {loss:?}");
            let store = open(&FaultDisk::new(disk.state().image(loss)))
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            check(&store, &log.first(log.len()), &context);
        }
    }
}

/// After a failed sync the system still shows what it could not write, as if it were there.
#[test]
fn f03_what_a_failed_sync_forgot_is_written_again_before_it_is_shown() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    append(&store, &log, 1, 500).unwrap();
    disk.fail(Failing::Sync(0));
    assert!(matches!(
        append(&store, &log, 2, 500),
        Err(Error::Latched(_))
    ));
    let killed = FaultDisk::new(disk.state().kill());
    drop(store);
    let store = open(&killed).unwrap();
    let seen = inbox_uids(&store);
    assert_eq!(
        seen.len(),
        2,
        "the record is read from the memory of the system"
    );
    append(&store, &log, 3, 500).unwrap();
    let after = killed.state().image(Loss::All);
    drop(store);
    let store = open(&FaultDisk::new(after)).unwrap();
    assert_eq!(inbox_uids(&store)[..2], seen, "shown and then lost");
    check(&store, &log.first(log.len()), "after the power loss");
}

#[test]
fn f03_reading_goes_on_after_a_failure() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    append(&store, &log, 1, 500).unwrap();
    disk.fail(Failing::Sync(0));
    assert!(matches!(
        append(&store, &log, 2, 500),
        Err(Error::Latched(_))
    ));
    let uids = inbox_uids(&store);
    assert_eq!(
        uids,
        [mail::Uid(1)],
        "the failed one is not shown, the old one is"
    );
}
