//! What belongs to one instance, and what to the call that runs in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use mail::{Domain, EnvelopeId, Mailbox, ReversePath, Tenant, Timestamp};
use wasmtime::component::{Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result};

use crate::capabilities::{Capabilities, LogLevel};
use crate::edit::HeaderEdit;
use crate::effect::Effect;
use crate::engine::{MODULES, TABLE_ELEMENTS};
use crate::error::CallFailure;
use crate::facts::{DeliverInput, SessionFacts};
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
    pub(crate) stamp: Stamp,
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
    pub(crate) facts: Arc<CallFacts>,
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
        facts: Arc<CallFacts>,
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

/// What a call may know.
#[derive(Default)]
pub(crate) struct CallFacts {
    values: Vec<(&'static str, String)>,
    /// By lower-case name.
    settings: BTreeMap<String, Vec<String>>,
    own_domains: Vec<Domain>,
    reverse_path: Option<ReversePath>,
    recipient: Option<Mailbox>,
    envelope: Option<EnvelopeId>,
    delivery_id: String,
    attempt: u32,
}

impl CallFacts {
    /// For a policy hook: what is known at that point, and no more.
    pub(crate) fn session(hook: Hook, facts: &SessionFacts, recipients: &[Mailbox]) -> Self {
        let mut values = vec![
            ("domain", facts.domain.to_string()),
            ("direction", direction(facts.direction).to_owned()),
            ("encrypted", facts.encrypted.to_string()),
        ];
        values.extend(facts.peer.map(|peer| ("peer", peer.to_string())));
        values.extend(
            facts
                .authenticated
                .as_ref()
                .map(|person| ("authenticated", person.to_string())),
        );
        let mut own_domains = vec![facts.domain.clone()];
        own_domains.extend(facts.aliases.iter().cloned());
        if hook >= Hook::Ehlo {
            values.push(("helo", facts.helo.clone()));
        }
        if hook >= Hook::Mail {
            values.push(("sender", facts.reverse_path.clone().into()));
            values.extend(
                facts
                    .declared_size
                    .map(|size| ("declared-size", size.to_string())),
            );
            values.extend(facts.envelope.map(|id| ("envelope-id", id.to_string())));
        }
        if hook >= Hook::Rcpt {
            values.extend(
                recipients
                    .iter()
                    .map(|recipient| ("recipient", recipient.to_string())),
            );
        }
        Self {
            values,
            own_domains,
            reverse_path: (hook >= Hook::Mail).then(|| facts.reverse_path.clone()),
            envelope: facts.envelope,
            ..Self::default()
        }
    }

    /// For a delivery.
    pub(crate) fn delivery(input: &DeliverInput) -> Self {
        let mut values = vec![
            ("domain", input.domain.to_string()),
            ("direction", direction(input.direction).to_owned()),
            ("sender", input.reverse_path.clone().into()),
            ("recipient", input.recipient.to_string()),
            ("option", input.option.clone()),
            ("attempt", input.attempt.to_string()),
            ("delivery-id", input.delivery_id.clone()),
        ];
        values.extend(input.envelope.map(|id| ("envelope-id", id.to_string())));
        let settings = input
            .settings
            .iter()
            .map(|(name, values)| (name.to_lowercase(), values.clone()));
        let mut own_domains = vec![input.domain.clone()];
        own_domains.extend(input.aliases.iter().cloned());
        Self {
            values,
            settings: settings.collect(),
            own_domains,
            reverse_path: Some(input.reverse_path.clone()),
            recipient: Some(input.recipient.clone()),
            envelope: input.envelope,
            delivery_id: input.delivery_id.clone(),
            attempt: input.attempt,
        }
    }

    pub(crate) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.values
            .iter()
            .filter(move |(known, _)| *known == key)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn settings(&self, name: &str) -> &[String] {
        self.settings
            .get(&name.to_lowercase())
            .map_or(&[], Vec::as_slice)
    }

    pub(crate) fn is_own(&self, domain: &Domain) -> bool {
        self.own_domains.contains(domain)
    }

    pub(crate) const fn reverse_path(&self) -> Option<&ReversePath> {
        self.reverse_path.as_ref()
    }

    /// The one recipient of a delivery; none in policy hooks.
    pub(crate) const fn recipient(&self) -> Option<&Mailbox> {
        self.recipient.as_ref()
    }

    pub(crate) const fn envelope(&self) -> Option<EnvelopeId> {
        self.envelope
    }

    pub(crate) fn delivery_id(&self) -> &str {
        &self.delivery_id
    }

    pub(crate) const fn attempt(&self) -> u32 {
        self.attempt
    }
}

const fn direction(direction: mail::Direction) -> &'static str {
    match direction {
        mail::Direction::Inbound => "inbound",
        mail::Direction::Submission => "submission",
        mail::Direction::Internal => "internal",
    }
}
