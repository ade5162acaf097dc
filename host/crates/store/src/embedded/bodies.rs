//! Body segments: one file for each body too large for a record.
//!
//! ```text
//! header, 64 bytes
//!    0  8    magic "PRBODY01"
//!    8  u64  body
//!   16  16   id of the store
//!   32  u8   codec: 0 raw, 1 zstd
//!   33  u8   cipher: 0 none, 1 AES-256-GCM
//!   34  …    reserved, 0
//!   48  16   salt, with a cipher
//! then frames
//! ```
//! The file is synced, and its name too, before the record that names the body is written. A
//! file that no row names after a start was never acknowledged and is removed.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use mail::{BodyId, limits};

use crate::body::{BodyRef, BodyWriter, ReadBody, SmallBody, WriteBody};
use crate::content::ReadAt;
use crate::embedded::disk::{Disk, DiskFile, Mode, is_full, is_out_of_files};
use crate::embedded::format::StoreId;
use crate::embedded::frames::{BodyKey, Codec, EncodedBody, Encoder, Encoding, FRAME, Frames};
use crate::embedded::manifest;
use crate::embedded::segment;
use crate::ids::Ids;
use crate::pins::Pins;
use crate::rows::{BodyAtRow, CheckpointRow};
use crate::shared::{Bodies, Shared};
use crate::view::View as _;
use crate::{Config, CutFile, Error, Pin, Result, keys};

pub(crate) const DIRECTORY: &str = "bodies";
const HEADER: usize = 64;
const MAGIC: [u8; 8] = *b"PRBODY01";
/// Room asked for ahead of the bytes.
const AHEAD: u64 = 4 * 1024 * 1024;
/// Segments of the journal held open for readers.
const OPEN_MAX: usize = 256;

/// Name of a body's file.
pub(crate) fn path(id: BodyId) -> String {
    format!("{DIRECTORY}/{:016x}.body", id.0)
}

/// The body of a file's name, without the directory.
pub(crate) fn id_of(name: &str) -> Option<BodyId> {
    u64::from_str_radix(name.strip_suffix(".body")?, 16)
        .ok()
        .map(BodyId)
}

/// What reading and writing of bodies needs.
pub(crate) struct DiskBodies {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: StoreId,
    pub(crate) pins: Arc<Pins>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) reserve_bytes: u64,
    pub(crate) reserve_percent: u8,
    /// To latch when a body cannot be synced; set once the store runs.
    pub(crate) shared: Arc<OnceLock<Weak<Shared>>>,
    segments: Mutex<HashMap<u64, Arc<dyn DiskFile>>>,
}

impl DiskBodies {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        store: StoreId,
        pins: Arc<Pins>,
        ids: Arc<Ids>,
        config: &Config,
    ) -> Self {
        Self {
            disk,
            store,
            pins,
            ids,
            reserve_bytes: config.disk_reserve_bytes,
            reserve_percent: config.disk_reserve_percent,
            shared: Arc::default(),
            segments: Mutex::default(),
        }
    }

    fn segment(&self, id: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = segments.get(&id) {
            return Ok(Arc::clone(file));
        }
        if segments.len() >= OPEN_MAX {
            segments.clear();
        }
        let file = self.disk.open(&segment::path(id), Mode::Read)?;
        segments.insert(id, Arc::clone(&file));
        Ok(file)
    }

    /// A body segment, where its frames begin and how they are encoded.
    fn file(&self, id: BodyId) -> io::Result<(Arc<dyn DiskFile>, u64, Encoding)> {
        let file = self.disk.open(&path(id), Mode::Read)?;
        let mut header = [0; HEADER];
        file.read_at(0, &mut header)?;
        let encoding = decode_header(&header, self.store, id)
            .ok_or_else(|| io::Error::other("its header is damaged or of another store"))?;
        Ok((file, HEADER as u64, encoding))
    }
}

pub(crate) fn encode_header(store: StoreId, id: BodyId, encoding: Encoding) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&id.0.to_le_bytes());
    header[16..32].copy_from_slice(&store);
    header[32] = encoding.codec.number();
    header[33] = encoding.cipher();
    header[48..].copy_from_slice(&encoding.salt.unwrap_or_default());
    header
}

/// `None`: it is no header of this body.
pub(crate) fn decode_header(header: &[u8; HEADER], store: StoreId, id: BodyId) -> Option<Encoding> {
    let codec = Codec::from_number(header[32])?;
    let salt = match header[33] {
        0 => None,
        1 => header.last_chunk().copied(),
        _ => return None,
    };
    let encoding = Encoding { codec, salt };
    (*header == encode_header(store, id, encoding)).then_some(encoding)
}

