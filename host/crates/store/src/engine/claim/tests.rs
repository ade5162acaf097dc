//! What a claim reads, and whom it serves, on rows in memory.

use std::cell::Cell;

use mail::{
    Body, Direction, DomainId, Envelope, EnvelopeId, RecipientId, ReversePath, Tenant, Timestamp,
};

use super::{Wanted, claim, next_due};
use crate::engine::Tx;
use crate::engine::agenda::Turn;
use crate::ids::Ids;
use crate::keyring::Keyring;
use crate::leases::{Hands, Held, Leases};
use crate::queue::{QueueId, Work};
use crate::rows::WorkRow;
use crate::view::{Layer, Layered, Order, View, Visit};
use crate::{ContentId, Result};

const NOW: Timestamp = Timestamp(1_000_000);

/// Counts the rows that pass by.
struct Counting<'a> {
    view: Layered<'a>,
    rows: Cell<usize>,
}

impl View for Counting<'_> {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.rows.set(self.rows.get() + 1);
        self.view.raw(key)
    }

    fn walk(&self, from: &[u8], to: &[u8], order: Order, visit: Visit<'_>) -> Result<()> {
        self.view.walk(from, to, order, &mut |key, value| {
            self.rows.set(self.rows.get() + 1);
            visit(key, value)
        })
    }

    fn keyring(&self) -> &Keyring {
        self.view.keyring()
    }
}

/// An agenda without the rows it is of.
#[derive(Default)]
struct World {
    rows: Layer,
    keyring: Keyring,
    hands: Hands,
    last: u64,
}

fn row(to: &str, attempts: u32, direction: Direction, sender: &str) -> WorkRow {
    WorkRow {
        envelope: Envelope {
            id: EnvelopeId(1),
            reverse_path: ReversePath::Mailbox(mail::Mailbox::parse(sender).unwrap()),
            direction,
            authenticated: None,
            peer: None,
            helo: String::new(),
            encrypted: false,
            received: NOW,
            body: Body::SevenBit,
            utf8: false,
            envid: None,
        },
        recipient: RecipientId(1),
        original: String::new(),
        address: mail::Mailbox::parse(to).unwrap(),
        work: Work::Remote {
            channel: "smtp".to_owned(),
            next_hop: None,
        },
        parked: None,
        due: NOW,
        attempts,
        created: NOW,
        expires: NOW,
        last: None,
        started: None,
        delay_told: false,
        content: ContentId(1),
        size: 1,
        utf8: false,
        thread: None,
    }
}

fn relayed(to: &str) -> WorkRow {
    row(to, 0, Direction::Inbound, "joe@elsewhere.test")
}

