//! What the server said, and for how long it counts.
//!
//! | what               | answers for        | then                                           |
//! |--------------------|--------------------|------------------------------------------------|
//! | it is there        | `positive`         | asked again; no answer: used on until `stale`  |
//! | it is not there    | `negative`         | asked again; no answer: nobody can say         |
//!
//! Entries are kept once, by what identifies them; addresses and login names point to them. An
//! address is only known when the server was asked for that address: then it was seen that no
//! second entry has it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{DomainId, PersonId};
use routing::Entry as Facts;

use super::settings::Timing;
use crate::{AliasEntry, GroupEntry, PersonEntry, snapshot};

/// Addresses and login names kept; more push out what is not there.
const SLOTS: usize = 200_000;

/// One entry.
#[derive(Debug, Clone)]
pub(super) enum Known {
    Person(Arc<PersonEntry>),
    Group(Arc<GroupEntry>),
    Alias(Arc<AliasEntry>),
}

impl Known {
    pub(super) fn has(&self, key: &str) -> bool {
        match self {
            Self::Person(entry) => entry.addresses().any(|address| address.key() == key),
            Self::Group(entry) => entry.addresses().any(|address| address.key() == key),
            Self::Alias(entry) => entry.address.key() == key,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Person(one), Self::Person(other)) => one == other,
            (Self::Group(one), Self::Group(other)) => one == other,
            (Self::Alias(one), Self::Alias(other)) => one == other,
            _ => false,
        }
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Person(entry) => snapshot::person_facts(entry),
            Self::Group(entry) => snapshot::group_facts(entry),
            Self::Alias(entry) => snapshot::alias_facts(entry),
        }
    }
}

/// One entry of the server.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) known: Known,
    pub(super) facts: Facts,
    pub(super) dn: String,
    pub(super) checked: Instant,
}

/// An entry by its domain and `entryUUID`.
pub(super) type Key = (DomainId, String);

/// What an address or a login name leads to.
#[derive(Debug, Clone)]
struct Slot {
    /// `None`: to nobody.
    key: Option<Key>,
    checked: Instant,
    used: Instant,
}

/// How much an answer is worth.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// It counts.
    Fresh(Option<Held>),
    /// It counts while the server does not answer.
    Stale(Held),
    /// The server has to be asked.
    Unknown,
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct Cache {
    held: HashMap<Key, Held>,
    people: HashMap<(DomainId, PersonId), Key>,
    addresses: HashMap<(DomainId, String), Slot>,
    uids: HashMap<(DomainId, String), Slot>,
}

/// Which kind of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Named {
    Address,
    Uid,
}

impl Cache {
    fn slots(&mut self, named: Named) -> &mut HashMap<(DomainId, String), Slot> {
        match named {
            Named::Address => &mut self.addresses,
            Named::Uid => &mut self.uids,
        }
    }

    /// What is known of a name.
    pub(super) fn named(
        &mut self,
        named: Named,
        domain: DomainId,
        name: &str,
        timing: &Timing,
    ) -> Answer {
        let now = Instant::now();
        let Some(slot) = self.slots(named).get_mut(&(domain, name.to_owned())) else {
            return Answer::Unknown;
        };
        slot.used = now;
        let age = now.duration_since(slot.checked);
        let Some(key) = slot.key.clone() else {
            return if age < timing.negative {
                Answer::Fresh(None)
            } else {
                Answer::Unknown
            };
        };
        match self.held.get(&key) {
            Some(held) => aged(held, age.max(now.duration_since(held.checked)), timing),
            None => Answer::Unknown,
        }
    }

    /// What is known of an entry.
    pub(super) fn held(&self, key: &Key, timing: &Timing) -> Answer {
        match self.held.get(key) {
            Some(held) => aged(held, held.checked.elapsed(), timing),
            None => Answer::Unknown,
        }
    }

    /// An entry that was read just now.
    pub(super) fn read(&self, key: &Key) -> Option<Held> {
        self.held.get(key).cloned()
    }

    /// A person as it was last seen.
    pub(super) fn person(&self, domain: DomainId, id: PersonId) -> Option<&Held> {
        self.held.get(self.people.get(&(domain, id))?)
    }

    /// Keeps an entry. `true` if it was another one before.
    pub(super) fn keep(&mut self, key: Key, known: Known, dn: String) -> bool {
        if let Known::Person(entry) = &known {
            self.people.insert((entry.domain, entry.id), key.clone());
        }
        let old = self.held.get(&key);
        let is_changed = old.is_some_and(|old| !old.known.is_like(&known));
        // What it was called before, it may not be called now.
        if is_changed {
            let stays = |slot_name: &str| known.has(slot_name);
            self.addresses
                .retain(|(_, name), slot| slot.key.as_ref() != Some(&key) || stays(name));
            if let Known::Person(entry) = &known {
                let uid = snapshot::uid_key(&entry.uid);
                self.uids
                    .retain(|(_, name), slot| slot.key.as_ref() != Some(&key) || *name == uid);
            }
        }
        let held = Held {
            facts: known.facts(),
            known,
            dn,
            checked: Instant::now(),
        };
        self.held.insert(key, held);
        is_changed
    }

