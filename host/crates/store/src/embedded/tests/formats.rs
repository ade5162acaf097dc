//! Every released format is kept as a fixture, and opened: `tests/fixtures/format-N.pack` is a
//! data directory, `format-N.rows` what is to be seen in it.
//!
//! A new format gets its fixture by running this with `POSTROOM_MAKE_FIXTURE=1`, once, before it
//! is released; a fixture that is there is never made again.

use std::path::{Path, PathBuf};

use mail::Timestamp;

use crate::embedded::disk::{Disk, Mode};
use crate::embedded::fault::{FaultDisk, Loss, State};
use crate::embedded::format::{self, FORMAT};
use crate::embedded::tests::compressed::change_index;
use crate::embedded::tests::dump::{Dump, PEOPLE};
use crate::embedded::tests::fixture::{pack, unpack};
use crate::embedded::tests::life::{Life, Lived, goes_on, open_and_dump};
use crate::embedded::tests::script;
use crate::embedded::tests::steps::*;
use crate::embedded::upgrade::{Step as UpgradeStep, Target, Upgrade};
use crate::engine::purge::is_anything_left;
use crate::keyring::Fate;
use crate::{OpenError, Owner, Place, Standing, Store};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A directory of a format, and what is to be seen in it.
fn fixture(number: u32) -> (State, Dump) {
    let read = |ending: &str| {
        let path = folder().join(format!("format-{number}.{ending}"));
        std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; see the head of this file", path.display())
        })
    };
    let rows = String::from_utf8(read("rows")).expect("it is text");
    (unpack(&read("pack")), Dump::from_text(&rows))
}

/// A bit of everything, with an index and a tail of the journal behind it.
fn make_fixture() {
    let mut life = Life::begin(2_026);
    life.largest = 500;
    let blank = vec![b'\n'; 300_000];
    let large = |life: &mut Life| {
        // Lines of nothing: large for the store and small for the fixture.
        let mut bytes = blank.clone();
        bytes[40..299_000].fill(0);
        life.step("large", |store| {
            let message = crate::NewMessage::new(vec![script::body(store, &bytes)?]);
            let id = store.operation_id();
            let place = Place::Named(Owner::Person(PEOPLE[1]), "Archive/2026".to_owned());
            store
                .append(&Life::access(2), id, place, vec![message])
                .wait()
        })
    };
    life.live(&[
        accept,
        append,
        create_mailbox,
        share,
        subscribe,
        set_settings,
    ])
    .expect("it goes well");
    large(&mut life).expect("it goes well");
    life.step("subscribe", |store| {
        let name = "Archive/2026".to_owned();
        store
            .subscribe(&Life::access(2), PEOPLE[1], name, true)
            .wait()
    })
    .expect("it goes well");
    life.live(&[
        accept,
        flag,
        settle,
        hold,
        copy,
        move_messages,
        expunge,
        put_values,
        accept,
        settle,
        rename_mailbox,
        expunge_last,
        reopen,
        accept,
        flag,
        note_started,
        append,
        put_values,
    ])
    .expect("it goes well");
    let name = |ending: &str| folder().join(format!("format-{FORMAT}.{ending}"));
    std::fs::create_dir_all(folder()).expect("the folder can be made");
    std::fs::write(name("rows"), life.now().to_text()).expect("it can be written");
    // As a kill leaves it, not as a close does.
    let packed = pack(&life.disk.state());
    std::fs::write(name("pack"), packed).expect("it can be written");
}

fn is_wanted() -> bool {
    let is_there = folder().join(format!("format-{FORMAT}.pack")).exists();
    !is_there && std::env::var_os("POSTROOM_MAKE_FIXTURE").is_some()
}

#[test]
fn every_released_format_opens_and_has_all_its_rows() {
    if is_wanted() {
        make_fixture();
    }
    for number in 1..=FORMAT {
        let (state, rows) = fixture(number);
        let kinds = [
            "/mailbox/",
            "/message/",
            "/queue/",
            "/kv/",
            "/setting/",
            "/trace/",
            "/subscriptions/",
        ];
        for kind in kinds {
            assert!(
                rows.0.keys().any(|key| key.contains(kind)),
                "format {number} has no {kind}"
            );
        }
        let disk = FaultDisk::new(state);
        let (store, found) =
            open_and_dump(&disk).unwrap_or_else(|error| panic!("format {number}: {error}"));
        assert_eq!(found.difference(&rows), None, "format {number}");
        goes_on(&store, &found, &Lived::of(rows.clone()), 0)
            .unwrap_or_else(|error| panic!("format {number}: {error}"));
        store.close().unwrap();
        let found = format::read(&disk, Path::new("data")).unwrap().unwrap();
        assert_eq!(found.format, FORMAT);
    }
}

