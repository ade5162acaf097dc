//! Connections that are kept for the next message to the same server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::hop::Address;
use super::session::Session;

/// Idle connections to one address.
const AT_ADDRESS: usize = 8;
/// Idle connections in all.
const ALL: usize = 256;

/// The channel, the name that TLS was asked for, and the address.
pub(super) type Key = (String, String, Address);

/// Idle connections.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    /// How long a connection is kept without a message; nothing is kept at zero.
    limit: Duration,
}

#[derive(Debug, Default)]
struct Idle {
    by_key: HashMap<Key, Vec<(Instant, Session)>>,
    count: usize,
    /// Is there a task that ends what was idle too long?
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            idle: Mutex::default(),
            limit,
        }
    }

    /// A connection that is still good, as far as can be seen from here.
    pub(super) fn take(&self, key: &Key) -> Option<Session> {
        let mut idle = self.lock();
        let found = loop {
            let (since, mut session) = idle.by_key.get_mut(key)?.pop()?;
            idle.count -= 1;
            // A server that has something to say now says good-bye.
            if since.elapsed() < self.limit && session.is_quiet() {
                break session;
            }
        };
        idle.by_key.retain(|_, sessions| !sessions.is_empty());
        Some(found)
    }

    /// Keeps the connection, or says QUIT where there is no room.
    pub(super) fn put(self: &Arc<Self>, key: Key, session: Session) {
        let mut idle = self.lock();
        let beside = idle.by_key.get(&key).map_or(0, Vec::len);
        if self.limit.is_zero() || idle.count >= ALL || beside >= AT_ADDRESS {
            drop(idle);
            tokio::spawn(session.quit());
            return;
        }
        let sessions = idle.by_key.entry(key).or_default();
        sessions.push((Instant::now(), session));
        idle.count += 1;
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), self.limit));
        }
    }

    /// What was idle too long; `None` when nothing is left.
    fn expired(&self) -> Option<Vec<Session>> {
        let mut idle = self.lock();
        let mut expired = Vec::new();
        for sessions in idle.by_key.values_mut() {
            let (old, fresh) = std::mem::take(sessions)
                .into_iter()
                .partition(|(since, _)| since.elapsed() >= self.limit);
            *sessions = fresh;
            let old: Vec<(Instant, Session)> = old;
            expired.extend(old.into_iter().map(|(_, session)| session));
        }
        idle.by_key.retain(|_, sessions| !sessions.is_empty());
        idle.count -= expired.len();
        if expired.is_empty() && idle.count == 0 {
            idle.is_swept = false;
            return None;
        }
        Some(expired)
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says QUIT on what nobody used again.
async fn sweep(pool: Weak<Pool>, limit: Duration) {
    loop {
        tokio::time::sleep(limit / 2).await;
        let Some(expired) = pool.upgrade().and_then(|pool| pool.expired()) else {
            return;
        };
        for session in expired {
            tokio::spawn(session.quit());
        }
    }
}
