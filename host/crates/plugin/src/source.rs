//! Where the bytes of a message come from.

use std::io;

use bytes::Bytes;
use mail::limits;

/// A message that can be read at any place. Reads may block for as long as a disk takes: unless it
/// is in memory they happen on the threads of the guests.
pub trait MessageSource: Send + Sync {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Is it small and in memory, so that no read waits?
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Bytes from `offset`: exactly `length`, or up to the end where that comes first.
    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes>;
}

/// A message in memory.
impl MessageSource for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn is_in_memory(&self) -> bool {
        self.len() <= limits::BODY_IN_MEMORY
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let end = start.saturating_add(length).min(self.len());
        Ok(self.slice(start..end))
    }
}
