//! Rows, layered: what a transaction changed over what a batch changed over what memory has
//! over what redb has.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use redb::ReadOnlyTable;
use serde::de::DeserializeOwned;

use crate::keys::{Key, after};
use crate::rows::decode;
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

/// Rows at one moment.
pub(crate) trait View {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Calls `visit` for each row with `from <= key < to`.
    fn walk(&self, from: &[u8], to: &[u8], order: Order, visit: Visit<'_>) -> Result<()>;

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
}

impl View for Layered<'_> {
    fn raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        for layer in &self.layers {
            if let Some(found) = layer.get(key) {
                return Ok(found.clone());
            }
        }
        match self.base {
            Some(base) => match base.get(key).map_err(|error| damaged(&error))? {
                Some(value) => unseal(key, value.value()).map(|value| Some(value.to_vec())),
                None => Ok(None),
            },
            None if self.is_closed => Err(Error::Busy),
            None => Ok(None),
        }
    }

    fn walk(&self, from: &[u8], to: &[u8], order: Order, visit: Visit<'_>) -> Result<()> {
        if self.is_closed {
            return Err(Error::Busy);
        }
        if from >= to {
            return Ok(());
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let mut sources: Vec<Peekable<Source<'_>>> = Vec::with_capacity(self.layers.len() + 1);
        for layer in &self.layers {
            let range = layer
                .range::<[u8], _>(bounds)
                .map(|(key, value)| Ok((key.clone(), value.clone())));
            sources.push(directed(range, order));
        }
        if let Some(base) = self.base {
            let range = base
                .range::<&[u8]>(from..to)
                .map_err(|error| damaged(&error))?
                .map(|item| {
                    let (key, value) = item.map_err(|error| damaged(&error))?;
                    let value = unseal(key.value(), value.value())?.to_vec();
                    Ok((key.value().to_vec(), Some(value)))
                });
            sources.push(directed(range, order));
        }
        while let Some((key, value)) = next(&mut sources, order)? {
            if let Some(value) = value
                && visit(&key, &value)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

type Item = Result<(Key, Option<Vec<u8>>)>;
type Source<'a> = Box<dyn Iterator<Item = Item> + 'a>;

fn directed<'a>(
    range: impl DoubleEndedIterator<Item = Item> + 'a,
    order: Order,
) -> Peekable<Source<'a>> {
    let source: Source<'a> = match order {
        Order::Ascending => Box::new(range),
        Order::Descending => Box::new(range.rev()),
    };
    source.peekable()
}

/// The next key over all sources, with the value of the topmost; the others step past it.
fn next(
    sources: &mut [Peekable<Source<'_>>],
    order: Order,
) -> Result<Option<(Key, Option<Vec<u8>>)>> {
    let mut best: Option<Key> = None;
    for source in sources.iter_mut() {
        match source.peek() {
            Some(Ok((key, _))) => {
                let is_first = best.as_ref().is_none_or(|best| match order {
                    Order::Ascending => key < best,
                    Order::Descending => key > best,
                });
                if is_first {
                    best = Some(key.clone());
                }
            }
            Some(Err(error)) => return Err(error.clone()),
            None => {}
        }
    }
    let Some(best) = best else { return Ok(None) };
    let mut winner = None;
    for source in sources.iter_mut() {
        let Some(item) = source.next_if(|item| matches!(item, Ok((key, _)) if *key == best)) else {
            continue;
        };
        let (_, value) = item?;
        winner.get_or_insert(value);
    }
    Ok(Some((best, winner.flatten())))
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
