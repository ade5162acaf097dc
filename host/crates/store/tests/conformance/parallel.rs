use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mail::ModSeq;
use store::{Error, NewMessage, Owner, Piece, Place, Quota, Watched};

use crate::world::{ANN, World, eventually, inbox, person, system};

const THREADS: usize = 32;
const EACH: usize = 12;

pub(crate) fn i17_uids_ascend_as_they_become_visible_under_32_deliveries(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let mailbox = store.inbox(&ann, ANN).wait().unwrap();
    let is_over = AtomicBool::new(false);
    let given = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        // What a client that polls sees: only ever more, and never one below the highest.
        let viewer = scope.spawn(|| {
            let (mut seen, mut top, mut modseq, mut looks) = (Vec::new(), 0, ModSeq(0), 0);
            loop {
                let last = is_over.load(Ordering::SeqCst);
                let changes = store.changes_since(&ann, mailbox, modseq).unwrap();
                let came: Vec<u32> = changes.changed.iter().map(|row| row.uid.0).collect();
                assert!(
                    came.iter().all(|uid| *uid > top),
                    "{came:?} came after {top}"
                );
                (top, modseq) = (came.last().copied().unwrap_or(top), changes.highest_modseq);
                let now = world.uids(&ann, mailbox);
                assert!(now.starts_with(&seen), "{seen:?}, then {now:?}");
                seen = now;
                looks += 1;
                if last {
                    return looks;
                }
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let part = world.part(system(1), vec![world.body(b"m")], vec![inbox(ANN)]);
                        let accepted = store.accept(world.accept(vec![part])).wait().unwrap();
                        let uid = accepted.stored[0].uid;
                        // Answered means visible.
                        assert_eq!(store.rows(&ann, mailbox, uid.0..=uid.0).unwrap().len(), 1);
                        assert!(given.lock().unwrap().insert(uid), "{uid:?} was given twice");
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        is_over.store(true, Ordering::SeqCst);
        assert!(viewer.join().unwrap() > 0);
    });
    let expected: Vec<u32> = (1..=(THREADS * EACH) as u32).collect();
    assert_eq!(world.uids(&ann, mailbox), expected, "no UID is left out");
    world.reopen();
    assert_eq!(world.uids(&ann, mailbox), expected);
    assert!(world.append(&ann, Place::Inbox(ANN), b"next").uid.0 as usize > THREADS * EACH);
}

pub(crate) fn t03_a_quota_is_never_exceeded_by_a_race(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let results: Vec<_> = (0..64)
        .map(|_| {
            let mut message = NewMessage::new(vec![Piece::Private(vec![0; 100])]);
            message.owner_quota = Quota {
                bytes: Some(1_050),
                messages: None,
            };
            store.append(&ann, world.op(), Place::Inbox(ANN), vec![message])
        })
        .collect();
    let results: Vec<_> = results.into_iter().map(store::Pending::wait).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10);
    assert!(
        results
            .iter()
            .all(|result| result.is_ok() || *result == Err(Error::OverQuota(Owner::Person(ANN))))
    );
    assert_eq!(store.usage(&ann, Owner::Person(ANN)).unwrap().bytes, 1_000);
}

pub(crate) fn a_watch_misses_nothing(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let mailbox = store.inbox(&ann, ANN).wait().unwrap();
    let (calls, seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counted, noticed, inside) = (Arc::clone(&calls), Arc::clone(&seen), Arc::clone(&store));
    let watch = store.watch(
        &ann,
        Watched::Mailbox(mailbox),
        Box::new(move |change| {
            counted.fetch_add(1, Ordering::SeqCst);
            let changes = inside
                .changes_since(&ann, change.mailbox, ModSeq(0))
                .unwrap();
            noticed.fetch_max(changes.changed.len() as u64, Ordering::SeqCst);
        }),
    );
    let owned = Arc::new(AtomicU64::new(0));
    let of_owner = Arc::clone(&owned);
    let also = store.watch(
        &ann,
        Watched::Owner(Owner::Person(ANN)),
        Box::new(move |_| {
            of_owner.fetch_add(1, Ordering::SeqCst);
        }),
    );
    world.append(
        &person(1, mail::PersonId(2)),
        Place::Inbox(mail::PersonId(2)),
        b"not ours",
    );
    for count in 1..=20 {
        world.append(&ann, Place::Inbox(ANN), b"m");
        eventually("the change is told", || {
            seen.load(Ordering::SeqCst) == count
        });
    }
    let other = world.create(&ann, Owner::Person(ANN), "Other").unwrap();
    eventually("the owner's watch", || owned.load(Ordering::SeqCst) >= 21);
    drop(watch);
    drop(also);
    let before = calls.load(Ordering::SeqCst);
    world.append(&ann, Place::Mailbox(other), b"m");
    world.append(&ann, Place::Inbox(ANN), b"m");
    world.append(&ann, Place::Inbox(ANN), b"m");
    assert!(
        calls.load(Ordering::SeqCst) <= before + 1,
        "a call under way may still come, then none"
    );
}

pub(crate) fn ids_are_never_given_twice(world: &World) {
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        for _ in 0..100 {
            let store = world.store();
            assert!(seen.insert(u128::from(store.envelope_id().0)));
            assert!(seen.insert(u128::from(store.recipient_id().0)));
            assert!(seen.insert(store.operation_id().0));
        }
        world.reopen();
    }
}
