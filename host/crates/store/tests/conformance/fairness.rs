//! Long queues: whoever has many rows delays nobody who has few.

use mail::Timestamp;
use store::{Action, Quota, Settled, Settlement};

use crate::world::{NOW, World, process, system};

/// Rows of the one domain.
const MANY: usize = 200_000;
/// Rows of one commit.
const ROWS: usize = 2_000;

/// Many rows, as one message with many recipients writes them.
fn flood(world: &World, domain: u64, rows: usize) {
    let store = world.store();
    for _ in 0..rows / ROWS {
        let mut part = world.part(system(domain), vec![world.body(b"spam")], Vec::new());
        part.recipients = (0..ROWS)
            .map(|_| world.recipient(vec![process("deliver:forward", NOW)]))
            .collect();
        part.domain_quota = Quota::NONE;
        store.accept(world.accept(vec![part])).wait().unwrap();
    }
}

fn one(world: &World, domain: u64, action: Action) -> store::QueueId {
    let part = world.part(system(domain), vec![world.body(b"m")], vec![action]);
    let accepted = world.store().accept(world.accept(vec![part])).wait();
    accepted.unwrap().queued[0].id
}

pub(crate) fn one_domains_many_rows_do_not_delay_anothers_one(world: &World) {
    flood(world, 1, MANY);
    // A restart with all of it.
    world.reopen();
    let later = Timestamp(NOW.0 + 60_000);
    for round in 0..3 {
        let store = world.store();
        let small = one(world, 2, process("deliver:forward", later));
        let leases = store.claim("worker", later, 600, 64).unwrap();
        assert_eq!(leases.len(), 64);
        assert!(
            leases.iter().any(|lease| lease.row.id == small),
            "round {round}: the other domain's row is not in the first claim"
        );
        let settled = |lease: &store::Lease| {
            let settlement = Settlement::new(store.operation_id(), Settled::Done);
            store.complete(lease, settlement)
        };
        let pending: Vec<_> = leases.iter().map(settled).collect();
        for answer in pending {
            answer.wait().unwrap();
        }
    }
    let depth = world.store().depth().unwrap();
    let left: u64 = depth.iter().map(|depth| depth.rows).sum();
    assert_eq!(left as usize, MANY + 3 - 3 * 64);
}

pub(crate) fn an_attempt_that_began_is_found_among_many(world: &World) {
    flood(world, 1, 2 * ROWS);
    let store = world.store();
    let lease = store.claim("worker", NOW, 30, 1).unwrap().remove(0);
    let started = store::Started {
        attempt: 1,
        label: "log".to_owned(),
        file_length: Some(7),
        at: NOW,
    };
    store.note_started(&lease, started.clone()).wait().unwrap();
    assert!(
        store
            .claim_started("recovery", NOW, 30, None, 10)
            .unwrap()
            .is_empty(),
        "somebody is at it"
    );
    let over = NOW.plus_seconds(31);
    let found = store.claim_started("recovery", over, 30, None, 10).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].row.id, lease.row.id);
    assert_eq!(found[0].row.started, Some(started));
    let behind = store.claim_started("recovery", over, 30, Some(lease.row.id), 10);
    assert_eq!(behind.unwrap(), []);
    let settlement = Settlement::new(world.op(), Settled::Done);
    store.complete(&found[0], settlement).wait().unwrap();
    let later = over.plus_seconds(60);
    let none = store
        .claim_started("recovery", later, 30, None, 10)
        .unwrap();
    assert_eq!(none, [], "settled, it is none any more");
}
