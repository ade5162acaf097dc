//! Between a thread that reads or writes a stream and the connection it goes over.

use std::io::{self, Read, Write};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Bytes gathered before they go on.
const CHUNK: usize = 64 * 1024;
/// Chunks on their way.
const AHEAD: usize = 8;

/// What goes through.
pub(crate) type Piece = Result<Bytes, io::Error>;

/// Both ends of a stream of chunks.
pub(crate) fn pipe() -> (Sender<Piece>, Receiver<Piece>) {
    channel(AHEAD)
}

/// For threads that may block.
#[derive(Debug)]
pub(crate) struct PipeWriter {
    sender: Sender<Piece>,
    pending: Vec<u8>,
}

impl PipeWriter {
    pub(crate) const fn new(sender: Sender<Piece>) -> Self {
        Self {
            sender,
            pending: Vec::new(),
        }
    }

    /// Ends the stream as one that is not whole.
    pub(crate) fn fail(self, error: &anyhow::Error) {
        let failed = io::Error::other(format!("{error:#}"));
        // The other side may have gone already.
        let _ = self.sender.blocking_send(Err(failed));
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.pending));
        self.sender
            .blocking_send(Ok(chunk))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the other side has gone"))
    }
}

/// For threads that may block.
#[derive(Debug)]
pub(crate) struct PipeReader {
    receiver: Receiver<Piece>,
    rest: Bytes,
}

impl PipeReader {
    pub(crate) const fn new(receiver: Receiver<Piece>) -> Self {
        Self {
            receiver,
            rest: Bytes::new(),
        }
    }
}

impl Read for PipeReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let taken = self.rest.split_to(self.rest.len().min(out.len()));
        out[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}
