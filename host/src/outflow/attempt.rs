//! One attempt, from the lease to the settlement.

use std::sync::Arc;

use delivery::report::Kind;
use directory::DomainEntry;
use mail::{Access, EnhancedStatus, Outcome, Timestamp, limits, words};
use store::{Effect, Lease, Parked, ParkedReason, Piece, Settled, Settlement, TraceLine};

use super::steps::{self, Progress};
use crate::intake::internal::{self, Returned};
use crate::site::{self, Site};

/// An attempt under way.
pub(super) struct Attempt<'a> {
    pub(super) site: &'a Site,
    pub(super) lease: &'a Lease,
    pub(super) now: Timestamp,
    /// The domain the row belongs to, where it is one of ours; the first step finds it.
    pub(super) domain: Option<Arc<DomainEntry>>,
    /// What joins the settling commit.
    pub(super) effects: Vec<Effect>,
    pub(super) trace: Vec<TraceLine>,
    /// Keep the row aside with this text instead of trying again.
    pub(super) park: Option<String>,
}

impl Attempt<'_> {
    /// One line for the trace.
    pub(super) fn note(&mut self, step: &str, text: impl Into<String>) {
        self.trace.push(TraceLine {
            at: self.now,
            recipient: Some(self.lease.row.recipient),
            step: format!("outflow.{step}"),
            text: text.into(),
        });
    }

    /// The first bytes of the message, enough for its header section.
    pub(super) fn head(&self) -> store::Result<Vec<u8>> {
        self.site
            .store
            .leased_content(self.lease)?
            .read(0, limits::HEADER_BYTES)
    }

    /// The message, whole.
    pub(super) fn whole(&self) -> Piece {
        Piece::Content {
            content: self.lease.row.content,
            offset: 0,
            length: self.lease.row.size,
        }
    }

    /// The message as a report is about it.
    pub(super) fn returned(&self) -> store::Result<Returned> {
        Ok(Returned {
            envelope: self.lease.row.envelope.clone(),
            message: self.head()?,
            size: self.lease.row.size,
        })
    }
}

/// How often an attempt is made again at once because a value that a plugin saw has another
/// content by the time of the commit.
const RERUNS: usize = 3;

/// Makes the attempt and settles the row.
pub(super) async fn run(site: &Site, lease: Lease) {
    let mut reruns = 0;
    loop {
        let settlement = make(site, &lease).await;
        match site.store.complete(&lease, settlement).await {
            Ok(_) => return,
            Err(store::Error::Conflict) if reruns < RERUNS && !has_acted(site, &lease) => {
                reruns += 1;
            }
            Err(error) => return again(site, &lease, &error).await,
        }
    }
}

/// Did the attempt begin something outside of the store? That is not done twice at once.
fn has_acted(site: &Site, lease: &Lease) -> bool {
    let access = Access::system(lease.tenant());
    let row = site.store.queue_row(&access, lease.row.id);
    row.map_or(true, |row| row.started.is_some())
}

async fn make(site: &Site, lease: &Lease) -> Settlement {
    let mut attempt = Attempt {
        site,
        lease,
        now: site::now(),
        domain: None,
        effects: Vec::new(),
        trace: Vec::new(),
        park: None,
    };
    let (step, progress) = steps::run(&mut attempt).await;
    settlement(&mut attempt, step, progress).await
}

/// The commit was refused, and nothing of it happened. The row is tried again: soon where a
/// plugin's value changed meanwhile (`compare-and-set`), else after the usual pause.
async fn again(site: &Site, lease: &Lease, error: &store::Error) {
    let is_full = matches!(error, store::Error::OverQuota(_));
    if is_full {
        tracing::info!(row = %lease.row.id, "a mailbox is full; the delivery waits");
    } else {
        tracing::error!(row = %lease.row.id, %error, "an attempt could not be settled");
    }
    let pause = match error {
        // Another worker has it, or the server stops.
        store::Error::Stale | store::Error::Closed => return,
        store::Error::Conflict => 1,
        _ => site
            .settings()
            .config
            .limits
            .retry_pause_seconds(lease.row.attempts + 1),
    };
    let domain = site.directory.known_domain(lease.row.domain);
    let domain = domain.as_ref().map_or("-", |domain| domain.name.as_str());
    let labels = [lease.row.work.channel(), domain, "unsettled"];
    site.metrics.attempts.with_label_values(&labels).inc();
    let address = lease.row.address.to_string();
    let settled = Settled::Retry {
        due: site::now().plus_seconds(pause),
        status: words::OVER_QUOTA.enhanced().filter(|_| is_full),
        text: match is_full {
            true => words::OVER_QUOTA.text_with(&[("address", &address)]),
            false => format!("the outcome could not be written: {error}"),
        },
        delay_told: lease.row.delay_told,
    };
    let settlement = Settlement::new(site.store.operation_id(), settled);
    if site.store.complete(lease, settlement).await.is_err()
        && let Err(error) = site.store.give_back(lease)
    {
        // Its lease runs out in time.
        tracing::error!(row = %lease.row.id, %error, "a queue row could not be given back");
    }
}

