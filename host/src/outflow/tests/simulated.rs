//! Days of the queue in a moment: the test is the worker, and its clock goes from due time to due
//! time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mail::{
    Access, Body, Direction, Envelope, Mailbox, Principal, ReversePath, Tenant, Timestamp, words,
};
use store::{
    Accept, Action, Lease, Owner, Parked, ParkedReason, Part, Piece, QueueId, QueueRow, QueueState,
    Quota, Recipient, Settled, Settlement,
};

use crate::admin::tests::World;
use crate::outflow::hand::Hand;
use crate::outflow::{ahead, attempt, finish};
use crate::site::{self, Site};

const SITE: Access = Access {
    tenant: Tenant::HOST,
    principal: Principal::Site,
};

/// Later than the test lives, so that the server's own worker does not take it.
const LATER: i64 = 3600;

/// A message of ann's to a host that nobody is at; its row.
async fn queued(site: &Site) -> QueueRow {
    let now = site::now();
    let envelope = Envelope {
        id: site.store.envelope_id(),
        reverse_path: ReversePath::Mailbox(Mailbox::parse("ann@abc.test").expect("an address")),
        direction: Direction::Submission,
        authenticated: None,
        peer: None,
        helo: String::new(),
        encrypted: false,
        received: now,
        body: Body::SevenBit,
        utf8: false,
        envid: None,
    };
    let part = Part {
        access: Access::system(Tenant::HOST),
        pieces: vec![Piece::Private(b"Subject: out\r\n\r\nx\r\n".to_vec())],
        thread: None,
        trace: Vec::new(),
        recipients: vec![Recipient {
            id: site.store.recipient_id(),
            original: "x@far.test".to_owned(),
            address: Mailbox::parse("x@far.test").expect("an address"),
            prefix: Vec::new(),
            actions: vec![Action::Remote {
                channel: "smtp".to_owned(),
                next_hop: Some("127.0.0.1:1".to_owned()),
                due: now.plus_seconds(LATER),
                expires: now.plus_seconds(site.settings().config.limits.queue_life_seconds),
            }],
        }],
        effects: Vec::new(),
        domain_quota: Quota::NONE,
    };
    let accepted = site.store.accept(Accept {
        operation: site.store.operation_id(),
        envelope,
        parts: vec![part],
    });
    let id = accepted.await.expect("it is taken").queued[0].id;
    site.store.queue_row(&SITE, id).expect("it is there")
}

/// The row's lease at this time. Others that are due by then are left alone.
fn claim(site: &Site, id: QueueId, now: Timestamp) -> Lease {
    let claimed = site.store.claim("simulated", now, 60, 1000);
    let mut own = None;
    for lease in claimed.expect("the store answers") {
        if lease.row.id == id {
            own = Some(lease);
        } else {
            let _ = site.store.give_back(&lease);
        }
    }
    own.expect("it is due")
}

