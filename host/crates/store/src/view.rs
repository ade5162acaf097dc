//! Rows, layered: what a transaction changed over what a batch changed over what memory has
//! over what redb has.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::ReadOnlyTable;
use serde::de::DeserializeOwned;

use crate::keyring::Keyring;
use crate::keys::{Key, after};
use crate::rows::{decode, reveal};
use crate::{Error, Result};

/// A layer: `None` says that the row is deleted, whatever is below.
pub(crate) type Layer = BTreeMap<Key, Option<Vec<u8>>>;

/// The durable layer.
pub(crate) type Base = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Key and value.
pub(crate) type Row = (Key, Vec<u8>);

/// In which order to walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// Go on or stop.
pub(crate) type Walk = std::ops::ControlFlow<()>;

/// Called with key and value of each row.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<Walk>;

/// Rows at one moment, decrypted where their key is there.
pub(crate) trait View {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Calls `visit` for each row with `from <= key < to`.
    fn walk(&self, from: &[u8], to: &[u8], order: Order, visit: Visit<'_>) -> Result<()>;

    /// The keys of owners.
    fn keyring(&self) -> &Keyring;

    fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.raw(key)?.is_some())
    }

    /// Rows with `from <= key < to`, at most `max`.
    fn range(&self, from: &[u8], to: &[u8], order: Order, max: usize) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        if max == 0 {
            return Ok(rows);
        }
        self.walk(from, to, order, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(if rows.len() < max {
                Walk::Continue(())
            } else {
                Walk::Break(())
            })
        })?;
        Ok(rows)
    }

    /// Rows whose keys begin with `prefix`, ascending, at most `max`.
    fn prefix(&self, prefix: &[u8], max: usize) -> Result<Vec<Row>> {
        self.range(prefix, &after(prefix), Order::Ascending, max)
    }
}

/// Typed reading, apart from [`View`] so that the latter stays object safe.
pub(crate) trait ViewExt: View {
    fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        self.raw(key)?.map(|bytes| decode(&bytes)).transpose()
    }
}

impl<V: View + ?Sized> ViewExt for V {}

/// Layers, the topmost first, over a base.
pub(crate) struct Layered<'a> {
    pub(crate) layers: Vec<&'a Layer>,
    pub(crate) base: Option<&'a Base>,
    /// There is a base, but it cannot be read at the moment.
    pub(crate) is_closed: bool,
    pub(crate) keyring: &'a Keyring,
}

impl Layered<'_> {
    /// The row as it is stored.
    pub(crate) fn stored(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        for layer in &self.layers {
            if let Some(found) = layer.get(key) {
                return Ok(found.clone());
            }
        }
        match self.base {
            Some(base) => guarded(|| match base.get(key).map_err(|error| damaged(&error))? {
                Some(value) => unseal(key, value.value()).map(|value| Some(value.to_vec())),
                None => Ok(None),
            }),
            None if self.is_closed => Err(Error::Busy),
            None => Ok(None),
        }
    }
}

impl View for Layered<'_> {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let stored = self.stored(key)?;
        Ok(stored.map(|value| reveal(key, value.into(), self.keyring).into_owned()))
    }

    fn keyring(&self) -> &Keyring {
        self.keyring
    }

    fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.stored(key)?.is_some())
    }

    fn walk(&self, from: &[u8], to: &[u8], order: Order, visit: Visit<'_>) -> Result<()> {
        if self.is_closed {
            return Err(Error::Busy);
        }
        if from >= to {
            return Ok(());
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let mut sources = Vec::with_capacity(self.layers.len() + 1);
        for layer in &self.layers {
            let rows = Rows::Layer(layer.range::<[u8], _>(bounds));
            sources.push(Source::new(rows, order)?);
        }
        if let Some(base) = self.base {
            let range = guarded(|| {
                base.range::<&[u8]>(from..to)
                    .map_err(|error| damaged(&error))
            })?;
            sources.push(Source::new(Rows::Base(Box::new(range)), order)?);
        }
        while let Some(first) = first(&sources, order) {
            let Some(head) = sources[first].step()? else {
                break;
            };
            // What the topmost has counts; the others step past it.
            for source in &mut sources[first + 1..] {
                if source.is_at(head.key()) {
                    source.step()?;
                }
            }
            if let Some(value) = head.value()?
                && visit(head.key(), &reveal(head.key(), value.into(), self.keyring))?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// redb trusts its pages, and may panic on one that changed on the disk: to the reader that is
/// damage like any other.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        tracing::error!("reading the index panicked");
        Err(Error::Damaged("reading the index panicked".to_owned()))
    })
}

