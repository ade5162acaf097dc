//! A cut of a running store, copied, is a store; the restore rules; older copies are found out.

use std::fs;
use std::path::Path;

use mail::{Timestamp, UidValidity};
use store::{
    Config, Cut, Embedded, Error, Head, NewMessage, OpenError, Owner, Parked, ParkedReason, Place,
    QueueFilter, QueueState, RestoreRules, Settled, Settlement, Source, Started, Store,
    check_segment, mark_restoring,
};

use crate::world::{ANN, BOB, NOW, World, config, system};

/// Larger than what stays in a record.
const LARGE: usize = 600 * 1024;

fn copy(from: &Path, to: &Path, cut: &Cut) {
    for file in &cut.files {
        let target = to.join(&file.path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let mut bytes = fs::read(from.join(&file.path)).unwrap();
        bytes.truncate(file.length.unwrap_or(u64::MAX) as usize);
        fs::write(&target, &bytes).unwrap();
        if file.path.starts_with("journal/") {
            let checked = check_segment(&target, file.length).unwrap().unwrap();
            assert!(checked.length <= bytes.len() as u64);
        }
    }
}

/// With the keys of this world, also for a copy elsewhere: copies have none.
fn keyed(world: &World) -> Config {
    let mut keys = world.path().as_os_str().to_owned();
    keys.push(".keys");
    Config {
        keys: Some(keys.into()),
        ..config()
    }
}

fn rules() -> RestoreRules {
    RestoreRules {
        noted: None,
        text: "came back with a backup".to_owned(),
    }
}

/// A world with mail of two domains, small and large, and a queue.
fn lived_in() -> World {
    let world = World::embedded();
    world.append(&system(1), Place::Inbox(ANN), b"Subject: one\r\n\r\n");
    world.append(&system(1), Place::Inbox(ANN), &vec![b'x'; LARGE]);
    world.append(&system(2), Place::Inbox(BOB), b"Subject: two\r\n\r\n");
    world.queued("deliver:file", NOW);
    world
}

#[test]
fn a_copied_cut_is_a_store_with_the_restore_rules_applied() {
    let world = lived_in();
    let store = world.store();
    let parked = world.queued("deliver:file", NOW);
    store.hold(&system(1), parked).wait().unwrap();
    let cut = store.cut().unwrap();
    // What happens later is not in it, and what it names stays while it lives.
    let mailbox = store
        .mailbox_named(&system(1), Owner::Person(ANN), "INBOX")
        .unwrap();
    let last = world.append(&system(1), Place::Inbox(ANN), b"Subject: later\r\n\r\n");
    let later = store.envelope_id();
    let uids = vec![mail::Uid(1), mail::Uid(2)];
    store
        .expunge(&system(1), world.op(), mailbox.id, uids)
        .wait()
        .unwrap();
    let target = tempfile::tempdir().unwrap();
    mark_restoring(target.path()).unwrap();
    copy(world.path(), target.path(), &cut);
    let head = cut.head;
    assert_eq!(body_files(world.path()), 1);
    drop(cut);
    assert_eq!(body_files(world.path()), 0, "it was only kept for the cut");

    let refused = Embedded::open(target.path(), keyed(&world)).unwrap_err();
    assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused}");
    let restored = Embedded::restore(target.path(), keyed(&world), &rules()).unwrap();
    assert_eq!((restored.mailboxes, restored.parked), (2, 1));
    assert!(
        head.is_behind(&restored.head),
        "a restored store is not behind"
    );

    let store = Embedded::open(target.path(), keyed(&world)).unwrap();
    let again = store
        .mailbox_named(&system(1), Owner::Person(ANN), "INBOX")
        .unwrap();
    assert!(again.status.uid_validity > mailbox.status.uid_validity);
    assert_eq!(again.status.messages, 2);
    for (uid, length) in [(1, 16), (2, LARGE)] {
        let source = Source::Message(again.id, mail::Uid(uid));
        let content = store.content(&system(1), source).unwrap();
        assert_eq!(content.read_all().unwrap().len(), length);
    }
    assert!(
        store.envelope_id() > later,
        "ids given after the cut are not given again"
    );
    let mut body = store.begin_body().unwrap();
    body.write(b"new").unwrap();
    let new = NewMessage::new(vec![body.finish().unwrap().piece()]);
    let added = store
        .append(
            &system(1),
            store.operation_id(),
            Place::Inbox(ANN),
            vec![new],
        )
        .wait()
        .unwrap();
    assert_ne!(added[0].email, last.email);

    assert_eq!(
        store
            .claim("worker", Timestamp(i64::MAX / 2), 60, 10)
            .unwrap(),
        []
    );
    let filter = QueueFilter {
        max: 10,
        ..QueueFilter::default()
    };
    let queue = store.queue(&system(1), &filter).unwrap();
    let states: Vec<_> = queue.iter().map(|row| row.state).collect();
    assert_eq!(
        states,
        [
            QueueState::Parked(ParkedReason::Restored),
            QueueState::Parked(ParkedReason::Hold),
        ]
    );
    assert_eq!(queue[0].parked.as_deref(), Some("came back with a backup"));
    store.release(&system(1), queue[0].id).wait().unwrap();
    assert_eq!(store.claim("worker", NOW, 60, 10).unwrap().len(), 1);
}

