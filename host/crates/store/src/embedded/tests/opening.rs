//! Which directories are opened, and what is said about the others.

use crate::embedded::disk::{Disk, Mode};
use crate::embedded::fault::{FaultDisk, State};
use crate::embedded::format::FORMAT;
use crate::embedded::segment;
use crate::embedded::tests::script::{Log, append, config, live, open};
use crate::{Embedded, OpenError, Store};

fn write(disk: &FaultDisk, path: &str, text: &str) {
    let file = disk.open(path, Mode::Create).unwrap();
    file.write_at(0, text.as_bytes()).unwrap();
    file.sync().unwrap();
}

/// A directory with some mail in it.
fn lived() -> FaultDisk {
    let disk = FaultDisk::new(State::default());
    let store = open(&disk).unwrap();
    live(&store, &Log::default()).unwrap();
    store.close().unwrap();
    disk
}

#[test]
fn newer_data_is_refused_and_names_the_version() {
    let disk = lived();
    let id = "0123456789abcdef0123456789abcdef";
    write(
        &disk,
        "FORMAT",
        &format!("postroom data directory\nformat 9\nneeds 3.2.0\nstore {id}\n"),
    );
    let error = open(&disk).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Newer {
                format: 9,
                ours: FORMAT,
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("needs postroom 3.2.0 or newer"),
        "{error}"
    );
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let disk = FaultDisk::new(State::default());
    write(&disk, "holiday.jpg", "…");
    assert!(matches!(
        open(&disk).unwrap_err(),
        OpenError::NotAStore { .. }
    ));
}

#[test]
fn missing_pieces_are_damage_and_never_made_anew() {
    let cases: &[(&str, &str)] = &[
        ("FORMAT", "no FORMAT file"),
        ("journal/0000000000000001.seg", "is missing"),
        ("journal/", "journal is missing"),
    ];
    for (missing, said) in cases {
        let disk = lived();
        let mut state = disk.state();
        for name in state.names(missing) {
            state.remove(&name);
        }
        if *missing != "FORMAT" {
            state.remove("index.redb");
        }
        let damaged = FaultDisk::new(state);
        let error = open(&damaged).unwrap_err();
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{missing}: {error}"
        );
        assert!(error.to_string().contains(said), "{missing}: {error}");
        assert!(
            !damaged
                .state()
                .names("")
                .iter()
                .any(|name| name == "FORMAT")
                || *missing != "FORMAT"
        );
    }
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let disk = lived();
    let other = lived();
    write(&disk, &segment::path(1), "");
    let file = disk.open(&segment::path(1), Mode::Write).unwrap();
    file.write_at(0, &other.state().bytes(&segment::path(1)))
        .unwrap();
    disk.remove("index.redb").unwrap();
    let error = open(&disk).unwrap_err();
    assert!(error.to_string().contains("of another store"), "{error}");
}

#[test]
fn an_index_ahead_of_the_journal_is_refused() {
    let disk = lived();
    let mut state = disk.state();
    let last = state.names("journal/").pop().unwrap();
    state.remove(&last);
    let error = open(&FaultDisk::new(state)).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn f11_a_second_process_is_refused_and_a_clean_close_lets_go() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/data");
    let store = Embedded::open(&path, config()).unwrap();
    let error = Embedded::open(&path, config()).unwrap_err();
    assert!(
        matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    append(&store, &Log::default(), 1, 100).unwrap();
    store.close().unwrap();
    assert_eq!(
        append(&store, &Log::default(), 2, 100).unwrap_err(),
        crate::Error::Closed
    );
    let again = Embedded::open(&path, config()).unwrap();
    append(&again, &Log::default(), 3, 100).unwrap();
}

#[test]
fn a_close_and_an_open_begin_no_new_segment() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let store = Embedded::open(&directory.path().join("data"), config()).unwrap();
        append(&store, &Log::default(), 1, 100).unwrap();
    }
    let segments = std::fs::read_dir(directory.path().join("data/journal"))
        .unwrap()
        .count();
    assert_eq!(segments, 1);
}