/// Where rows come from; nothing is copied on the way.
enum Rows<'a> {
    Layer(btree_map::Range<'a, Key, Option<Vec<u8>>>),
    Base(Box<redb::Range<'a, &'static [u8], &'static [u8]>>),
}

/// A row at the front of a source.
enum Head<'a> {
    Layer(&'a Key, &'a Option<Vec<u8>>),
    Base(
        redb::AccessGuard<'a, &'static [u8]>,
        redb::AccessGuard<'a, &'static [u8]>,
    ),
}

impl Head<'_> {
    fn key(&self) -> &[u8] {
        match self {
            Self::Layer(key, _) => key,
            Self::Base(key, _) => key.value(),
        }
    }

    /// `None`: deleted.
    fn value(&self) -> Result<Option<&[u8]>> {
        match self {
            Self::Layer(_, value) => Ok(value.as_deref()),
            Self::Base(key, value) => unseal(key.value(), value.value()).map(Some),
        }
    }
}

/// One layer, or the base, on the walk.
struct Source<'a> {
    rows: Rows<'a>,
    order: Order,
    head: Option<Head<'a>>,
}

impl<'a> Source<'a> {
    fn new(rows: Rows<'a>, order: Order) -> Result<Self> {
        let head = None;
        let mut source = Self { rows, order, head };
        source.step()?;
        Ok(source)
    }

    /// Takes the front.
    fn step(&mut self) -> Result<Option<Head<'a>>> {
        let next = match (&mut self.rows, self.order) {
            (Rows::Layer(rows), order) => {
                let row = match order {
                    Order::Ascending => rows.next(),
                    Order::Descending => rows.next_back(),
                };
                row.map(|(key, value)| Head::Layer(key, value))
            }
            (Rows::Base(rows), order) => {
                let row = guarded(|| {
                    let row = match order {
                        Order::Ascending => rows.next(),
                        Order::Descending => rows.next_back(),
                    };
                    row.transpose().map_err(|error| damaged(&error))
                })?;
                row.map(|(key, value)| Head::Base(key, value))
            }
        };
        Ok(std::mem::replace(&mut self.head, next))
    }

    fn is_at(&self, key: &[u8]) -> bool {
        self.head.as_ref().is_some_and(|head| head.key() == key)
    }
}

/// The source with the next key; the topmost of those that have it.
fn first(sources: &[Source<'_>], order: Order) -> Option<usize> {
    let mut best: Option<(usize, &[u8])> = None;
    for (at, source) in sources.iter().enumerate() {
        let Some(head) = &source.head else { continue };
        let key = head.key();
        let is_first = best.is_none_or(|(_, best)| match order {
            Order::Ascending => key < best,
            Order::Descending => key > best,
        });
        if is_first {
            best = Some((at, key));
        }
    }
    best.map(|(at, _)| at)
}

/// A value as redb keeps it: a checksum over key and value, then the value. redb checks its
/// pages only when it repairs; a flipped bit must never become wrong mail.
pub(crate) fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), value);
    let mut sealed = Vec::with_capacity(value.len() + 4);
    sealed.extend_from_slice(&sum.to_le_bytes());
    sealed.extend_from_slice(value);
    sealed
}

/// The value of a sealed one.
pub(crate) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8]> {
    let (sum, value) = sealed
        .split_first_chunk::<4>()
        .ok_or_else(|| Error::Damaged("an index row is cut".into()))?;
    if u32::from_le_bytes(*sum) == crc32c::crc32c_append(crc32c::crc32c(key), value) {
        Ok(value)
    } else {
        Err(Error::Damaged(
            "an index row has a wrong checksum".to_owned(),
        ))
    }
}

fn damaged(error: &redb::StorageError) -> Error {
    tracing::error!(%error, "reading the index failed");
    Error::Damaged(format!("reading the index failed: {error}"))
}
