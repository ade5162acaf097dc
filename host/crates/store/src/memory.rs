//! The backend that forgets: for tests, and the yardstick of the conformance suite.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail::BodyId;

use crate::body::{BodyRef, BodyWriter, SmallBody, WriteBody};
use crate::content::ReadAt;
use crate::embedded::{BodyKey, Bytes, EncodedBody, Frames};
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
        let ids = Arc::new(Ids::new(1));
        let bodies = Box::new(MemoryBodies(held.clone(), Arc::clone(&ids)));
        let shared = Shared::new(Layers::new(None), ids, bodies, Latch::new(), &config);
        Engine::start(Arc::new(shared), Box::new(MemoryLog(held)), 1)
    }
}

#[derive(Clone, Default)]
struct Held(Arc<Mutex<HashMap<BodyId, Arc<EncodedBody>>>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<BodyId, Arc<EncodedBody>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct MemoryLog(Held);

impl Log for MemoryLog {
    fn append(&mut self, records: &mut [Record]) -> std::result::Result<(), AppendError> {
        let mut bodies = self.0.lock();
        for Record { outcome, .. } in records {
            for body in std::mem::take(&mut outcome.bodies) {
                let at = BodyAtRow::new(0, 0, body.encoding);
                outcome
                    .changes
                    .insert(keys::body_at(body.id), Some(encode(&at)));
                bodies.insert(body.id, body);
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

struct MemoryBodies(Held, Arc<Ids>);

impl Bodies for MemoryBodies {
    fn begin(&self) -> Result<BodyWriter> {
        Ok(BodyWriter(Box::new(MemoryWriter {
            bytes: Vec::new(),
            ids: Arc::clone(&self.1),
        })))
    }

    fn open(
        &self,
        id: BodyId,
        _: BodyAtRow,
        length: u64,
        key: Option<&BodyKey>,
    ) -> Result<Arc<dyn ReadAt>> {
        let Some(body) = self.0.lock().get(&id).cloned() else {
            return Err(Error::Damaged(format!("the body {id} is not there")));
        };
        let encoding = body.encoding;
        let frames = Frames::open(Arc::new(Bytes(body)), 0, id, length, encoding, key)?;
        Ok(Arc::new(frames))
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

struct MemoryWriter {
    bytes: Vec<u8>,
    ids: Arc<Ids>,
}

impl WriteBody for MemoryWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn finish(self: Box<Self>) -> Result<BodyRef> {
        let id = BodyId(self.ids.next());
        Ok(BodyRef(Arc::new(SmallBody::new(id, self.bytes)?)))
    }
}
