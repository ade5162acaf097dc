//! Keeps the cache up to date: what changed on the server shows within seconds, and what is
//! known is looked at again before it expires.
//!
//! An entry that changed is found by `modifyTimestamp`; one that was removed by not being there
//! when it is looked at again. The window reaches back ten minutes, so that the clocks may differ
//! by as much.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use mail::Timestamp;

use super::Inner;
use super::ask::{Missed, escape};
use super::cache::Named;
use super::entry::{Entry, Kind, generalized};
use super::server::{Reach, Search};
use super::settings::Attributes;
use crate::LookupError;
use crate::snapshot::uid_key;

/// How far back changes are asked for, in seconds.
const WINDOW_SECONDS: i64 = 600;
/// Changed entries that are read at a time.
const CHANGED: usize = 100_000;
/// Entries looked at by one question.
const BATCH: usize = 50;

/// Asks again and again, until the directory is gone.
pub(super) async fn run(inner: Weak<Inner>, pause: Duration) {
    while let Some(inner) = inner.upgrade() {
        if let Err(error) = once(&inner).await {
            tracing::debug!(%error, "the directory was not brought up to date");
        }
        drop(inner);
        tokio::time::sleep(pause).await;
    }
}

/// One round.
pub(super) async fn once(inner: &Arc<Inner>) -> Result<(), LookupError> {
    let timing = &inner.server.settings().timing;
    let soon = timing.negative.mul_f32(0.8);
    if inner
        .known_domains()
        .is_none_or(|domains| domains.at.elapsed() >= soon)
    {
        inner.read_domains().await?;
    }
    changed(inner).await?;
    let due = inner.cache().due(timing);
    for (domain, uuids) in due {
        for batch in uuids.chunks(BATCH) {
            look_at(inner, domain, batch).await?;
        }
    }
    Ok(())
}

async fn look_at(
    inner: &Arc<Inner>,
    domain: mail::DomainId,
    uuids: &[String],
) -> Result<(), LookupError> {
    match inner.ask_uuids(domain, uuids).await {
        Ok(_) | Err(Missed::Unusable(_)) => Ok(()),
        Err(Missed::Trouble(error)) => Err(error),
    }
}

/// What changed since the last round.
async fn changed(inner: &Arc<Inner>) -> Result<(), LookupError> {
    let settings = inner.server.settings();
    let names = &settings.attributes;
    let Some(domains) = inner.known_domains() else {
        return Ok(());
    };
    let since = Timestamp::from_seconds(crate::embedded::now().seconds() - WINDOW_SECONDS);
    let mut entries = Vec::new();
    for base in domains.roots(&settings.base) {
        let search = Search {
            base,
            reach: Reach::List,
            filter: format!("({}>={})", names.modified, escape(&generalized(since))),
            limit: CHANGED,
        };
        entries.extend(inner.server.search(search).await?);
    }
    let changed = {
        let mut seen = inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, changed) = changed_since(&seen, entries, names);
        *seen = now;
        changed
    };
    let mut is_domain = false;
    for (uuid, entry) in changed {
        let is_node = domains.nodes.values().any(|node| node.uuid == uuid);
        if is_node || entry.kind(&settings.classes) == Some(Kind::Domain) {
            is_domain = true;
            continue;
        }
        let homes = {
            let mut cache = inner.cache();
            let addresses = entry.addresses(names);
            let addresses: Vec<String> = addresses.iter().map(mail::Mailbox::key).collect();
            let uids = entry.values(&names.uid);
            let uids: Vec<String> = uids.iter().map(|uid| uid_key(uid)).collect();
            cache.doubt(Named::Address, &addresses, &settings.timing);
            cache.doubt(Named::Uid, &uids, &settings.timing);
            cache.homes_of(&uuid)
        };
        for home in homes {
            look_at(inner, home, std::slice::from_ref(&uuid)).await?;
        }
    }
    if is_domain {
        inner.read_domains().await?;
    }
    Ok(())
}

/// Entries of the window by `entryUUID`: when they were changed, when that was seen first, and
/// whether it was looked at since then.
pub(super) type Seen = HashMap<String, (String, Instant, bool)>;

/// Times of entries are whole seconds: within these another change has the same time.
const SAME_SECOND: Duration = Duration::from_secs(2);

/// Which of the entries changed. One that is new is looked at until its second is over.
fn changed_since(
    seen: &Seen,
    entries: Vec<Entry>,
    names: &Attributes,
) -> (Seen, Vec<(String, Entry)>) {
    let (mut now, mut changed) = (Seen::new(), Vec::new());
    for entry in entries {
        let (Ok(uuid), Some(stamp)) = (entry.uuid(names), entry.value(&names.modified)) else {
            continue;
        };
        let (first, is_settled) = match seen.get(&uuid) {
            Some((before, first, is_settled)) if before == stamp => (*first, *is_settled),
            _ => (Instant::now(), false),
        };
        let is_over = first.elapsed() >= SAME_SECOND;
        now.insert(
            uuid.clone(),
            (stamp.to_owned(), first, is_settled || is_over),
        );
        if !is_settled {
            changed.push((uuid, entry));
        }
    }
    (now, changed)
}
