//! The agenda and the change feed, damaged in every way: a check finds it, a repair mends it.

use std::collections::BTreeSet;

use mail::{DomainId, MailboxId, Timestamp};

use crate::embedded::fault::{FaultDisk, Loss, State};
use crate::embedded::tests::life::{Life, open_and_dump};
use crate::embedded::tests::script::{open, repaired};
use crate::embedded::tests::steps::*;
use crate::engine::agenda::Spot;
use crate::keys::{self, Key, Table};
use crate::queue::Priority;
use crate::rows::{FeedRow, GoneRow, NodeRow, decode, encode};
use crate::view::{Row, View};
use crate::{Engine, FeedCursor, Owner, QueueId, Store};

const OWN: DomainId = DomainId(1);
const NOWHERE: MailboxId = MailboxId(987_654_321);

fn host() -> DomainId {
    mail::Tenant::HOST.domain()
}

/// A store with a queue and mailboxes.
fn lived() -> State {
    let mut life = Life::begin(4);
    life.live(&[
        accept,
        accept,
        append_several,
        create_mailbox,
        accept,
        settle,
        accept,
        note_started,
        accept,
        create_mailbox,
        append,
    ])
    .unwrap();
    life.reopen();
    let disk = life.disk.clone();
    life.end();
    disk.state()
}

fn rows(view: &dyn View, domain: DomainId, table: Table) -> Vec<Row> {
    let rows = view.prefix(&keys::table(domain, table), usize::MAX);
    rows.unwrap()
}

/// A way to damage: rows that are written, or deleted.
type Damage = fn(&dyn View) -> Vec<(Key, Option<Vec<u8>>)>;

fn deleted(view: &dyn View, domain: DomainId, table: Table, which: usize) -> Key {
    rows(view, domain, table).swap_remove(which).0
}

fn is_of_row(key: &[u8]) -> bool {
    keys::turn_of_row(key).is_some()
}

