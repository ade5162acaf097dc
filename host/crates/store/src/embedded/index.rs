//! The durable view: one redb table of sealed rows, brought up to date in the background.
//!
//! The journal is the truth. The index holds every row as of the checkpoint it names, and a
//! start replays the journal from there. Rows since then are in memory, over the table.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use redb::{Database, Durability, ReadableDatabase, StorageBackend, TableDefinition};

use crate::embedded::disk::{Disk, DiskFile, Mode, is_full};
use crate::embedded::progress::Progress;
use crate::rows::{CheckpointRow, decode, encode};
use crate::shared::Shared;
use crate::view::{Base, Layer, seal, unseal};
use crate::{Error, keys};

pub(crate) const FILE: &str = "index.redb";
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// Pause before a checkpoint is tried again.
const RETRY: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 500 });
/// Failures other than a full disk before the store stops.
const TRIES: u32 = 3;

/// redb's view of a file of ours.
#[derive(Debug)]
struct Backend(Arc<dyn DiskFile>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }
}

/// An open index.
pub(crate) struct Index {
    disk: Arc<dyn Disk>,
    cache_bytes: usize,
    database: Option<Database>,
}

/// Why something with the index failed.
#[derive(Debug)]
pub(crate) struct IndexError {
    pub(crate) text: String,
    pub(crate) is_full: bool,
}

impl<E: Into<redb::Error>> From<E> for IndexError {
    fn from(error: E) -> Self {
        let error = error.into();
        let full = matches!(&error, redb::Error::Io(error) if is_full(error));
        Self {
            text: error.to_string(),
            is_full: full,
        }
    }
}

impl Index {
    /// Opens the file, makes it if it is not there, repairs what a crash left.
    pub(crate) fn open(disk: &Arc<dyn Disk>, cache_bytes: usize) -> Result<Self, IndexError> {
        let mut index = Self {
            disk: Arc::clone(disk),
            cache_bytes,
            database: None,
        };
        index.reopen()?;
        Ok(index)
    }

    fn reopen(&mut self) -> Result<(), IndexError> {
        self.database = None;
        let file = self
            .disk
            .open(FILE, Mode::WriteOrCreate)
            .map_err(|error| IndexError {
                is_full: is_full(&error),
                text: error.to_string(),
            })?;
        let cache = self.cache_bytes;
        // redb says that opening a file altered behind its back may panic: that too is damage.
        let open = || -> Result<Database, IndexError> {
            let database = Database::builder()
                .set_cache_size(cache)
                .create_with_backend(Backend(file))?;
            // Only where it is not there: on a full disk an index must still open, to be read.
            if database.begin_read()?.open_table(ROWS).is_err() {
                let write = database.begin_write()?;
                write.open_table(ROWS)?;
                write.commit()?;
            }
            Ok(database)
        };
        let opened = catch_unwind(AssertUnwindSafe(open));
        let database = opened.map_err(|_| IndexError {
            text: "opening it panicked".to_owned(),
            is_full: false,
        })??;
        self.database = Some(database);
        Ok(())
    }

    fn database(&self) -> Result<&Database, IndexError> {
        self.database.as_ref().ok_or_else(|| IndexError {
            text: "it is not open".to_owned(),
            is_full: false,
        })
    }

    /// Rows as of now, for readers.
    pub(crate) fn base(&self) -> Result<Base, IndexError> {
        Ok(self.database()?.begin_read()?.open_table(ROWS)?)
    }

    /// How far it is.
    pub(crate) fn checkpoint(&self) -> Result<CheckpointRow, IndexError> {
        let damaged = |error: Error| IndexError {
            text: error.to_string(),
            is_full: false,
        };
        let key = keys::meta("checkpoint");
        match self.base()?.get(key.as_slice())? {
            Some(value) => unseal(&key, value.value())
                .and_then(decode)
                .map_err(damaged),
            None => Ok(CheckpointRow::default()),
        }
    }

    /// Makes the file as small as it gets. Nobody may read it meanwhile.
    pub(crate) fn compact(&mut self) -> Result<(), IndexError> {
        let database = self.database.as_mut().ok_or_else(|| IndexError {
            text: "it is not open".to_owned(),
            is_full: false,
        })?;
        while database.compact()? {}
        Ok(())
    }

    /// Writes rows and how far they reach, durably, in one commit.
    pub(crate) fn write(&self, layer: &Layer, checkpoint: CheckpointRow) -> Result<(), IndexError> {
        let mut write = self.database()?.begin_write()?;
        write
            .set_durability(Durability::Immediate)
            .map_err(|error| IndexError {
                text: error.to_string(),
                is_full: false,
            })?;
        // The allocator's state goes with the commit, so that opening after a crash is quick.
        write.set_quick_repair(true);
        {
            let mut table = write.open_table(ROWS)?;
            for (key, value) in layer {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), seal(key, value).as_slice())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
            let key = keys::meta("checkpoint");
            table.insert(key.as_slice(), seal(&key, &encode(&checkpoint)).as_slice())?;
        }
        write.commit()?;
        Ok(())
    }
}

/// A checkpoint to be written.
pub(crate) struct Flush {
    pub(crate) layer: Arc<Layer>,
    pub(crate) checkpoint: CheckpointRow,
}

/// The thread that writes checkpoints.
pub(crate) struct Indexer {
    pub(crate) index: Index,
    pub(crate) shared: Arc<Shared>,
    pub(crate) flushes: Receiver<Flush>,
    pub(crate) flushed: Sender<()>,
    /// The store closes: no more patience with a full disk.
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) progress: Arc<Progress>,
}

impl Indexer {
    pub(crate) fn run(mut self) {
        while let Ok(flush) = self.flushes.recv() {
            if !self.flush(&flush) {
                return;
            }
            // The sequencer may have ended: then nobody waits for this.
            let _ = self.flushed.send(());
        }
    }

    /// Tries until it is done. `false`: it never will be; the journal has it all.
    fn flush(&mut self, flush: &Flush) -> bool {
        let mut failures = 0;
        loop {
            let error = match self.attempt(flush) {
                Ok(base) => {
                    self.shared.layers_mut().thaw(base);
                    self.progress.reached(flush.checkpoint);
                    return true;
                }
                Err(error) => error,
            };
            tracing::error!(error = error.text, "bringing the index up to date failed");
            if error.is_full {
                self.progress.refused_checkpoint();
            }
            failures += u32::from(!error.is_full);
            if failures >= TRIES {
                self.shared
                    .latch(&format!("the index cannot be written: {}", error.text));
                return false;
            }
            if self.stopping.load(Ordering::Relaxed) {
                return false;
            }
            // At once: until then nobody can read what is below.
            self.recover();
            std::thread::sleep(RETRY);
        }
    }

    fn attempt(&self, flush: &Flush) -> Result<Base, IndexError> {
        self.index.write(&flush.layer, flush.checkpoint)?;
        self.index.base()
    }

    /// After an error redb wants to be opened anew. Nobody reads meanwhile.
    fn recover(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut layers = shared.layers_mut();
        layers.close_base();
        match self.index.reopen().and_then(|()| self.index.base()) {
            Ok(base) => layers.open_base(base),
            Err(error) => tracing::error!(error = error.text, "the index cannot be opened again"),
        }
    }
}
