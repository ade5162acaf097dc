//! What the threads of a store share.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mail::{BodyId, DomainId, Timestamp};
use redb::ReadableTableMetadata;

use crate::body::BodyWriter;
use crate::content::ReadAt;
use crate::embedded::BodyKey;
use crate::engine::secrets::{Opened, OpenedExtent};
use crate::ids::Ids;
use crate::keyring::Keyring;
use crate::leases::Leases;
use crate::pressure::{Pressure, WAITING_BYTES, WAITING_MS};
use crate::rows::{BodyAtRow, BodyRow, CheckpointRow};
use crate::sequencer::Latch;
use crate::view::{Base, Layer, Layered, View, ViewExt};
use crate::{Change, Content, CutFile, Error, Head, Pin, Result, Space, Watched, content, keys};

/// The readable state of a store and everything beside it.
pub(crate) struct Shared {
    layers: RwLock<Layers>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) leases: Leases,
    pub(crate) watches: Watches,
    pub(crate) bodies: Box<dyn Bodies>,
    pub(crate) latched: Latch,
    pub(crate) pressure: Pressure,
    /// Bytes of rows in memory beyond which the index is behind.
    pub(crate) most_lag: u64,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) trace_seconds: i64,
    /// Which store it is; copies of it have the same.
    pub(crate) store: u128,
    /// Where the journal is, as far as it is applied.
    position: Mutex<CheckpointRow>,
}

/// Rows in memory over rows in redb.
#[derive(Default)]
pub(crate) struct Layers {
    /// Applied since the last checkpoint began.
    active: Layer,
    active_bytes: u64,
    /// On its way into redb.
    frozen: Option<Arc<Layer>>,
    frozen_bytes: u64,
    base: Option<Arc<Base>>,
    /// There is a base, but it cannot be read at the moment.
    is_closed: bool,
    keyring: Arc<Keyring>,
}

impl Layers {
    pub(crate) fn new(base: Option<Base>) -> Self {
        Self {
            base: base.map(Arc::new),
            ..Self::default()
        }
    }

    /// Rows are decrypted with these keys from now on.
    pub(crate) fn unlock(&mut self, keyring: Arc<Keyring>) {
        self.keyring = keyring;
    }

    pub(crate) fn view(&self) -> Layered<'_> {
        let layers = std::iter::once(&self.active)
            .chain(self.frozen.as_deref())
            .collect();
        Layered {
            layers,
            base: self.base.as_deref(),
            is_closed: self.is_closed,
            keyring: &self.keyring,
        }
    }

    pub(crate) fn apply(&mut self, changes: Layer) {
        let size = |key: &[u8], value: &Option<Vec<u8>>| {
            (key.len() + value.as_ref().map_or(0, Vec::len) + 64) as u64
        };
        for (key, value) in changes {
            if self.base.is_none() && !self.is_closed && self.frozen.is_none() && value.is_none() {
                // Nothing below that the tombstone would hide.
                self.active.remove(&key);
                continue;
            }
            self.active_bytes += size(&key, &value);
            self.active.insert(key, value);
        }
    }

    /// Bytes applied and not yet durable in the index.
    pub(crate) fn lag(&self) -> u64 {
        self.active_bytes + self.frozen_bytes
    }

    /// Rows in the durable index.
    pub(crate) fn base_rows(&self) -> u64 {
        let base = self.base.as_ref();
        base.and_then(|base| base.len().ok()).unwrap_or_default()
    }

    /// Rows as of the last checkpoint, for as long as somebody wants to look at them.
    pub(crate) fn snapshot(&self) -> Option<Arc<Base>> {
        self.base.clone()
    }

    /// Bytes in the layer that grows.
    pub(crate) fn active_bytes(&self) -> u64 {
        self.active_bytes
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Puts the active layer aside to be written.
    pub(crate) fn freeze(&mut self) -> Arc<Layer> {
        let layer = Arc::new(std::mem::take(&mut self.active));
        self.frozen = Some(Arc::clone(&layer));
        self.frozen_bytes = std::mem::take(&mut self.active_bytes);
        layer
    }

    /// The frozen layer is in `base` now.
    pub(crate) fn thaw(&mut self, base: Base) {
        self.open_base(base);
        self.frozen = None;
        self.frozen_bytes = 0;
    }

    /// The index is being opened again: until [`Layers::open_base`] nothing below can be read.
    pub(crate) fn close_base(&mut self) {
        self.base = None;
        self.is_closed = true;
    }

    /// The index was opened again; what is frozen is still to be written.
    pub(crate) fn open_base(&mut self, base: Base) {
        self.base = Some(Arc::new(base));
        self.is_closed = false;
    }
}