/// Their rows are there and their keys are not.
#[test]
fn t08_people_and_domains_of_format_1_can_be_erased() {
    let owners = [
        (2, Owner::Person(PEOPLE[0])),
        (2, Owner::Person(PEOPLE[1])),
        (1, Owner::Domain),
        (2, Owner::Domain),
        (3, Owner::Domain),
    ];
    for (domain, owner) in owners {
        let context = format!("{domain} {owner:?}");
        let (state, _) = fixture(1);
        let disk = FaultDisk::new(state);
        let store = script::open(&disk).unwrap();
        let access = Life::access(domain);
        let before = store.standing(&access, owner);
        assert_ne!(before, Ok(Standing::Erased), "{context}");
        store
            .erase_owner(&access, owner)
            .wait()
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        let is_gone = |store: &crate::service::Engine| {
            assert_eq!(
                store.standing(&access, owner),
                Ok(Standing::Erased),
                "{context}"
            );
            let usage = store.usage(&access, owner).unwrap();
            assert_eq!(usage, crate::Usage::default(), "{context}");
            let left = store.read(|view| is_anything_left(view, access.domain(), owner));
            assert_eq!(left, Ok(false), "{context}");
            assert!(
                store.keys_with_fate(Fate::Condemned).is_empty(),
                "{context}"
            );
            let live = store.keys_with_fate(Fate::Live);
            let is_of_it = |(whose, who): &(mail::DomainId, Owner)| {
                *whose == access.domain() && (owner == Owner::Domain || *who == owner)
            };
            assert!(!live.iter().any(is_of_it), "{context}: {live:?}");
        };
        is_gone(&store);
        store.close().unwrap();
        drop(store);
        is_gone(&script::open(&disk).unwrap());
    }
}

/// An older postroom takes format 1 for all it knows; a new directory and an upgraded one say 2.
#[test]
fn what_is_written_encrypted_is_refused_by_who_reads_format_1() {
    let new = FaultDisk::new(State::default());
    let upgraded = FaultDisk::new(fixture(1).0);
    for disk in [new, upgraded] {
        script::open(&disk).unwrap().close().unwrap();
        let error = format::read_up_to(&disk, Path::new("data"), 1).unwrap_err();
        assert!(
            matches!(error, OpenError::Newer { format: 2, .. }),
            "{error}"
        );
    }
}

/// As stores had it before there was an agenda: a list of rows by due time, and no other.
fn with_old_dues(disk: &FaultDisk) {
    use crate::keys::{self, Table};
    use crate::view::View as _;

    let host = mail::Tenant::HOST.domain();
    change_index(disk, |view| {
        let mut change = crate::view::Layer::new();
        let turns = view.prefix(&keys::all_turns(), usize::MAX).unwrap();
        for (key, value) in turns {
            if let Some((_, at, id)) = keys::turn_of_row(&key) {
                let domain = keys::number_of(&value);
                let mut due = keys::old_dues();
                due.extend_from_slice(&((at.0 as u64) ^ (1 << 63)).to_be_bytes());
                due.extend_from_slice(&id.to_be_bytes());
                change.insert(due, Some(crate::rows::encode(&domain)));
            }
        }
        assert!(change.len() > 1, "{change:?}");
        for table in [Table::Turn, Table::Node, Table::Started] {
            let rows = view.prefix(&keys::table(host, table), usize::MAX).unwrap();
            change.extend(rows.into_iter().map(|(key, _)| (key, None)));
        }
        change
    });
}

