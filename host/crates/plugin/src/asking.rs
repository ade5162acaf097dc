//! One call from beginning to end: wait for a turn, run within the limits, check the answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mail::Outcome;

use crate::binding::Binding;
use crate::call_facts::CallFacts;
use crate::circuit::Ticket;
use crate::edit::HeaderEdit;
use crate::effect::Effect;
use crate::error::CallFailure;
use crate::guests::{CallClock, within};
use crate::hook::Hook;
use crate::live::{Live, Question, RawAnswer};
use crate::meter::Cost;
use crate::report::{Answer, CallReport, Stamp};
use crate::runtime::Runtime;
use crate::source::MessageSource as _;
use crate::state::Call;
use crate::verdict::Verdict;
use crate::view::MessageView;

/// A question to one plugin.
pub(crate) struct Ask {
    pub(crate) hook: Hook,
    pub(crate) facts: CallFacts,
    pub(crate) message: Option<Arc<MessageView>>,
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) question: Question,
    /// The instance that the transaction has of this binding.
    pub(crate) live: Option<Live>,
}

/// What came of it.
pub(crate) struct Asked {
    pub(crate) report: CallReport,
    /// Empty after a failure: nothing of a call that did not return well is kept.
    pub(crate) effects: Vec<Effect>,
    pub(crate) edits: Vec<HeaderEdit>,
    pub(crate) notes: Option<BTreeMap<String, String>>,
    /// The instance, where it may be asked again.
    pub(crate) live: Option<Live>,
}

/// What a call leaves.
struct Returned {
    answer: RawAnswer,
    effects: Vec<Effect>,
    edits: Vec<HeaderEdit>,
    notes: BTreeMap<String, String>,
    live: Live,
}

impl Runtime {
    /// Asks a plugin, where its circuit is closed. The call ends within its limits, also when the
    /// asker is gone.
    pub(crate) async fn ask(&self, binding: &Arc<Binding>, ask: Ask) -> Asked {
        let hook = ask.hook;
        let not_called = |why| not_called(Arc::clone(binding.stamp()), hook, why);
        let ticket = match binding.admit(hook) {
            Ok(ticket) => ticket,
            Err(left_alone) => return not_called(left_alone),
        };
        // A message on the disk is read by the guest, and waited for, on the guest threads.
        let is_quick = ask.message.as_ref().is_none_or(|view| view.is_in_memory());
        let call = run(Arc::clone(binding), ask, ticket);
        let asked = if is_quick {
            self.0.guests.run(call).await
        } else {
            match self.0.guests.spawn(call) {
                Some(call) => call.await.map_err(|error| error.to_string()),
                None => Err("the guest threads have ended".to_owned()),
            }
        };
        asked.unwrap_or_else(|trouble| not_called(CallFailure::Host(trouble)))
    }
}

fn not_called(stamp: Arc<Stamp>, hook: Hook, why: CallFailure) -> Asked {
    Asked {
        report: CallReport {
            stamp,
            hook,
            answer: Err(why),
            explanations: Vec::new(),
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
        },
        effects: Vec::new(),
        edits: Vec::new(),
        notes: None,
        live: None,
    }
}

async fn run(binding: Arc<Binding>, ask: Ask, ticket: Ticket) -> Asked {
    let hook = ask.hook;
    let limits = &binding.limits;
    let clock = Arc::new(CallClock::start(hook.cpu_ms(limits), limits.wall_ms));
    let turn = binding.line.pass(clock.started() + limits.wall()).await;
    let returned = match turn {
        Ok(_turn) => within(Arc::clone(&clock), call(&binding, ask, Arc::clone(&clock))).await,
        Err(busy) => Err(busy),
    };
    let (host_calls, asked) = match returned {
        Ok(mut returned) => {
            let call = &returned.live.state().call;
            let host_calls = call.host_calls;
            if call.log_dropped > 0 {
                tracing::info!(
                    plugin = %binding.stamp().plugin, dropped = call.log_dropped, "log lines over the limit"
                );
            }
            (host_calls, check(&binding, hook, returned, &clock))
        }
        Err(failure) => (0, failed(&binding, hook, failure, &clock)),
    };
    binding.record(ticket, hook, asked.report.answer.as_ref().err());
    let cost = Cost {
        is_failure: asked.report.answer.is_err(),
        host_calls,
        cpu: asked.report.cpu,
        wall: asked.report.wall,
    };
    binding.meter.count(hook, &cost);
    asked
}

