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

use std::path::Path;
use std::sync::Arc;

use crate::OpenError;
use crate::embedded::disk::Disk;
use crate::embedded::format::StoreId;
use crate::embedded::index::Index;
use crate::embedded::record::{self, decode_payload, write_record};
use crate::embedded::segment::{self, Read, Reader, Rest, Segment};
use crate::rows::{BodyAtRow, CheckpointRow, encode};
use crate::view::Layer;
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

    /// The segments from `from` on, in order, without a gap.
    pub(crate) fn segments(&self, from: u64) -> Result<Vec<Segment>, OpenError> {
        let names = self
            .disk
            .list(segment::DIRECTORY)
            .map_err(|error| self.io(error))?;
        let mut ids: Vec<u64> = names
            .iter()
            .filter_map(|name| segment::id_of(name))
            .collect();
        ids.retain(|id| *id >= from);
        ids.sort_unstable();
        let mut segments = Vec::with_capacity(ids.len());
        for (index, id) in ids.iter().enumerate() {
            let expected = from + index as u64;
            if *id != expected {
                return Err(self.damaged(
                    &segment::path(expected),
                    "a segment of the journal is missing".to_owned(),
                ));
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
        let offset = read.offset + (record::HEADER + body.offset) as u64;
        rows.insert(
            keys::body_at(body.id),
            Some(encode(&BodyAtRow::Segment { segment, offset })),
        );
    }
    Some(rows)
}