    /// Notes that the server was asked for a name, and what it leads to.
    pub(super) fn note(&mut self, named: Named, domain: DomainId, name: String, key: Option<Key>) {
        let slots = self.slots(named);
        if slots.len() >= SLOTS {
            slots.retain(|_, slot| slot.key.is_some());
        }
        if slots.len() >= SLOTS && key.is_none() {
            return;
        }
        let now = Instant::now();
        let slot = Slot {
            key,
            checked: now,
            used: now,
        };
        slots.insert((domain, name), slot);
    }

    /// The entry is gone. `true` if it was known.
    pub(super) fn forget(&mut self, key: &Key) -> bool {
        let Some(held) = self.held.remove(key) else {
            return false;
        };
        if let Known::Person(entry) = &held.known {
            self.people.remove(&(entry.domain, entry.id));
        }
        self.addresses
            .retain(|_, slot| slot.key.as_ref() != Some(key));
        self.uids.retain(|_, slot| slot.key.as_ref() != Some(key));
        true
    }

    /// The names have to be asked for again: an entry that has them changed. While the server
    /// does not answer, what is known of them counts on.
    pub(super) fn doubt(&mut self, named: Named, names: &[String], timing: &Timing) {
        let negative = timing.negative;
        let old = |by: Duration| Instant::now().checked_sub(by);
        let positive = timing.positive;
        self.slots(named).retain(|(_, name), slot| {
            if !names.contains(name) {
                return true;
            }
            if slot.key.is_none() {
                return false;
            }
            // A clock that has not run for so long has no such instant: then it is forgotten.
            match old(positive.max(negative)) {
                Some(before) => {
                    slot.checked = slot.checked.min(before);
                    true
                }
                None => false,
            }
        });
    }

    /// The entries that are due to be looked at again, by domain, and what nobody used for long
    /// is dropped.
    pub(super) fn due(&mut self, timing: &Timing) -> HashMap<DomainId, Vec<String>> {
        let now = Instant::now();
        let age = |since: Instant| now.duration_since(since);
        let is_wanted = |slot: &Slot| match slot.key {
            Some(_) => age(slot.used) < timing.stale && age(slot.checked) < timing.stale,
            None => age(slot.checked) < timing.negative,
        };
        self.addresses.retain(|_, slot| is_wanted(slot));
        self.uids.retain(|_, slot| is_wanted(slot));
        let names = self.addresses.values().chain(self.uids.values());
        let named: HashSet<Key> = names.filter_map(|slot| slot.key.clone()).collect();
        let soon = timing.positive.mul_f32(0.8);
        let mut due: HashMap<DomainId, Vec<String>> = HashMap::new();
        let mut gone = Vec::new();
        for (key, held) in &self.held {
            let limit = if named.contains(key) {
                timing.stale
            } else {
                timing.positive
            };
            if age(held.checked) >= limit {
                gone.push(key.clone());
            } else if age(held.checked) >= soon && named.contains(key) {
                due.entry(key.0).or_default().push(key.1.clone());
            }
        }
        for key in gone {
            self.forget(&key);
        }
        due
    }

    /// These entries were seen as they are: their names need not be asked for again yet.
    pub(super) fn confirm(&mut self, keys: &HashSet<Key>, timing: &Timing) {
        let now = Instant::now();
        for slot in self.addresses.values_mut().chain(self.uids.values_mut()) {
            let is_one = slot.key.as_ref().is_some_and(|key| keys.contains(key));
            if is_one && now.duration_since(slot.checked) < timing.positive {
                slot.checked = now;
            }
        }
    }

    /// The domains in which this `entryUUID` is known.
    pub(super) fn homes_of(&self, uuid: &str) -> Vec<DomainId> {
        let homes = self.held.keys().filter(|(_, own)| own == uuid);
        homes.map(|(domain, _)| *domain).collect()
    }
}

fn aged(held: &Held, age: Duration, timing: &Timing) -> Answer {
    if age < timing.positive {
        Answer::Fresh(Some(held.clone()))
    } else if age < timing.stale {
        Answer::Stale(held.clone())
    } else {
        Answer::Unknown
    }
}

#[cfg(test)]
impl Cache {
    /// As if so much time had passed since everything was read.
    pub(super) fn age(&mut self, by: Duration) {
        for held in self.held.values_mut() {
            held.checked = held.checked.checked_sub(by).expect("the clock ran so long");
        }
    }
}
