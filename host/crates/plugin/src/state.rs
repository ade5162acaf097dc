//! What belongs to one instance, and what to the call that runs in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use mail::{Tenant, Timestamp};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result};

use crate::call_facts::CallFacts;
use crate::capabilities::{Capabilities, LogLevel};
use crate::edit::HeaderEdit;
use crate::effect::Effect;
use crate::engine::{MODULES, TABLE_ELEMENTS};
use crate::error::CallFailure;
use crate::grants::Grants;
use crate::guests::CallClock;
use crate::hook::Hook;
use crate::limits::CallLimits;
use crate::report::Stamp;
use crate::view::MessageView;

/// Calls to the host after which its CPU time is looked at; inside the guest the epoch does that.
const CPU_LOOK: u64 = 16;

/// To whom an instance belongs: one binding of one domain, for as long as it lives.
pub(crate) struct Owner {
    pub(crate) tenant: Tenant,
    pub(crate) stamp: Arc<Stamp>,
    pub(crate) config: serde_json::Value,
    pub(crate) grants: Grants,
    pub(crate) capabilities: Arc<dyn Capabilities>,
}

/// The data of a store.
pub(crate) struct State {
    pub(crate) owner: Arc<Owner>,
    pub(crate) limits: Arc<CallLimits>,
    pub(crate) bounds: Bounds,
    pub(crate) call: Call,
    table: ResourceTable,
    /// When the instance was made.
    born: Instant,
}

impl State {
    pub(crate) fn new(owner: Arc<Owner>, limits: Arc<CallLimits>, call: Call) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let bounds = Bounds {
            memory_bytes: limits.memory_bytes,
        };
        Self {
            owner,
            limits,
            bounds,
            call,
            table,
            born: Instant::now(),
        }
    }

    /// The guest calls the host: counted, and its CPU time looked at.
    pub(crate) fn enter(&mut self) -> Result<&mut Call> {
        self.call.host_calls += 1;
        if self.call.host_calls > self.limits.host_calls {
            return Err(CallFailure::Budget(format!(
                "more than {} calls to the host",
                self.limits.host_calls
            ))
            .into());
        }
        // Asking the kernel for the CPU time costs more than most of these calls.
        if self.call.host_calls.is_multiple_of(CPU_LOOK) {
            self.call.clock.check_cpu()?;
        }
        Ok(&mut self.call)
    }

    /// When the instance was made.
    pub(crate) const fn born(&self) -> Instant {
        self.born
    }

    /// The time of day, one during a call.
    pub(crate) fn time_of_day(&mut self) -> Timestamp {
        let capabilities = &self.owner.capabilities;
        *self.call.now.get_or_insert_with(|| capabilities.now())
    }

    /// The grants are looked at when a chain is published; this holds even if that were wrong.
    pub(crate) fn must_be_granted(&self, capability: &str) -> Result<(), CallFailure> {
        if self.owner.grants.allow(capability) {
            return Ok(());
        }
        Err(CallFailure::Contract(format!(
            "the capability {capability} is not granted"
        )))
    }

    pub(crate) fn push<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>> {
        let full = |_| CallFailure::Budget(format!("more than {} handles", self.limits.handles));
        Ok(self.table.push(value).map_err(full)?)
    }

    pub(crate) fn get_mut<T: Send + 'static>(&mut self, handle: &Resource<T>) -> Result<&mut T> {
        Ok(self.table.get_mut(handle)?)
    }

    pub(crate) fn delete<T: Send + 'static>(&mut self, handle: Resource<T>) -> Result<T> {
        Ok(self.table.delete(handle)?)
    }
}

/// What an instance may have of memory, tables and modules.
pub(crate) struct Bounds {
    memory_bytes: usize,
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        if desired > self.memory_bytes {
            Err(CallFailure::Memory.into())
        } else {
            Ok(true)
        }
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        if desired > TABLE_ELEMENTS {
            Err(CallFailure::Memory.into())
        } else {
            Ok(true)
        }
    }

    fn instances(&self) -> usize {
        MODULES as usize
    }

    fn tables(&self) -> usize {
        MODULES as usize
    }

    fn memories(&self) -> usize {
        4
    }
}

/// One call: what it may know, and what it has done so far.
pub(crate) struct Call {
    pub(crate) hook: Hook,
    pub(crate) facts: CallFacts,
    pub(crate) message: Option<Arc<MessageView>>,
    pub(crate) clock: Arc<CallClock>,
    pub(crate) now: Option<Timestamp>,
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) edits: Vec<HeaderEdit>,
    pub(crate) kv_written: BTreeMap<String, Option<Vec<u8>>>,
    pub(crate) kv_writes: usize,
    pub(crate) submitted: u32,
    pub(crate) file_bytes: usize,
    pub(crate) programs: usize,
    pub(crate) host_calls: u64,
    pub(crate) log_lines: usize,
    pub(crate) log_bytes: usize,
    pub(crate) log_dropped: u64,
    /// What was printed since the last end of line, by the level that it is logged with.
    pub(crate) printed: BTreeMap<LogLevel, Vec<u8>>,
    effect_bytes: usize,
    most_effect_bytes: usize,
}

impl Call {
    pub(crate) fn new(
        hook: Hook,
        facts: CallFacts,
        message: Option<Arc<MessageView>>,
        notes: BTreeMap<String, String>,
        clock: Arc<CallClock>,
        limits: &CallLimits,
    ) -> Self {
        Self {
            hook,
            facts,
            message,
            clock,
            now: None,
            notes,
            effects: Vec::new(),
            edits: Vec::new(),
            kv_written: BTreeMap::new(),
            kv_writes: 0,
            submitted: 0,
            file_bytes: 0,
            programs: 0,
            host_calls: 0,
            log_lines: 0,
            log_bytes: 0,
            log_dropped: 0,
            printed: BTreeMap::new(),
            effect_bytes: 0,
            most_effect_bytes: limits.transfer_bytes,
        }
    }

    /// Pays for bytes that an effect keeps in the host's memory.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), CallFailure> {
        self.effect_bytes = self.effect_bytes.saturating_add(bytes);
        if self.effect_bytes > self.most_effect_bytes {
            return Err(CallFailure::Budget(format!(
                "effects of more than {} bytes",
                self.most_effect_bytes
            )));
        }
        Ok(())
    }
}