const DAMAGES: &[(&str, Damage)] = &[
    ("a row has no turn", |view| {
        let turns = rows(view, host(), Table::Turn).into_iter();
        let first = turns.map(|(key, _)| key).find(|key| is_of_row(key));
        vec![(first.unwrap(), None)]
    }),
    ("a node has no turn", |view| {
        let turns = rows(view, host(), Table::Turn).into_iter();
        let first = turns.map(|(key, _)| key).find(|key| !is_of_row(key));
        vec![(first.unwrap(), None)]
    }),
    ("the highest node is not there", |view| {
        vec![(deleted(view, host(), Table::Node, 0), None)]
    }),
    ("the lowest node is not there", |view| {
        let nodes = rows(view, host(), Table::Node);
        vec![(deleted(view, host(), Table::Node, nodes.len() - 1), None)]
    }),
    ("all of the agenda is gone", |view| {
        let tables = [Table::Node, Table::Turn, Table::Started];
        let all = tables
            .into_iter()
            .flat_map(|table| rows(view, host(), table));
        all.map(|(key, _)| (key, None)).collect()
    }),
    ("a node has another first child", |view| {
        let (key, value) = rows(view, host(), Table::Node).pop().unwrap();
        let mut node: NodeRow = decode(&value).unwrap();
        node.first.1 += 1;
        vec![(key, Some(encode(&node)))]
    }),
    ("a node was served in another moment", |view| {
        let (key, value) = rows(view, host(), Table::Node).pop().unwrap();
        let mut node: NodeRow = decode(&value).unwrap();
        node.served = Timestamp(node.at().0 + 7);
        vec![(key, Some(encode(&node)))]
    }),
    ("a turn of a row that is not there", |view| {
        let turns = rows(view, host(), Table::Turn).into_iter();
        let (key, value) = turns.rev().find(|(key, _)| is_of_row(key)).unwrap();
        let (lane, at, _) = keys::turn_of_row(&key).unwrap();
        vec![(keys::turn(Spot::Lane(lane), at, 987_654_321), Some(value))]
    }),
    ("a row with two turns", |view| {
        let turns = rows(view, host(), Table::Turn).into_iter();
        let (key, value) = turns.rev().find(|(key, _)| is_of_row(key)).unwrap();
        let (lane, at, id) = keys::turn_of_row(&key).unwrap();
        let later = Timestamp(at.0 + 1);
        vec![(keys::turn(Spot::Lane(lane), later, id), Some(value))]
    }),
    ("a turn without a node", |_| {
        let spot = Spot::Account(Priority::ALL[0], 987_654_321);
        vec![(keys::turn(spot, Timestamp(5), 5), Some(Vec::new()))]
    }),
    ("a turn of no place", |_| {
        let mut key = keys::table(host(), Table::Turn);
        key.extend_from_slice(&[9; 20]);
        vec![(key, Some(Vec::new()))]
    }),
    ("an attempt that began is not in the list", |view| {
        vec![(deleted(view, host(), Table::Started, 0), None)]
    }),
    ("an attempt in the list never began", |view| {
        let began = rows(view, host(), Table::Started);
        let queued = rows(view, host(), Table::QueueAt).into_iter();
        let mut others = queued.filter(|(key, _)| {
            let id = keys::last_number(key);
            began.iter().all(|(key, _)| keys::last_number(key) != id)
        });
        let (key, domain) = others.next().unwrap();
        let id = QueueId(keys::last_number(&key));
        vec![(keys::started(id), Some(domain))]
    }),
    ("a queue row is not in the index of domains", |view| {
        vec![(deleted(view, host(), Table::QueueAt, 0), None)]
    }),
    ("a mailbox is not in the feed", |view| {
        vec![(deleted(view, OWN, Table::Feed, 0), None)]
    }),
    ("nothing says where in the feed a mailbox is", |view| {
        vec![(deleted(view, OWN, Table::FeedAt, 0), None)]
    }),
    ("a mailbox is twice in the feed", |view| {
        let (key, value) = rows(view, OWN, Table::Feed).swap_remove(0);
        let mailbox = MailboxId(keys::last_number(&key));
        vec![(keys::feed(OWN, 1, mailbox), Some(value))]
    }),
    ("a mailbox in the feed is of somebody else", |view| {
        let (key, _) = rows(view, OWN, Table::Feed).swap_remove(0);
        let owner = Owner::Person(mail::PersonId(987));
        vec![(key, Some(encode(&FeedRow { owner })))]
    }),
    ("a mailbox in the feed is not there", |_| {
        let owner = Owner::Domain;
        vec![
            (
                keys::feed(OWN, 3, NOWHERE),
                Some(encode(&FeedRow { owner })),
            ),
            (keys::feed_at(OWN, NOWHERE), Some(encode(&3_u64))),
        ]
    }),
    ("a mailbox that is there is told as deleted", |view| {
        let (key, value) = rows(view, OWN, Table::Feed).swap_remove(0);
        let mailbox = MailboxId(keys::last_number(&key));
        let log = GoneRow {
            length: 1,
            ..GoneRow::default()
        };
        vec![
            (keys::feed_gone(OWN, 2, mailbox), Some(value)),
            (keys::feed_log(OWN), Some(encode(&log))),
        ]
    }),
    ("the log of deleted mailboxes has another length", |_| {
        let log = GoneRow {
            length: 12,
            ..GoneRow::default()
        };
        vec![(keys::feed_log(OWN), Some(encode(&log)))]
    }),
];

/// Writes the damage into the journal too: an index made again has it.
fn plant(store: &Engine, damage: Damage) {
    let rows = store.read(|view| Ok(damage(view))).unwrap();
    assert!(!rows.is_empty());
    let planted = store.run(move |tx| {
        for (key, value) in rows {
            match value {
                Some(value) => tx.put_raw(key, value),
                None => tx.delete(key),
            }
        }
        Ok(())
    });
    planted.wait().unwrap();
}

fn problems(store: &Engine) -> Vec<crate::Problem> {
    store.check(true, &mut |_| {}).unwrap().first
}

/// All that can be claimed.
fn claimed(store: &Engine) -> BTreeSet<QueueId> {
    let mut all = BTreeSet::new();
    loop {
        let some = store
            .claim("worker", Timestamp(i64::MAX / 2), 60, 100)
            .unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some.iter().map(|lease| lease.row.id));
    }
}