async fn inbox(world: &World) -> Vec<String> {
    let domain = world.domain("abc.test").await;
    let address = Mailbox::parse("ann@abc.test").expect("an address");
    let directory = &world.api.site.directory;
    let ann = directory.person_by_address(domain.tenant(), &address).await;
    let ann = ann.expect("she is there").id;
    let (store, access) = (&world.api.site.store, Access::system(domain.tenant()));
    let Ok(inbox) = store.mailbox_named(&access, Owner::Person(ann), "INBOX") else {
        return Vec::new();
    };
    let rows = store.rows(&access, inbox.id, 1..=u32::MAX);
    let text = |uid| {
        let content = store.content(&access, store::Source::Message(inbox.id, uid));
        let bytes = content.and_then(|content| content.read_all());
        String::from_utf8_lossy(&bytes.expect("it is read")).into_owned()
    };
    let rows = rows.expect("they are listed");
    rows.iter().map(|row| text(row.uid)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_host_is_tried_for_five_days_and_then_reported() {
    let world = World::start().await;
    let site = &world.api.site;
    let limits = site.settings().config.limits.clone();
    let row = queued(site).await;
    let hand = Hand::default();
    let clock = Arc::new(AtomicI64::new(row.due.0));
    let ticking = Arc::clone(&clock);
    let now = move || Timestamp(ticking.load(Ordering::Relaxed));
    let mut attempts = 0;
    let mut told_at = None;
    let end = loop {
        let lease = claim(site, row.id, now());
        let at = now().seconds() - row.created.seconds();
        attempt::run(site, &hand, &[lease], &now).await;
        attempts += 1;
        let Ok(next) = site.store.queue_row(&SITE, row.id) else {
            break at;
        };
        assert_eq!(next.attempts, attempts);
        if next.delay_told && told_at.is_none() {
            told_at = Some(at);
            assert_eq!(inbox(&world).await.len(), 1, "told once");
        }
        let pause = next.due.seconds() - now().seconds();
        let usual = limits.retry_pause_seconds(attempts);
        let left = row.expires.seconds() - now().seconds();
        assert_eq!(pause, usual.min(left.max(1)), "after attempt {attempts}");
        assert!(attempts < 1000, "it is never given up");
        clock.store(next.due.0, Ordering::Relaxed);
    };
    let told_at = told_at.expect("the delay was told");
    assert!(told_at >= limits.delay_notice_seconds, "{told_at}");
    assert!(attempts > 10, "{attempts}");
    let life = limits.queue_life_seconds;
    assert!((life..life + 60).contains(&end), "{end}");
    let inbox = inbox(&world).await;
    assert_eq!(inbox.len(), 2);
    for (report, words) in inbox.iter().zip([
        ["Action: delayed", "Status: 4."],
        ["Action: failed", "Status: 5.4.7"],
    ]) {
        for word in words {
            assert!(report.contains(word), "{word}: {report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_panics_is_a_retry() {
    let world = World::start().await;
    let site = &world.api.site;
    let row = queued(site).await;
    let lease = claim(site, row.id, row.due);
    let panics = async { panic!("a fault of ours") };
    finish(site, &Hand::default(), &[lease], panics).await;
    let row = site
        .store
        .queue_row(&SITE, row.id)
        .expect("nothing is lost");
    assert_eq!(row.state, QueueState::Ready);
    assert_eq!(row.attempts, 1);
    assert!(row.due > site::now(), "{row:?}");
    let (_, text) = row.last.expect("it says why");
    assert_eq!(text, words::ATTEMPT_BROKE_OFF.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_aside_stays_so_when_the_clock_goes_back() {
    let world = World::start().await;
    let site = &world.api.site;
    let row = queued(site).await;
    let until = row.due.plus_seconds(30 * 24 * 3600);
    let lease = claim(site, row.id, row.due);
    let parked = Settled::Parked(Parked {
        reason: ParkedReason::Quarantine,
        text: "a verdict".to_owned(),
        resume: row.work.clone(),
        expires: Some(until),
    });
    let settlement = Settlement::new(site.store.operation_id(), parked);
    let settled = site.store.complete(&lease, settlement).await;
    settled.expect("it is kept aside");
    let before = site.store.queue_row(&SITE, row.id).expect("it is there");

    let ahead = claim(site, row.id, until);
    assert!(ahead.expired);
    let right = row.due;
    attempt::run(site, &Hand::default(), &[ahead], &move || right).await;
    let after = site.store.queue_row(&SITE, row.id).expect("it is there");
    assert_eq!(after, before);

    let over = claim(site, row.id, until);
    attempt::run(site, &Hand::default(), &[over], &move || until).await;
    assert!(
        site.store.queue_row(&SITE, row.id).is_err(),
        "its time came"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_clock_that_was_ahead_put_off_is_due() {
    let world = World::start().await;
    let site = &world.api.site;
    let (near, far) = (queued(site).await, queued(site).await);
    let lease = claim(site, far.id, far.due);
    let year = site::now().plus_seconds(365 * 24 * 3600);
    let settled = Settled::Retry {
        due: year,
        status: None,
        text: "a year ahead".to_owned(),
        delay_told: false,
    };
    let settlement = Settlement::new(site.store.operation_id(), settled);
    let settled = site.store.complete(&lease, settlement).await;
    settled.expect("it waits");
    let before = site.store.queue_row(&SITE, far.id).expect("it is there");
    assert_eq!(before.due, year);
    assert_eq!(ahead::take_back(site).await, 1);
    let row = site.store.queue_row(&SITE, far.id);
    assert!(row.is_ok_and(|row| row.due < year), "it waits no more");
    let row = site.store.queue_row(&SITE, near.id).expect("it is there");
    assert_eq!(row.due, near.due, "what waits its usual time does so");
}
