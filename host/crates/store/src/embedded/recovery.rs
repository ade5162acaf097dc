//! From what a crash left to a journal that can go on.
//!
//! 1. Read the segments from the checkpoint on; the last good record ends the journal, unless a
//!    later one proves that more had been synced: then it is damage, and nothing is touched.
//! 2. Records that are good but not proven to be synced are copied into a new segment, which
//!    is synced before it gets its name. Only then are they believed.
//! 3. Records behind the checkpoint are applied.
//!
//! A crash during any of this leaves either the state before or a finished segment more; both
//! recover to the same rows.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use mail::BodyId;

use crate::OpenError;
use crate::embedded::disk::Disk;
use crate::embedded::format::StoreId;
use crate::embedded::index::{Index, IndexError};
use crate::embedded::manifest::Manifest;
use crate::embedded::record::{self, decode_payload, write_record};
use crate::embedded::segment::{self, Read, Reader, Rest, Segment};
use crate::keyring::Keyring;
use crate::rows::{CheckpointRow, encode};
use crate::view::{Layer, Layered, Order, View, Walk};
use crate::{Config, keys};

/// The end of the journal, ready to be written.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) segment: Segment,
    pub(crate) offset: u64,
    pub(crate) room: u64,
    /// The last record; all are synced now.
    pub(crate) sequence: u64,
}

/// What recovery works on.
pub(crate) struct Recovery<'a> {
    pub(crate) disk: &'a Arc<dyn Disk>,
    pub(crate) root: &'a Path,
    pub(crate) store: StoreId,
    pub(crate) config: &'a Config,
}