async fn settlement(
    attempt: &mut Attempt<'_>,
    step: &'static str,
    progress: Progress,
) -> Settlement {
    let operation = attempt.site.store.operation_id();
    let (result, settled) = match progress {
        Progress::Continue(actions) => (
            "continued",
            Settled::Continue {
                actions,
                pieces: None,
            },
        ),
        Progress::Ended(Outcome::Done { text }) => {
            attempt.note(step, text);
            ("done", Settled::Done)
        }
        Progress::Ended(Outcome::Failed { status, text }) => {
            ("failed", failed(attempt, step, status, text).await)
        }
        Progress::Ended(Outcome::Deferred { .. }) if attempt.park.is_some() => {
            ("parked", park(attempt))
        }
        Progress::Ended(Outcome::Deferred { status, text }) => (
            "deferred",
            deferred(attempt, step, Some(status), text).await,
        ),
        Progress::Ended(Outcome::NotMine) | Progress::Next => (
            "deferred",
            deferred(
                attempt,
                step,
                None,
                "nobody is responsible for it".to_owned(),
            )
            .await,
        ),
    };
    count(attempt, result);
    tracing::info!(
        row = %attempt.lease.row.id, envelope = %attempt.lease.row.envelope.id, step, result, "delivery attempt"
    );
    Settlement {
        operation,
        settled,
        effects: std::mem::take(&mut attempt.effects),
        trace: std::mem::take(&mut attempt.trace),
    }
}

async fn failed(
    attempt: &mut Attempt<'_>,
    step: &str,
    status: EnhancedStatus,
    text: String,
) -> Settled {
    attempt.note(step, format!("failed: {status} {text}"));
    match report(attempt, Kind::Failed, Outcome::Failed { status, text }).await {
        Ok(()) => Settled::Failed,
        // Better late than without a report.
        Err(error) => retry(
            attempt,
            Some(status),
            format!("the report could not be written: {error}"),
            false,
        ),
    }
}

async fn deferred(
    attempt: &mut Attempt<'_>,
    step: &str,
    status: Option<EnhancedStatus>,
    text: String,
) -> Settled {
    attempt.note(step, format!("deferred: {text}"));
    let row = &attempt.lease.row;
    let mut told = row.delay_told;
    let waited = attempt.now.seconds() - row.created.seconds();
    if !told && waited >= attempt.site.settings().config.limits.delay_notice_seconds {
        let status = status.unwrap_or(EnhancedStatus::new(mail::Class::Transient, 4, 7));
        let outcome = Outcome::Deferred {
            status,
            text: text.clone(),
        };
        told = report(attempt, Kind::Delayed { until: row.expires }, outcome)
            .await
            .is_ok();
    }
    retry(attempt, status, text, told)
}

/// Kept until somebody decides.
fn park(attempt: &mut Attempt<'_>) -> Settled {
    let text = attempt.park.take().unwrap_or_default();
    attempt.note("park", text.clone());
    let resume = attempt.lease.row.work.clone();
    Settled::Parked(Parked {
        reason: ParkedReason::Circuit,
        text,
        resume,
        expires: None,
    })
}

fn retry(
    attempt: &Attempt<'_>,
    status: Option<EnhancedStatus>,
    text: String,
    told: bool,
) -> Settled {
    let row = &attempt.lease.row;
    let pause = attempt
        .site
        .settings()
        .config
        .limits
        .retry_pause_seconds(row.attempts + 1);
    // Not beyond the queue life: then it is given up, and the sender told, in time.
    let due = attempt
        .now
        .plus_seconds(pause)
        .min(row.expires.max(attempt.now.plus_seconds(1)));
    Settled::Retry {
        due,
        status,
        text,
        delay_told: told || row.delay_told,
    }
}

/// Adds a report to the settling commit, where somebody wants one.
async fn report(
    attempt: &mut Attempt<'_>,
    kind: Kind,
    outcome: Outcome,
) -> Result<(), store::Error> {
    if attempt.lease.row.envelope.reverse_path.is_null() {
        return Ok(());
    }
    let returned = attempt.returned()?;
    let recipient = internal::reported(
        &attempt.lease.row.original,
        &attempt.lease.row.address,
        &outcome,
    );
    let report = internal::write_report(attempt.site, kind, &[recipient], &returned).await?;
    if let Some(accept) = report {
        attempt.effects.push(Effect::Accept(Box::new(accept)));
    }
    Ok(())
}

fn count(attempt: &Attempt<'_>, result: &str) {
    let domain = attempt
        .domain
        .as_ref()
        .map_or("-", |domain| domain.name.as_str());
    let channel = attempt.lease.row.work.channel();
    attempt
        .site
        .metrics
        .attempts
        .with_label_values(&[channel, domain, result])
        .inc();
}

/// What is said where the message cannot be read.
pub(super) fn unreadable(error: &store::Error) -> Outcome {
    tracing::error!(%error, "a queued message cannot be read");
    words::MESSAGE_READ_FAILED.outcome_with(&[])
}
