//! What goes together, and how attempts end; with a clock that the test moves.

mod simulated;

use mail::{
    Body, Class, Direction, DomainId, Envelope, EnvelopeId, Mailbox, Outcome, RecipientId,
    ReversePath, Timestamp,
};
use store::{ContentId, Lease, QueueId, QueueRow, QueueState, Work};
use tokio::time::Instant;

use super::steps::bounded;
use super::{ATTEMPT, contained, groups};

/// A lease of a row for `address`, of the message with the number `content`.
pub(super) fn lease(id: u64, address: &str, content: u64) -> Lease {
    let row = QueueRow {
        id: QueueId(id),
        domain: DomainId(1),
        envelope: Envelope {
            id: EnvelopeId(content),
            reverse_path: ReversePath::Null,
            direction: Direction::Internal,
            authenticated: None,
            peer: None,
            helo: String::new(),
            encrypted: false,
            received: Timestamp(0),
            body: Body::SevenBit,
            utf8: false,
            envid: None,
        },
        recipient: RecipientId(id),
        original: address.to_owned(),
        address: Mailbox::parse(address).expect("an address of the test"),
        work: Work::Remote {
            channel: "smtp".to_owned(),
            next_hop: None,
        },
        state: QueueState::Leased,
        parked: None,
        due: Timestamp(0),
        attempts: 0,
        created: Timestamp(0),
        expires: Timestamp(1),
        last: None,
        started: None,
        delay_told: false,
        content: ContentId(content),
        size: 1,
        utf8: false,
    };
    Lease {
        epoch: id,
        worker: "test".to_owned(),
        until: Timestamp(0),
        expired: false,
        row,
    }
}

fn over(mut lease: Lease, next_hop: &str) -> Lease {
    lease.row.work = Work::Remote {
        channel: "smtp".to_owned(),
        next_hop: Some(next_hop.to_owned()),
    };
    lease
}

#[test]
fn one_message_to_one_next_hop_goes_together() {
    let mut option = lease(6, "f@x.test", 1);
    option.row.work = Work::Process {
        stage: "deliver:file".to_owned(),
        context: Vec::new(),
    };
    let leases = vec![
        lease(1, "a@x.test", 1),
        lease(2, "b@y.test", 1),
        lease(3, "c@x.test", 1),
        lease(4, "d@x.test", 2),
        over(lease(5, "e@x.test", 1), "hub.test:25"),
        option.clone(),
        option,
        over(lease(7, "g@other.test", 1), "hub.test:25"),
    ];
    let groups = groups(leases);
    let ids: Vec<Vec<u64>> = groups
        .iter()
        .map(|group| group.iter().map(|lease| lease.row.id.0).collect())
        .collect();
    assert_eq!(
        ids,
        [vec![1, 3], vec![2], vec![4], vec![5, 7], vec![6], vec![6]]
    );
}

#[tokio::test]
async fn a_panic_ends_only_its_own_attempt() {
    let ended = contained(async { panic!("a fault of ours") }).await;
    assert!(ended.expect_err("it did not end well").is_panic());
    assert!(contained(async {}).await.is_ok());
}

#[tokio::test]
async fn an_attempt_ends_where_it_is_cut_short() {
    let (held, mut free) = tokio::sync::oneshot::channel::<()>();
    let endless = async move {
        let _held = held;
        std::future::pending::<()>().await;
    };
    let cut = tokio::time::timeout(std::time::Duration::from_millis(20), contained(endless)).await;
    assert!(cut.is_err(), "it goes on for ever");
    assert!((&mut free).await.is_err(), "what it held is free");
}

#[tokio::test]
async fn an_attempt_whose_time_is_over_is_made_again() {
    assert_eq!(ATTEMPT.as_secs(), 3600);
    let ended = bounded(Instant::now(), std::future::pending::<()>()).await;
    let outcome = ended.expect_err("it goes on for ever");
    let Outcome::Deferred { status, .. } = *outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(status.class(), Class::Transient);
    let deadline = Instant::now() + ATTEMPT;
    assert_eq!(bounded(deadline, async { 7 }).await, Ok(7));
}
