//! The keys of owners: one for each person, group and domain, found, made and destroyed.
//!
//! An owner's key encrypts the rows that say something about the owner, and the keys of the
//! contents the owner has. Who destroys it has erased the owner: in the data directory, in what
//! the disk still has of deleted rows, and in every copy of the directory made before.
//!
//! Keys are not in the data directory. The embedded backend has them in a key file beside it
//! (`embedded/keyfile.rs`), each in a slot of its own under the master key; in memory they are
//! only here. A new key is durable before the first record that needs it ([`Keyring::flush`]).
//!
//! How it fails: an owner who was erased has no key and gets none: writes are refused as
//! [`Error::NotFound`]. What it does not know: what is encrypted with a key.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mail::DomainId;

use crate::cipher::{DerivingKey, SecretKey};
use crate::embedded::KeyFile;
use crate::{Error, Owner, Result};

/// Whose key.
pub(crate) type KeyOwner = (DomainId, Owner);

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// In use.
    Live,
    /// Its owner is being erased; it is still there, so that the rows can be read that go.
    Condemned,
    /// Destroyed. The owner never gets another.
    Erased,
}

/// A slot: the whole of what is known about a key.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) owner: KeyOwner,
    pub(crate) fate: Fate,
    /// `None`: it is destroyed, or there was none when an older version condemned the owner.
    pub(crate) key: Option<SecretKey>,
}

/// All keys of a store.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    owners: RwLock<Owners>,
    file: Option<KeyFile>,
}

#[derive(Debug, Default)]
struct Owners {
    /// In the order of their slots.
    slots: Vec<Slot>,
    places: HashMap<KeyOwner, (usize, Option<Arc<DerivingKey>>)>,
    /// Slots from here on are not in the file yet.
    written: usize,
    /// So many the store's rows know of.
    noted: usize,
}

impl Owners {
    fn fate(&self, owner: KeyOwner) -> Option<Fate> {
        let (place, _) = self.places.get(&owner)?;
        Some(self.slots[*place].fate)
    }

    fn add(&mut self, slot: Slot) {
        let deriving = slot.key.as_ref().map(|key| Arc::new(key.deriving()));
        self.places.insert(slot.owner, (self.slots.len(), deriving));
        self.slots.push(slot);
    }
}

