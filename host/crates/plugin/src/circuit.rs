//! The circuit of a binding: a plugin that fails again and again is left alone for a while.
//!
//! ```text
//!        5 failures in a row of one hook         its time is over
//!  closed ─────────────────────────> open ────────────────────────> trying: one call
//!    ^                                ^  <───────────────────────────┘ │
//!    │                                     it fails: twice the time    │
//!    └─────────────────────────────────────────────────────────────────┘ it does well
//! ```
//!
//! While it is open no call is made, and the failure policy of the binding says what that means. A
//! row is of one hook: a `connect` that does well says nothing of the `data` that traps; and the trial
//! is a call of the hook that opened it. It is about the plugin, so trouble of the host is not counted. A circuit that opens again soon
//! after it closed goes on with the longer times, so that a plugin that limps is not taken for one
//! that got well. Pure: the time is an argument.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::chain::FailurePolicy;
use crate::error::CallFailure;
use crate::hook::Hook;
use crate::report::Stamp;

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// How long it is open the first time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Closed for so long, it begins anew with the first pause.
const STEADY: Duration = Duration::from_secs(600);
/// After so long a trial is taken for lost; longer than any call may take.
const TRIAL: Duration = Duration::from_secs(120);

/// What the administrator of a domain is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitNotice {
    /// Which plugin.
    pub stamp: Stamp,
    /// What its failures mean for mail.
    pub on_failure: FailurePolicy,
    /// What happened.
    pub change: CircuitChange,
}

/// A change of a circuit. A trial that fails is none: the circuit stays open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CircuitChange {
    /// From now on no calls are made.
    Opened {
        /// Failures in a row.
        failures: u32,
        /// The last of them.
        last: String,
        /// Until the next call is made.
        pause: Duration,
    },
    /// Calls are made again: one did well.
    Closed,
}

/// A circuit that is not closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenCircuit {
    /// The binding.
    pub binding: String,
    /// The plugin.
    pub plugin: String,
    /// Failures in a row.
    pub failures: u32,
    /// The last of them.
    pub last: String,
    /// Seconds until the next call is made; 0: with the next mail.
    pub retry_seconds: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    state: State,
    /// In a row, by hook.
    failures: BTreeMap<Hook, u32>,
    last: String,
    /// How often it opened, or stayed open, without a steady time between.
    openings: u32,
    closed_at: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        hook: Hook,
        until: Instant,
    },
    /// One call of that hook is on its way.
    Trying {
        hook: Hook,
        until: Instant,
    },
}

/// The right to make one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// It decides nothing by itself: the circuit was closed, or another hook is to be tried.
    Usual,
    /// The one call that shows whether it may be closed.
    Trial,
}

impl Circuit {
    /// May a hook be called?
    ///
    /// # Errors
    /// How long not.
    pub(crate) fn admit(&mut self, asked: Hook, now: Instant) -> Result<Ticket, Duration> {
        match self.state {
            State::Closed => Ok(Ticket::Usual),
            State::Open { until, .. } | State::Trying { until, .. } if now < until => {
                Err(until - now)
            }
            State::Open { hook, .. } | State::Trying { hook, .. } if hook == asked => {
                let until = now + TRIAL;
                self.state = State::Trying { hook, until };
                Ok(Ticket::Trial)
            }
            // On the way to the hook that is to be tried.
            State::Open { .. } | State::Trying { .. } => Ok(Ticket::Usual),
        }
    }

    /// How a call went that was admitted.
    pub(crate) fn record(
        &mut self,
        ticket: Ticket,
        asked: Hook,
        failure: Option<&CallFailure>,
        now: Instant,
    ) -> Option<CircuitChange> {
        let counts = failure.filter(|failure| is_of_the_plugin(failure));
        match (self.state, ticket) {
            (State::Closed, _) => match (failure, counts) {
                (None, _) => {
                    self.failures.remove(&asked);
                    None
                }
                (_, Some(failure)) => self.fail(asked, failure, now),
                _ => None,
            },
            (State::Trying { hook, .. }, Ticket::Trial) => match (failure, counts) {
                (None, _) => {
                    self.state = State::Closed;
                    self.failures.clear();
                    self.closed_at = Some(now);
                    Some(CircuitChange::Closed)
                }
                (_, Some(failure)) => {
                    self.stay_open(hook, failure, now);
                    None
                }
                // The host was in trouble: it said nothing of the plugin, the next call is the trial.
                _ => {
                    self.state = State::Open { hook, until: now };
                    None
                }
            },
            // It did not even come to the hook that was to be tried.
            (State::Open { hook, until }, Ticket::Usual) if now >= until => {
                if let Some(failure) = counts {
                    self.stay_open(hook, failure, now);
                }
                None
            }
            // Begun before it opened, or taken for lost.
            (State::Open { .. } | State::Trying { .. }, _) => None,
        }
    }

    fn stay_open(&mut self, hook: Hook, failure: &CallFailure, now: Instant) {
        *self.failures.entry(hook).or_default() += 1;
        self.last = format!("{hook}: {failure}");
        self.open(hook, now);
    }

    fn fail(&mut self, hook: Hook, failure: &CallFailure, now: Instant) -> Option<CircuitChange> {
        let failures = self.failures.entry(hook).or_default();
        *failures += 1;
        let failures = *failures;
        if failures < FAILURES {
            return None;
        }
        self.last = format!("{hook}: {failure}");
        let is_steady = |closed: Instant| now.saturating_duration_since(closed) >= STEADY;
        if self.closed_at.is_none_or(is_steady) {
            self.openings = 0;
        }
        let pause = self.open(hook, now);
        Some(CircuitChange::Opened {
            failures,
            last: self.last.clone(),
            pause,
        })
    }

    fn open(&mut self, hook: Hook, now: Instant) -> Duration {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.openings.min(16))
            .min(LONGEST_PAUSE);
        self.openings += 1;
        let until = now + pause;
        self.state = State::Open { hook, until };
        pause
    }

    /// What an administrator sees; `None` while it is closed.
    pub(crate) fn reading(&self, stamp: &Stamp, now: Instant) -> Option<OpenCircuit> {
        let (hook, until) = match self.state {
            State::Closed => return None,
            State::Open { hook, until } => (hook, until),
            State::Trying { hook, .. } => (hook, now),
        };
        let pause = until.saturating_duration_since(now);
        Some(OpenCircuit {
            binding: stamp.binding.clone(),
            plugin: stamp.plugin.clone(),
            failures: self.failures.get(&hook).copied().unwrap_or(0),
            last: self.last.clone(),
            retry_seconds: pause.as_secs() + u64::from(pause.subsec_nanos() > 0),
        })
    }
}

/// Does a failure say something of the plugin, or of the host and the load it is under?
const fn is_of_the_plugin(failure: &CallFailure) -> bool {
    match failure {
        CallFailure::Trap(_)
        | CallFailure::Stack
        | CallFailure::Cpu(_)
        | CallFailure::Wall(_)
        | CallFailure::Memory
        | CallFailure::Budget(_)
        | CallFailure::Contract(_)
        | CallFailure::Answer(_)
        | CallFailure::Start(_) => true,
        CallFailure::Busy
        | CallFailure::Host(_)
        | CallFailure::NotLoaded(_)
        | CallFailure::Circuit(_) => false,
    }
}
