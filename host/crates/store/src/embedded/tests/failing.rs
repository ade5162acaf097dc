//! A call to the disk fails, once: the store stops or goes on as it was, and nothing it said is
//! untrue.

use crate::embedded::fault::{Call, EIO, EMFILE, ENOSPC, Failing, FaultDisk, Loss, State};
use crate::embedded::tests::life::{Life, Lived, goes_on, open_and_dump};
use crate::embedded::tests::script::{Log, append, check, inbox_uids, live, open};
use crate::embedded::tests::steps::{
    self, Step, accept, accept_large, append_several, burst, create_mailbox, expunge, expunge_last,
    flag, move_messages, purge, put_values, settle,
};
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

// ---- every call, at every position -----------------------------------------------------------

/// What can fail, and how.
const CALLS: &[(Call, &[i32])] = &[
    (Call::Open, &[EMFILE, ENOSPC, EIO]),
    (Call::Read, &[EIO]),
    (Call::Write, &[EIO, ENOSPC]),
    (Call::Length, &[EIO, ENOSPC]),
    (Call::Allocate, &[ENOSPC, EIO]),
    (Call::Sync, &[EIO, ENOSPC]),
    (Call::SyncDirectory, &[EIO, EMFILE, ENOSPC]),
    (Call::Rename, &[EIO, ENOSPC]),
    (Call::Remove, &[EIO]),
];

/// A bit of everything, over several segments and checkpoints.
const STEPS: &[Step] = &[
    accept,
    append_several,
    accept_large,
    settle,
    flag,
    create_mailbox,
    burst,
    move_messages,
    expunge,
    accept,
    put_values,
    accept_large,
    settle,
    append_several,
    expunge,
    purge,
    steps::append,
    expunge_last,
    steps::append,
];
const SEED: u64 = 40;

/// Lives with one failure. `false`: the life has no such call any more.
fn life_with(failing: Failing, whole: &Lived) -> bool {
    let mut life = Life::begin(SEED);
    life.disk.fail(failing);
    let ended = life.live(STEPS);
    if life.disk.is_to_fail() {
        return false;
    }
    let latched = life.store().space().unwrap().latched;
    match &ended {
        Ok(()) => {}
        Err(Error::Latched(_)) => {
            assert!(latched.is_some(), "{failing:?}: health does not show it");
        }
        Err(error) => panic!("{failing:?}: {error}"),
    }
    if latched.is_some() {
        let again = steps::append(&mut life);
        assert!(
            matches!(again, Err(Error::Latched(_))),
            "{failing:?}: {again:?}"
        );
    }
    let (answered, lived, state) = life.fail(whole);
    for loss in [Loss::All, Loss::Nothing, Loss::Some(SEED)] {
        let (store, found) = open_and_dump(&FaultDisk::new(state.image(loss)))
            .unwrap_or_else(|error| panic!("{failing:?}, {loss:?}: {error}"));
        lived
            .check(answered, &found)
            .and_then(|()| goes_on(&store, &found, &lived, answered))
            .unwrap_or_else(|error| panic!("{failing:?}, {loss:?}: {error}"));
    }
    true
}

#[test]
fn f03_f05_any_call_that_fails_once_in_a_life_loses_nothing() {
    let mut life = Life::begin(SEED);
    life.live(STEPS).unwrap();
    let whole = life.end();
    for (call, errors) in CALLS {
        for error in *errors {
            let met =
                (0..).take_while(|number| life_with(Failing::Nth(*call, *number, *error), &whole));
            let met = met.count();
            assert!(met > 0, "{call:?} never was called");
        }
    }
}

/// Opens with one failure, then without. `false`: the open has no such call any more.
fn open_with(failing: Failing, image: &State, lived: &Lived, answered: usize) -> bool {
    let disk = FaultDisk::new(image.clone());
    disk.fail(failing);
    if let Ok(store) = open(&disk) {
        // What it reads may fail, once.
        drop(store);
    }
    if disk.is_to_fail() {
        return false;
    }
    for loss in [Loss::All, Loss::Nothing, Loss::Some(7)] {
        let (store, found) = open_and_dump(&FaultDisk::new(disk.state().image(loss)))
            .unwrap_or_else(|error| panic!("{failing:?}, {loss:?}: {error}"));
        lived
            .check(answered, &found)
            .and_then(|()| goes_on(&store, &found, lived, answered))
            .unwrap_or_else(|error| panic!("{failing:?}, {loss:?}: {error}"));
    }
    true
}

#[test]
fn f03_f09_any_call_that_fails_once_in_a_recovery_loses_nothing() {
    let mut life = Life::begin(SEED);
    life.live(STEPS).unwrap();
    let lived = life.end();
    let syncs = lived.snapshots.len();
    for (sync, snapshot) in lived
        .snapshots
        .iter()
        .enumerate()
        .skip(3)
        .step_by(syncs / 3)
    {
        let image = snapshot.state.image(Loss::Some(sync as u64));
        for (call, errors) in CALLS {
            for error in *errors {
                let fails = |number: &usize| {
                    open_with(
                        Failing::Nth(*call, *number, *error),
                        &image,
                        &lived,
                        snapshot.noted,
                    )
                };
                (0..).take_while(fails).for_each(drop);
            }
        }
    }
}
