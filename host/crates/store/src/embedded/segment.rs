//! Segments: files of the journal, allocated ahead, written once from front to back.
//!
//! ```text
//! segment header, 64 bytes
//!    0  8    magic "PRJOURNL"
//!    8  u32  format, 1
//!   12  u32  reserved, 0
//!   16  u64  segment
//!   24  u64  sequence of its first record
//!   32  16   id of the store
//!   48  …    reserved, 0
//!   60  u32  crc32c of bytes 0..60
//! then records; then zeros
//! ```
//! Segments of the log are in `journal/`, numbered without a gap. Those that the collector wrote
//! are in `settled/`: their numbers have the highest bit set, their records are snapshots, counted
//! from one, and nothing is ever added to them.
//!
//! A segment appears under its name only when its header (and, after a recovery, its first
//! records) are synced: so a name with a bad header is damage.

use std::io;
use std::sync::Arc;

use crate::embedded::disk::{Disk, DiskFile, Mode};
use crate::embedded::record::{self, Header, Kind};
use crate::rows::is_settled;

pub(crate) const DIRECTORY: &str = "journal";
pub(crate) const HEADER: usize = 64;
const MAGIC: [u8; 8] = *b"PRJOURNL";
const FORMAT: u32 = 1;

/// Where the collector writes.
pub(crate) const SETTLED_DIRECTORY: &str = "settled";
/// Name of a segment's file.
pub(crate) fn path(segment: u64) -> String {
    let directory = if is_settled(segment) {
        SETTLED_DIRECTORY
    } else {
        DIRECTORY
    };
    format!("{directory}/{segment:016x}.seg")
}