/// A backend's bodies, and its files.
pub(crate) trait Bodies: Send + Sync {
    fn begin(&self) -> Result<BodyWriter>;
    fn open(
        &self,
        id: BodyId,
        at: BodyAtRow,
        length: u64,
        key: Option<&BodyKey>,
    ) -> Result<Arc<dyn ReadAt>>;
    /// No row names these any more.
    fn discard(&self, ids: &[BodyId]);
    /// This segment is about to go: no more handles to it.
    fn forget(&self, segment: u64);
    /// Keeps all files.
    fn pin(&self) -> Pin;
    /// The files that this position of the journal needs.
    fn files(&self, _: CheckpointRow) -> Result<Vec<CutFile>> {
        Err(Error::Invalid("a store in memory has no files".to_owned()))
    }
    /// Free, total and reserved bytes.
    fn space(&self) -> Result<(u64, u64, u64)>;
}

impl Shared {
    pub(crate) fn new(
        layers: Layers,
        ids: Arc<Ids>,
        bodies: Box<dyn Bodies>,
        latched: Latch,
        config: &crate::Config,
    ) -> Self {
        Self {
            keyring: Arc::clone(&layers.keyring),
            layers: RwLock::new(layers),
            ids,
            leases: Leases::default(),
            watches: Watches::default(),
            bodies,
            latched,
            pressure: Pressure::default(),
            // At four times this much the sequencer stops and waits for the index.
            most_lag: config.checkpoint_bytes.saturating_mul(3),
            clock: config.clock,
            trace_seconds: config.trace_seconds,
            store: 0,
            position: Mutex::default(),
        }
    }

    pub(crate) fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        // A writer applies whole records without a fallible step between.
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_position(&self, position: CheckpointRow) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    /// How far the store is, and where in the journal that is.
    pub(crate) fn head(&self) -> Result<(Head, CheckpointRow)> {
        let layers = self.layers();
        let view = layers.view();
        // Set under the lock that is held here for reading, so it is the view's.
        let position = *self.position.lock().unwrap_or_else(PoisonError::into_inner);
        let head = Head {
            store: self.store,
            life: view.row(&keys::meta("life"))?.unwrap_or(0),
            sequence: position.sequence,
            ids: view.row(&keys::meta("ids"))?.unwrap_or(0),
            uid_validity: view.row(&keys::meta("uid-validity"))?.unwrap_or(0),
        };
        Ok((head, position))
    }

    pub(crate) fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing is accepted. Only a restart, which recovers, ends this.
    pub(crate) fn latch(&self, reason: &str) {
        if self.latched.set(reason.to_owned()).is_ok() {
            tracing::error!(
                reason,
                "the store stopped taking changes: a write failed, restart the server"
            );
        }
    }