impl World {
    fn change<T>(&mut self, at: Timestamp, change: impl FnOnce(&mut Tx<'_>) -> T) -> T {
        let below = Layered {
            layers: vec![&self.rows],
            base: None,
            is_closed: false,
            keyring: &self.keyring,
        };
        let (ids, leases) = (Ids::new(1), Leases::default());
        let mut tx = Tx::new(&below, &ids, &leases, at, 1, 1);
        let answer = change(&mut tx);
        let changes = tx.outcome.changes;
        for (key, value) in changes {
            match value {
                Some(value) => self.rows.insert(key, Some(value)),
                None => self.rows.remove(&key),
            };
        }
        answer
    }

    fn enter(&mut self, domain: u64, work: &WorkRow, count: u64) {
        for _ in 0..count {
            self.last += 1;
            let mut work = work.clone();
            work.envelope.id = EnvelopeId(self.last);
            let id = QueueId(self.last);
            self.change(NOW, |tx| {
                tx.schedule(DomainId(domain), id, None, Some(&work), Turn::Kept)
            })
            .unwrap();
        }
    }

    /// Claims; answers the rows and how many were looked at.
    fn claim(&mut self, max: usize, room: usize) -> (Vec<(u64, u64)>, usize) {
        let view = Counting {
            view: Layered {
                layers: vec![&self.rows],
                base: None,
                is_closed: false,
                keyring: &self.keyring,
            },
            rows: Cell::new(0),
        };
        let now = NOW;
        let clock = now;
        let wanted = Wanted {
            now,
            clock,
            max,
            room,
        };
        let taken = claim(&view, &mut self.hands, wanted, &mut |hands, id, lane| {
            hands.hold(
                id,
                Held {
                    epoch: 1,
                    until: now.plus_seconds(60),
                    settling: false,
                    lane,
                },
            );
        });
        let taken = taken.unwrap();
        let taken = taken.into_iter().map(|(domain, id)| (domain.0, id.0));
        (taken.collect(), view.rows.get())
    }

    fn next_due(&self) -> (Option<Timestamp>, usize) {
        let view = Counting {
            view: Layered {
                layers: vec![&self.rows],
                base: None,
                is_closed: false,
                keyring: &self.keyring,
            },
            rows: Cell::new(0),
        };
        (next_due(&view, &self.hands).unwrap(), view.rows.get())
    }

    fn domains(&mut self, max: usize, room: usize) -> Vec<u64> {
        let (taken, _) = self.claim(max, room);
        taken.into_iter().map(|(domain, _)| domain).collect()
    }
}

#[test]
fn what_a_claim_reads_does_not_hang_on_what_waits() {
    let mut looked = Vec::new();
    for waiting in [100, 20_000] {
        let mut world = World::default();
        world.enter(1, &relayed("a@x.test"), waiting);
        world.enter(2, &relayed("a@x.test"), 1);
        assert_eq!(world.next_due().0, Some(NOW));
        let due = world.next_due().1;
        let (taken, rows) = world.claim(10, 1000);
        assert_eq!(taken.len(), 10);
        assert!(taken.iter().any(|(domain, _)| *domain == 2), "{taken:?}");
        looked.push((due, rows));
    }
    assert_eq!(looked[0], looked[1]);
    assert!(looked[0].1 < 200, "{looked:?}");
}

#[test]
fn places_are_shared_by_priority_and_nobody_starves() {
    let mut world = World::default();
    let local = "joe@abc.test";
    world.enter(1, &row("a@x.test", 0, Direction::Submission, local), 500);
    world.enter(2, &row("a@x.test", 0, Direction::Inbound, local), 500);
    world.enter(3, &row("a@x.test", 0, Direction::Internal, local), 500);
    world.enter(4, &row("a@x.test", 3, Direction::Submission, local), 500);
    let domains = world.domains(160, 10_000);
    let count = |of: u64| domains.iter().filter(|domain| **domain == of).count();
    assert_eq!(
        [1, 2, 3, 4].map(count),
        [90, 40, 20, 10],
        "what the last one leaves goes first"
    );
    // One at a time too.
    let one_by_one: Vec<u64> = (0..16).flat_map(|_| world.domains(1, 10_000)).collect();
    let count = |of: u64| one_by_one.iter().filter(|domain| **domain == of).count();
    assert_eq!([1, 2, 3, 4].map(count), [9, 4, 2, 1]);
}

#[test]
fn shares_are_equal_among_domains_then_among_destinations() {
    let mut world = World::default();
    world.enter(1, &relayed("a@x.test"), 300);
    world.enter(1, &relayed("a@y.test"), 3);
    world.enter(2, &relayed("a@x.test"), 300);
    let (taken, _) = world.claim(20, 10_000);
    let of = |domain: u64| taken.iter().filter(|row| row.0 == domain).count();
    assert_eq!((of(1), of(2)), (10, 10));
    let to_y = taken.iter().filter(|row| (301..=303).contains(&row.1));
    assert_eq!(to_y.count(), 3, "{taken:?}");
}

#[test]
fn what_leaves_is_shared_among_the_domains_of_the_senders() {
    let mut world = World::default();
    let host = Tenant::HOST.domain().0;
    let of = |sender| row("a@x.test", 0, Direction::Submission, sender);
    world.enter(host, &of("ann@abc.test"), 500);
    world.enter(host, &of("bob@xyz.test"), 1);
    let (taken, _) = world.claim(4, 1000);
    assert!(taken.contains(&(host, 501)), "{taken:?}");
}

#[test]
fn a_destination_never_has_more_in_hand_than_places_are_left() {
    let mut world = World::default();
    for domain in 1..=20 {
        world.enter(domain, &relayed("a@dead.test"), 100);
    }
    let mut in_hand = 0;
    loop {
        let (taken, _) = world.claim(64, 512 - in_hand);
        if taken.is_empty() {
            break;
        }
        in_hand += taken.len();
    }
    assert_eq!(in_hand, 256);
    // None of it is settled, and the next domain's row gets its place at once.
    world.enter(21, &relayed("a@alive.test"), 1);
    assert_eq!(world.domains(64, 512 - in_hand), [21]);
}

#[test]
fn rows_of_one_message_go_together() {
    let mut world = World::default();
    for domain in 2..=20 {
        world.enter(domain, &relayed("a@x.test"), 5);
    }
    let message = EnvelopeId(9_999);
    for number in 0..8 {
        let mut work = relayed("a@x.test");
        work.envelope.id = message;
        let id = QueueId(1_000 + number);
        world
            .change(NOW, |tx| {
                tx.schedule(DomainId(1), id, None, Some(&work), Turn::Kept)
            })
            .unwrap();
    }
    let (taken, _) = world.claim(40, 1000);
    let together = taken.iter().filter(|row| row.0 == 1).count();
    assert_eq!(together, 8, "{taken:?}");
    assert_eq!(taken.len(), 40);
}

#[test]
fn whoever_was_served_goes_behind_those_that_wait() {
    let mut world = World::default();
    world.enter(1, &relayed("a@x.test"), 100);
    let later = NOW.plus_seconds(1);
    let mut work = relayed("a@x.test");
    work.due = later;
    world
        .change(NOW, |tx| {
            tx.schedule(DomainId(2), QueueId(900), None, Some(&work), Turn::Kept)
        })
        .unwrap();
    // A row of the first domain is settled after the other's came due.
    let done = relayed("a@x.test");
    world
        .change(later.plus_seconds(1), |tx| {
            tx.schedule(DomainId(1), QueueId(1), Some(&done), None, Turn::Taken)
        })
        .unwrap();
    let view = Layered {
        layers: vec![&world.rows],
        base: None,
        is_closed: false,
        keyring: &world.keyring,
    };
    let wanted = Wanted {
        now: later.plus_seconds(2),
        clock: later.plus_seconds(2),
        max: 1,
        room: 100,
    };
    let taken = claim(&view, &mut world.hands, wanted, &mut |_, _, _| {}).unwrap();
    assert_eq!(taken, [(DomainId(2), QueueId(900))]);
}

#[test]
fn f08_a_clock_that_goes_back_delays_nothing_that_is_due() {
    let mut world = World::default();
    world.enter(1, &relayed("a@x.test"), 2);
    // Served, and claimed from, a day ahead.
    let ahead = NOW.plus_seconds(24 * 3600);
    let done = relayed("a@x.test");
    world
        .change(ahead, |tx| {
            tx.schedule(DomainId(1), QueueId(1), Some(&done), None, Turn::Taken)
        })
        .unwrap();
    world.hands.latest(ahead);
    assert_eq!(world.claim(5, 100).0, [(1, 2)]);
}

#[test]
fn the_agenda_leaves_nothing_behind() {
    let mut world = World::default();
    let work = relayed("a@x.test");
    world.enter(1, &work, 50);
    for id in 1..=50 {
        let mut old = work.clone();
        old.envelope.id = EnvelopeId(id);
        let turn = if id % 2 == 0 { Turn::Taken } else { Turn::Kept };
        let at = NOW.plus_seconds(id as i64);
        world
            .change(at, |tx| {
                tx.schedule(DomainId(1), QueueId(id), Some(&old), None, turn)
            })
            .unwrap();
    }
    assert!(world.rows.is_empty(), "{:?}", world.rows);
}