impl Keyring {
    /// With the slots of a key file, of which the store's rows know `noted`.
    pub(crate) fn new(file: KeyFile, slots: Vec<Slot>, noted: u64) -> Self {
        let mut owners = Owners {
            noted: usize::try_from(noted).unwrap_or(usize::MAX),
            ..Owners::default()
        };
        slots.into_iter().for_each(|slot| owners.add(slot));
        owners.written = owners.slots.len();
        Self {
            owners: RwLock::new(owners),
            file: Some(file),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Owners> {
        // Changed by whole slots: a panic between two steps leaves nothing half done.
        self.owners.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Owners> {
        self.owners.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of an owner, if there is one.
    pub(crate) fn find(&self, domain: DomainId, owner: Owner) -> Option<Arc<DerivingKey>> {
        self.read().places.get(&(domain, owner))?.1.clone()
    }

    /// The key of an owner, made if there is none. For the sequencer: what it writes with a new
    /// key goes out behind [`Keyring::flush`].
    pub(crate) fn need(&self, domain: DomainId, owner: Owner) -> Result<Arc<DerivingKey>> {
        if let Some((_, found)) = self.read().places.get(&(domain, owner)) {
            return found.clone().ok_or(Error::NotFound);
        }
        let key = SecretKey::random();
        let mut owners = self.change();
        owners.add(Slot {
            owner: (domain, owner),
            fate: Fate::Live,
            key: Some(key),
        });
        let made = owners
            .places
            .get(&(domain, owner))
            .and_then(|(_, key)| key.clone());
        made.ok_or(Error::NotFound)
    }

    /// May something new be written for this owner?
    pub(crate) fn is_open(&self, domain: DomainId, owner: Owner) -> bool {
        let owners = self.read();
        let is_live = |owner| matches!(owners.fate((domain, owner)), None | Some(Fate::Live));
        is_live(owner) && (owner == Owner::Domain || is_live(Owner::Domain))
    }

    /// Owners with this fate.
    pub(crate) fn with_fate(&self, fate: Fate) -> Vec<KeyOwner> {
        let owners = self.read();
        let slots = owners.slots.iter().filter(|slot| slot.fate == fate);
        slots.map(|slot| slot.owner).collect()
    }

    /// Makes new keys durable; answers how many there are if the store's rows do not know it yet
    /// ([`Keyring::note`]). Only the sequencer calls this and what follows, so slots change under
    /// nobody's hands.
    pub(crate) fn flush(&self) -> io::Result<Option<u64>> {
        let (from, noted, new) = {
            let owners = self.read();
            let new = owners.slots[owners.written..].to_vec();
            (owners.written, owners.noted, new)
        };
        let count = from + new.len();
        if !new.is_empty() {
            if let Some(file) = &self.file {
                for (index, slot) in new.iter().enumerate() {
                    file.write(from + index, slot)?;
                }
                file.sync()?;
            }
            self.change().written = count;
        }
        Ok((count > noted).then_some(count as u64))
    }

    /// A durable row says that there are so many.
    pub(crate) fn note(&self, count: u64) {
        self.change().noted = usize::try_from(count).unwrap_or(usize::MAX);
    }

    /// Writes down that an owner is to be erased; with [`Owner::Domain`] everybody of the domain.
    /// From then on nothing new is taken for them, also after a restart.
    pub(crate) fn condemn(&self, domain: DomainId, owner: Owner) -> io::Result<()> {
        self.flush()?;
        {
            let mut owners = self.change();
            if owners.fate((domain, owner)).is_none() {
                // Rows of a format that knew no keys, or none at all. The steps of the erasure
                // may write such rows once more, so there is a key for them.
                owners.add(Slot {
                    owner: (domain, owner),
                    fate: Fate::Condemned,
                    key: Some(SecretKey::random()),
                });
            }
        }
        self.flush()?;
        self.settle(domain, owner, &[Fate::Live], Fate::Condemned)
    }

    /// Destroys the key of an owner; with [`Owner::Domain`] those of everybody of the domain.
    pub(crate) fn destroy(&self, domain: DomainId, owner: Owner) -> io::Result<()> {
        // Somebody of a condemned domain may have got a key since, for rows of a format that knew
        // none. Its slot is in the file before another is written over it.
        let from: &[Fate] = match owner {
            Owner::Domain => &[Fate::Live, Fate::Condemned],
            _ => &[Fate::Condemned],
        };
        self.flush()?;
        self.settle(domain, owner, from, Fate::Erased)
    }

    /// Changes the fate of an owner, or of everybody of a domain: in the file first.
    fn settle(&self, domain: DomainId, owner: Owner, from: &[Fate], to: Fate) -> io::Result<()> {
        let concerned: Vec<(usize, Slot)> = {
            let owners = self.read();
            let of = |slot: &Slot| {
                from.contains(&slot.fate)
                    && slot.owner.0 == domain
                    && (owner == Owner::Domain || slot.owner.1 == owner)
            };
            let slots = owners.slots.iter().enumerate();
            slots
                .filter(|(_, slot)| of(slot))
                .map(|(place, slot)| {
                    let key = slot.key.clone().filter(|_| to != Fate::Erased);
                    let owner = slot.owner;
                    (
                        place,
                        Slot {
                            owner,
                            fate: to,
                            key,
                        },
                    )
                })
                .collect()
        };
        if let Some(file) = &self.file {
            for (place, slot) in &concerned {
                file.write(*place, slot)?;
            }
            file.sync()?;
        }
        let mut owners = self.change();
        for (place, slot) in concerned {
            if slot.key.is_none()
                && let Some((_, deriving)) = owners.places.get_mut(&slot.owner)
            {
                *deriving = None;
            }
            owners.slots[place] = slot;
        }
        Ok(())
    }
}