/// Claims, reads and settles everything that waits; answers the ids of the rows.
fn settle_all(store: &crate::service::Engine, now: Timestamp) -> Vec<u64> {
    let mut settled = Vec::new();
    let began = store.claim_started("worker", now, 60, None, 100).unwrap();
    let due = store.claim("worker", now, 60, 100).unwrap();
    for lease in began.into_iter().chain(due) {
        let access = Life::access(lease.row.domain.0);
        let content = store.content(&access, crate::Source::Queue(lease.row.id));
        assert_eq!(
            content.unwrap().read_all().unwrap().len() as u64,
            lease.row.size
        );
        let done = crate::Settlement::new(store.operation_id(), crate::Settled::Done);
        store.complete(&lease, done).wait().unwrap();
        settled.push(lease.row.id.0);
    }
    settled.sort_unstable();
    settled
}

#[test]
fn rows_that_format_1_queued_are_claimed_and_settled() {
    for is_before_agenda in [false, true] {
        let disk = FaultDisk::new(fixture(1).0);
        if is_before_agenda {
            script::open(&disk).unwrap().close().unwrap();
            with_old_dues(&disk);
        }
        let store = script::open(&disk).unwrap();
        let checked = store.check(true, &mut |_| {}).unwrap();
        assert_eq!((checked.problems, &checked.first[..]), (0, &[][..]));
        // What `format-1.rows` has but for the one that an administrator holds.
        let now = Timestamp(1_800_000_000_000);
        assert_eq!(store.next_due(), Some(Timestamp(1)));
        assert_eq!(settle_all(&store, now), [6, 16_777_222]);
        assert_eq!(store.next_due(), None, "held rows are not due");
        let held = crate::QueueId(34);
        let released = store.release(&Life::access(2), held).wait();
        released.unwrap();
        assert_eq!(settle_all(&store, now), [34]);
        let checked = store.check(true, &mut |_| {}).unwrap();
        assert_eq!((checked.problems, &checked.first[..]), (0, &[][..]));
        store.close().unwrap();
        let store = script::open(&disk).unwrap();
        assert_eq!(settle_all(&store, now), [0; 0], "they are gone for good");
    }
}

/// A power loss at every sync of the first start with this version, and of the starts after it.
#[test]
fn f12_an_upgrade_that_is_interrupted_goes_on() {
    for number in 1..=FORMAT {
        let (state, rows) = fixture(number);
        let mut states = vec![state];
        for round in 0..3 {
            let disk = FaultDisk::new(states.swap_remove(states.len() / 2));
            disk.record(|| 0);
            let (store, _) =
                open_and_dump(&disk).unwrap_or_else(|error| panic!("format {number}: {error}"));
            store.close().unwrap();
            states.clear();
            for (sync, snapshot) in disk.snapshots().iter().enumerate() {
                for loss in [
                    Loss::All,
                    Loss::Nothing,
                    Loss::Some(sync as u64),
                    Loss::Some(77 + sync as u64),
                ] {
                    let context = format!("format {number}, round {round}, sync {sync}, {loss:?}");
                    let image = snapshot.state.image(loss);
                    states.push(image.clone());
                    let (_, found) = open_and_dump(&FaultDisk::new(image))
                        .unwrap_or_else(|error| panic!("{context}: {error}"));
                    assert_eq!(found.difference(&rows), None, "{context}");
                }
            }
        }
    }
}

// ---- the machinery, on a format that is not there yet ----------------------------------------

/// Marks each file of the journal in a file beside it, then gathers the marks: two steps that can
/// be seen, and that a crash can part.
const NEXT: Target = Target {
    format: FORMAT + 1,
    needs: "9.0.0",
    upgrades: &[Upgrade {
        from: FORMAT,
        steps: &[
            UpgradeStep {
                name: "mark",
                run: |disk, _| {
                    for name in disk.list("journal")? {
                        format::replace(disk, &format!("mark-{name}"), name.as_bytes())?;
                    }
                    Ok(())
                },
            },
            UpgradeStep {
                name: "gather",
                run: |disk, _| {
                    let names: Vec<String> = disk.list("journal")?;
                    format::replace(disk, "gathered", names.join(" ").as_bytes())?;
                    for name in disk
                        .list("")?
                        .iter()
                        .filter(|name| name.starts_with("mark-"))
                    {
                        disk.remove(name)?;
                    }
                    disk.sync_dir("")
                },
            },
        ],
    }],
};

fn reach(disk: &FaultDisk) -> Result<(), OpenError> {
    let root = Path::new("data");
    let found = format::read_up_to(disk, root, NEXT.format)?.expect("the FORMAT file is there");
    NEXT.reach(disk, root, found).map(drop)
}

