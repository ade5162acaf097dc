use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mail::{EnhancedStatus, Timestamp};
use store::{
    Action, Effect, Error, Lease, Owner, Parked, ParkedReason, Piece, Place, QueueFilter,
    QueueState, Resumed, Settled, Settlement, Source, Started, Work,
};

use crate::world::{ANN, BOB, NOW, World, eventually, inbox, process, system};

const LATER: Timestamp = Timestamp(NOW.0 + 60_000);

fn claim(world: &World, now: Timestamp) -> Vec<Lease> {
    world.store().claim("worker", now, 30, 10).unwrap()
}

fn done(world: &World) -> Settlement {
    Settlement::new(world.op(), Settled::Done)
}

fn parked(expires: Option<Timestamp>) -> Parked {
    let resume = Work::Process {
        stage: "deliver:shared".to_owned(),
        context: b"c".to_vec(),
    };
    Parked {
        reason: ParkedReason::Quarantine,
        text: "looks bad".to_owned(),
        resume,
        expires,
    }
}

pub(crate) fn a_row_is_claimed_when_it_is_due_and_settled_once(world: &World) {
    let store = world.store();
    let late = world.queued("deliver:file", LATER);
    let early = world.queued("deliver:file", NOW);
    assert_eq!(store.next_due(), Some(NOW));
    assert_eq!(claim(world, Timestamp(NOW.0 - 1)).len(), 0);
    let lease = claim(world, NOW).remove(0);
    assert_eq!(
        (lease.row.id, lease.row.attempts, lease.expired),
        (early, 0, false)
    );
    assert_eq!(lease.row.address.to_string(), "\"ann o\"@abc.test");
    assert_eq!(
        (
            lease.row.original.as_str(),
            lease.row.envelope.envid.as_deref()
        ),
        ("Ann@ABC.test", Some("id+1"))
    );
    assert_eq!(
        lease.row.work,
        Work::Process {
            stage: "deliver:file".to_owned(),
            context: b"context".to_vec()
        }
    );
    assert_eq!(
        store.leased_content(&lease).unwrap().read_all().unwrap(),
        b"Subject: hi\r\n\r\nhi\r\n"
    );
    assert_eq!(claim(world, NOW).len(), 0, "it is leased");
    store.complete(&lease, done(world)).wait().unwrap();
    assert_eq!(store.queue_row(&system(1), early), Err(Error::NotFound));
    assert_eq!(
        store
            .content(&system(1), Source::Content(lease.row.content))
            .map(drop),
        Err(Error::NotFound)
    );
    assert_eq!(
        store.complete(&lease, done(world)).wait(),
        Err(Error::Stale)
    );
    assert_eq!(store.next_due(), Some(LATER));
    let both = [world.queued("deliver:file", Timestamp(NOW.0 - 5)), late];
    let order: Vec<_> = claim(world, LATER)
        .iter()
        .map(|lease| lease.row.id)
        .collect();
    assert_eq!(order, both, "the one that is due longest comes first");
}

pub(crate) fn c03_a_stale_lease_is_fenced_off(world: &World) {
    let store = world.store();
    let id = world.queued("deliver:program", NOW);
    let paused = claim(world, NOW).remove(0);
    let after = NOW.plus_seconds(31);
    let taken = claim(world, after).remove(0);
    assert_eq!(taken.row.id, id);
    assert!(taken.epoch > paused.epoch);
    assert_eq!(store.extend(&paused, LATER), Err(Error::Stale));
    assert_eq!(
        store.complete(&paused, done(world)).wait(),
        Err(Error::Stale)
    );
    assert_eq!(store.leased_content(&paused).map(drop), Err(Error::Stale));
    let started = Started {
        attempt: 1,
        label: "x".to_owned(),
        file_length: None,
        at: NOW,
    };
    assert_eq!(
        store.note_started(&paused, started).wait(),
        Err(Error::Stale)
    );
    store.extend(&taken, after.plus_seconds(600)).unwrap();
    assert_eq!(claim(world, after.plus_seconds(60)).len(), 0, "prolonged");
    store.give_back(&taken).unwrap();
    let third = claim(world, after).remove(0);
    assert_eq!(
        store.complete(&taken, done(world)).wait(),
        Err(Error::Stale)
    );
    store.complete(&third, done(world)).wait().unwrap();
    // A restart ends all leases, and their epochs are never given again.
    world.queued("deliver:program", NOW);
    let before = claim(world, NOW).remove(0);
    world.reopen();
    if let Some(again) = claim(world, NOW.plus_seconds(31)).pop() {
        assert!(again.epoch > before.epoch);
        assert_eq!(
            world.store().complete(&before, done(world)).wait(),
            Err(Error::Stale)
        );
    }
}