    /// In the view that has the row: a body may go, or move, with the next commit.
    pub(crate) fn open_content(&self, view: &dyn View, opened: Opened) -> Result<Content> {
        let mut extents = Vec::with_capacity(opened.extents.len());
        for extent in opened.extents {
            extents.push(match extent {
                OpenedExtent::Private(bytes) => content::OpenExtent::Private(bytes.into()),
                OpenedExtent::Body {
                    body: id,
                    offset,
                    length,
                    key,
                } => {
                    let missing = || Error::Damaged(format!("the body {id} is not there"));
                    let row: BodyRow = view.row(&keys::body(id))?.ok_or_else(missing)?;
                    let at: BodyAtRow = view.row(&keys::body_at(id))?.ok_or_else(missing)?;
                    let body = self.bodies.open(id, at, row.length, key.as_ref())?;
                    content::OpenExtent::Body {
                        body,
                        offset,
                        length,
                    }
                }
            });
        }
        Ok(Content::new(extents))
    }

    pub(crate) fn space(&self) -> Result<Space> {
        let (free, total, reserve) = self.bodies.space()?;
        let lag = self.layers().lag();
        let waiting_bytes = self.pressure.waiting_bytes();
        let waiting_ms = self.pressure.waiting_ms();
        Ok(Space {
            free,
            total,
            reserve,
            lag,
            waiting_bytes,
            waiting_ms,
            behind: lag > self.most_lag || waiting_bytes > WAITING_BYTES || waiting_ms > WAITING_MS,
            latched: self.latched.get().cloned(),
        })
    }
}

/// One callback that panics must not silence the others.
fn guarded(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!("a callback that watches the store panicked");
    }
}

/// What a batch changed, for those who watch.
#[derive(Debug, Default)]
pub(crate) struct Event {
    pub(crate) touched: Vec<Change>,
    pub(crate) due: bool,
}

type OnChange = Arc<dyn Fn(Change) + Send + Sync>;
type OnDue = Arc<dyn Fn() + Send + Sync>;

/// Who watches what.
#[derive(Default)]
pub(crate) struct Watches(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    next: u64,
    changes: HashMap<(DomainId, Watched), Vec<(u64, OnChange)>>,
    due: Vec<(u64, OnDue)>,
}

impl Watches {
    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(&self, domain: DomainId, what: Watched, callback: OnChange) -> u64 {
        let mut registry = self.lock();
        registry.next += 1;
        let id = registry.next;
        registry
            .changes
            .entry((domain, what))
            .or_default()
            .push((id, callback));
        id
    }

    pub(crate) fn unwatch(&self, domain: DomainId, what: Watched, id: u64) {
        let mut registry = self.lock();
        if let Some(list) = registry.changes.get_mut(&(domain, what)) {
            list.retain(|(known, _)| *known != id);
            if list.is_empty() {
                registry.changes.remove(&(domain, what));
            }
        }
    }

    pub(crate) fn on_due(&self, callback: OnDue) -> u64 {
        let mut registry = self.lock();
        registry.next += 1;
        let id = registry.next;
        registry.due.push((id, callback));
        id
    }

    pub(crate) fn forget_due(&self, id: u64) {
        self.lock().due.retain(|(known, _)| *known != id);
    }

    /// Calls back, without the lock held: a callback may end its own watch.
    pub(crate) fn notify(&self, event: &Event) {
        let mut calls: Vec<(OnChange, Change)> = Vec::new();
        let mut due = Vec::new();
        {
            let registry = self.lock();
            for change in &event.touched {
                for what in [
                    Watched::Mailbox(change.mailbox),
                    Watched::Owner(change.owner),
                ] {
                    let list = registry
                        .changes
                        .get(&(change.domain, what))
                        .map_or(&[][..], Vec::as_slice);
                    calls.extend(
                        list.iter()
                            .map(|(_, callback)| (Arc::clone(callback), *change)),
                    );
                }
            }
            if event.due {
                due.extend(
                    registry
                        .due
                        .iter()
                        .map(|(_, callback)| Arc::clone(callback)),
                );
            }
        }
        for (callback, change) in &calls {
            guarded(|| callback(*change));
        }
        for callback in &due {
            guarded(|| callback());
        }
    }
}
