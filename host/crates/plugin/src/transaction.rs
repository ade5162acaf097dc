//! One SMTP transaction as one domain sees it.
//!
//! ```text
//! begin ── pins the chain ──> rcpt, rcpt, ..  ──> data ──> dropped, with all instances
//!                              └ first: connect, ehlo, mail
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mail::{Mailbox, Reply, Tenant, words};

use crate::asking::{Ask, Asked, verdict_of};
use crate::binding::Binding;
use crate::call_facts::CallFacts;
use crate::chain::{Chain, DecisionGroup};
use crate::effect::{Effect, KvWrite};
use crate::error::CallFailure;
use crate::facts::{Notes, SessionFacts};
use crate::hook::Hook;
use crate::keep::{KeepError, Keeper, Pace, RERUNS};
use crate::live::{Live, Question};
use crate::report::{HookReport, Stamp};
use crate::runtime::Runtime;
use crate::source::MessageSource;
use crate::verdict::{DELAY_MS, Verdict};
use crate::view::MessageView;

/// A transaction of one domain: one generation of its chain, one instance for each binding, from the
/// first recipient to the final reply.
pub struct Transaction {
    runtime: Runtime,
    tenant: Tenant,
    chain: Arc<Chain>,
    facts: Arc<SessionFacts>,
    recipients: Arc<Vec<Mailbox>>,
    /// What `connect`, `ehlo` and `mail` said, once they were asked.
    opening: Option<Decision>,
    /// Of each binding of the chain, in its order.
    lives: Vec<Option<Live>>,
    notes: Notes,
    score: f64,
    delayed_ms: u32,
    keeper: Option<Arc<dyn Keeper>>,
    /// As it was before `data` was asked, which may be asked again.
    before_data: Option<BeforeData>,
}

/// What `data` adds to.
#[derive(Clone)]
struct BeforeData {
    notes: Notes,
    score: f64,
    delayed_ms: u32,
}

/// A verdict and whose it is.
#[derive(Debug, Clone)]
struct Decision {
    verdict: Verdict,
    by: Option<Arc<Stamp>>,
}

impl Decision {
    const fn open() -> Self {
        Self {
            verdict: Verdict::Proceed,
            by: None,
        }
    }
}

impl Runtime {
    /// Begins the part of a transaction that a domain has: pins its chain. Costs nothing more until
    /// the first recipient.
    pub fn begin(&self, tenant: Tenant, facts: SessionFacts) -> Transaction {
        let chain = self.pin(tenant);
        Transaction {
            runtime: self.clone(),
            tenant,
            lives: chain.bindings.iter().map(|_| None).collect(),
            chain,
            facts: Arc::new(facts),
            recipients: Arc::default(),
            opening: None,
            notes: Notes::default(),
            score: 0.0,
            delayed_ms: 0,
            keeper: None,
            before_data: None,
        }
    }
}

impl Transaction {
    /// From now on what the session's hooks write is kept by `keeper`, call by call, instead of
    /// standing in the reports. What `data` writes stands there in any case: it belongs to the
    /// commit of the message.
    #[must_use]
    pub fn keeping(mut self, keeper: Arc<dyn Keeper>) -> Self {
        self.keeper = Some(keeper);
        self
    }

    /// The chain it has pinned.
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// With which recipients of other domains it may share a transaction.
    pub fn decision_group(&self) -> DecisionGroup {
        self.chain
            .decision_group(self.tenant.domain(), self.facts.direction)
    }

    /// The recipients that were not refused.
    pub fn recipients(&self) -> &[Mailbox] {
        &self.recipients
    }

    /// What the plugins noted, for the accept record and `deliver`.
    pub const fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Asks about one recipient; before the first one also `connect`, `ehlo` and `mail`, whose refusal
    /// refuses every recipient of this domain.
    ///
    /// The postmaster passes every refusal but one of size (552).
    pub async fn rcpt(&mut self, recipient: &Mailbox) -> HookReport {
        let mut report = HookReport::new();
        if self.opening.is_none() {
            let opening = self.open(&mut report).await;
            self.opening = Some(opening);
        }
        let mut decision = self.opening.clone().unwrap_or_else(Decision::open);
        // A repeated recipient is asked again and stands in the list once.
        let is_new = !self.recipients.contains(recipient);
        let recipients = Arc::make_mut(&mut self.recipients);
        recipients.retain(|known| known != recipient);
        recipients.push(recipient.clone());
        if decision.verdict.refusal().is_none() {
            let said = self
                .levels(Hook::Rcpt, None, Some(recipient), &mut report)
                .await;
            if said.verdict.severity() > decision.verdict.severity() {
                decision = said;
            }
        }
        if recipient.localpart().is_postmaster() && !is_of_size(&decision.verdict) {
            decision = Decision::open();
        }
        if decision.verdict.refusal().is_some() {
            report.effects.retain(Effect::survives_refusal);
            if is_new {
                Arc::make_mut(&mut self.recipients).retain(|known| known != recipient);
            }
        }
        report.verdict = decision.verdict;
        report.decided_by = decision.by;
        report
    }

