//! Reading a stored message by position.

use std::fmt;
use std::sync::Arc;

use crate::Result;

/// An open message: the access was checked and the extents were found; reading needs neither
/// again. It holds its segments open, so it stays readable after an expunge.
#[derive(Clone)]
pub struct Content {
    size: u64,
    extents: Arc<[OpenExtent]>,
}

/// Bytes by position, checked.
pub(crate) trait ReadAt: Send + Sync {
    /// Appends exactly `length` bytes from `offset` to `out`.
    fn read_at(&self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<()>;
}

#[derive(Clone)]
pub(crate) enum OpenExtent {
    Private(Arc<[u8]>),
    Body {
        body: Arc<dyn ReadAt>,
        offset: u64,
        length: u64,
    },
}

impl OpenExtent {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Private(bytes) => bytes.len() as u64,
            Self::Body { length, .. } => *length,
        }
    }

    fn read(&self, skip: u64, take: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Private(bytes) => {
                let start = skip as usize;
                out.extend_from_slice(&bytes[start..start + take]);
                Ok(())
            }
            Self::Body { body, offset, .. } => body.read_at(offset + skip, take, out),
        }
    }
}

impl Content {
    pub(crate) fn new(extents: Vec<OpenExtent>) -> Self {
        let size = extents.iter().map(OpenExtent::length).sum();
        Self {
            size,
            extents: extents.into(),
        }
    }

    /// Bytes of the composed message.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads up to `length` bytes at `offset`; fewer only at the end.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] when a checksum does not fit; never wrong bytes.
    pub fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let end = offset.saturating_add(length as u64).min(self.size);
        let mut out = Vec::with_capacity(end.saturating_sub(offset) as usize);
        let mut start = 0;
        for extent in self.extents.iter() {
            let stop = start + extent.length();
            let (from, to) = (offset.max(start), end.min(stop));
            if from < to {
                extent.read(from - start, (to - from) as usize, &mut out)?;
            }
            start = stop;
        }
        Ok(out)
    }

    /// Reads all of it. For messages known to be small.
    pub fn read_all(&self) -> Result<Vec<u8>> {
        self.read(0, self.size as usize)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Content({} bytes, {} extents)",
            self.size,
            self.extents.len()
        )
    }
}