#[test]
fn a_restored_row_stays_parked_whoever_looks_at_its_interrupted_attempt() {
    let world = World::embedded();
    let store = world.store();
    let id = world.queued("deliver:file", NOW);
    let lease = store.claim("worker", NOW, 60, 1).unwrap().remove(0);
    let started = Started {
        attempt: 1,
        label: "log".to_owned(),
        file_length: Some(0),
        at: NOW,
    };
    store.note_started(&lease, started).wait().unwrap();
    store.close().unwrap();
    Embedded::restore(world.path(), config(), &rules()).unwrap();

    let store = Embedded::open(world.path(), config()).unwrap();
    let found = store
        .claim_started("recovery", NOW, 60, None, 10)
        .unwrap()
        .remove(0);
    let retry = Settled::Retry {
        due: NOW,
        status: None,
        text: "the server stopped during the delivery".to_owned(),
        delay_told: false,
    };
    let settlement = Settlement::new(store.operation_id(), retry);
    store.complete(&found, settlement).wait().unwrap();
    let row = store.queue_row(&system(1), id).unwrap();
    assert_eq!(row.state, QueueState::Parked(ParkedReason::Restored));
    assert_eq!(row.started, None);
    let late = Timestamp(i64::MAX / 2);
    assert_eq!(store.claim("worker", late, 60, 10).unwrap(), []);
    store.release(&system(1), id).wait().unwrap();
    assert_eq!(store.claim("worker", NOW, 60, 10).unwrap().len(), 1);
}

#[test]
fn the_rules_reach_every_row_of_every_domain_and_the_hosts() {
    let world = World::embedded();
    let store = world.store();
    for number in 0..1203 {
        let domain = 1 + number % 3;
        let name = format!("box {number}");
        world
            .create(&system(domain), Owner::Person(ANN), &name)
            .unwrap();
    }
    let host = mail::Access::system(mail::Tenant::HOST);
    let action = crate::world::process("deliver:file", NOW);
    let part = world.part(host, vec![world.body(b"host")], vec![action]);
    store.accept(world.accept(vec![part])).wait().unwrap();
    let resume = store::Work::Process {
        stage: "x".to_owned(),
        context: Vec::new(),
    };
    let parked = Parked {
        reason: ParkedReason::Moderation,
        text: "t".to_owned(),
        resume,
        expires: None,
    };
    let part = world.part(
        system(3),
        vec![world.body(b"three")],
        vec![store::Action::Parked(parked)],
    );
    store.accept(world.accept(vec![part])).wait().unwrap();
    let before = store.head().unwrap();
    store.close().unwrap();
    // As after a crash in the middle: what was done is done again.
    mark_restoring(world.path()).unwrap();
    for _ in 0..2 {
        let restored = Embedded::restore(world.path(), keyed(&world), &rules()).unwrap();
        assert_eq!(restored.mailboxes, 1203);
    }
    let store = Embedded::open(world.path(), keyed(&world)).unwrap();
    for domain in 1..=3 {
        let mailboxes = store
            .mailboxes(&system(domain), Owner::Person(ANN))
            .unwrap();
        assert!(
            mailboxes
                .iter()
                .all(|mailbox| { mailbox.status.uid_validity > UidValidity(before.uid_validity) })
        );
    }
    let site = mail::Access {
        tenant: mail::Tenant::HOST,
        principal: mail::Principal::Site,
    };
    let filter = QueueFilter {
        max: 10,
        parked: Some(false),
        ..QueueFilter::default()
    };
    assert_eq!(store.queue(&site, &filter).unwrap(), []);
}

