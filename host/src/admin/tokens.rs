//! Tokens of people that signed in.
//!
//! A token is 256 random bits; only its hash is kept, in memory, so a restart signs everybody
//! out. It ends at its time, when it was not used for a while, when the password changes, and
//! wherever the login way would no longer let the person in (that is asked at each call).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use directory::Login;
use mail::{PersonId, Secret, Tenant, Timestamp};

/// Tokens of one person; the oldest ends for a new one.
const OF_PERSON: usize = 32;
/// Tokens of all people.
const IN_ALL: usize = 10_000;
/// So that scanners of repositories and logs know one when they see it.
const MARK: &str = "postroom_";

/// All tokens in force.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    rows: Mutex<HashMap<[u8; 32], Row>>,
}

/// How long tokens live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) seconds: i64,
    pub(super) idle_seconds: i64,
}

/// What a token stands for.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The login name that was used.
    pub(super) login: String,
    pub(super) tenant: Tenant,
    pub(super) person: PersonId,
    /// The password hashes when it was given out: they change with the password.
    pub(super) hashes: Vec<Secret<String>>,
    pub(super) expires: Timestamp,
    issued: Timestamp,
    used: Timestamp,
}

impl Tokens {
    /// A new token for a person that just signed in, and its end.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn issue(
        &self,
        name: &str,
        login: &Login,
        lifetime: Lifetime,
        now: Timestamp,
    ) -> std::io::Result<(Secret<String>, Timestamp)> {
        let mut bytes = [0_u8; 32];
        crate::site::random(&mut bytes)?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = Secret::new(format!("{MARK}{digits}"));
        let row = Row {
            login: name.to_owned(),
            tenant: login.tenant,
            person: login.person.id,
            hashes: login.person.password_hashes.clone(),
            expires: now.plus_seconds(lifetime.seconds),
            issued: now,
            used: now,
        };
        let expires = row.expires;
        let mut rows = self.lock();
        rows.retain(|_, row| row.is_in_force(lifetime, now));
        let own = |row: &Row| row.tenant == login.tenant && row.person == login.person.id;
        make_room(&mut rows, OF_PERSON, own);
        make_room(&mut rows, IN_ALL, |_| true);
        rows.insert(key(token.expose_secret()), row);
        Ok((token, expires))
    }

    /// What a token stands for, if it is in force. It counts as used.
    pub(super) fn find(&self, token: &str, lifetime: Lifetime, now: Timestamp) -> Option<Row> {
        let mut rows = self.lock();
        let key = key(token);
        if !rows.get(&key)?.is_in_force(lifetime, now) {
            rows.remove(&key);
            return None;
        }
        let row = rows.get_mut(&key)?;
        row.used = row.used.max(now);
        Some(row.clone())
    }

    /// Ends a token.
    pub(super) fn end(&self, token: &str) {
        self.lock().remove(&key(token));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Row>> {
        // Rows are put in and taken out whole, whatever a panicking thread was at.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn is_in_force(&self, lifetime: Lifetime, now: Timestamp) -> bool {
        now < self.expires && now < self.used.plus_seconds(lifetime.idle_seconds)
    }
}

/// Takes the oldest of some rows away until there is room for one more.
fn make_room(rows: &mut HashMap<[u8; 32], Row>, most: usize, of: impl Fn(&Row) -> bool) {
    let mut some: Vec<_> = rows
        .iter()
        .filter(|(_, row)| of(row))
        .map(|(key, row)| (row.issued, *key))
        .collect();
    some.sort_unstable();
    let over = (some.len() + 1).saturating_sub(most);
    for (_, key) in some.into_iter().take(over) {
        rows.remove(&key);
    }
}

fn key(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests;
