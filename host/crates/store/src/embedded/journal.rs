//! The journal's writing end: group commit, new segments, and when to bring the index up to date.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::embedded::disk::{Disk, is_full, is_out_of_files};
use crate::embedded::format::StoreId;
use crate::embedded::index::Flush;
use crate::embedded::progress::Progress;
use crate::embedded::record::{self, encode_payload, write_record};
use crate::embedded::segment::{self, CreateError, Segment};
use crate::keys;
use crate::rows::{CheckpointRow, encode};
use crate::sequencer::{AppendError, Log, Record};
use crate::shared::Shared;

/// The end of the journal.
pub(crate) struct Journal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) store: StoreId,
    pub(crate) segment: Segment,
    /// Where the next record goes.
    pub(crate) offset: u64,
    /// Bytes of the segment's file.
    pub(crate) room: u64,
    pub(crate) segment_bytes: u64,
    /// The last record known to be synced.
    pub(crate) synced: u64,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) progress: Arc<Progress>,
    /// A batch as it is written. Kept from batch to batch: memory of that size is given back to
    /// the system when it is freed, and cleared when it is taken again.
    pub(crate) batch: Vec<u8>,
}

/// A larger batch gives its memory back.
const BATCH_KEPT: usize = 4 * 1024 * 1024;

impl Log for Journal {
    fn append(&mut self, records: &mut [Record]) -> Result<(), AppendError> {
        let mut payloads = Vec::with_capacity(records.len());
        let mut length = 0;
        for Record { sequence, outcome } in records.iter() {
            let (payload, places) = encode_payload(outcome);
            if payload.len() > record::PAYLOAD_MAX {
                return Err(AppendError::Failed(format!(
                    "the record {sequence} is too large"
                )));
            }
            length += record::HEADER + payload.len() + 8;
            payloads.push((payload, places));
        }
        let grows = records.iter().any(|record| record.outcome.grows);
        self.make_room(length as u64, grows)?;
        let mut bytes = std::mem::take(&mut self.batch);
        bytes.clear();
        bytes.reserve(length);
        for (record, (payload, places)) in records.iter_mut().zip(payloads) {
            let start = self.offset + (bytes.len() + record::HEADER) as u64;
            write_record(
                &mut bytes,
                self.segment.id,
                record.sequence,
                self.synced,
                &payload,
            );
            let moved = std::mem::take(&mut record.outcome.moved);
            let moved = moved.into_iter().map(|(key, value)| (key, Some(value)));
            record.outcome.changes.extend(moved);
            for place in places {
                let at = place.row(self.segment.id, start);
                record
                    .outcome
                    .changes
                    .insert(keys::body_at(place.id), Some(encode(&at)));
            }
        }
        let written = self
            .segment
            .file
            .write_at(self.offset, &bytes)
            .and_then(|()| self.segment.file.sync());
        if let Err(error) = written {
            // Even when the disk is full: part of it may be there, and a sync that failed
            // once says nothing the second time.
            return Err(AppendError::Failed(format!(
                "writing the journal failed: {error}"
            )));
        }
        self.offset += bytes.len() as u64;
        self.synced = records.last().map_or(self.synced, |record| record.sequence);
        if bytes.capacity() <= BATCH_KEPT {
            self.batch = bytes;
        }
        Ok(())
    }