#[test]
fn what_was_noted_bounds_what_is_given() {
    let world = lived_in();
    world.store().close().unwrap();
    let noted = Head {
        ids: 1 << 50,
        uid_validity: 4_000_000_000,
        life: 4_000_000_000,
        ..Head::default()
    };
    let rules = RestoreRules {
        noted: Some(noted),
        ..rules()
    };
    let restored = Embedded::restore(world.path(), keyed(&world), &rules).unwrap();
    assert!(restored.head.ids > 1 << 50);
    assert_eq!(restored.head.uid_validity, 4_000_000_001);
    assert_eq!(restored.head.life, 4_000_000_001);
}

#[test]
fn an_older_copy_is_opened_for_reading_only() {
    let world = lived_in();
    let store = world.store();
    let older = tempfile::tempdir().unwrap();
    copy(world.path(), older.path(), &store.cut().unwrap());
    world.append(&system(1), Place::Inbox(ANN), b"Subject: later\r\n\r\n");
    let noted = store.head().unwrap();
    let config = || Config {
        at_least: Some(noted),
        ..keyed(&world)
    };
    for _ in 0..3 {
        let store = Embedded::open(older.path(), config()).unwrap();
        let mailbox = store
            .mailbox_named(&system(1), Owner::Person(ANN), "INBOX")
            .unwrap();
        assert_eq!(mailbox.status.messages, 2);
        let source = Source::Message(mailbox.id, mail::Uid(2));
        assert_eq!(
            store.content(&system(1), source).unwrap().size(),
            LARGE as u64
        );
        let refused = store.begin_body().map(|_| ());
        let Err(Error::Latched(why)) = refused else {
            panic!("{refused:?}")
        };
        assert!(why.contains("restore --accept-older"), "{why}");
        let Err(Error::Latched(_)) = store.expire(NOW, 1).wait() else {
            panic!("it was written")
        };
        assert!(store.space().unwrap().latched.is_some());
        // Its queued mail was sent since.
        let claimed = store.claim("worker", NOW, 60, 1);
        assert!(matches!(claimed, Err(Error::Latched(_))), "{claimed:?}");
        assert_eq!(store.next_due(), None);
    }
    // The copy was not moved on by being looked at.
    let restored = Embedded::restore(older.path(), config(), &rules()).unwrap();
    assert!(!restored.head.is_behind(&noted));
    let store = Embedded::open(older.path(), config()).unwrap();
    store.expire(NOW, 1).wait().unwrap();
    // The one that was noted is not behind its own note.
    world.store().close().unwrap();
    let store = Embedded::open(world.path(), config()).unwrap();
    store.expire(NOW, 1).wait().unwrap();
}

#[test]
fn a_damaged_segment_is_found_out_when_it_is_copied() {
    let world = lived_in();
    let store = world.store();
    let cut = store.cut().unwrap();
    let active = cut.files.iter().find(|file| file.length.is_some()).unwrap();
    let path = world.path().join(&active.path);
    let copied = tempfile::tempdir().unwrap();
    let file = copied.path().join("copied.seg");
    let whole = fs::read(&path).unwrap();
    fs::write(&file, &whole).unwrap();
    let checked = check_segment(&file, active.length).unwrap().unwrap();
    assert_eq!(Some(checked.length), active.length);
    assert!(checked.records >= 5, "{}", checked.records);
    for at in [3, 40, 64 + 50, 64 + 70, active.length.unwrap() as usize - 9] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, &damaged).unwrap();
        let found = check_segment(&file, active.length).unwrap();
        assert!(found.is_err(), "byte {at}: {found:?}");
    }
    fs::write(&file, &whole[..20]).unwrap();
    assert!(check_segment(&file, None).unwrap().is_err());
}

#[test]
fn a_store_in_memory_has_no_files() {
    let world = World::memory();
    let refused = world.store().cut().map(|_| ());
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    assert_eq!(world.store().head().unwrap().store, 0);
}

fn body_files(store: &Path) -> usize {
    fs::read_dir(store.join("bodies")).unwrap().count()
}