fn fed(store: &Engine) -> BTreeSet<MailboxId> {
    let access = Life::access(OWN.0);
    let feed = store
        .feed(&access, Owner::Domain, FeedCursor::START, 1_000)
        .unwrap();
    assert!(!feed.more);
    let mailboxes: Vec<_> = feed.entries.iter().map(|entry| entry.mailbox).collect();
    let once: BTreeSet<_> = mailboxes.iter().copied().collect();
    assert_eq!(once.len(), mailboxes.len(), "one comes twice");
    once
}

/// Rows that are waiting, mailboxes in the feed.
fn expected(state: &State) -> (BTreeSet<QueueId>, BTreeSet<MailboxId>) {
    let store = open(&FaultDisk::new(state.clone())).unwrap();
    assert_eq!(problems(&store), []);
    let expected = (claimed(&store), fed(&store));
    assert!(
        expected.0.len() > 1 && !expected.1.is_empty(),
        "{expected:?}"
    );
    expected
}

#[test]
fn a_check_finds_a_wrong_agenda_and_a_wrong_feed_and_a_repair_mends_them() {
    let state = lived();
    let expected = expected(&state);
    for (name, damage) in DAMAGES {
        let disk = FaultDisk::new(state.clone());
        let (store, before) = open_and_dump(&disk).unwrap();
        plant(&store, *damage);
        let found = problems(&store);
        assert!(!found.is_empty(), "{name}: nothing was found");
        for problem in found {
            assert!(
                ["index", "counter"].contains(&problem.kind),
                "{name}: {problem:?}"
            );
        }
        store.close().unwrap();
        drop(store);
        let store = repaired(&disk);
        assert_eq!(problems(&store), [], "{name}");
        assert_eq!((claimed(&store), fed(&store)), expected, "{name}");
        store.close().unwrap();
        drop(store);
        let (store, after) = open_and_dump(&disk).unwrap();
        assert_eq!(after.difference(&before), None, "{name}");
        // An index made again has what the repair wrote.
        store.close().unwrap();
        drop(store);
        let mut state = disk.state();
        state.remove("index.redb");
        let store = open(&FaultDisk::new(state)).unwrap();
        assert_eq!(problems(&store), [], "{name}, made again");
    }
}

#[test]
fn a_repair_of_a_sound_store_writes_no_agenda() {
    let disk = FaultDisk::new(lived());
    let store = repaired(&disk);
    let head = store.head().unwrap().sequence;
    store.close().unwrap();
    drop(store);
    let store = open(&disk).unwrap();
    let opened = store.head().unwrap().sequence;
    store.close().unwrap();
    drop(store);
    let store = repaired(&disk);
    let again = store.head().unwrap().sequence;
    assert_eq!(again - opened, opened - head, "as an open does");
}

#[test]
fn f09_a_crash_at_every_sync_of_a_repair_leaves_no_row_that_is_never_claimed() {
    let state = lived();
    let expected = expected(&state);
    let disk = FaultDisk::new(state);
    let store = open(&disk).unwrap();
    for (_, damage) in &DAMAGES[..3] {
        plant(&store, *damage);
    }
    store.close().unwrap();
    drop(store);
    let disk = FaultDisk::new(disk.state().image(Loss::Nothing));
    disk.record(|| 0);
    repaired(&disk).close().unwrap();
    let snapshots = disk.take_snapshots();
    assert!(snapshots.len() > 8, "only {} syncs", snapshots.len());
    for (number, snapshot) in snapshots.iter().enumerate() {
        for loss in [Loss::All, Loss::Nothing, Loss::Some(number as u64)] {
            let context = format!("sync {number}, {loss:?}");
            let image = snapshot.state.image(loss);
            let disk = FaultDisk::new(image.clone());
            let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            let is_sound = problems(&store).is_empty();
            let waiting = claimed(&store);
            // Before the repair began to write, the damage is as it was.
            assert!(waiting.len() <= expected.0.len(), "{context}");
            if is_sound {
                assert_eq!(waiting, expected.0, "{context}");
            }
            drop(store);
            let disk = FaultDisk::new(image);
            let store = repaired(&disk);
            assert_eq!(problems(&store), [], "{context}");
            assert_eq!((claimed(&store), fed(&store)), expected, "{context}");
        }
    }
}
