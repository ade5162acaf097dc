//! What calls cost, by domain, plugin and hook.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mail::DomainId;

use crate::hook::Hook;

/// Counters since the start of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The domain.
    pub domain: DomainId,
    /// The plugin.
    pub plugin: String,
    /// The hook.
    pub hook: Hook,
    /// Calls, failed ones too.
    pub calls: u64,
    /// Calls that gave no answer.
    pub failures: u64,
    /// Calls to the host.
    pub host_calls: u64,
    /// CPU time.
    pub cpu: Duration,
    /// Time with all waiting.
    pub wall: Duration,
}

/// All counters.
#[derive(Default)]
pub(crate) struct Meters(Mutex<HashMap<(DomainId, String), Arc<Meter>>>);

/// The counters of one plugin of a domain, by hook. They go on over all its generations.
#[derive(Default)]
pub(crate) struct Meter(Mutex<BTreeMap<Hook, Counts>>);

/// Sums over calls.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    calls: u64,
    failures: u64,
    host_calls: u64,
    cpu: Duration,
    wall: Duration,
}

/// One call's cost.
pub(crate) struct Cost {
    pub(crate) is_failure: bool,
    pub(crate) host_calls: u64,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl Meter {
    pub(crate) fn count(&self, hook: Hook, cost: &Cost) {
        let mut hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = hooks.entry(hook).or_default();
        counts.calls += 1;
        counts.failures += u64::from(cost.is_failure);
        counts.host_calls += cost.host_calls;
        counts.cpu += cost.cpu;
        counts.wall += cost.wall;
    }
}

impl Meters {
    /// The counters of a plugin, for whoever is going to count often.
    pub(crate) fn of(&self, domain: DomainId, plugin: &str) -> Arc<Meter> {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(meters.entry((domain, plugin.to_owned())).or_default())
    }

    pub(crate) fn readings(&self) -> Vec<Reading> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut readings = Vec::new();
        for ((domain, plugin), meter) in &*meters {
            let hooks = meter.0.lock().unwrap_or_else(PoisonError::into_inner);
            readings.extend(hooks.iter().map(|(hook, counts)| Reading {
                domain: *domain,
                plugin: plugin.clone(),
                hook: *hook,
                calls: counts.calls,
                failures: counts.failures,
                host_calls: counts.host_calls,
                cpu: counts.cpu,
                wall: counts.wall,
            }));
        }
        readings.sort_by(|a, b| (a.domain, &a.plugin, a.hook).cmp(&(b.domain, &b.plugin, b.hook)));
        readings
    }
}
