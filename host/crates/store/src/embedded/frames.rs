//! Bodies in frames of 64 KiB, each with a checksum over whose and which it is.
//!
//! ```text
//!   0  u32  crc32c of: body id (u64), frame number (u64), bytes
//!   4  u32  length of the bytes as stored
//!   8  …    bytes
//! ```

use std::ops::Range;
use std::sync::Arc;

use mail::BodyId;

use crate::content::ReadAt;
use crate::embedded::disk::DiskFile;
use crate::{Error, Result};

/// Bytes of a body in one frame.
pub(crate) const FRAME: usize = 64 * 1024;
/// Bytes before those of the body.
pub(crate) const HEADER: usize = 8;

fn checksum(body: BodyId, number: u64, bytes: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&body.0.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &number.to_le_bytes());
    crc32c::crc32c_append(sum, bytes)
}

/// Appends one frame.
pub(crate) fn write_frame(out: &mut Vec<u8>, body: BodyId, number: u64, bytes: &[u8]) {
    out.extend_from_slice(&checksum(body, number, bytes).to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a whole body.
pub(crate) fn write_frames(out: &mut Vec<u8>, body: BodyId, bytes: &[u8]) {
    for (number, frame) in bytes.chunks(FRAME).enumerate() {
        write_frame(out, body, number as u64, frame);
    }
}

/// Reads a body by position. Holds its file open.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) file: Arc<dyn DiskFile>,
    /// Where the first frame begins.
    pub(crate) offset: u64,
    pub(crate) body: BodyId,
    pub(crate) length: u64,
}

impl Frames {
    fn frame(&self, number: u64, buffer: &mut Vec<u8>) -> Result<Range<usize>> {
        let start = number * FRAME as u64;
        let length = (self.length - start).min(FRAME as u64) as usize;
        let at = self.offset + number * (FRAME + HEADER) as u64;
        buffer.resize(HEADER + length, 0);
        self.file
            .read_at(at, buffer)
            .map_err(|error| self.damaged(number, &error.to_string()))?;
        let (head, bytes) = buffer.split_at(HEADER);
        let stored = head
            .last_chunk::<4>()
            .map_or(0, |chunk| u32::from_le_bytes(*chunk));
        let sum = head
            .first_chunk::<4>()
            .map_or(0, |chunk| u32::from_le_bytes(*chunk));
        if stored as usize != length || sum != checksum(self.body, number, bytes) {
            return Err(self.damaged(number, "wrong checksum"));
        }
        Ok(HEADER..HEADER + length)
    }

    fn damaged(&self, number: u64, what: &str) -> Error {
        tracing::error!(body = %self.body, frame = number, what, "a stored body is damaged");
        Error::Damaged(format!("body {}, frame {number}: {what}", self.body))
    }
}

impl ReadAt for Frames {
    fn read_at(&self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<()> {
        let end = offset + length as u64;
        if end > self.length {
            return Err(self.damaged(0, "the body is shorter than its row says"));
        }
        let mut buffer = Vec::new();
        let mut at = offset;
        while at < end {
            let number = at / FRAME as u64;
            let start = number * FRAME as u64;
            let frame = self.frame(number, &mut buffer)?;
            let first = frame.start + (at - start) as usize;
            let last = frame.end.min(frame.start + (end - start) as usize);
            out.extend_from_slice(&buffer[first..last]);
            at += (last - first) as u64;
        }
        Ok(())
    }
}