    /// Asks about the whole message, once for all recipients of the domain. Where the commit of
    /// the answer found a value changed it is asked again, as if for the first time.
    pub async fn data(
        &mut self,
        message: Arc<dyn MessageSource>,
        auth_results: Vec<String>,
    ) -> HookReport {
        self.rewind();
        let mut report = HookReport::new();
        let mut decision = Decision::open();
        if self.chain.has(Hook::Data, self.facts.direction) {
            match opened(message, auth_results).await {
                Ok(view) => {
                    decision = self
                        .levels(Hook::Data, Some(Arc::new(view)), None, &mut report)
                        .await;
                }
                Err(error) => {
                    tracing::error!(%error, "a message cannot be read for its plugins");
                    decision.verdict = Verdict::Defer(self.trouble());
                }
            }
        }
        self.weigh(&mut decision);
        let is_for_postmaster = self
            .recipients
            .iter()
            .all(|recipient| recipient.localpart().is_postmaster());
        if is_for_postmaster && !self.recipients.is_empty() && !is_of_size(&decision.verdict) {
            decision = Decision::open();
        }
        if decision.verdict.refusal().is_some() {
            report.effects.retain(Effect::survives_refusal);
            report.edited = None;
        }
        report.verdict = decision.verdict;
        report.decided_by = decision.by;
        report
    }

    /// Forgets what an earlier `data` left, or notes how it was before the first.
    fn rewind(&mut self) {
        let before = self.before_data.get_or_insert_with(|| BeforeData {
            notes: self.notes.clone(),
            score: self.score,
            delayed_ms: self.delayed_ms,
        });
        let before = before.clone();
        self.notes = before.notes;
        self.score = before.score;
        self.delayed_ms = before.delayed_ms;
    }

    fn trouble(&self) -> Reply {
        words::PLUGIN_TROUBLE.reply_with(&[("domain", self.facts.domain.as_str())])
    }

    /// `connect`, `ehlo`, `mail`, until one of them refuses.
    async fn open(&mut self, report: &mut HookReport) -> Decision {
        let mut decision = Decision::open();
        for hook in [Hook::Connect, Hook::Ehlo, Hook::Mail] {
            if !self.chain.has(hook, self.facts.direction) {
                continue;
            }
            let said = self.levels(hook, None, None, report).await;
            if said.verdict.severity() > decision.verdict.severity() {
                decision = said;
            }
            if decision.verdict.refusal().is_some() {
                break;
            }
        }
        decision
    }

    /// Asks the bindings of a hook in order. The first final verdict settles its level; a refusal ends
    /// it all; a later level may only tighten.
    async fn levels(
        &mut self,
        hook: Hook,
        mut view: Option<Arc<MessageView>>,
        recipient: Option<&Mailbox>,
        report: &mut HookReport,
    ) -> Decision {
        let chain = Arc::clone(&self.chain);
        let direction = self.facts.direction;
        let mut decision = Decision::open();
        let mut settled = None;
        for (place, binding) in chain.bindings.iter().enumerate() {
            if !binding.is_asked(hook, direction) || settled == Some(binding.spec.level) {
                continue;
            }
            let verdict = self
                .ask((place, binding), hook, &mut view, recipient, report)
                .await;
            if verdict.is_final() {
                settled = Some(binding.spec.level);
            }
            self.note(&verdict, report);
            if verdict.severity() > decision.verdict.severity() {
                decision = Decision {
                    verdict: at_level(verdict, binding),
                    by: Some(Arc::clone(binding.stamp())),
                };
            }
            if decision.verdict.refusal().is_some() {
                break;
            }
        }
        report.edited = view.and_then(|view| view.edited_header());
        decision
    }

    async fn ask(
        &mut self,
        (place, binding): (usize, &Arc<Binding>),
        hook: Hook,
        view: &mut Option<Arc<MessageView>>,
        recipient: Option<&Mailbox>,
        report: &mut HookReport,
    ) -> Verdict {
        let mut live = self.lives[place].take();
        let mut reruns = RERUNS;
        let asked = loop {
            let question = match (hook, recipient) {
                (Hook::Rcpt, Some(recipient)) => Question::Recipient(recipient.to_string()),
                _ => Question::Plain,
            };
            let ask = Ask {
                hook,
                facts: self.call_facts(hook),
                message: view.clone(),
                notes: self.notes.of(&binding.spec.plugin),
                question,
                live,
            };
            let mut asked = self.runtime.ask(binding, ask).await;
            let writes = match self.keeper {
                Some(_) if hook != Hook::Data => take_writes(&mut asked),
                _ => Vec::new(),
            };
            if writes.is_empty() {
                break asked;
            }
            let domain = self.facts.domain.as_str();
            let refuses = verdict_of(binding, domain, &asked.report)
                .refusal()
                .is_some();
            let keeper = self.keeper.clone();
            match keep(keeper, self.tenant, writes, refuses).await {
                Ok(()) => break asked,
                Err(KeepError::Conflict) if reruns > 0 => reruns -= 1,
                Err(error) => break unkept(asked, error),
            }
            live = asked.live;
        };
        self.lives[place] = asked.live;
        if let Some(notes) = asked.notes {
            self.notes.set(&binding.spec.plugin, notes);
        }
        if !asked.edits.is_empty()
            && let Some(seen) = view
        {
            *view = Some(Arc::new(seen.edited(&asked.edits)));
        }
        let verdict = verdict_of(binding, self.facts.domain.as_str(), &asked.report);
        report.effects.extend(asked.effects);
        report.calls.push(asked.report);
        verdict
    }

