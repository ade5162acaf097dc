//! One plugin in one published chain, and the instances that wait for its next message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mail::{Direction, Tenant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::capabilities::Capabilities;
use crate::chain::BindingSpec;
use crate::circuit::{Circuit, CircuitNotice, OpenCircuit, Ticket};
use crate::error::CallFailure;
use crate::gate::{Gate, Line};
use crate::hook::Hook;
use crate::limits::CallLimits;
use crate::live::Live;
use crate::loaded::Loaded;
use crate::meter::{Meter, Meters};
use crate::report::Stamp;
use crate::state::Owner;

/// Calls after which a reused instance is replaced.
const REUSED_CALLS: u64 = 1000;
/// Instances that wait, of one binding. A transaction holds its own from the first recipient to
/// the last reply, so a domain needs as many as it has transactions at once.
const WARM: usize = 64;

/// An instance that waits, with its place.
struct Warm {
    live: Live,
    _place: OwnedSemaphorePermit,
}

/// A binding whose component is loaded.
pub(crate) struct Binding {
    pub(crate) spec: BindingSpec,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) owner: Arc<Owner>,
    pub(crate) limits: Arc<CallLimits>,
    warm: Mutex<Vec<Warm>>,
    /// Places for waiting instances, of all bindings together: they must not use up the pool.
    places: Arc<Semaphore>,
    /// Shared with the same binding of other generations: a deploy of something else changes
    /// nothing about it.
    circuit: Arc<Mutex<Circuit>>,
    /// Where its calls wait for their turn, and where they are counted.
    pub(crate) line: Arc<Line>,
    pub(crate) meter: Arc<Meter>,
}

/// What the bindings of a runtime have in common.
pub(crate) struct Common<'c> {
    pub(crate) ceiling: &'c CallLimits,
    pub(crate) capabilities: &'c Arc<dyn Capabilities>,
    pub(crate) places: &'c Arc<Semaphore>,
    pub(crate) gate: &'c Gate,
    pub(crate) meters: &'c Meters,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl Binding {
    pub(crate) fn new(
        tenant: Tenant,
        generation: u64,
        spec: BindingSpec,
        loaded: Arc<Loaded>,
        common: &Common<'_>,
    ) -> Self {
        let stamp = Stamp {
            binding: spec.id.clone(),
            plugin: spec.plugin.clone(),
            version: loaded.manifest.version.clone(),
            digest: spec.digest,
            generation,
        };
        let owner = Owner {
            tenant,
            stamp: Arc::new(stamp),
            config: spec.config.clone(),
            grants: spec.grants.clone(),
            capabilities: Arc::clone(common.capabilities),
        };
        let limits = common
            .ceiling
            .lowered_by(&loaded.manifest.limits)
            .lowered_by(&spec.limits);
        Self {
            line: common.gate.line(tenant.domain()),
            meter: common.meters.of(tenant.domain(), &spec.plugin),
            spec,
            loaded,
            owner: Arc::new(owner),
            limits: Arc::new(limits),
            warm: Mutex::default(),
            places: Arc::clone(common.places),
            circuit: Arc::default(),
        }
    }

    /// Goes on with the circuit of the same binding in the generation before.
    pub(crate) fn go_on_from(&mut self, before: &Self) {
        self.circuit = Arc::clone(&before.circuit);
    }

    /// May a hook be called now?
    pub(crate) fn admit(&self, hook: Hook) -> Result<Ticket, CallFailure> {
        let now = Instant::now();
        let admitted = self.lock_circuit().admit(hook, now);
        admitted.map_err(|pause| CallFailure::Circuit(pause.as_secs() + 1))
    }

    /// How an admitted call went.
    pub(crate) fn record(&self, ticket: Ticket, hook: Hook, failure: Option<&CallFailure>) {
        let now = Instant::now();
        let change = self.lock_circuit().record(ticket, hook, failure, now);
        if let Some(change) = change {
            let notice = CircuitNotice {
                stamp: Stamp::clone(self.stamp()),
                on_failure: self.spec.on_failure,
                change,
            };
            self.owner.capabilities.circuit(self.owner.tenant, notice);
        }
    }

    /// Its circuit, where that is not closed.
    pub(crate) fn open_circuit(&self) -> Option<OpenCircuit> {
        self.lock_circuit().reading(self.stamp(), Instant::now())
    }

    fn lock_circuit(&self) -> MutexGuard<'_, Circuit> {
        // Its changes are assignments: a panic leaves none half done.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.loaded.hooks.contains_key(&hook)
    }

    /// Is this hook of it asked for mail of this direction?
    pub(crate) fn is_asked(&self, hook: Hook, direction: Direction) -> bool {
        self.has(hook) && self.spec.directions.contains(&direction)
    }

    pub(crate) fn option(&self) -> &str {
        self.spec.option.as_deref().unwrap_or(&self.spec.plugin)
    }

    pub(crate) fn stamp(&self) -> &Arc<Stamp> {
        &self.owner.stamp
    }

    /// An instance left by an earlier message, where the binding reuses them.
    pub(crate) fn take_warm(&self) -> Option<Live> {
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        warm.pop().map(|warm| warm.live)
    }

    /// The message is done with its instance.
    pub(crate) fn give_back(&self, live: Live) {
        if !(self.spec.reuse && self.loaded.manifest.reuse) || live.calls() >= REUSED_CALLS {
            return;
        }
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if warm.len() < WARM
            && let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
        {
            warm.push(Warm {
                live,
                _place: place,
            });
        }
    }
}
