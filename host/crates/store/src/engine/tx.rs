//! One operation's reads and changes.

use std::collections::HashMap;
use std::sync::Arc;

use mail::{BodyId, DomainId, Timestamp};
use serde::Serialize;

use crate::body::BodyRef;
use crate::cipher::SecretKey;
use crate::embedded::EncodedBody;
use crate::ids::Ids;
use crate::keyring::Keyring;
use crate::keys::{self, Key};
use crate::leases::Leases;
use crate::rows::{encode, encrypt, reveal};
use crate::view::{Layer, Layered, Order, View, Visit};
use crate::{Change, ContentId, Error, Owner, QueueId, Result};

/// A transaction: sees the view with its own changes on top.
pub(crate) struct Tx<'a> {
    below: &'a Layered<'a>,
    pub(crate) ids: &'a Ids,
    pub(crate) leases: &'a Leases,
    /// The store's clock, read once for the operation.
    pub(crate) now: Timestamp,
    /// The record this operation will be.
    pub(crate) sequence: u64,
    /// How long trace lines are kept.
    pub(crate) trace_seconds: i64,
    pub(crate) outcome: Outcome,
    /// Keys of contents made here.
    pub(crate) fresh: HashMap<(DomainId, ContentId), SecretKey>,
    /// Something was to be written for an owner who is being erased.
    refused: Option<Error>,
    takes_closed: bool,
}

/// What a transaction leaves for the sequencer.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Changed rows.
    pub(crate) changes: Layer,
    /// Bodies that travel in the record.
    pub(crate) bodies: Vec<Arc<EncodedBody>>,
    /// Rows that say where something is: they follow from where it is and are not in the record.
    pub(crate) moved: Vec<(Key, Vec<u8>)>,
    /// Bodies on the disk that a row names now.
    pub(crate) kept: Vec<BodyRef>,
    /// Bodies that no row names any more.
    pub(crate) dropped: Vec<BodyId>,
    /// Leases that end with this commit.
    pub(crate) settled: Vec<QueueId>,
    /// Mailboxes that changed.
    pub(crate) touched: Vec<Change>,
    /// Did rows become due?
    pub(crate) due: bool,
    /// Ids below this are not to be given any more: another store gave them.
    pub(crate) skip_ids: u64,
    /// Does it take room, rather than make it? Refused first when the disk is full.
    pub(crate) grows: bool,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(
        below: &'a Layered<'a>,
        ids: &'a Ids,
        leases: &'a Leases,
        now: Timestamp,
        sequence: u64,
        trace_seconds: i64,
    ) -> Self {
        Self {
            below,
            ids,
            leases,
            now,
            sequence,
            trace_seconds,
            outcome: Outcome::default(),
            fresh: HashMap::new(),
            refused: None,
            takes_closed: false,
        }
    }

    /// Also rows of a domain that is being erased may be written: the steps of the erasure itself
    /// write what the next one removes.
    pub(crate) fn allow_closed(&mut self) {
        self.takes_closed = true;
    }

    /// The answer of a whole operation: refused, if something of it had no right to be written.
    pub(crate) fn checked<T>(&mut self, answer: Result<T>) -> Result<T> {
        match self.refused.take() {
            Some(refused) => answer.and(Err(refused)),
            None => answer,
        }
    }

    /// Writes a row; one that says something about the domain's mail with the domain's key.
    pub(crate) fn put<T: Serialize>(&mut self, key: Key, row: &T) {
        if !keys::is_of_domain(&key) {
            return self.put_raw(key, encode(row));
        }
        let domain = DomainId(keys::number_of(&key));
        if !self.takes_closed && !self.keyring().is_open(domain, Owner::Domain) {
            self.refused = Some(Error::NotFound);
        }
        self.put_for(Owner::Domain, key, &encode(row));
    }

    /// Writes a row that only the key of its owner shows.
    pub(crate) fn put_for(&mut self, owner: Owner, key: Key, plain: &[u8]) {
        let domain = DomainId(keys::number_of(&key));
        match self.keyring().need(domain, owner) {
            Ok(with) => {
                let value = encrypt(&key, owner, &with, plain);
                self.put_raw(key, value);
            }
            Err(error) => self.refused = Some(error),
        }
    }

    pub(crate) fn put_raw(&mut self, key: Key, value: Vec<u8>) {
        self.outcome.changes.insert(key, Some(value));
    }

    pub(crate) fn delete(&mut self, key: Key) {
        self.outcome.changes.insert(key, None);
    }
}

impl View for Tx<'_> {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.outcome.changes.get(key) {
            Some(found) => Ok(found
                .as_deref()
                .map(|value| reveal(key, value.into(), self.below.keyring).into_owned())),
            None => self.below.raw(key),
        }
    }

    fn keyring(&self) -> &Keyring {
        self.below.keyring
    }

    fn walk(&self, from: &[u8], to: &[u8], order: Order, visit: Visit<'_>) -> Result<()> {
        let mut layers = Vec::with_capacity(self.below.layers.len() + 1);
        layers.push(&self.outcome.changes);
        layers.extend(self.below.layers.iter().copied());
        Layered {
            layers,
            base: self.below.base,
            is_closed: self.below.is_closed,
            keyring: self.below.keyring,
        }
        .walk(from, to, order, visit)
    }
}