pub(crate) fn a_retry_keeps_the_row_and_counts(world: &World) {
    let store = world.store();
    let id = world.queued("deliver:forward", NOW);
    let lease = claim(world, NOW).remove(0);
    let status = EnhancedStatus::new(mail::Class::Transient, 4, 1);
    let text = "no answer".to_owned();
    let retry = Settled::Retry {
        due: LATER,
        status: Some(status),
        text: text.clone(),
        delay_told: true,
    };
    store
        .complete(&lease, Settlement::new(world.op(), retry))
        .wait()
        .unwrap();
    world.reopen();
    let row = world.store().queue_row(&system(1), id).unwrap();
    assert_eq!(
        (row.attempts, row.due, row.delay_told, row.state),
        (1, LATER, true, QueueState::Ready)
    );
    assert_eq!(row.last, Some((Some(status), text)));
    assert_eq!(row.expires, NOW.plus_seconds(3600));
    assert_eq!(claim(world, NOW).len(), 0);
    assert_eq!(claim(world, LATER).len(), 1);
}

pub(crate) fn follow_up_mail_and_effects_join_the_commit(world: &World) {
    let store = world.store();
    world.queued("deliver:forward", NOW);
    let lease = claim(world, NOW).remove(0);
    // A forward to another domain of this host: its own copy, the same bytes.
    let content = Piece::Content {
        content: lease.row.content,
        offset: 9,
        length: 10,
    };
    let forward = world.part(
        system(2),
        vec![Piece::Private(b"X: ".to_vec()), content.clone()],
        vec![inbox(BOB)],
    );
    let mut settlement = done(world);
    settlement.effects = vec![
        Effect::Accept(Box::new(world.accept(vec![forward]))),
        Effect::Append {
            place: Place::Named(Owner::Person(ANN), "Sent".to_owned()),
            message: Box::new(store::NewMessage::new(vec![content])),
        },
        Effect::KvPut {
            plugin: "forward".to_owned(),
            key: b"n".to_vec(),
            value: b"1".to_vec(),
            expires: None,
        },
    ];
    let accepted = store.complete(&lease, settlement.clone()).wait().unwrap();
    let stored = &accepted[0].stored[0];
    assert_eq!(
        world.read(&system(2), stored.mailbox, stored.uid),
        b"X: hi\r\n\r\nhi\r\n"
    );
    let sent = store
        .mailbox_named(&system(1), Owner::Person(ANN), "Sent")
        .unwrap();
    assert_eq!(
        world.read(&system(1), sent.id, mail::Uid(1)),
        b"hi\r\n\r\nhi\r\n"
    );
    assert_eq!(
        store.kv(&system(1), "forward", b"n").unwrap(),
        Some(b"1".to_vec())
    );
    // The answer got lost and the worker asks again: nothing is done twice.
    assert_eq!(store.complete(&lease, settlement).wait().unwrap(), accepted);
    assert_eq!(world.uids(&system(2), stored.mailbox), [1]);
}

pub(crate) fn the_next_stages_take_the_place_of_a_row(world: &World) {
    let store = world.store();
    let first = world.queued("queued", NOW);
    let lease = claim(world, NOW).remove(0);
    let pieces = vec![
        Piece::Private(b"X-Scanned: yes\r\n".to_vec()),
        Piece::Content {
            content: lease.row.content,
            offset: 0,
            length: lease.row.size,
        },
    ];
    let actions = vec![inbox(ANN), process("deliver:autoreply", LATER)];
    let next = Settled::Continue {
        actions,
        pieces: Some(pieces),
        domain_quota: store::Quota::NONE,
    };
    let accepted = store
        .complete(&lease, Settlement::new(world.op(), next))
        .wait()
        .unwrap();
    assert_eq!(store.queue_row(&system(1), first), Err(Error::NotFound));
    let stored = &accepted[0].stored[0];
    assert_eq!(stored.recipient, lease.row.recipient);
    let expected = b"X-Scanned: yes\r\nSubject: hi\r\n\r\nhi\r\n";
    assert_eq!(world.read(&system(1), stored.mailbox, stored.uid), expected);
    let next = store
        .queue_row(&system(1), accepted[0].queued[0].id)
        .unwrap();
    assert_eq!(
        (next.envelope, next.address),
        (lease.row.envelope.clone(), lease.row.address.clone())
    );
    assert_eq!(next.size, expected.len() as u64);
    let lease = claim(world, LATER).remove(0);
    let next = Settled::Continue {
        actions: vec![inbox(BOB)],
        pieces: None,
        domain_quota: store::Quota::NONE,
    };
    let accepted = store
        .complete(&lease, Settlement::new(world.op(), next))
        .wait()
        .unwrap();
    let stored = &accepted[0].stored[0];
    assert_eq!(world.read(&system(1), stored.mailbox, stored.uid), expected);
}

