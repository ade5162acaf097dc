//! Failed logins slow down further ones.
//!
//! Failures are counted for a client and account together, for an account over all clients and
//! for a client over all accounts. Past a few of them further attempts are refused without a
//! look at the password for a pause that doubles each time. A client that has logged in to an
//! account before is *known* to it: failures of others never shut it out, so an attacker cannot
//! lock a person out of the own devices.
//!
//! A client is an IPv4 address or an IPv6 /64. Memory is bounded: the oldest entries go first.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mail::Timestamp;

/// Entries of each table.
const ENTRIES: usize = 16_384;
/// Failures are forgotten after so many seconds without another.
const FORGET_SECONDS: i64 = 3600;
/// A client is known to an account for so many seconds after it logged in.
const KNOWN_SECONDS: i64 = 90 * 24 * 3600;
/// Longest pause in seconds.
const LONGEST_SECONDS: i64 = 300;
/// Longest pause in seconds of a client that is known to the account.
const LONGEST_KNOWN_SECONDS: i64 = 4;
/// Longest wait before a refusal is told.
const LONGEST_DELAY: Duration = Duration::from_secs(4);

/// Failures before there is a pause.
const FREE_OF_PAIR: u32 = 5;
const FREE_OF_ACCOUNT: u32 = 20;
const FREE_OF_CLIENT: u32 = 50;

/// May the password be looked at?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Closed,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    tables: Mutex<Tables>,
}

pub(crate) type Account = Box<str>;

#[derive(Debug, Default)]
struct Tables {
    pairs: Table<(IpAddr, Account), Failures>,
    accounts: Table<Account, Failures>,
    clients: Table<IpAddr, Failures>,
    known: Table<(IpAddr, Account), Timestamp>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Throttle {
    /// Before the password is looked at.
    pub(crate) fn check(&self, peer: IpAddr, account: &str, now: Timestamp) -> Gate {
        let tables = self.lock();
        let pair = (client(peer), shortened(account));
        let is_known = tables.is_known(&pair, now);
        let pause = |failures: Option<&Failures>, free: u32, longest: i64| {
            failures.is_some_and(|failures| failures.is_pausing(free, longest, now))
        };
        let longest = if is_known {
            LONGEST_KNOWN_SECONDS
        } else {
            LONGEST_SECONDS
        };
        let closed = pause(tables.pairs.get(&pair), FREE_OF_PAIR, longest)
            || !is_known
                && (pause(
                    tables.accounts.get(&pair.1),
                    FREE_OF_ACCOUNT,
                    LONGEST_SECONDS,
                ) || pause(tables.clients.get(&pair.0), FREE_OF_CLIENT, LONGEST_SECONDS));
        if closed { Gate::Closed } else { Gate::Open }
    }

    /// A password was wrong, or there is no such account: no difference here.
    pub(crate) fn failed(&self, peer: IpAddr, account: &str, now: Timestamp) {
        let mut tables = self.lock();
        let pair = (client(peer), shortened(account));
        let is_known = tables.is_known(&pair, now);
        if !is_known {
            // A person's own mistakes on an own device do not count against others.
            tables
                .accounts
                .change(pair.1.clone(), |failures| failures.add(now));
            tables.clients.change(pair.0, |failures| failures.add(now));
        }
        tables.pairs.change(pair, |failures| failures.add(now));
    }

    /// The client got in: it is known to the account from now on.
    pub(crate) fn succeeded(&self, peer: IpAddr, account: &str, now: Timestamp) {
        let mut tables = self.lock();
        let pair = (client(peer), shortened(account));
        tables.pairs.remove(&pair);
        tables.known.change(pair, |last| *last = now);
    }

    /// How long to wait before a refusal is told: half a second for each failure of this client
    /// and account.
    pub(crate) fn delay(&self, peer: IpAddr, account: &str, now: Timestamp) -> Duration {
        let tables = self.lock();
        let failures = tables
            .pairs
            .get(&(client(peer), shortened(account)))
            .copied()
            .unwrap_or_default();
        let delay = Duration::from_millis(500) * failures.at(now).count.saturating_sub(1).min(8);
        delay.min(LONGEST_DELAY)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        // Counters stay meaningful whatever a panicking thread left behind.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn is_known(&self, pair: &(IpAddr, Account), now: Timestamp) -> bool {
        self.known
            .get(pair)
            .is_some_and(|last| now < last.plus_seconds(KNOWN_SECONDS))
    }
}

impl Failures {
    /// As they count now.
    fn at(self, now: Timestamp) -> Self {
        if now >= self.last.plus_seconds(FORGET_SECONDS) {
            Self {
                count: 0,
                last: now,
            }
        } else {
            self
        }
    }

    fn add(&mut self, now: Timestamp) {
        *self = Self {
            count: self.at(now).count.saturating_add(1),
            last: now,
        };
    }

    /// 1, 2, 4 … seconds after each failure past the free ones.
    fn is_pausing(self, free: u32, longest: i64, now: Timestamp) -> bool {
        let over = self.at(now).count.saturating_sub(free);
        let pause = if over == 0 {
            0
        } else {
            (1 << (over - 1).min(16)).min(longest)
        };
        now < self.last.plus_seconds(pause)
    }
}

/// One person's machine, as far as an address tells.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Names are cut, so that their length is no way to take memory.
pub(crate) fn shortened(account: &str) -> Account {
    account.chars().take(128).collect::<String>().into()
}

/// A map that forgets what was changed longest ago when it is full.
#[derive(Debug)]
struct Table<K, V> {
    entries: HashMap<K, (u64, V)>,
    changes: u64,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            changes: 0,
        }
    }
}

impl<K: Hash + Eq, V: Default> Table<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    fn change(&mut self, key: K, change: impl FnOnce(&mut V)) {
        self.changes += 1;
        let entry = self.entries.entry(key).or_default();
        entry.0 = self.changes;
        change(&mut entry.1);
        if self.entries.len() > ENTRIES {
            // A quarter at once, so that a full table costs little for each change.
            let oldest_kept = self.changes - (ENTRIES as u64 * 3 / 4);
            self.entries
                .retain(|_, (changed, _)| *changed >= oldest_kept);
        }
    }

    fn remove(&mut self, key: &K) {
        self.entries.remove(key);
    }
}

#[cfg(test)]
mod tests;
