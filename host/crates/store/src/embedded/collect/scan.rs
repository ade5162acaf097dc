//! Reads segments and writes what is alive in them into new ones.

use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

use mail::BodyId;

use super::choose::{Kind, Task};
use super::compress::{self, Stored};
use super::pace::Pace;
use super::{Collector, Halt, Work};
use crate::embedded::frames::{BodyKey, Codec, EncodedBody};
use crate::embedded::manifest::Settled;
use crate::embedded::record::{self, BodyPlace, decode_payload, encode_body, encode_payload};
use crate::embedded::segment::{self, Read, Reader, Segment};
use crate::embedded::settled::Output;
use crate::engine::{Outcome, secrets};
use crate::keys;
use crate::rows::{BodyAtRow, BodyRow, decode};
use crate::view::{Layer, Layered, View, ViewExt};

/// A record of a settled segment is written when it has so many bytes.
const RECORD: usize = 512 * 1024;

/// A body that is written somewhere else now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub(super) body: BodyId,
    pub(super) from: BodyAtRow,
    pub(super) to: BodyAtRow,
    pub(super) length: u64,
}

impl Move {
    /// Where it went.
    pub(super) fn segment(&self) -> u64 {
        self.to.segment().unwrap_or(0)
    }
}

/// What a scan left.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: BTreeMap<u64, Settled>,
    pub(super) bodies: BTreeMap<u64, Settled>,
    pub(super) moves: Vec<Move>,
}

impl Found {
    pub(super) fn outputs(&self) -> impl Iterator<Item = (u64, &Settled)> {
        let all = self.rows.iter().chain(&self.bodies);
        all.map(|(id, settled)| (*id, settled))
    }
}

/// Why a scan ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// A record cannot be read.
    Damaged {
        segment: u64,
        what: String,
    },
    Halted(Halt),
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Halted(error.into())
    }
}

impl From<crate::Error> for Stop {
    fn from(error: crate::Error) -> Self {
        Self::Halted(error.into())
    }
}

impl Collector {
    /// Copies what is alive in the segments of a task.
    pub(super) fn scan(
        &self,
        work: &Work,
        task: &Task,
        pace: &mut Pace<'_>,
    ) -> Result<Found, Stop> {
        let mut copier = Copier {
            collector: self,
            next: work.manifest.next,
            compressed_from: work.compressed_from,
            // Nothing older than the log, or than the oldest settled rows: a deletion hides
            // nothing.
            keeps_deletions: task.kind == Kind::Log && !work.manifest.rows.is_empty(),
            rows: Layer::new(),
            output: None,
            payload: Vec::new(),
            waiting: Vec::new(),
            count: 0,
            raw: 0,
            found: Found::default(),
        };
        let done = self
            .copy_all(work, task, pace, &mut copier)
            .and_then(|()| copier.finish(pace));
        if done.is_err() {
            copier.abandon();
        }
        done.map(|()| copier.found)
    }

    fn copy_all(
        &self,
        work: &Work,
        task: &Task,
        pace: &mut Pace<'_>,
        copier: &mut Copier<'_>,
    ) -> Result<(), Stop> {
        for id in &task.segments {
            self.read_all(work, *id, pace, &mut |read, pace| {
                copier.take(*id, &read, pace)
            })?;
        }
        Ok(())
    }

    /// Bytes of bodies in a settled segment that are nowhere named as being there.
    pub(super) fn count_dead(
        &self,
        work: &Work,
        id: u64,
        pace: &mut Pace<'_>,
    ) -> Result<u64, Stop> {
        let mut alive = 0;
        self.read_all(work, id, pace, &mut |read, _| {
            let (_, places) = understand(id, &read)?;
            let layers = self.shared.layers();
            for place in places {
                if let Some((_, length)) = alive_at(&layers.view(), id, &read, &place)? {
                    alive += length;
                }
            }
            Ok(())
        })?;
        let raw = work.manifest.bodies.get(&id).map_or(0, |known| known.raw);
        Ok(raw.saturating_sub(alive))
    }