/// The segment of a file's name, without the directory.
pub(crate) fn id_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() == 16 {
        u64::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

/// An open segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) first: u64,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// Why a segment was not made.
#[derive(Debug)]
pub(crate) struct CreateError {
    pub(crate) error: io::Error,
    /// It certainly has no name: the journal may go on as it was. Otherwise it may have one, and
    /// a recovery would take it for the journal's end.
    pub(crate) is_clean: bool,
}

/// Makes a segment with these bytes of records in it. It has its name, and is durable, when
/// this returns.
pub(crate) fn create(
    disk: &dyn Disk,
    store: [u8; 16],
    id: u64,
    first: u64,
    room: u64,
    records: &[u8],
) -> Result<Segment, CreateError> {
    let temporary = format!("{DIRECTORY}/new");
    let clean = |error| CreateError {
        error,
        is_clean: true,
    };
    let file = disk.open(&temporary, Mode::Create).map_err(clean)?;
    let mut bytes = encode_header(store, id, first).to_vec();
    bytes.extend_from_slice(records);
    let made = file
        .allocate(room.max(bytes.len() as u64))
        .and_then(|()| file.write_at(0, &bytes))
        .and_then(|()| file.sync());
    if let Err(error) = made {
        // The error that matters is the first; what is left is removed at the next start.
        let _ = disk.remove(&temporary);
        return Err(clean(error));
    }
    disk.rename(&temporary, &path(id))
        .and_then(|()| disk.sync_dir(DIRECTORY))
        .map_err(|error| CreateError {
            error,
            is_clean: false,
        })?;
    Ok(Segment { id, first, file })
}

pub(crate) fn encode_header(store: [u8; 16], id: u64, first: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[16..24].copy_from_slice(&id.to_le_bytes());
    bytes[24..32].copy_from_slice(&first.to_le_bytes());
    bytes[32..48].copy_from_slice(&store);
    let sum = crc32c::crc32c(&bytes[..60]);
    bytes[60..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Opens a segment and checks that it is what its name says. `Err(text)`: damage.
pub(crate) fn open(
    disk: &dyn Disk,
    store: [u8; 16],
    id: u64,
) -> io::Result<Result<Segment, String>> {
    let mode = if is_settled(id) {
        Mode::Read
    } else {
        Mode::Write
    };
    let file = disk.open(&path(id), mode)?;
    let mut bytes = [0; HEADER];
    if file.length()? < HEADER as u64 {
        return Ok(Err("it is shorter than its header".to_owned()));
    }
    file.read_at(0, &mut bytes)?;
    let first = u64::from_le_bytes(*bytes[24..].first_chunk().unwrap_or(&[0; 8]));
    if bytes != encode_header(store, id, first) {
        return Ok(Err("its header is damaged or of another store".to_owned()));
    }
    Ok(Ok(Segment { id, first, file }))
}

/// The segment that a file says it is, of whatever store. `Err(text)`: damage.
pub(crate) fn of_file(file: Arc<dyn DiskFile>) -> io::Result<Result<Segment, String>> {
    let mut bytes = [0; HEADER];
    if file.length()? < HEADER as u64 {
        return Ok(Err("it is shorter than its header".to_owned()));
    }
    file.read_at(0, &mut bytes)?;
    let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap_or(&[0; 8]));
    let (id, first) = (number(16), number(24));
    let store = *bytes[32..].first_chunk().unwrap_or(&[0; 16]);
    if bytes != encode_header(store, id, first) {
        return Ok(Err("its header is damaged".to_owned()));
    }
    Ok(Ok(Segment { id, first, file }))
}

/// Walks the records of a segment.
pub(crate) struct Reader {
    file: Arc<dyn DiskFile>,
    segment: u64,
    length: u64,
    pub(crate) offset: u64,
    pub(crate) expected: u64,
}

/// A record read.
pub(crate) struct Read {
    pub(crate) header: Header,
    /// Of the header.
    pub(crate) offset: u64,
    pub(crate) payload: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(segment: &Segment) -> io::Result<Self> {
        Self::from(segment, HEADER as u64, segment.first)
    }

    /// From a known place: `expected` is the sequence of the record there.
    pub(crate) fn from(segment: &Segment, offset: u64, expected: u64) -> io::Result<Self> {
        let length = segment.file.length()?;
        Ok(Self {
            file: Arc::clone(&segment.file),
            segment: segment.id,
            length,
            offset,
            expected,
        })
    }

    /// The next record; `None` where the run of good records ends.
    pub(crate) fn next(&mut self) -> io::Result<Option<Read>> {
        let Some(header) = self.header_at(self.offset)? else {
            return Ok(None);
        };
        if header.sequence != self.expected {
            return Ok(None);
        }
        let Some(payload) = self.payload(self.offset, header)? else {
            return Ok(None);
        };
        let offset = self.offset;
        self.offset += header.record_length() as u64;
        self.expected += 1;
        Ok(Some(Read {
            header,
            offset,
            payload,
        }))
    }

    fn header_at(&self, offset: u64) -> io::Result<Option<Header>> {
        if offset + record::HEADER as u64 > self.length {
            return Ok(None);
        }
        let mut bytes = [0; record::HEADER];
        self.file.read_at(offset, &mut bytes)?;
        let kind = if is_settled(self.segment) {
            Kind::Snapshot
        } else {
            Kind::Commit
        };
        let header = Header::decode(&bytes);
        Ok(header.filter(|header| header.segment == self.segment && header.kind == kind))
    }

    fn payload(&self, offset: u64, header: Header) -> io::Result<Option<Vec<u8>>> {
        let start = offset + record::HEADER as u64;
        if start + header.length as u64 > self.length {
            return Ok(None);
        }
        let mut payload = vec![0; header.length];
        self.file.read_at(start, &mut payload)?;
        Ok((crc32c::crc32c(&payload) == header.checksum).then_some(payload))
    }

    /// What lies behind the end of the good records.
    pub(crate) fn rest(&self) -> io::Result<Rest> {
        const CHUNK: usize = 1 << 20;
        let mut rest = Rest::Zeros;
        let mut buffer = vec![0; CHUNK];
        let mut at = self.offset;
        while at < self.length {
            let take = (self.length - at).min(CHUNK as u64) as usize;
            self.file.read_at(at, &mut buffer[..take])?;
            if buffer[..take].iter().all(|byte| *byte == 0) {
                at += take as u64;
                continue;
            }
            if rest == Rest::Zeros {
                rest = Rest::Torn;
            }
            // Records begin at multiples of eight.
            for start in (0..take).step_by(8) {
                let magic = buffer[start..take].starts_with(b"PRec");
                if magic && let Some(header) = self.header_at(at + start as u64)? {
                    let is_proof =
                        header.sequence > self.expected && header.synced >= self.expected;
                    if is_proof && self.payload(at + start as u64, header)?.is_some() {
                        return Ok(Rest::Damage {
                            missing: self.expected,
                            proof: header.sequence,
                        });
                    }
                }
            }
            at += take as u64;
        }
        Ok(rest)
    }
}

/// What lies behind the last good record of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing was written there.
    Zeros,
    /// Something that was never synced: nobody was told of it.
    Torn,
    /// A later record proves that the missing one had been synced.
    Damage {
        /// The first record that is not there.
        missing: u64,
        /// The record that proves it was.
        proof: u64,
    },
}
