//! Bodies on their way in, and the pieces a message is composed of.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mail::BodyId;

use crate::embedded::{BodyKey, Codec, EncodedBody, encode};
use crate::{ContentId, Result};

/// Takes a body in chunks. Up to [`mail::limits::BODY_IN_MEMORY`] stays in memory and travels
/// in the record; what is larger streams to the disk. Dropping it leaves nothing behind.
pub struct BodyWriter(pub(crate) Box<dyn WriteBody>);

/// A body that is finished and not yet (or already) named by a record. Clones share it; when
/// the last one goes and no record named it, its bytes go too.
#[derive(Clone)]
pub struct BodyRef(pub(crate) Arc<dyn ReadBody>);

/// A backend's side of [`BodyWriter`].
pub(crate) trait WriteBody: Send + Sync {
    fn write(&mut self, bytes: &[u8]) -> Result<()>;
    fn len(&self) -> u64;
    fn finish(self: Box<Self>) -> Result<BodyRef>;
}

/// A backend's side of [`BodyRef`].
pub(crate) trait ReadBody: Send + Sync {
    fn id(&self) -> BodyId;
    fn key(&self) -> &BodyKey;
    fn len(&self) -> u64;
    fn read(&self, offset: u64, length: usize) -> Result<Bytes>;
    /// As it is to travel in the record; `None`: it is on the disk already.
    fn travels(&self) -> Option<&Arc<EncodedBody>>;
    /// A record names it now: keep the bytes when the last handle goes.
    fn keep(&self);
}

/// A body that fits into a record. It is encoded here, on the caller's thread: the one thread
/// that orders all changes only copies it.
pub(crate) struct SmallBody {
    plain: Bytes,
    key: BodyKey,
    encoded: Arc<EncodedBody>,
}

impl SmallBody {
    pub(crate) fn new(id: BodyId, plain: Vec<u8>) -> Result<Self> {
        let key = BodyKey::random();
        let encoded = encode(id, &plain, Codec::Raw, Some(&key))?;
        Ok(Self {
            plain: plain.into(),
            key,
            encoded: Arc::new(encoded),
        })
    }
}

impl ReadBody for SmallBody {
    fn id(&self) -> BodyId {
        self.encoded.id
    }

    fn key(&self) -> &BodyKey {
        &self.key
    }

    fn len(&self) -> u64 {
        self.plain.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.plain.len());
        let end = start.saturating_add(length).min(self.plain.len());
        Ok(self.plain.slice(start..end))
    }

    fn travels(&self) -> Option<&Arc<EncodedBody>> {
        Some(&self.encoded)
    }

    fn keep(&self) {}
}

impl BodyWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// [`crate::Error::Full`], [`crate::Error::Latched`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes)
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Nothing so far?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Does ending it wait for the disk?
    pub fn waits_for_disk(&self) -> bool {
        self.len() > mail::limits::BODY_IN_MEMORY as u64
    }

    /// Ends it; a small body is encrypted here, a large one synced to the disk. The body is
    /// durable only once a commit that names it has answered.
    pub fn finish(self) -> Result<BodyRef> {
        self.0.finish()
    }
}

impl BodyRef {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Is it empty?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is it small enough to be in memory, so that no read waits for a disk?
    pub fn is_in_memory(&self) -> bool {
        self.0.travels().is_some()
    }

    /// Reads up to `length` bytes at `offset`; fewer only at the end. Of a body in memory nothing
    /// is copied. For hooks that look at a message before it is accepted.
    pub fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.0.read(offset, length)
    }

    /// The whole of it as a piece.
    pub fn piece(&self) -> Piece {
        Piece::Body {
            body: self.clone(),
            offset: 0,
            length: self.len(),
        }
    }

    /// A part of it as a piece.
    pub fn range(&self, offset: u64, length: u64) -> Piece {
        Piece::Body {
            body: self.clone(),
            offset,
            length,
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyWriter({} bytes)", self.len())
    }
}

impl fmt::Debug for BodyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyRef({} bytes)", self.len())
    }
}

/// A piece of a composed message.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Bytes of this domain alone: trace headers, edits. Up to 256 KiB a message.
    Private(Vec<u8>),
    /// A range of a body, shared by all rows that name it.
    Body {
        /// Which.
        body: BodyRef,
        /// First byte.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// A range of a message stored before, in the domain of the operation (of the leased row,
    /// with a settlement and its follow-ups). Its bodies are shared, not copied.
    Content {
        /// Which.
        content: ContentId,
        /// First byte.
        offset: u64,
        /// How many.
        length: u64,
    },
}

impl Piece {
    /// Bytes that wait in memory with an operation.
    pub(crate) fn in_memory(&self) -> u64 {
        match self {
            Self::Private(bytes) => bytes.len() as u64,
            Self::Body { body, length, .. } if body.is_in_memory() => *length,
            Self::Body { .. } | Self::Content { .. } => 0,
        }
    }
}