pub(crate) fn a_parked_row_waits_counts_and_resumes(world: &World) {
    let store = world.store();
    let part = world.part(
        system(1),
        vec![world.body(&[1; 500])],
        vec![Action::Parked(parked(Some(LATER)))],
    );
    let id = store
        .accept(world.accept(vec![part]))
        .wait()
        .unwrap()
        .queued[0]
        .id;
    assert_eq!(
        store.usage(&system(1), Owner::Domain).unwrap().bytes,
        500,
        "it counts in the domain's quota"
    );
    assert_eq!(claim(world, NOW).len(), 0, "it does not retry");
    let row = store.queue_row(&system(1), id).unwrap();
    assert_eq!(
        (row.state, row.parked.as_deref()),
        (
            QueueState::Parked(ParkedReason::Quarantine),
            Some("looks bad")
        )
    );
    assert!(matches!(
        store.retry_now(&system(1), id).wait(),
        Err(Error::Invalid(_))
    ));
    store.release(&system(1), id).wait().unwrap();
    assert_eq!(store.usage(&system(1), Owner::Domain).unwrap().bytes, 0);
    let lease = claim(world, NOW).remove(0);
    assert_eq!(lease.row.work.channel(), "deliver:shared");
    // Parked again by the worker, and now its time ends: it is handed out to be discarded.
    let again = Settlement::new(world.op(), Settled::Parked(parked(Some(LATER))));
    store.complete(&lease, again).wait().unwrap();
    world.reopen();
    let lease = claim(world, LATER).remove(0);
    assert!(lease.expired);
    world.store().complete(&lease, done(world)).wait().unwrap();
    assert_eq!(
        world
            .store()
            .usage(&system(1), Owner::Domain)
            .unwrap()
            .bytes,
        0
    );
    let forever = world.accepted(vec![Action::Parked(parked(None))]);
    assert_eq!(forever.queued.len(), 1);
    assert_eq!(claim(world, Timestamp(i64::MAX / 2)).len(), 0);
    assert_eq!(world.store().next_due(), None);
}

pub(crate) fn an_administrator_holds_releases_retries_and_removes(world: &World) {
    let store = world.store();
    let site = mail::Access {
        tenant: mail::Tenant::HOST,
        principal: mail::Principal::Site,
    };
    let id = world.queued("deliver:file", LATER);
    let lease = claim(world, LATER).remove(0);
    for refused in [store.hold(&system(1), id), store.retry_now(&system(1), id)] {
        assert_eq!(refused.wait(), Err(Error::Stale), "a worker has it");
    }
    store.give_back(&lease).unwrap();
    store.retry_now(&site, id).wait().unwrap();
    assert_eq!(store.queue_row(&site, id).unwrap().due, NOW);
    store.hold(&system(1), id).wait().unwrap();
    assert_eq!(claim(world, LATER).len(), 0);
    store.release(&system(1), id).wait().unwrap();
    let lease = claim(world, LATER).remove(0);
    // Removed under the worker: its settlement comes too late.
    store.remove(&system(1), id).wait().unwrap();
    assert_eq!(
        store.complete(&lease, done(world)).wait(),
        Err(Error::Stale)
    );
    // A worker that overslept must not settle what was decided meanwhile.
    let id = world.queued("deliver:file", Timestamp(0));
    let slow = store.claim("slow", Timestamp(0), 1, 1).unwrap().remove(0);
    store.hold(&system(1), id).wait().unwrap();
    assert_eq!(store.complete(&slow, done(world)).wait(), Err(Error::Stale));
    assert!(matches!(
        store.queue_row(&system(1), id).unwrap().state,
        QueueState::Parked(_)
    ));
}

pub(crate) fn an_attempt_that_began_is_remembered(world: &World) {
    world.queued("deliver:file", NOW);
    let lease = claim(world, NOW).remove(0);
    let started = Started {
        attempt: 1,
        label: "archive".to_owned(),
        file_length: Some(4711),
        at: NOW,
    };
    world
        .store()
        .note_started(&lease, started.clone())
        .wait()
        .unwrap();
    world.reopen();
    let lease = claim(world, NOW.plus_seconds(31)).remove(0);
    assert_eq!(lease.row.started, Some(started));
    let retry = Settled::Retry {
        due: NOW,
        status: None,
        text: String::new(),
        delay_told: false,
    };
    world
        .store()
        .complete(&lease, Settlement::new(world.op(), retry))
        .wait()
        .unwrap();
    assert_eq!(
        claim(world, NOW)[0].row.started,
        None,
        "settled, it is open no more"
    );
}