impl Bodies for DiskBodies {
    fn begin(&self) -> Result<BodyWriter> {
        let writer = Writer {
            disk: Arc::clone(&self.disk),
            store: self.store,
            ids: Arc::clone(&self.ids),
            shared: Arc::clone(&self.shared),
            pending: Vec::new(),
            length: 0,
            file: None,
        };
        Ok(BodyWriter(Box::new(writer)))
    }

    fn open(
        &self,
        id: BodyId,
        at: BodyAtRow,
        length: u64,
        key: Option<&BodyKey>,
    ) -> Result<Arc<dyn ReadAt>> {
        let opened = match at {
            BodyAtRow::Segment { segment, offset } => self
                .segment(segment)
                .map(|file| (file, offset, Encoding::PLAIN)),
            BodyAtRow::Encoded {
                segment,
                offset,
                encoding,
            } => self.segment(segment).map(|file| (file, offset, encoding)),
            BodyAtRow::File => self.file(id),
        };
        let (file, offset, encoding) = opened.map_err(|error| {
            if is_out_of_files(&error) {
                return Error::Busy;
            }
            tracing::error!(body = %id, %error, "a stored body cannot be opened");
            Error::Damaged(format!("body {id}: {error}"))
        })?;
        let frames = Frames::open(file, offset, id, length, encoding, key)?;
        Ok(Arc::new(frames))
    }

    fn files(&self, position: CheckpointRow) -> Result<Vec<CutFile>> {
        let listed = |error: io::Error| Error::Damaged(format!("listing files: {error}"));
        let mut files = vec![CutFile {
            path: super::format::FILE.to_owned(),
            length: None,
            is_final: false,
        }];
        // Whoever asks holds a pin: it does not change meanwhile.
        let named = manifest::read(&*self.disk, Path::new(""), self.store)
            .map_err(|error| Error::Damaged(error.to_string()))?;
        // Those before are settled, and about to be removed.
        let first = named.as_ref().map_or(0, |named| named.log);
        if let Some(named) = named {
            files.push(CutFile {
                path: manifest::FILE.to_owned(),
                length: None,
                is_final: false,
            });
            files.extend(named.settled().map(|(id, settled)| CutFile {
                path: segment::path(id),
                length: Some(settled.bytes),
                is_final: true,
            }));
        }
        for name in self.disk.list(segment::DIRECTORY).map_err(listed)? {
            let Some(id) = segment::id_of(&name) else {
                continue;
            };
            if !(first..=position.segment).contains(&id) {
                continue;
            }
            let is_active = id == position.segment;
            files.push(CutFile {
                path: segment::path(id),
                length: is_active.then_some(position.offset),
                is_final: !is_active,
            });
        }
        for name in self.disk.list(DIRECTORY).map_err(listed)? {
            let Some(id) = id_of(&name) else { continue };
            let row = self
                .shared
                .get()
                .and_then(Weak::upgrade)
                .map(|shared| shared.layers().view().exists(&keys::body(id)));
            // One without a row may be on its way in, and is then not whole; or it lost its last
            // row after the position, and is kept for this.
            files.push(CutFile {
                path: path(id),
                length: None,
                is_final: row.transpose()?.unwrap_or(false),
            });
        }
        Ok(files)
    }

    fn discard(&self, ids: &[BodyId]) {
        for id in ids {
            // Most bodies have no file: they are in the journal.
            if let Err(error) = self.pins.remove(&path(*id)) {
                tracing::warn!(body = %id, %error, "a body without rows cannot be removed");
            }
        }
    }

    fn forget(&self, segment: u64) {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        segments.remove(&segment);
    }

    fn pin(&self) -> Pin {
        self.pins.pin()
    }

    fn space(&self) -> Result<(u64, u64, u64)> {
        let (free, total) = self
            .disk
            .space()
            .map_err(|error| Error::Damaged(format!("statvfs: {error}")))?;
        let share = total / 100 * u64::from(self.reserve_percent);
        Ok((free, total, self.reserve_bytes.max(share)))
    }
}

/// A body on its way in: in memory until it is too large for that.
struct Writer {
    disk: Arc<dyn Disk>,
    store: StoreId,
    ids: Arc<Ids>,
    shared: Arc<OnceLock<Weak<Shared>>>,
    /// All of it, or what does not yet fill a frame.
    pending: Vec<u8>,
    length: u64,
    file: Option<Spill>,
}

/// The file of a large body.
struct Spill {
    body: Arc<SpilledFile>,
    key: BodyKey,
    encoder: Encoder,
    /// Where the next frame goes.
    at: u64,
    allocated: u64,
}

/// Removes the file unless a record came to name it.
#[derive(Debug)]
struct SpilledFile {
    disk: Arc<dyn Disk>,
    id: BodyId,
    file: Arc<dyn DiskFile>,
    kept: AtomicBool,
}

