//! Rows that a clock which was ahead has put off. Nothing waits longer than the longest pause, so
//! what is due later than that was written by a clock that was set back since: it is due now.

use std::sync::Arc;

use mail::{Access, Principal, Tenant, Timestamp};
use store::{Error, QueueFilter, QueueRow};

use crate::site::{self, Site};

/// Rows read at a time.
const PAGE: usize = 500;
/// Beyond the longest pause, for clocks that differ a little.
const SLACK_SECONDS: i64 = 3600;

const HOST: Access = Access {
    tenant: Tenant::HOST,
    principal: Principal::System,
};

/// Looks at every row once, in memory that does not grow with them, and lets the others go first.
pub(super) async fn take_back(site: &Arc<Site>) -> u64 {
    let mut after = None;
    let mut count = 0;
    loop {
        let (from, reader) = (after, Arc::clone(site));
        let page = tokio::task::spawn_blocking(move || {
            let filter = QueueFilter {
                parked: Some(false),
                after: from,
                max: PAGE,
                ..QueueFilter::default()
            };
            reader.store.queue(&HOST, &filter)
        });
        let rows = match page.await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                tracing::error!(%error, "the queue cannot be looked through");
                return count;
            }
            // The server stops.
            Err(_) => return count,
        };
        let Some(last) = rows.last() else {
            break;
        };
        after = Some(last.id);
        let latest = latest(site, site::now());
        for row in rows.iter().filter(|row| row.due > latest) {
            count += u64::from(is_due_now(site, row).await);
        }
    }
    if count > 0 {
        tracing::warn!(rows = count, "the clock was ahead: what it put off is due");
    }
    count
}

/// The latest time that a row may wait for.
fn latest(site: &Site, now: Timestamp) -> Timestamp {
    let pauses = &site.settings().config.limits.retry_seconds;
    let longest = pauses.iter().copied().max().unwrap_or_default();
    now.plus_seconds(longest.saturating_add(SLACK_SECONDS))
}

async fn is_due_now(site: &Site, row: &QueueRow) -> bool {
    match site.store.retry_now(&HOST, row.id).await {
        Ok(()) => true,
        // In hand, parked or gone meanwhile.
        Err(Error::Stale | Error::NotFound | Error::Invalid(_)) => false,
        Err(error) => {
            tracing::error!(row = %row.id, %error, "a row that was put off stays so");
            false
        }
    }
}