pub(crate) fn depth_is_counted_by_domain_and_channel(world: &World) {
    let store = world.store();
    let first = world.queued("deliver:file", NOW);
    world.queued("deliver:file", LATER);
    world.queued("deliver:autoreply", LATER);
    world.accepted(vec![Action::Parked(parked(None))]);
    // Mail that leaves and belongs to no domain of ours is the host's.
    let remote = Action::Remote {
        channel: "smtp".to_owned(),
        next_hop: None,
        due: NOW,
        expires: LATER,
    };
    let host = mail::Access::system(mail::Tenant::HOST);
    let part = world.part(host, vec![world.body(b"m")], vec![remote]);
    let remote = store
        .accept(world.accept(vec![part]))
        .wait()
        .unwrap()
        .queued[0]
        .id;
    let depths: Vec<_> = store
        .depth()
        .unwrap()
        .into_iter()
        .map(|d| (d.domain.0, d.channel, d.rows, d.parked))
        .collect();
    let expected = [
        (0, "smtp", 1, 0),
        (1, "deliver:autoreply", 1, 0),
        (1, "deliver:file", 2, 0),
        (1, "deliver:shared", 0, 1),
    ];
    assert_eq!(
        depths,
        expected.map(|(domain, channel, rows, parked)| (domain, channel.to_owned(), rows, parked))
    );
    assert!(
        store
            .depth()
            .unwrap()
            .iter()
            .all(|depth| depth.oldest == Some(NOW))
    );
    let ids = |access, filter: QueueFilter| -> Vec<_> {
        let filter = QueueFilter { max: 100, ..filter };
        store
            .queue(&access, &filter)
            .unwrap()
            .into_iter()
            .map(|row| row.id)
            .collect()
    };
    assert_eq!(ids(system(1), QueueFilter::default()).len(), 4);
    assert_eq!(
        ids(host, QueueFilter::default()).len(),
        5,
        "the site sees all domains"
    );
    let of = |channel: &str| QueueFilter {
        channel: Some(channel.to_owned()),
        ..QueueFilter::default()
    };
    assert_eq!(ids(host, of("smtp")), [remote]);
    assert_eq!(ids(system(1), of("smtp")), []);
    assert_eq!(
        ids(
            system(1),
            QueueFilter {
                parked: Some(true),
                ..QueueFilter::default()
            }
        )
        .len(),
        1
    );
    assert_eq!(
        ids(
            system(1),
            QueueFilter {
                after: Some(first),
                ..of("deliver:file")
            }
        )
        .len(),
        1
    );
    store.remove(&system(1), first).wait().unwrap();
    assert_eq!(store.depth().unwrap()[2].rows, 1);
}

pub(crate) fn a_worker_is_woken_when_something_is_due(world: &World) {
    let store = world.store();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let watch = store.on_due(Box::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    assert_eq!(store.next_due(), None);
    world.queued("deliver:file", NOW);
    eventually("a call for the new row", || {
        calls.load(Ordering::SeqCst) > 0
    });
    let lease = claim(world, NOW).remove(0);
    assert_eq!(
        store.next_due(),
        Some(NOW.plus_seconds(30)),
        "the end of the lease"
    );
    let before = calls.load(Ordering::SeqCst);
    store.give_back(&lease).unwrap();
    eventually("a call for the row given back", || {
        calls.load(Ordering::SeqCst) > before
    });
    drop(watch);
    let after = calls.load(Ordering::SeqCst);
    world.queued("deliver:file", NOW);
    world.queued("deliver:file", NOW);
    assert!(
        calls.load(Ordering::SeqCst) <= after + 1,
        "a call under way may still come, then none"
    );
}

pub(crate) fn a_row_of_another_queue_goes_on_where_it_was(world: &World) {
    let resumed = |parked| Resumed {
        work: Work::Remote {
            channel: "smtp".to_owned(),
            next_hop: None,
        },
        parked,
        due: LATER,
        expires: LATER.plus_seconds(9),
        created: Timestamp(5),
        attempts: 3,
        last: Some((None, "not now".to_owned())),
        delay_told: true,
    };
    let aside = Some((ParkedReason::Moderation, "wait".to_owned()));
    for (parked, state) in [
        (None, QueueState::Ready),
        (aside, QueueState::Parked(ParkedReason::Moderation)),
    ] {
        let id = world
            .accepted(vec![Action::Resumed(Box::new(resumed(parked.clone())))])
            .queued[0]
            .id;
        world.reopen();
        let row = world.store().queue_row(&system(1), id).unwrap();
        assert_eq!(row.state, state);
        assert_eq!(row.parked, parked.map(|(_, why)| why));
        let times = (row.due, row.expires, row.created, row.attempts);
        assert_eq!(times, (LATER, LATER.plus_seconds(9), Timestamp(5), 3));
        assert_eq!(row.last, Some((None, "not now".to_owned())));
        assert!(row.delay_told);
        world.store().remove(&system(1), id).wait().unwrap();
    }
}
