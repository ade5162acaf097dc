//! The way out of a connection: coalesced, bounded, with a time-out.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::timeout;

/// Output is written when so much has come together (and before every wait).
pub(crate) const FLUSH_AT: usize = 64 * 1024;

/// Capacity that an idle connection may keep.
const KEEP: usize = 256;

/// Why a `Send` could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The peer is gone.
    #[error("the connection broke: {0}")]
    Peer(#[from] io::Error),
    /// The peer took less than 64 KiB in the write time-out.
    #[error("the peer reads too slowly")]
    TooSlow,
    /// The bytes could not be read where they are stored.
    #[error("the bytes to send cannot be had: {0}")]
    Source(String),
}

/// Where a handler writes what it streams. At most 64 KiB wait here; then `write` waits for the
/// peer.
pub struct Outlet<'a> {
    io: &'a mut (dyn AsyncWrite + Send + Unpin),
    buffer: &'a mut Vec<u8>,
    write_timeout: Duration,
}

impl<'a> Outlet<'a> {
    /// An outlet to `io`; `buffer` holds what is not written yet, from one outlet to the next.
    pub fn new(
        io: &'a mut (dyn AsyncWrite + Send + Unpin),
        buffer: &'a mut Vec<u8>,
        write_timeout: Duration,
    ) -> Self {
        Self {
            io,
            buffer,
            write_timeout,
        }
    }

    /// Writes `bytes`, of any length, behind what was written before.
    ///
    /// # Errors
    /// [`SendError::Peer`] and [`SendError::TooSlow`]; the connection is then of no more use.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = FLUSH_AT - self.buffer.len().min(FLUSH_AT);
            if room == 0 {
                self.flush().await?;
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
        }
        Ok(())
    }

    /// Hands everything written so far to the network.
    ///
    /// # Errors
    /// As [`Outlet::write`].
    pub(crate) async fn flush(&mut self) -> Result<(), SendError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        for piece in self.buffer.chunks(FLUSH_AT) {
            match timeout(self.write_timeout, write_all(&mut *self.io, piece)).await {
                Ok(done) => done?,
                Err(_) => return Err(SendError::TooSlow),
            }
        }
        self.buffer.clear();
        // The buffer of an idle connection is freed: thousands of them wait at a time.
        self.buffer.shrink_to(KEEP);
        Ok(())
    }
}

async fn write_all(io: &mut (dyn AsyncWrite + Send + Unpin), bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, rest)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    // TLS keeps bytes back until it is flushed.
    poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx)).await
}