    fn call_facts(&self, hook: Hook) -> CallFacts {
        CallFacts::session(hook, Arc::clone(&self.facts), Arc::clone(&self.recipients))
    }

    /// Waits and points, which decide nothing by themselves.
    fn note(&mut self, verdict: &Verdict, report: &mut HookReport) {
        match verdict {
            Verdict::Delay { ms } => {
                let ms = (*ms).min(DELAY_MS - self.delayed_ms);
                self.delayed_ms += ms;
                report.delay += Duration::from_millis(ms.into());
            }
            Verdict::Score { points, .. } => self.score += points,
            _ => {}
        }
    }

    /// Compares the sum of all points, once, after the last level.
    fn weigh(&self, decision: &mut Decision) {
        let spec = self.chain.spec();
        let score = self.score;
        let verdict = if spec.score_reject.is_some_and(|bound| score >= bound) {
            let reason = format!("the message scored {score:.1}");
            Verdict::Reject(words::REFUSED_BY_PLUGIN.reply_with(&[("reason", &reason)]))
        } else if spec.score_quarantine.is_some_and(|bound| score >= bound) {
            Verdict::Quarantine {
                reason: format!("the message scored {score:.1}"),
            }
        } else {
            return;
        };
        if verdict.severity() > decision.verdict.severity() {
            *decision = Decision { verdict, by: None };
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        for (binding, live) in self.chain.bindings.iter().zip(&mut self.lives) {
            if let Some(live) = live.take() {
                binding.give_back(live);
            }
        }
    }
}

/// The header section is read here; from a disk on a thread that may wait.
async fn opened(
    message: Arc<dyn MessageSource>,
    auth_results: Vec<String>,
) -> io::Result<MessageView> {
    if message.is_in_memory() {
        return MessageView::open(message, auth_results);
    }
    let opened = tokio::task::spawn_blocking(move || MessageView::open(message, auth_results));
    opened.await.map_err(io::Error::other)?
}

/// What a call has written into its table.
fn take_writes(asked: &mut Asked) -> Vec<KvWrite> {
    let mut writes = Vec::new();
    for effect in std::mem::take(&mut asked.effects) {
        match effect {
            Effect::Kv(write) => writes.push(write),
            other => asked.effects.push(other),
        }
    }
    writes
}

async fn keep(
    keeper: Option<Arc<dyn Keeper>>,
    tenant: Tenant,
    writes: Vec<KvWrite>,
    refuses: bool,
) -> Result<(), KeepError> {
    let Some(keeper) = keeper else {
        return Ok(());
    };
    let compares = writes.iter().any(|write| write.expected.is_some());
    let pace = match refuses && !compares {
        true => Pace::Behind,
        false => Pace::Durable,
    };
    keeper.keep(tenant, writes, pace).await
}

/// A call whose writes could not be kept has not returned well: nothing of it counts.
fn unkept(mut asked: Asked, error: KeepError) -> Asked {
    let cause = match error {
        KeepError::Conflict => format!("its values changed {} times under it", RERUNS + 1),
        KeepError::Unavailable(trouble) => trouble.to_string(),
    };
    asked.report.answer = Err(CallFailure::Host(cause));
    asked.effects.clear();
    asked.edits.clear();
    asked.notes = None;
    asked
}

/// A plugin of a domain cannot end the session of others: its `disconnect` refuses its own
/// recipients.
fn at_level(verdict: Verdict, binding: &Binding) -> Verdict {
    match verdict {
        Verdict::Disconnect(reply) if !binding.spec.level.is_host() => Verdict::Reject(reply),
        other => other,
    }
}

fn is_of_size(verdict: &Verdict) -> bool {
    verdict
        .refusal()
        .is_some_and(|reply| reply.code().number() == 552)
}

/// For logs and `explain`.
impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("domain", &self.facts.domain)
            .field("generation", &self.chain.generation())
            .field("recipients", &self.recipients)
            .finish_non_exhaustive()
    }
}
