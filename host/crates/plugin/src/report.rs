//! What the host gets back from hooks and deliveries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mail::Outcome;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::effect::{EditedHeader, Effect};
use crate::error::CallFailure;
use crate::facts::Notes;
use crate::hook::Hook;
use crate::verdict::Verdict;

/// Which plugin, as it goes into the trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The binding.
    pub binding: String,
    /// The plugin.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// Its component.
    pub digest: Digest,
    /// The generation of the chain.
    pub generation: u64,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallReport {
    /// Of which plugin.
    pub stamp: Arc<Stamp>,
    /// Of which hook.
    pub hook: Hook,
    /// What it answered, or why it did not.
    pub answer: Result<Answer, CallFailure>,
    /// Sentences for people.
    pub explanations: Vec<String>,
    /// CPU time of guest and host functions.
    pub cpu: Duration,
    /// Time with all waiting.
    pub wall: Duration,
}

/// For logs and people: what it answered, or why not.
impl fmt::Display for CallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stamp {
            plugin,
            version,
            generation,
            ..
        } = &*self.stamp;
        write!(
            f,
            "{plugin} {version} (generation {generation}) {}: ",
            self.hook
        )?;
        match &self.answer {
            Ok(Answer::Verdict(verdict)) => match verdict.refusal() {
                Some(reply) => write!(f, "{} {reply}", verdict.name()),
                None => f.write_str(verdict.name()),
            },
            Ok(Answer::Outcome(outcome)) => write!(f, "{outcome:?}"),
            Err(failure) => write!(f, "failed: {failure}"),
        }
    }
}

/// What a call answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A policy hook.
    Verdict(Verdict),
    /// A delivery.
    Outcome(Outcome),
}

/// What all plugins of a domain say at one point.
#[derive(Debug, Clone, PartialEq)]
pub struct HookReport {
    /// The decision: one of `Proceed`, `Reject`, `Defer`, `Discard`, `Quarantine`, `Disconnect` (the
    /// last only from host-level plugins).
    pub verdict: Verdict,
    /// Who decided; `None` where nobody objected.
    pub decided_by: Option<Arc<Stamp>>,
    /// How much later to answer; at most 10 s a transaction.
    pub delay: Duration,
    /// Every call, in order.
    pub calls: Vec<CallReport>,
    /// What is to happen with the reply, also a refusing one: the host applies all of these.
    pub effects: Vec<Effect>,
    /// The header after all edits, where there were any and the message was not refused.
    pub edited: Option<EditedHeader>,
}

impl HookReport {
    pub(crate) const fn new() -> Self {
        Self {
            verdict: Verdict::Proceed,
            decided_by: None,
            delay: Duration::ZERO,
            calls: Vec::new(),
            effects: Vec::new(),
            edited: None,
        }
    }

    /// The sentences of all calls, each with its plugin.
    pub fn explanations(&self) -> impl Iterator<Item = (&Stamp, &str)> {
        self.calls.iter().flat_map(|call| {
            call.explanations
                .iter()
                .map(|text| (&*call.stamp, text.as_str()))
        })
    }
}

/// How a delivery option went.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliverReport {
    /// The outcome. A plugin that is not bound, does not load or fails is `Deferred`, never skipped.
    pub outcome: Outcome,
    /// Which plugin, where one was bound.
    pub stamp: Option<Arc<Stamp>>,
    /// The call, where there was one.
    pub call: Option<CallReport>,
    /// What is to happen, in the commit that settles the recipient.
    pub effects: Vec<Effect>,
    /// The notes, for the next attempt.
    pub notes: Notes,
}
