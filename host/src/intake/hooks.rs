//! The plugins of one domain over one transaction.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use directory::DomainEntry;
use mail::{Access, Direction, DomainId, Mailbox, Reply, Tenant, Timestamp};
use plugin::{
    CallFailure, CallReport, DecisionGroup, EditedHeader, HookReport, KeepError, Keeper, KvWrite,
    MessageSource, Notes, Pace, SessionFacts, Unavailable, Verdict, Waiting,
};
use store::{BodyRef, Content, Effect, Store};

use super::context::{Mode, StepSentence, Transaction};
use crate::site::{self, Site};

/// The chain that the domain's first recipient pinned, with its instances.
pub(crate) struct DomainHooks {
    tenant: Tenant,
    group: DecisionGroup,
    calls: plugin::Transaction,
}

/// How often `data` is asked again because a value that a refusal depends on has changed.
const RERUNS: usize = 3;

/// What a domain's plugins said at one point.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ruling {
    pub(crate) refusal: Option<Reply>,
    pub(crate) discard: bool,
    pub(crate) quarantine: Option<String>,
    /// For the trace.
    pub(crate) sentences: Vec<StepSentence>,
    /// What is to happen in the commit.
    pub(crate) effects: Vec<Effect>,
    pub(crate) edited: Option<EditedHeader>,
    pub(crate) notes: Notes,
}

impl DomainHooks {
    /// Pins the chain of a domain.
    pub(crate) fn begin(site: &Site, transaction: &Transaction, domain: &DomainEntry) -> Self {
        let tenant = domain.tenant();
        let direction = direction_for(transaction, domain.id);
        let envelope = &transaction.envelope;
        let facts = SessionFacts {
            domain: domain.name.clone(),
            aliases: domain.aliases.clone(),
            direction,
            peer: envelope.peer,
            encrypted: envelope.encrypted,
            authenticated: transaction
                .submitter
                .as_ref()
                .map(|(_, address)| address.clone()),
            helo: envelope.helo.clone(),
            reverse_path: envelope.reverse_path.clone(),
            declared_size: transaction.declared_size,
            envelope: Some(envelope.id),
        };
        let mut calls = site.plugins.runtime().begin(tenant, facts);
        if transaction.mode == Mode::Real {
            calls = calls.keeping(Arc::new(Table(Arc::clone(&site.store))));
        }
        let group = calls.decision_group();
        Self {
            tenant,
            group,
            calls,
        }
    }

    /// Can these hooks refuse the message when all recipients are taken?
    pub(crate) const fn group(&self) -> &DecisionGroup {
        &self.group
    }

    /// `rcpt` for one recipient; before the first one also `connect`, `ehlo` and `mail`.
    pub(crate) async fn rcpt(&mut self, site: &Site, recipient: &Mailbox) -> Ruling {
        let report = self.calls.rcpt(recipient).await;
        self.rule(site, report).await
    }

    /// `data`. What it writes is for the commit of the message; a refusal that depends on a
    /// comparison is sure of it when this returns.
    pub(crate) async fn data(&mut self, site: &Site, message: Arc<StoredMessage>) -> Ruling {
        let mut reruns = RERUNS;
        loop {
            let source: Arc<dyn MessageSource> = Arc::clone(&message) as _;
            let report = self.calls.data(source, Vec::new()).await;
            let effects = kv_effects(&report.effects, site::now());
            let mut ruling = self.rule(site, report).await;
            ruling.notes = self.calls.notes().clone();
            let compares = effects
                .iter()
                .any(|effect| matches!(effect, Effect::KvCompareAndSet { .. }));
            if ruling.refusal.is_none() || !compares {
                ruling.effects = effects;
                return ruling;
            }
            let access = Access::system(self.tenant);
            let operation = site.store.operation_id();
            match site.store.commit(&access, operation, effects).await {
                Err(store::Error::Conflict) if reruns > 0 => reruns -= 1,
                Err(error) => {
                    lost(&error);
                    return ruling;
                }
                Ok(()) => return ruling,
            }
        }
    }

    async fn rule(&mut self, site: &Site, report: HookReport) -> Ruling {
        for call in &report.calls {
            observe(site, self.tenant, call);
        }
        if !report.delay.is_zero() {
            tokio::time::sleep(report.delay).await;
        }
        let mut ruling = Ruling {
            sentences: report
                .calls
                .iter()
                .map(|call| sentence(call, self.tenant.domain()))
                .collect(),
            edited: report.edited,
            ..Ruling::default()
        };
        match report.verdict {
            Verdict::Reject(reply) | Verdict::Defer(reply) | Verdict::Disconnect(reply) => {
                ruling.refusal = Some(reply);
            }
            Verdict::Discard => ruling.discard = true,
            Verdict::Quarantine { reason } => ruling.quarantine = Some(reason),
            Verdict::Proceed | Verdict::Settle | Verdict::Delay { .. } | Verdict::Score { .. } => {}
        }
        ruling
    }
}

/// The plugins' tables, as the session's hooks write into them.
struct Table(Arc<dyn Store>);

impl Keeper for Table {
    fn keep<'a>(
        &'a self,
        tenant: Tenant,
        writes: Vec<KvWrite>,
        pace: Pace,
    ) -> Waiting<'a, Result<(), KeepError>> {
        let now = site::now();
        let effects = writes.iter().map(|write| kv_effect(write, now)).collect();
        let operation = self.0.operation_id();
        let pending = self.0.commit(&Access::system(tenant), operation, effects);
        if pace == Pace::Behind {
            tokio::spawn(async move {
                if let Err(error) = pending.await {
                    lost(&error);
                }
            });
            return Box::pin(std::future::ready(Ok(())));
        }
        Box::pin(async move {
            pending.await.map_err(|error| match error {
                store::Error::Conflict => KeepError::Conflict,
                error => KeepError::Unavailable(Unavailable(error.to_string())),
            })
        })
    }
}

