//! Delivering what the queue holds: claim what is due, make an attempt, settle.
//!
//! An attempt is a list of named steps ([`steps`]); each says [`steps::Progress::Next`] or how the
//! attempt ended. Rows of one message that go to the same next hop are one attempt, one
//! transaction and, where they fail together, one report. Settling writes the outcome, the effects
//! of the plugin and the report in one commit. There is no polling: the store calls when something
//! is due.
//!
//! ```text
//!   claim ─> in hand ─> groups ─> a place (options; destination) ─> steps ─> settled, put down
//! ```
//!
//! How it fails: an attempt that cannot be made is a retry, also one that panics or takes longer
//! than [`ATTEMPT`]; a commit that is refused leaves the row, and its lease runs out.

mod ahead;
mod attempt;
mod capabilities;
mod channels;
mod effects;
mod exchanges;
mod files;
mod hand;
mod places;
mod settings;
mod steps;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use mail::{Timestamp, limits};
use net::Shutdown;
use store::{Lease, Work};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};

use crate::site::{self, Site};

pub(crate) use capabilities::HostCapabilities;
pub(crate) use channels::Channels;
use hand::Hand;
pub(crate) use places::Places;

/// Rows in hand at most: under way, or waiting for a place.
const IN_HAND: usize = 512;
/// Rows claimed at once.
const CLAIM: usize = 64;
/// How long a row is claimed for; claiming it again while it is in hand prolongs that.
const LEASE_SECONDS: i64 = 30 * 60;
/// How long one attempt may take in all, whatever its servers do.
const ATTEMPT: Duration = Duration::from_secs(60 * 60);
/// A look at the queue even if nobody called: the clock may have jumped.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Works until the server stops; attempts under way are finished, for `drain_seconds` at most.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    files::recover_all(&site).await;
    let called = Arc::new(Notify::new());
    let caller = Arc::clone(&called);
    let _watch = site.store.on_due(Box::new(move || caller.notify_one()));
    let hand = Arc::new(Hand::default());
    let mut attempts = JoinSet::new();
    let worker = format!("outflow-{}", std::process::id());
    let mut looking = JoinSet::new();
    let mut latest = Timestamp(i64::MAX);
    while !shutdown.is_requested() {
        while attempts.try_join_next().is_some() {}
        let room = IN_HAND.saturating_sub(hand.len());
        let now = site::now();
        // At the start, and where a clock that was ahead has been set back.
        if now.plus_seconds(limits::CLOCK_STEP.as_secs() as i64) < latest {
            let site = Arc::clone(&site);
            looking.spawn(async move { ahead::take_back(&site).await });
        }
        latest = now;
        let (claimed, begun) = hand.claim(|| claim(&site, &worker, now, room));
        let is_more_due = room > 0 && claimed == room.min(CLAIM);
        for group in groups(begun) {
            attempts.spawn(work(Arc::clone(&site), Arc::clone(&hand), group));
        }
        if is_more_due {
            tokio::task::yield_now().await;
            continue;
        }
        // With both hands full only an end makes room; so too where all that is due is of those
        // that have their share of the places in hand.
        let next = if room == 0 {
            None
        } else {
            site.store.next_due()
        };
        let is_held_back = room == 0 || next.is_some_and(|next| next <= now);
        let pause = next.filter(|_| !is_held_back).map_or(LOOK_AGAIN, until);
        tokio::select! {
            () = shutdown.requested() => break,
            () = called.notified(), if room > 0 => {}
            Some(_) = attempts.join_next(), if is_held_back => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let drain = Duration::from_secs(site.settings().config.drain_seconds);
    let all_ended = async { while attempts.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, all_ended).await.is_err() {
        // Their rows are free again at the next start. What was not settled is tried again.
        tracing::warn!(
            attempts = attempts.len(),
            "deliveries under way were cut short"
        );
    }
}

fn claim(site: &Site, worker: &str, now: Timestamp, room: usize) -> Vec<Lease> {
    if room == 0 {
        return Vec::new();
    }
    let max = room.min(CLAIM);
    let claimed = site
        .store
        .claim_within(worker, now, LEASE_SECONDS, max, room);
    claimed.unwrap_or_else(|error| {
        tracing::error!(%error, "the queue cannot be read");
        Vec::new()
    })
}

/// Rows of one message with the same next hop together, in the order of the first of each.
fn groups(leases: Vec<Lease>) -> Vec<Vec<Lease>> {
    let mut groups: Vec<Vec<Lease>> = Vec::new();
    for lease in leases {
        let own = groups
            .iter_mut()
            .find(|group| go_together(&group[0], &lease));
        match own {
            Some(group) => group.push(lease),
            None => groups.push(vec![lease]),
        }
    }
    groups
}

fn go_together(one: &Lease, other: &Lease) -> bool {
    let (a, b) = (&one.row, &other.row);
    let Work::Remote { next_hop, .. } = &a.work else {
        return false;
    };
    a.work == b.work
        && (a.domain, a.content, a.envelope.id) == (b.domain, b.content, b.envelope.id)
        && (one.expired, a.utf8) == (other.expired, b.utf8)
        // Without a host of the route the domain says where to.
        && (next_hop.is_some() || a.address.domain() == b.address.domain())
}

/// One group from its claim to its settlement. A panic ends in a retry.
async fn work(site: Arc<Site>, hand: Arc<Hand>, leases: Vec<Lease>) {
    let working = {
        let (site, hand, leases) = (Arc::clone(&site), Arc::clone(&hand), leases.clone());
        async move { attempt::run(&site, &hand, &leases, &site::now).await }
    };
    finish(&site, &hand, &leases, working).await;
}

/// Works on a group to the end, whatever that is.
async fn finish(
    site: &Site,
    hand: &Hand,
    leases: &[Lease],
    working: impl Future<Output = ()> + Send + 'static,
) {
    if let Err(error) = contained(working).await {
        tracing::error!(%error, rows = leases.len(), "a delivery attempt broke off");
        for lease in leases {
            attempt::broke_off(site, &hand.newest(lease)).await;
        }
    }
    hand.put_down(leases);
}

/// Runs it as a task of its own: a panic stays in it, and it ends where this is cut short.
async fn contained(work: impl Future<Output = ()> + Send + 'static) -> Result<(), JoinError> {
    let mut set_of_one = JoinSet::new();
    set_of_one.spawn(work);
    set_of_one.join_next().await.unwrap_or(Ok(()))
}

fn until(due: Timestamp) -> Duration {
    let milliseconds = due.0.saturating_sub(site::now().0).max(20);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(20)).min(LOOK_AGAIN)
}

/// Keeps the queue's gauges up to date.
pub(crate) async fn measure(site: Arc<Site>, mut shutdown: Shutdown) {
    while !shutdown.is_requested() {
        refresh(&site);
        tokio::select! {
            () = shutdown.requested() => break,
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
    }
}

/// Reads the depths once. Rows that are gone leave no gauge behind.
pub(crate) fn refresh(site: &Site) {
    let Ok(depths) = site.store.depth() else {
        return;
    };
    site.metrics.queue_depth.reset();
    site.metrics.queue_oldest.reset();
    for depth in depths {
        let domain = site
            .directory
            .known_domain(depth.domain)
            .map_or_else(|| "-".to_owned(), |entry| entry.name.to_string());
        let labels = [depth.channel.as_str(), domain.as_str()];
        let rows = i64::try_from(depth.rows + depth.parked).unwrap_or(i64::MAX);
        site.metrics
            .queue_depth
            .with_label_values(&labels)
            .set(rows);
        if let Some(oldest) = depth.oldest {
            let age = site::now().seconds() - oldest.seconds();
            site.metrics
                .queue_oldest
                .with_label_values(&labels)
                .set(age);
        }
    }
}