    /// Calls back with each record of a finished segment.
    fn read_all(
        &self,
        work: &Work,
        id: u64,
        pace: &mut Pace<'_>,
        each: &mut dyn FnMut(Read, &mut Pace<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let opened = self.open_segment(id)?;
        let settled = work.manifest.settled().find(|(known, _)| *known == id);
        let end = match settled {
            Some((_, settled)) => settled.records + 1,
            // What lies behind was copied into the next one by a recovery.
            None => self.open_segment(id + 1)?.first,
        };
        let mut reader = Reader::new(&opened)?;
        while reader.expected < end {
            let Some(read) = reader.next()? else {
                let what = format!("record {} cannot be read", reader.expected);
                return Err(Stop::Damaged { segment: id, what });
            };
            pace.spend((read.payload.len() + record::HEADER) as u64)?;
            each(read, pace)?;
        }
        Ok(())
    }

    fn open_segment(&self, id: u64) -> Result<Segment, Stop> {
        match segment::open(&*self.disk, self.store, id) {
            Ok(opened) => opened.map_err(|what| Stop::Damaged { segment: id, what }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Stop::Damaged {
                segment: id,
                what: "it is not there".to_owned(),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

fn understand(segment: u64, read: &Read) -> Result<(Layer, Vec<BodyPlace>), Stop> {
    decode_payload(&read.payload).ok_or_else(|| Stop::Damaged {
        segment,
        what: format!("record {} cannot be understood", read.header.sequence),
    })
}

/// The place and the length of a body, if this is where it is.
fn alive_at(
    view: &Layered<'_>,
    segment: u64,
    read: &Read,
    place: &BodyPlace,
) -> crate::Result<Option<(BodyAtRow, u64)>> {
    let here = place.row(segment, read.offset + record::HEADER as u64);
    if view.row::<BodyAtRow>(&keys::body_at(place.id))? != Some(here) {
        return Ok(None);
    }
    let row: Option<BodyRow> = view.row(&keys::body(place.id))?;
    Ok(row.map(|row| (here, row.length)))
}

/// A body that is to be copied.
struct Alive {
    place: BodyPlace,
    from: BodyAtRow,
    length: u64,
    /// It is raw, and nobody tried to compress it.
    is_untried: bool,
    /// For who tries; `None`: it is not encrypted, or nobody's key opens it.
    key: Option<BodyKey>,
}

impl Alive {
    /// It compressed, if that is worth it.
    fn smaller(&self, read: &Read) -> Option<EncodedBody> {
        let stored = Stored {
            id: self.place.id,
            length: self.length,
            encoding: self.place.encoding,
            frames: &read.payload[self.place.offset..self.place.end],
        };
        compress::compress(&stored, self.key.as_ref())
    }
}

/// Takes records, keeps what is alive.
struct Copier<'a> {
    collector: &'a Collector,
    /// The number of the next output.
    next: u64,
    /// See [`compress::is_untried`].
    compressed_from: u64,
    keeps_deletions: bool,
    /// Rows to be kept, the last of each key.
    rows: Layer,
    output: Option<Output>,
    /// Sections of bodies on their way into a record.
    payload: Vec<u8>,
    /// The bodies in it, and where in it.
    waiting: Vec<(BodyPlace, BodyAtRow, u64)>,
    count: u64,
    raw: u64,
    found: Found,
}

impl Copier<'_> {
    fn take(&mut self, segment: u64, read: &Read, pace: &mut Pace<'_>) -> Result<(), Stop> {
        for body in self.look(segment, read)? {
            self.take_body(read, &body, pace)?;
            if self.payload.len() >= RECORD {
                self.write_bodies()?;
            }
        }
        Ok(())
    }

    /// Keeps the rows of a record, and says which bodies of it are alive. Under the lock of the
    /// view, so nothing long is done here.
    fn look(&mut self, segment: u64, read: &Read) -> Result<Vec<Alive>, Stop> {
        let (rows, places) = understand(segment, read)?;
        let is_untried = compress::is_untried(segment, self.compressed_from);
        let layers = self.collector.shared.layers();
        let view = layers.view();
        let mut alive = Vec::new();
        for place in places {
            let Some((from, length)) = alive_at(&view, segment, read, &place)? else {
                continue;
            };
            let is_untried = is_untried && place.encoding.codec == Codec::Raw;
            let key = match is_untried {
                true => secrets::body_key(&view, place.id)?,
                false => None,
            };
            alive.push(Alive {
                place,
                from,
                length,
                is_untried,
                key,
            });
        }
        for (key, value) in rows {
            if is_kept(&view, &key, value.as_deref(), self.keeps_deletions)? {
                self.rows.insert(key, value);
            }
        }
        Ok(alive)
    }

    /// Copies a body: compressed, or as it was encoded.
    fn take_body(&mut self, read: &Read, body: &Alive, pace: &mut Pace<'_>) -> Result<(), Stop> {
        let mut smaller = None;
        if body.is_untried {
            let began = Instant::now();
            smaller = body.smaller(read);
            pace.compute(began.elapsed())?;
        }
        let moved = match smaller {
            Some(encoded) => encode_body(&mut self.payload, &encoded),
            None => {
                let start = self.payload.len();
                let section = &read.payload[body.place.section..body.place.end];
                self.payload.extend_from_slice(section);
                BodyPlace {
                    section: start,
                    offset: start + body.place.offset - body.place.section,
                    end: self.payload.len(),
                    ..body.place
                }
            }
        };
        self.waiting.push((moved, body.from, body.length));
        Ok(())
    }

    fn begin(&mut self) -> io::Result<Output> {
        let id = self.next;
        self.next += 1;
        Output::begin(&self.collector.disk, self.collector.store, id)
    }

    fn write_bodies(&mut self) -> Result<(), Stop> {
        let mut output = match self.output.take() {
            Some(output) => output,
            None => self.begin()?,
        };
        let id = output.id;
        let start = output.record(&self.payload);
        // It is given up as a whole: see `abandon`.
        let bytes = output.bytes();
        self.output = Some(output);
        let start = start?;
        for (place, from, length) in self.waiting.drain(..) {
            let to = place.row(id, start);
            self.found.moves.push(Move {
                body: place.id,
                from,
                to,
                length,
            });
            self.count += 1;
            self.raw += length;
        }
        self.payload.clear();
        if bytes >= self.collector.segment_bytes {
            self.close_bodies()?;
        }
        Ok(())
    }

    fn close_bodies(&mut self) -> Result<(), Stop> {
        if let Some(output) = self.output.take() {
            let id = output.id;
            let settled = output.finish(
                std::mem::take(&mut self.count),
                std::mem::take(&mut self.raw),
            )?;
            self.found.bodies.insert(id, settled);
        }
        Ok(())
    }

    fn finish(&mut self, pace: &mut Pace<'_>) -> Result<(), Stop> {
        if !self.payload.is_empty() {
            self.write_bodies()?;
        }
        self.close_bodies()?;
        if self.rows.is_empty() {
            return Ok(());
        }
        let count = self.rows.len() as u64;
        let mut output = self.begin()?;
        let id = output.id;
        let mut rows = std::mem::take(&mut self.rows).into_iter().peekable();
        while rows.peek().is_some() {
            let mut changes = Layer::new();
            let mut bytes = 0;
            while bytes < RECORD
                && let Some((key, value)) = rows.next()
            {
                bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                changes.insert(key, value);
            }
            let outcome = Outcome {
                changes,
                ..Outcome::default()
            };
            let (payload, _) = encode_payload(&outcome);
            let written = output.record(&payload);
            if written.is_err() {
                self.output = Some(output);
                written?;
                return Ok(());
            }
            pace.spend(payload.len() as u64)?;
        }
        self.found.rows.insert(id, output.finish(count, 0)?);
        Ok(())
    }

    /// Nothing of it is named anywhere.
    fn abandon(&mut self) {
        if let Some(output) = self.output.take() {
            output.abandon();
        }
        for (id, _) in self.found.outputs() {
            // What is left is removed at the next start.
            let _ = self.collector.disk.remove(&segment::path(id));
        }
    }
}

/// Must this row of an old segment be kept?
///
/// A put that is the row as it is now: yes. Another one: no, a later record says what the row
/// is. A deletion of what is not there: only where an older put may be left.
fn is_kept(
    view: &Layered<'_>,
    key: &[u8],
    value: Option<&[u8]>,
    keeps_deletions: bool,
) -> crate::Result<bool> {
    let is_place = key.starts_with(&keys::bodies_at());
    match value {
        // Places follow from where bodies are, but for those with a file of their own.
        Some(value) if is_place && !matches!(decode(value)?, BodyAtRow::File) => Ok(false),
        // As it is stored: nobody's key is needed to move a row.
        Some(value) => Ok(view.stored(key)?.as_deref() == Some(value)),
        None if is_place || !keeps_deletions => Ok(false),
        None => Ok(!view.exists(key)?),
    }
}