    fn has_room(&mut self) -> Result<bool, AppendError> {
        match self.rotate(0) {
            Ok(()) => Ok(true),
            Err(AppendError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn position(&self) -> CheckpointRow {
        CheckpointRow {
            sequence: self.synced,
            segment: self.segment.id,
            offset: self.offset,
        }
    }

    fn applied(&mut self) {
        if self.progress.is_segment_wanted() {
            self.rotate_if_asked();
        }
        self.checkpoints.consider(self.position());
    }

    /// Often enough for the next checkpoint, and no oftener: an idle server sleeps.
    fn pause(&self) -> Duration {
        if self.progress.has_wish() {
            return Duration::from_millis(1);
        }
        let most = Duration::from_secs(1);
        self.checkpoints
            .interval
            .clamp(Duration::from_millis(50), most)
    }

    fn close(&mut self) {
        self.checkpoints.finish(self.position());
    }
}

impl Journal {
    /// Room for a batch: in this segment, or in a new one. The end of each segment is kept for
    /// batches that make room (expunges, settled mail): they go on when the disk is full.
    fn make_room(&mut self, length: u64, grows: bool) -> Result<(), AppendError> {
        let kept = if grows { self.segment_bytes / 16 } else { 0 };
        if self.offset + length + kept <= self.room {
            return Ok(());
        }
        self.rotate(length + kept)
    }

    /// The collector wants what is written so far in a finished segment.
    fn rotate_if_asked(&mut self) {
        if self.offset <= segment::HEADER as u64 {
            // There is nothing to finish.
            return self.progress.refused();
        }
        match self.rotate(0) {
            Ok(()) => {}
            Err(AppendError::Full) => self.progress.refused(),
            Err(AppendError::Failed(reason)) => self.checkpoints.shared.latch(&reason),
        }
    }

    /// Goes on in a new segment. All records before it are synced.
    fn rotate(&mut self, length: u64) -> Result<(), AppendError> {
        let first = self.synced + 1;
        let room = self.segment_bytes.max(segment::HEADER as u64 + length);
        let next = segment::create(
            &*self.disk,
            self.store,
            self.segment.id + 1,
            first,
            room,
            &[],
        )
        .map_err(|made| not_made(&made))?;
        // What was allocated and not used. Nothing hangs on it: the next start may find it.
        if let Err(error) = self.segment.file.set_length(self.offset) {
            tracing::warn!(%error, "a finished segment keeps its unused room");
        }
        self.segment = next;
        self.offset = segment::HEADER as u64;
        self.room = room;
        self.progress.rotated(self.segment.id);
        Ok(())
    }
}

/// What passes by itself, and left the journal as it was, is no failure.
fn not_made(made: &CreateError) -> AppendError {
    let passes = is_full(&made.error) || is_out_of_files(&made.error);
    if made.is_clean && passes {
        AppendError::Full
    } else {
        AppendError::Failed(format!("beginning a segment failed: {}", made.error))
    }
}

/// When and how the index is brought up to date.
pub(crate) struct Checkpoints {
    pub(crate) shared: Arc<Shared>,
    pub(crate) flushes: Option<Sender<Flush>>,
    pub(crate) flushed: Receiver<()>,
    pub(crate) indexer: Option<JoinHandle<()>>,
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) bytes: u64,
    pub(crate) interval: Duration,
    pub(crate) last: Instant,
    pub(crate) progress: Arc<Progress>,
}

impl Checkpoints {
    fn consider(&mut self, position: CheckpointRow) {
        let shared = &self.shared;
        let (active, is_frozen) = {
            let layers = shared.layers();
            (layers.active_bytes(), layers.is_frozen())
        };
        let is_wanted = self.progress.take_checkpoint_wish() && self.progress.durable() != position;
        let is_due = is_wanted
            || active >= self.bytes
            || (active > 0 && self.last.elapsed() >= self.interval);
        if !is_due {
            return;
        }
        // The one before may still be on its way. Memory is bounded: then wait for it.
        if is_frozen && active < self.bytes.saturating_mul(2) {
            return;
        }
        self.begin(position);
    }

    fn begin(&mut self, position: CheckpointRow) {
        let (shared, Some(flushes)) = (&self.shared, &self.flushes) else {
            return;
        };
        while shared.layers().is_frozen() {
            if self.flushed.recv().is_err() {
                // The indexer gave up, which latched.
                return;
            }
        }
        let layer = shared.layers_mut().freeze();
        self.last = Instant::now();
        // Fails when the indexer gave up, which latched: the journal has it all.
        let _ = flushes.send(Flush {
            layer,
            checkpoint: position,
        });
    }

    /// Writes what is left and waits for it. After a failure the journal is left to speak.
    fn finish(&mut self, position: CheckpointRow) {
        self.stopping.store(true, Ordering::Relaxed);
        let shared = &self.shared;
        if shared.latched.get().is_none() && shared.layers().active_bytes() > 0 {
            self.begin(position);
        }
        self.flushes = None;
        if let Some(indexer) = self.indexer.take()
            && indexer.join().is_err()
        {
            tracing::error!("the thread that writes the index panicked");
        }
    }
}