async fn call(binding: &Binding, ask: Ask, clock: Arc<CallClock>) -> Result<Returned, CallFailure> {
    let call = Call::new(
        ask.hook,
        ask.facts,
        ask.message,
        ask.notes,
        clock,
        &binding.limits,
    );
    let mut live = match ask.live.or_else(|| binding.take_warm()) {
        Some(mut live) => {
            live.begin(call);
            live
        }
        None => Live::start(binding, call).await?,
    };
    let answer = live.ask(&binding.loaded, ask.hook, ask.question).await?;
    live.state().end_printing();
    let call = &mut live.state().call;
    let (effects, edits) = (
        std::mem::take(&mut call.effects),
        std::mem::take(&mut call.edits),
    );
    let notes = std::mem::take(&mut call.notes);
    // The instance may wait for its next call for long.
    call.message = None;
    call.facts = CallFacts::Nothing;
    Ok(Returned {
        answer,
        effects,
        edits,
        notes,
        live,
    })
}

/// An answer counts only if every value in it is one that the contract allows.
fn check(binding: &Binding, hook: Hook, returned: Returned, clock: &CallClock) -> Asked {
    let checked = match returned.answer {
        RawAnswer::Verdict(raw) => raw
            .check()
            .map(|(verdict, why)| (Answer::Verdict(verdict), why)),
        RawAnswer::Outcome(raw) => raw
            .check()
            .map(|(outcome, why)| (Answer::Outcome(outcome), why)),
        RawAnswer::Checked(_) => Err("it is of another hook".to_owned()),
    };
    let (answer, explanations) = match checked {
        Ok(checked) => checked,
        Err(wrong) => return failed(binding, hook, CallFailure::Answer(wrong), clock),
    };
    let is_kept = match &answer {
        Answer::Verdict(verdict) => verdict.refusal().is_none(),
        Answer::Outcome(outcome) => matches!(outcome, Outcome::Done { .. }),
    };
    let (mut effects, mut edits) = (returned.effects, returned.edits);
    drop_others(binding, hook, &mut effects);
    if !is_kept {
        effects.retain(Effect::survives_refusal);
        edits.clear();
    }
    Asked {
        report: CallReport {
            stamp: Arc::clone(binding.stamp()),
            hook,
            answer: Ok(answer),
            explanations,
            cpu: clock.cpu(),
            wall: clock.wall(),
        },
        effects,
        edits,
        notes: Some(returned.notes),
        live: Some(returned.live),
    }
}

/// Drops the effects that this hook does not have.
fn drop_others(binding: &Binding, hook: Hook, effects: &mut Vec<Effect>) {
    effects.retain(|effect| {
        let is_applied = hook.effects().contains(&effect.name());
        if !is_applied {
            tracing::warn!(
                plugin = %binding.stamp().plugin, %hook, effect = effect.name(),
                "a plugin wanted something to happen that this hook cannot do"
            );
        }
        is_applied
    });
}

fn failed(binding: &Binding, hook: Hook, failure: CallFailure, clock: &CallClock) -> Asked {
    let stamp = Arc::clone(binding.stamp());
    tracing::warn!(
        plugin = %stamp.plugin, version = %stamp.version, binding = %stamp.binding, %hook,
        domain = %binding.owner.tenant.domain(), %failure, "a plugin failed"
    );
    Asked {
        report: CallReport {
            stamp,
            hook,
            answer: Err(failure),
            explanations: Vec::new(),
            cpu: clock.cpu(),
            wall: clock.wall(),
        },
        effects: Vec::new(),
        edits: Vec::new(),
        notes: None,
        live: None,
    }
}

/// The verdict of a call, or what the binding makes of its failure.
pub(crate) fn verdict_of(binding: &Binding, domain: &str, report: &CallReport) -> Verdict {
    use crate::chain::FailurePolicy;
    use mail::words;
    match &report.answer {
        Ok(Answer::Verdict(verdict)) => verdict.clone(),
        Ok(Answer::Outcome(_)) => Verdict::Proceed,
        Err(failure) => match binding.spec.on_failure {
            FailurePolicy::Tempfail => {
                Verdict::Defer(words::PLUGIN_TROUBLE.reply_with(&[("domain", domain)]))
            }
            FailurePolicy::Proceed => Verdict::Proceed,
            FailurePolicy::Quarantine => Verdict::Quarantine {
                reason: format!("the plugin {} failed: {failure}", report.stamp.plugin),
            },
        },
    }
}