impl Recovery<'_> {
    fn io(&self, error: std::io::Error) -> OpenError {
        OpenError::Io {
            path: self.root.join(segment::DIRECTORY),
            error,
        }
    }

    fn damaged(&self, file: &str, what: String) -> OpenError {
        OpenError::Damaged {
            path: self.root.join(file),
            what,
        }
    }

    /// The segments of the log from `from` on, opened, in order. All from `log` on are there.
    pub(crate) fn segments(&self, log: u64, from: u64) -> Result<Vec<Segment>, OpenError> {
        let names = self
            .disk
            .list(segment::DIRECTORY)
            .map_err(|error| self.io(error))?;
        let mut ids: Vec<u64> = names
            .iter()
            .filter_map(|name| segment::id_of(name))
            .collect();
        ids.retain(|id| *id >= log);
        ids.sort_unstable();
        let mut segments = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let expected = log + index as u64;
            if *id != expected {
                return Err(self.damaged(
                    &segment::path(expected),
                    "a segment of the journal is missing".to_owned(),
                ));
            }
            if *id < from {
                continue;
            }
            let opened =
                segment::open(&**self.disk, self.store, *id).map_err(|error| self.io(error))?;
            segments.push(opened.map_err(|what| self.damaged(&segment::path(*id), what))?);
        }
        if segments.is_empty() {
            return Err(self.damaged(&segment::path(from), "the journal is missing".to_owned()));
        }
        Ok(segments)
    }

    /// Every settled segment is there. Nothing is read: a start costs the same whatever the
    /// size of the store.
    pub(crate) fn check_settled(&self, manifest: &Manifest) -> Result<(), OpenError> {
        let names = match self.disk.list(segment::SETTLED_DIRECTORY) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(self.io(error));
            }
            names => names.unwrap_or_default(),
        };
        let present: HashSet<u64> = names
            .iter()
            .filter_map(|name| segment::id_of(name))
            .collect();
        match manifest.settled().find(|(id, _)| !present.contains(id)) {
            Some((id, _)) => {
                let what = "a settled segment is missing".to_owned();
                Err(self.damaged(&segment::path(id), what))
            }
            None => Ok(()),
        }
    }

    /// The rows of all settled segments into an index that has none, and where bodies are.
    pub(crate) fn replay_settled(
        &self,
        manifest: &Manifest,
        index: &Index,
    ) -> Result<(), OpenError> {
        let mut layer = Layer::new();
        let mut bytes = 0;
        // Without a position: what is written is not believed before the end.
        let write = |layer: &mut Layer| {
            let written = index.write(layer, CheckpointRow::default());
            layer.clear();
            written.map_err(|error| self.index_io(&error.text))
        };
        for (id, settled) in manifest.bodies.iter().chain(&manifest.rows) {
            let opened =
                segment::open(&**self.disk, self.store, *id).map_err(|error| self.io(error))?;
            let opened = opened.map_err(|what| self.damaged(&segment::path(*id), what))?;
            let mut reader = Reader::new(&opened).map_err(|error| self.io(error))?;
            while reader.expected <= settled.records {
                let read = reader.next().map_err(|error| self.io(error))?;
                let changes = read.as_ref().and_then(|read| changes(*id, read));
                let (Some(read), Some(changes)) = (read, changes) else {
                    let what = format!("record {} cannot be read", reader.expected);
                    return Err(self.damaged(&segment::path(*id), what));
                };
                bytes += read.payload.len() as u64;
                layer.extend(changes);
                if bytes >= self.config.checkpoint_bytes {
                    write(&mut layer)?;
                    bytes = 0;
                }
            }
        }
        write(&mut layer)
    }

    /// Steps 1 and 2: the journal from the checkpoint on, its tail made durable.
    pub(crate) fn tail(
        &self,
        segments: &mut Vec<Segment>,
        checkpoint: CheckpointRow,
    ) -> Result<Tail, OpenError> {
        let mut proven = checkpoint.sequence;
        for (index, this) in segments.iter().enumerate() {
            let Some(next) = segments.get(index + 1) else {
                break;
            };
            // A segment is begun only when everything before it is synced.
            proven = proven.max(next.first - 1);
            let mut reader = self.reader(this, checkpoint)?;
            while reader.expected < next.first {
                let Some(read) = reader.next().map_err(|error| self.io(error))? else {
                    let what = format!(
                        "record {} cannot be read, and later ones exist",
                        reader.expected
                    );
                    return Err(self.damaged(&segment::path(this.id), what));
                };
                proven = proven.max(read.header.synced);
            }
        }
        // `segments` refuses to be empty.
        let Some(last) = segments.last().cloned() else {
            return Err(self.damaged(segment::DIRECTORY, "the journal is missing".to_owned()));
        };
        let mut reader = self.reader(&last, checkpoint)?;
        let mut unproven: Vec<Read> = Vec::new();
        while let Some(read) = reader.next().map_err(|error| self.io(error))? {
            proven = proven.max(read.header.synced);
            unproven.push(read);
            unproven.retain(|read| read.header.sequence > proven);
        }
        let rest = reader.rest().map_err(|error| self.io(error))?;
        if let Rest::Damage { missing, proof } = rest {
            let what = format!(
                "record {missing} cannot be read, but record {proof} proves that it had been written"
            );
            return Err(self.damaged(&segment::path(last.id), what));
        }
        if reader.expected <= checkpoint.sequence || proven >= reader.expected {
            let what = format!(
                "the journal ends with record {}, but record {proven} had been written",
                reader.expected.saturating_sub(1)
            );
            return Err(self.damaged(&segment::path(last.id), what));
        }
        let sequence = reader.expected - 1;
        if unproven.is_empty() && rest == Rest::Zeros {
            let room = last.file.length().map_err(|error| self.io(error))?;
            return Ok(Tail {
                segment: last,
                offset: reader.offset,
                room,
                sequence,
            });
        }
        self.copy(segments, &last, reader.offset, proven, &unproven, sequence)
    }

    fn reader(&self, segment: &Segment, checkpoint: CheckpointRow) -> Result<Reader, OpenError> {
        let reader = if segment.id == checkpoint.segment {
            Reader::from(segment, checkpoint.offset, checkpoint.sequence + 1)
        } else {
            Reader::new(segment)
        };
        reader.map_err(|error| self.io(error))
    }

    fn copy(
        &self,
        segments: &mut Vec<Segment>,
        last: &Segment,
        end: u64,
        proven: u64,
        unproven: &[Read],
        sequence: u64,
    ) -> Result<Tail, OpenError> {
        let id = last.id + 1;
        let mut records = Vec::new();
        for read in unproven {
            write_record(
                &mut records,
                id,
                read.header.sequence,
                proven,
                &read.payload,
            );
        }
        let offset = segment::HEADER as u64 + records.len() as u64;
        let room = self.config.segment_bytes.max(offset);
        let first = unproven
            .first()
            .map_or(sequence + 1, |read| read.header.sequence);
        tracing::info!(
            records = unproven.len(),
            segment = id,
            "the journal goes on in a new segment"
        );
        let new = segment::create(&**self.disk, self.store, id, first, room, &records)
            .map_err(|made| self.io(made.error))?;
        // What was torn or copied, and the unused room. Nothing hangs on it.
        let cut = unproven.first().map_or(end, |read| read.offset);
        if let Err(error) = last.file.set_length(cut) {
            tracing::warn!(%error, "a finished segment keeps its unused room");
        }
        segments.push(new.clone());
        Ok(Tail {
            segment: new,
            offset,
            room,
            sequence,
        })
    }

    /// Step 3: the rows behind the checkpoint. Long replays go into the index on the way.
    pub(crate) fn replay(
        &self,
        segments: &[Segment],
        checkpoint: CheckpointRow,
        tail: &Tail,
        index: &Index,
        is_rebuilt: bool,
    ) -> Result<Layer, OpenError> {
        let mut layer = Layer::new();
        let mut bytes = 0;
        for (number, this) in segments.iter().enumerate() {
            let end = segments
                .get(number + 1)
                .map_or(tail.sequence + 1, |next| next.first);
            let mut reader = self.reader(this, checkpoint)?;
            while reader.expected < end {
                let read = reader.next().map_err(|error| self.io(error))?;
                let changes = read.as_ref().and_then(|read| changes(this.id, read));
                let (Some(read), Some(changes)) = (read, changes) else {
                    let what = format!("record {} cannot be understood", reader.expected);
                    return Err(self.damaged(&segment::path(this.id), what));
                };
                bytes += read.payload.len() as u64;
                layer.extend(changes);
                if bytes >= self.config.checkpoint_bytes {
                    let at = CheckpointRow {
                        sequence: read.header.sequence,
                        segment: this.id,
                        offset: reader.offset,
                    };
                    // An index made again is believed only when all of it is there.
                    let at = if is_rebuilt {
                        CheckpointRow::default()
                    } else {
                        at
                    };
                    index
                        .write(&layer, at)
                        .map_err(|error| self.index_io(&error.text))?;
                    layer.clear();
                    bytes = 0;
                }
            }
        }
        Ok(layer)
    }

    /// The end of making an index again. The deletion of a place is not kept by the collector: a
    /// place without a body goes here.
    pub(crate) fn finish_rebuild(
        &self,
        index: &Index,
        replayed: &Layer,
        tail: &Tail,
    ) -> Result<(), OpenError> {
        let at = CheckpointRow {
            sequence: tail.sequence,
            segment: tail.segment.id,
            offset: tail.offset,
        };
        let failed = |error: IndexError| self.index_io(&error.text);
        index
            .write(replayed, CheckpointRow::default())
            .map_err(failed)?;
        let base = index.base().map_err(failed)?;
        // What is looked at here is not encrypted.
        let keyring = Keyring::default();
        let view = Layered {
            layers: Vec::new(),
            base: Some(&base),
            is_closed: false,
            keyring: &keyring,
        };
        let places = keys::bodies_at();
        let mut lost = Layer::new();
        view.walk(
            &places,
            &keys::after(&places),
            Order::Ascending,
            &mut |key, _| {
                let body = keys::body(BodyId(keys::last_number(key)));
                if !view.exists(&body)? {
                    lost.insert(key.to_vec(), None);
                }
                Ok(Walk::Continue(()))
            },
        )
        .map_err(|error| self.index_io(&error.to_string()))?;
        index.write(&lost, at).map_err(failed)
    }

    pub(crate) fn index_io(&self, text: &str) -> OpenError {
        let path = self.root.join(crate::embedded::index::FILE);
        OpenError::Io {
            path,
            error: std::io::Error::other(text.to_owned()),
        }
    }
}

/// The rows of a record, with the places of its bodies.
fn changes(segment: u64, read: &Read) -> Option<Layer> {
    let (mut rows, bodies) = decode_payload(&read.payload)?;
    for body in bodies {
        let payload = read.offset + record::HEADER as u64;
        rows.insert(
            keys::body_at(body.id),
            Some(encode(&body.row(segment, payload))),
        );
    }
    Some(rows)
}
