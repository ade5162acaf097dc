//! What calls cost, by domain, plugin and hook.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
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
pub(crate) struct Meters(Mutex<HashMap<(DomainId, String, Hook), Reading>>);

/// One call's cost.
pub(crate) struct Cost {
    pub(crate) is_failure: bool,
    pub(crate) host_calls: u64,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

impl Meters {
    pub(crate) fn count(&self, domain: DomainId, plugin: &str, hook: Hook, cost: &Cost) {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = meters
            .entry((domain, plugin.to_owned(), hook))
            .or_insert_with(|| Reading {
                domain,
                plugin: plugin.to_owned(),
                hook,
                calls: 0,
                failures: 0,
                host_calls: 0,
                cpu: Duration::ZERO,
                wall: Duration::ZERO,
            });
        reading.calls += 1;
        reading.failures += u64::from(cost.is_failure);
        reading.host_calls += cost.host_calls;
        reading.cpu += cost.cpu;
        reading.wall += cost.wall;
    }

    pub(crate) fn readings(&self) -> Vec<Reading> {
        let meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut readings: Vec<Reading> = meters.values().cloned().collect();
        readings.sort_by(|a, b| (a.domain, &a.plugin, a.hook).cmp(&(b.domain, &b.plugin, b.hook)));
        readings
    }
}
