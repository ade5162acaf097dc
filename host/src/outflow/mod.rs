//! Delivering what the queue holds: claim what is due, make an attempt, settle.
//!
//! An attempt is a list of named steps ([`steps`]); each says [`Progress::Next`] or how the
//! attempt ended. Settling writes the outcome, the effects of the plugin and the report in one
//! commit. There is no polling: the store calls when something is due.
//!
//! How it fails: an attempt that cannot be made is a retry; a commit that is refused leaves the
//! row, and its lease runs out.

mod attempt;
mod capabilities;
mod effects;
mod files;
mod settings;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use net::Shutdown;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::site::{self, Site};

pub(crate) use capabilities::HostCapabilities;

/// Attempts at once.
const ATTEMPTS: usize = 32;
/// Rows claimed at once, so that one domain's many are not all in front.
const CLAIM: usize = 32;
/// How long an attempt has; it is longer than all time-outs inside.
const LEASE_SECONDS: i64 = 30 * 60;
/// A look at the queue even if nobody called: the clock may have jumped.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Works until the server stops; attempts under way are finished.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    files::recover_all(&site).await;
    let called = Arc::new(Notify::new());
    let caller = Arc::clone(&called);
    let _watch = site.store.on_due(Box::new(move || caller.notify_one()));
    let places = Arc::new(Semaphore::new(ATTEMPTS));
    let mut attempts = JoinSet::new();
    let worker = format!("outflow-{}", std::process::id());
    while !shutdown.is_requested() {
        while attempts.try_join_next().is_some() {}
        let claimed = claim(&site, &worker, &places, &mut attempts);
        let pause = if claimed == CLAIM {
            Duration::ZERO
        } else {
            until_due(&site)
        };
        tokio::select! {
            () = shutdown.requested() => break,
            () = called.notified() => {}
            Some(_) = attempts.join_next(), if places.available_permits() == 0 => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    while attempts.join_next().await.is_some() {}
}

fn claim(
    site: &Arc<Site>,
    worker: &str,
    places: &Arc<Semaphore>,
    attempts: &mut JoinSet<()>,
) -> usize {
    let free = places.available_permits().min(CLAIM);
    if free == 0 {
        return 0;
    }
    let leases = match site.store.claim(worker, site::now(), LEASE_SECONDS, free) {
        Ok(leases) => leases,
        Err(error) => {
            tracing::error!(%error, "the queue cannot be read");
            return 0;
        }
    };
    let claimed = leases.len();
    for lease in leases {
        // As many permits were free as rows were claimed, and only this task takes them.
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            break;
        };
        let site = Arc::clone(site);
        attempts.spawn(async move {
            attempt::run(&site, lease).await;
            drop(place);
        });
    }
    claimed
}

fn until_due(site: &Site) -> Duration {
    let Some(due) = site.store.next_due() else {
        return LOOK_AGAIN;
    };
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