impl Drop for SpilledFile {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Acquire)
            && let Err(error) = self.disk.remove(&path(self.id))
        {
            tracing::warn!(body = %self.id, %error, "an unused body cannot be removed; the next start does it");
        }
    }
}

impl Writer {
    fn spill(&mut self) -> io::Result<&mut Spill> {
        if self.file.is_none() {
            let id = BodyId(self.ids.next());
            let file = self.disk.open(&path(id), Mode::Create)?;
            let kept = AtomicBool::new(false);
            let body = Arc::new(SpilledFile {
                disk: Arc::clone(&self.disk),
                id,
                file,
                kept,
            });
            let key = BodyKey::random();
            let encoder = Encoder::new(id, Codec::Raw, Some(&key));
            let header = encode_header(self.store, id, encoder.encoding);
            let spill = Spill {
                body,
                key,
                encoder,
                at: HEADER as u64,
                allocated: AHEAD,
            };
            spill.body.file.allocate(AHEAD)?;
            spill.body.file.write_at(0, &header)?;
            self.file = Some(spill);
        }
        self.file
            .as_mut()
            .ok_or_else(|| io::Error::other("a body lost its file"))
    }

    /// Writes whole frames; with `all` also the last, short one.
    fn flush(&mut self, all: bool) -> io::Result<()> {
        let whole = if all {
            self.pending.len()
        } else {
            self.pending.len() / FRAME * FRAME
        };
        let rest = self.pending.split_off(whole);
        let ready = std::mem::replace(&mut self.pending, rest);
        let spill = self.spill()?;
        let mut out = Vec::with_capacity(ready.len() + 256);
        for frame in ready.chunks(FRAME) {
            let encoded = spill.encoder.frame(&mut out, frame);
            encoded.map_err(io::Error::other)?;
        }
        while spill.at + out.len() as u64 > spill.allocated {
            spill.allocated += AHEAD;
            spill.body.file.allocate(spill.allocated)?;
        }
        spill.body.file.write_at(spill.at, &out)?;
        spill.at += out.len() as u64;
        Ok(())
    }

    fn settle(&mut self) -> io::Result<Option<Spill>> {
        if self.file.is_none() {
            return Ok(None);
        }
        self.flush(true)?;
        let Some(spill) = self.file.take() else {
            return Ok(None);
        };
        spill.body.file.set_length(spill.at)?;
        spill.body.file.sync()?;
        self.disk.sync_dir(DIRECTORY)?;
        Ok(Some(spill))
    }

    /// No room and too many open files are this body's trouble; anything else means that the
    /// disk fails.
    fn failed(&mut self, error: &io::Error) -> Error {
        self.file = None;
        if is_full(error) {
            return Error::Full;
        }
        if is_out_of_files(error) {
            return Error::Busy;
        }
        let reason = format!("writing a body failed: {error}");
        if let Some(shared) = self.shared.get().and_then(Weak::upgrade) {
            shared.latch(&reason);
        }
        Error::Latched(reason)
    }
}

impl WriteBody for Writer {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.pending.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        let in_memory = if self.file.is_none() {
            limits::BODY_IN_MEMORY
        } else {
            4 * FRAME
        };
        if self.pending.len() <= in_memory {
            return Ok(());
        }
        self.flush(false).map_err(|error| self.failed(&error))
    }

    fn len(&self) -> u64 {
        self.length
    }

    fn finish(mut self: Box<Self>) -> Result<BodyRef> {
        match self.settle() {
            Ok(None) => {
                let id = BodyId(self.ids.next());
                let bytes = std::mem::take(&mut self.pending);
                Ok(BodyRef(Arc::new(SmallBody::new(id, bytes)?)))
            }
            Ok(Some(spill)) => {
                let frames = Frames::open(
                    Arc::clone(&spill.body.file),
                    HEADER as u64,
                    spill.body.id,
                    self.length,
                    spill.encoder.encoding,
                    Some(&spill.key),
                )?;
                Ok(BodyRef(Arc::new(Spilled {
                    file: spill.body,
                    key: spill.key,
                    frames,
                })))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }
}

/// A large body, synced.
struct Spilled {
    file: Arc<SpilledFile>,
    key: BodyKey,
    frames: Frames,
}

impl ReadBody for Spilled {
    fn id(&self) -> BodyId {
        self.file.id
    }

    fn key(&self) -> &BodyKey {
        &self.key
    }

    fn len(&self) -> u64 {
        self.frames.length()
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let end = offset
            .saturating_add(length as u64)
            .min(self.frames.length());
        let mut out = Vec::new();
        if offset < end {
            self.frames
                .read_at(offset, (end - offset) as usize, &mut out)?;
        }
        Ok(out.into())
    }

    fn travels(&self) -> Option<&Arc<EncodedBody>> {
        None
    }

    fn keep(&self) {
        self.file.kept.store(true, Ordering::Release);
    }
}