/// A store with several finished segments, and what is in it.
fn lived() -> (State, Dump) {
    let mut life = Life::begin(4);
    life.live(&[
        accept_large,
        append_several,
        burst,
        burst,
        append_several,
        accept,
        append_several,
        accept,
    ])
    .unwrap();
    let dump = life.now().clone();
    let state = life.disk.state().image(Loss::Nothing);
    assert!(
        state.names("journal/").len() > 1,
        "{:?}",
        state.names("journal/")
    );
    assert_eq!(state.names("bodies/").len(), 1);
    (state, dump)
}

#[test]
fn an_upgrade_keeps_a_copy_that_an_older_version_opens() {
    let (state, dump) = lived();
    let disk = FaultDisk::new(state);
    reach(&disk).unwrap();
    let upgraded = disk.state();
    assert_eq!(upgraded.names("UPGRADE"), Vec::<String>::new());
    assert_eq!(upgraded.names("mark-"), Vec::<String>::new());
    assert_eq!(upgraded.names("gathered"), ["gathered"]);
    // The upgraded directory is refused here, which is an older version to it.
    let error = script::open(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(
        error.to_string().contains("needs postroom 9.0.0 or newer"),
        "{error}"
    );
    // The way back: the copy, in the place of the directory.
    let prefix = format!("before-format-{}/", FORMAT + 1);
    let mut back = State::default();
    let mut put = |from: &str, to: &str| {
        let mut pages = crate::embedded::fault::Pages::default();
        pages.write(0, &upgraded.bytes(from));
        back.put(to, pages);
    };
    for name in upgraded.names(&prefix) {
        put(&name, &name[prefix.len()..]);
    }
    // Keys are beside the data and have no copy: they are those of now.
    for name in upgraded.names(script::KEYS) {
        put(&name, &name);
    }
    let (store, found) = open_and_dump(&FaultDisk::new(back)).unwrap();
    assert_eq!(found.difference(&dump), None);
    store.close().unwrap();
}

#[test]
fn f12_an_upgrade_goes_on_after_a_crash_at_every_sync() {
    let (state, dump) = lived();
    let disk = FaultDisk::new(state);
    disk.record(|| 0);
    reach(&disk).unwrap();
    let whole = disk.state();
    let snapshots = disk.take_snapshots();
    assert!(snapshots.len() > 12, "only {} syncs", snapshots.len());
    for (sync, snapshot) in snapshots.iter().enumerate() {
        for seed in 0..24 {
            let loss = match seed {
                0 => Loss::All,
                1 => Loss::Nothing,
                seed => Loss::Some(seed * 1_000 + sync as u64),
            };
            let context = format!("sync {sync}, {loss:?}");
            let image = snapshot.state.image(loss);
            let is_upgraded =
                format::read(&FaultDisk::new(image.clone()), Path::new("data")).is_err();
            if !is_upgraded {
                // The old version may still be started.
                let (_, found) = open_and_dump(&FaultDisk::new(image.clone()))
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                assert_eq!(found.difference(&dump), None, "{context}");
            }
            let again = FaultDisk::new(image);
            reach(&again).unwrap_or_else(|error| panic!("{context}: {error}"));
            let after = again.state();
            let names = |state: &State| {
                state
                    .names("")
                    .into_iter()
                    .filter(|name| !name.ends_with(".new"))
                    .collect::<Vec<_>>()
            };
            assert_eq!(names(&after), names(&whole), "{context}");
            for name in names(&whole) {
                assert!(
                    after.bytes(&name) == whole.bytes(&name),
                    "{context}: {name} differs"
                );
            }
        }
    }
}

#[test]
fn an_upgrade_without_room_for_the_copy_leaves_the_old_data() {
    let (state, dump) = lived();
    let disk = FaultDisk::new(state);
    disk.set_capacity(Some(disk.used() + 5_000));
    let error = reach(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    disk.set_capacity(None);
    let (store, found) = open_and_dump(&disk).unwrap();
    assert_eq!(found.difference(&dump), None);
    store.close().unwrap();
    reach(&disk).unwrap();
    assert!(disk.open("gathered", Mode::Read).is_ok());
}