fn lost(error: &store::Error) {
    tracing::warn!(%error, "what a refusing plugin wanted to keep was not kept");
}

/// A submission is one only to the domain of the person who submits; to all others it comes in.
fn direction_for(transaction: &Transaction, domain: DomainId) -> Direction {
    match (&transaction.envelope.direction, &transaction.submitter) {
        (Direction::Internal, _) => Direction::Internal,
        (_, Some((tenant, _))) if tenant.domain() == domain => Direction::Submission,
        _ => Direction::Inbound,
    }
}

/// What is kept of hooks where nothing is stored (`kv`: so greylisting works). The peer need not
/// wait for it.
pub(super) fn keep_refused(site: &Site, domain: DomainId, ruling: &Ruling) {
    if ruling.effects.is_empty() {
        return;
    }
    let Some(entry) = site.directory.known_domain(domain) else {
        return;
    };
    let operation = site.store.operation_id();
    let pending = site.store.commit(
        &Access::system(entry.tenant()),
        operation,
        ruling.effects.clone(),
    );
    tokio::spawn(async move {
        if let Err(error) = pending.await {
            lost(&error);
        }
    });
}

/// The writes to the plugins' tables, as the store takes them.
pub(crate) fn kv_effects(effects: &[plugin::Effect], now: Timestamp) -> Vec<Effect> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            plugin::Effect::Kv(write) => Some(kv_effect(write, now)),
            _ => None,
        })
        .collect()
}

fn kv_effect(write: &KvWrite, now: Timestamp) -> Effect {
    let (plugin, key) = (write.plugin.clone(), write.key.clone().into_bytes());
    let expires = write
        .ttl_seconds
        .map(|ttl| now.plus_seconds(i64::try_from(ttl).unwrap_or(i64::MAX / 2000)));
    match (&write.expected, &write.value) {
        (Some(expected), value) => Effect::KvCompareAndSet {
            plugin,
            key,
            expected: expected.clone(),
            value: value.clone(),
            expires,
        },
        (None, Some(value)) => Effect::KvPut {
            plugin,
            key,
            value: value.clone(),
            expires,
        },
        (None, None) => Effect::KvDelete { plugin, key },
    }
}

/// Counts a call.
pub(crate) fn observe(site: &Site, tenant: Tenant, call: &CallReport) {
    let domain = site.directory.known_domain(tenant.domain());
    let domain = domain.map_or_else(|| "-".to_owned(), |entry| entry.name.to_string());
    if let Err(CallFailure::Circuit(_)) = &call.answer {
        site.metrics
            .hook_skips
            .with_label_values(&[&domain, &call.stamp.plugin])
            .inc();
        return;
    }
    site.metrics
        .hook_seconds
        .with_label_values(&[&domain, call.hook.name()])
        .observe(call.wall.as_secs_f64());
    if let Err(failure) = &call.answer {
        site.metrics
            .hook_failures
            .with_label_values(&[&domain, &call.stamp.plugin])
            .inc();
        tracing::warn!(
            domain, plugin = call.stamp.plugin, version = call.stamp.version, hook = %call.hook, %failure,
            "a plugin failed"
        );
    }
}

/// One call, for the trace of the domain whose plugin it was.
pub(crate) fn sentence(call: &CallReport, of: DomainId) -> StepSentence {
    let mut text = String::with_capacity(SENTENCE);
    // Nothing can fail: it is written into memory.
    let _ = write_sentence(&mut text, call);
    StepSentence {
        step: format!("hook.{}", call.hook.name()),
        text,
        of: Some(of),
    }
}

/// Bytes that most sentences have room in.
const SENTENCE: usize = 120;

fn write_sentence(text: &mut String, call: &CallReport) -> fmt::Result {
    let stamp = &call.stamp;
    let (plugin, version, generation) = (&stamp.plugin, &stamp.version, stamp.generation);
    write!(text, "{plugin}@{version} (generation {generation}): ")?;
    match &call.answer {
        Ok(plugin::Answer::Verdict(verdict)) => describe(text, verdict)?,
        Ok(plugin::Answer::Outcome(outcome)) => write!(text, "{outcome:?}")?,
        Err(failure) => write!(text, "failed: {failure}")?,
    }
    for explanation in &call.explanations {
        write!(text, "; {explanation}")?;
    }
    write!(text, " ({} µs)", call.wall.as_micros())
}

fn describe(text: &mut String, verdict: &Verdict) -> fmt::Result {
    match verdict {
        Verdict::Reject(reply) | Verdict::Defer(reply) | Verdict::Disconnect(reply) => {
            write!(text, "{}: {reply}", verdict.name())
        }
        Verdict::Quarantine { reason } => write!(text, "quarantine: {reason}"),
        other => text.write_str(other.name()),
    }
}

/// A message for plugins to read, wherever it is.
pub(crate) enum StoredMessage {
    /// Not accepted yet.
    Arriving(BodyRef),
    /// In the store.
    Stored(Content),
}

impl StoredMessage {
    /// Bytes of it.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Arriving(body) => body.len(),
            Self::Stored(content) => content.size(),
        }
    }
}

impl MessageSource for StoredMessage {
    fn is_in_memory(&self) -> bool {
        match self {
            Self::Arriving(body) => body.is_in_memory(),
            Self::Stored(_) => false,
        }
    }

    fn size(&self) -> u64 {
        self.length()
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let read = match self {
            Self::Arriving(body) => body.read(offset, length),
            Self::Stored(content) => content.read(offset, length).map(Bytes::from),
        };
        read.map_err(io::Error::other)
    }
}
