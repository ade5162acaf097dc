//! The backend that forgets: for tests, and the yardstick of the conformance suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::BodyId;

use crate::body::{BodyRef, BodyWriter, ReadBody, WriteBody};
use crate::content::ReadAt;
use crate::ids::Ids;
use crate::rows::{BodyAtRow, encode};
use crate::sequencer::{AppendError, Latch, Log, Record};
use crate::service::Engine;
use crate::shared::{Bodies, Layers, Shared};
use crate::{Config, Error, Pin, Result, keys};

/// Opens stores in memory.
#[derive(Debug)]
pub struct Memory;

impl Memory {
    /// A new, empty store. Of `config` only the clock and the life of traces count.
    #[expect(clippy::new_ret_no_self, reason = "both backends open the same engine")]
    pub fn new(config: Config) -> Result<Engine> {
        let held = Held::default();
        let bodies = Box::new(MemoryBodies(held.clone()));
        let shared = Shared::new(
            Layers::new(None),
            Arc::new(Ids::new(1)),
            bodies,
            Latch::new(),
            &config,
        );
        Engine::start(Arc::new(shared), Box::new(MemoryLog(held)), 1)
    }
}

#[derive(Clone, Default)]
struct Held(Arc<Mutex<HashMap<BodyId, Arc<[u8]>>>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<BodyId, Arc<[u8]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct MemoryLog(Held);

impl Log for MemoryLog {
    fn append(&mut self, records: &mut [Record]) -> std::result::Result<(), AppendError> {
        let mut bodies = self.0.lock();
        for Record { outcome, .. } in records {
            for (id, bytes) in std::mem::take(&mut outcome.bodies) {
                let at = BodyAtRow::Segment {
                    segment: 0,
                    offset: 0,
                };
                outcome.changes.insert(keys::body_at(id), Some(encode(&at)));
                bodies.insert(id, bytes);
            }
        }
        Ok(())
    }

    fn has_room(&mut self) -> std::result::Result<bool, AppendError> {
        Ok(true)
    }

    fn applied(&mut self) {}

    fn pause(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn close(&mut self) {}
}

struct MemoryBodies(Held);

impl Bodies for MemoryBodies {
    fn begin(&self) -> Result<BodyWriter> {
        Ok(BodyWriter(Box::new(MemoryWriter(Vec::new()))))
    }

    fn open(&self, id: BodyId, _: BodyAtRow, _: u64) -> Result<Arc<dyn ReadAt>> {
        match self.0.lock().get(&id) {
            Some(bytes) => Ok(Arc::new(MemoryBody(Arc::clone(bytes)))),
            None => Err(Error::Damaged(format!("the body {id} is not there"))),
        }
    }

    fn discard(&self, ids: &[BodyId]) {
        let mut bodies = self.0.lock();
        ids.iter().for_each(|id| {
            bodies.remove(id);
        });
    }

    fn forget(&self, _: u64) {}

    fn pin(&self) -> Pin {
        Pin::none()
    }

    fn space(&self) -> Result<(u64, u64, u64)> {
        Ok((u64::MAX / 2, u64::MAX / 2, 0))
    }
}

struct MemoryWriter(Vec<u8>);

impl WriteBody for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn finish(self: Box<Self>) -> Result<BodyRef> {
        Ok(BodyRef(Arc::new(MemoryBody(self.0.into()))))
    }
}

/// A body in memory, also that of the embedded backend while it is small.
pub(crate) struct MemoryBody(pub(crate) Arc<[u8]>);

impl ReadBody for MemoryBody {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.0.len());
        let end = start.saturating_add(length).min(self.0.len());
        Ok(self.0[start..end].to_vec())
    }

    fn in_memory(&self) -> Option<&Arc<[u8]>> {
        Some(&self.0)
    }

    fn spilled(&self) -> Option<BodyId> {
        None
    }

    fn keep(&self) {}
}

impl ReadAt for MemoryBody {
    fn read_at(&self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<()> {
        let bytes = self.read(offset, length)?;
        if bytes.len() != length {
            return Err(Error::Damaged(
                "a body is shorter than its row says".to_owned(),
            ));
        }
        out.extend_from_slice(&bytes);
        Ok(())
    }
}
