//! One attempt for the rows of a group, from the leases to the settlements.

use std::sync::Arc;

use delivery::report::Kind;
use directory::DomainEntry;
use mail::{Access, Direction, EnhancedStatus, Outcome, Timestamp, limits, words};
use store::{Effect, Lease, Parked, ParkedReason, Piece, Settled, Settlement, TraceLine};

use super::hand::Hand;
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

    /// The domain that the row belongs to; none for what leaves this server.
    pub(super) fn own_domain(&self) -> Option<mail::DomainId> {
        self.domain.as_ref().map(|domain| domain.id)
    }

    /// One line about the attempt as a whole, with its number.
    fn note_end(&mut self, step: &str, text: impl std::fmt::Display) {
        let number = self.lease.row.attempts + 1;
        self.note(step, format!("attempt {number}: {text}"));
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
            sent_by: self.own_domain(),
            envelope: self.lease.row.envelope.clone(),
            message: self.head()?,
            size: self.lease.row.size,
        })
    }
}

/// How often an attempt is made again at once because a value that a plugin saw has another
/// content by the time of the commit.
const RERUNS: usize = 3;

/// The time of day, as an attempt sees it.
pub(super) type Clock = dyn Fn() -> Timestamp + Send + Sync;

/// Makes the attempt for the rows of a group and settles them.
pub(super) async fn run(site: &Site, hand: &Hand, leases: &[Lease], clock: &Clock) {
    let now = clock();
    let (early, leases): (Vec<Lease>, Vec<Lease>) = leases
        .iter()
        .cloned()
        .partition(|lease| is_early(lease, now));
    for lease in early {
        wait_on(site, &hand.newest(&lease));
    }
    if !leases.is_empty() {
        attempt(site, hand, &leases, clock).await;
    }
}

/// Is it a row that is kept aside, whose time is not over? It was claimed by a clock that was set
/// back since.
fn is_early(lease: &Lease, now: Timestamp) -> bool {
    let row = &lease.row;
    row.parked.is_some() && (!lease.expired || now < row.due)
}

/// Leaves the row as it is.
fn wait_on(site: &Site, lease: &Lease) {
    tracing::warn!(row = %lease.row.id, "the clock was ahead: what is kept aside stays so");
    if let Err(error) = site.store.give_back(lease) {
        tracing::warn!(row = %lease.row.id, %error, "a row that is kept aside was not given back");
    }
}

async fn attempt(site: &Site, hand: &Hand, leases: &[Lease], clock: &Clock) {
    let mut reruns = 0;
    loop {
        let settlements = make(site, leases, clock).await;
        let may_rerun = leases.len() == 1 && reruns < RERUNS;
        if commit(site, hand, leases, settlements, may_rerun).await != Commit::Rerun {
            return;
        }
        reruns += 1;
    }
}

/// Did the attempt begin something outside of the store? That is not done twice at once.
fn has_acted(site: &Site, lease: &Lease) -> bool {
    let access = Access::system(lease.tenant());
    let row = site.store.queue_row(&access, lease.row.id);
    row.map_or(true, |row| row.started.is_some())
}

async fn make(site: &Site, leases: &[Lease], clock: &Clock) -> Vec<Prepared> {
    let mut group: Vec<Attempt<'_>> = leases
        .iter()
        .map(|lease| Attempt {
            site,
            lease,
            now: clock(),
            domain: None,
            effects: Vec::new(),
            trace: Vec::new(),
            park: None,
        })
        .collect();
    let ends = steps::run(&mut group).await;
    let mut settlements = Vec::with_capacity(group.len());
    for (attempt, (step, progress)) in group.iter_mut().zip(ends) {
        // What the attempt took counts as waited.
        attempt.now = clock();
        settlements.push(settlement(attempt, step, progress));
    }
    report_together(&mut group, &mut settlements).await;
    settlements
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    Done,
    /// Refused; the row is tried again later.
    Refused,
    /// A plugin's value changed meanwhile: the attempt is made again at once.
    Rerun,
}

/// Commits the settlements. Where several rows share a report, it is in the commit of the first of
/// them, and the others follow only when it is on the disk: better reported twice than never.
async fn commit(
    site: &Site,
    hand: &Hand,
    leases: &[Lease],
    settlements: Vec<Prepared>,
    may_rerun: bool,
) -> Commit {
    let mut last = Commit::Done;
    let mut followers = Vec::new();
    let mut refused = false;
    for (lease, prepared) in leases.iter().zip(settlements) {
        if prepared.follows {
            followers.push((lease, prepared.settlement));
            continue;
        }
        let carries = prepared.report.is_some();
        last = settle(site, hand, lease, prepared.settlement, may_rerun).await;
        refused |= carries && last != Commit::Done;
    }
    for (lease, settlement) in followers {
        if refused {
            let text = "the report could not be written".to_owned();
            retry_later(site, &hand.newest(lease), None, text, 0).await;
        } else {
            settle(site, hand, lease, settlement, false).await;
        }
    }
    last
}

/// Settles one row.
async fn settle(
    site: &Site,
    hand: &Hand,
    lease: &Lease,
    settlement: Settlement,
    may_rerun: bool,
) -> Commit {
    let lease = hand.newest(lease);
    let mut done = site.store.complete(&lease, settlement.clone()).await;
    let newer = hand.newest(&lease);
    if matches!(done, Err(store::Error::Stale)) && newer.epoch != lease.epoch {
        // The clock jumped, and the row was claimed again while it was in hand.
        done = site.store.complete(&newer, settlement).await;
    }
    match done {
        Ok(_) => Commit::Done,
        Err(store::Error::Conflict) if may_rerun && !has_acted(site, &newer) => Commit::Rerun,
        Err(error) => {
            again(site, &newer, &error).await;
            Commit::Refused
        }
    }
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
        _ => 0,
    };
    let domain = site.directory.known_domain(lease.row.domain);
    let domain = domain.as_ref().map_or("-", |domain| domain.name.as_str());
    let labels = [lease.row.work.channel(), domain, "unsettled"];
    site.metrics.attempts.with_label_values(&labels).inc();
    let address = lease.row.address.to_string();
    let status = words::OVER_QUOTA.enhanced().filter(|_| is_full);
    let text = match is_full {
        true => words::OVER_QUOTA.text_with(&[("address", &address)]),
        false => format!("the outcome could not be written: {error}"),
    };
    retry_later(site, lease, status, text, pause).await;
}

/// The attempt ended by a fault of ours.
pub(super) async fn broke_off(site: &Site, lease: &Lease) {
    let text = words::ATTEMPT_BROKE_OFF.text();
    retry_later(site, lease, None, text, 0).await;
}

/// Tries the row again after `pause` seconds, after the usual ones where it is 0.
async fn retry_later(
    site: &Site,
    lease: &Lease,
    status: Option<EnhancedStatus>,
    text: String,
    pause: i64,
) {
    let usual = site
        .settings()
        .config
        .limits
        .retry_pause_seconds(lease.row.attempts + 1);
    let line = TraceLine {
        at: site::now(),
        recipient: Some(lease.row.recipient),
        step: "outflow.settle".to_owned(),
        text: format!("attempt {}: deferred: {text}", lease.row.attempts + 1),
    };
    let settled = Settled::Retry {
        due: site::now().plus_seconds(if pause == 0 { usual } else { pause }),
        status,
        text,
        delay_told: lease.row.delay_told,
    };
    let mut settlement = Settlement::new(site.store.operation_id(), settled);
    settlement.trace.push(line);
    if site.store.complete(lease, settlement).await.is_err()
        && let Err(error) = site.store.give_back(lease)
    {
        // Its lease runs out in time.
        tracing::error!(row = %lease.row.id, %error, "a queue row could not be given back");
    }
}

/// A settlement that is ready but for the report.
struct Prepared {
    settlement: Settlement,
    /// What the sender is told, if anything.
    report: Option<(Kind, Outcome)>,
    /// Another row of the group carries the report.
    follows: bool,
}

fn settlement(attempt: &mut Attempt<'_>, step: &'static str, progress: Progress) -> Prepared {
    let mut report = None;
    let (result, settled) = match progress {
        Progress::Continue(actions, domain_quota) => {
            attempt.note_end(step, "it goes on");
            (
                "continued",
                Settled::Continue {
                    actions,
                    pieces: None,
                    domain_quota,
                },
            )
        }
        Progress::Ended(Outcome::Done { text }) => {
            attempt.note_end(step, text);
            ("done", Settled::Done)
        }
        Progress::Ended(Outcome::Failed { status, text }) => {
            attempt.note_end(step, format!("failed: {status} {text}"));
            if is_report(attempt) {
                ("parked", park_report(attempt, &text))
            } else {
                report = Some((Kind::Failed, Outcome::Failed { status, text }));
                ("failed", Settled::Failed)
            }
        }
        Progress::Ended(Outcome::Deferred { .. }) if attempt.park.is_some() => {
            ("parked", park(attempt))
        }
        Progress::Ended(Outcome::Deferred { status, text }) => {
            report = delay(attempt, Some(status), &text);
            (
                "deferred",
                deferred(attempt, step, Some(status), text, report.is_some()),
            )
        }
        Progress::Ended(Outcome::NotMine) | Progress::Next => {
            let text = "nobody is responsible for it".to_owned();
            report = delay(attempt, None, &text);
            (
                "deferred",
                deferred(attempt, step, None, text, report.is_some()),
            )
        }
    };
    count(attempt, result);
    tracing::info!(
        row = %attempt.lease.row.id, envelope = %attempt.lease.row.envelope.id, step, result, "delivery attempt"
    );
    // Nobody is told of a message that nobody sent (RFC 5321 §6.1).
    if attempt.lease.row.envelope.reverse_path.is_null() {
        report = None;
    }
    Prepared {
        settlement: Settlement {
            operation: attempt.site.store.operation_id(),
            settled,
            effects: std::mem::take(&mut attempt.effects),
            trace: std::mem::take(&mut attempt.trace),
        },
        report,
        follows: false,
    }
}

/// Is the sender told of the delay now?
fn delay(
    attempt: &Attempt<'_>,
    status: Option<EnhancedStatus>,
    text: &str,
) -> Option<(Kind, Outcome)> {
    let row = &attempt.lease.row;
    let waited = attempt.now.seconds() - row.created.seconds();
    if row.delay_told || waited < attempt.site.settings().config.limits.delay_notice_seconds {
        return None;
    }
    let status = status.unwrap_or(EnhancedStatus::new(mail::Class::Transient, 4, 7));
    let text = text.to_owned();
    let until = row.expires;
    Some((Kind::Delayed { until }, Outcome::Deferred { status, text }))
}

fn deferred(
    attempt: &mut Attempt<'_>,
    step: &str,
    status: Option<EnhancedStatus>,
    text: String,
    told: bool,
) -> Settled {
    attempt.note_end(step, format!("deferred: {text}"));
    retry(attempt, status, text, told)
}

/// Is it a report of this server itself? Nobody is told that it failed; it is kept for the
/// operator (a report that is lost hides the loss of a message).
fn is_report(attempt: &Attempt<'_>) -> bool {
    let row = &attempt.lease.row;
    if !row.envelope.reverse_path.is_null() || row.envelope.direction != Direction::Internal {
        return false;
    }
    let Ok(head) = attempt.head() else {
        return false;
    };
    let message = mail::message::Message::new(&head);
    let kind = message.header().first("content-type");
    kind.is_some_and(|field| {
        let value = field.text().trim_start().to_ascii_lowercase();
        value.starts_with("multipart/report")
    })
}

/// Days that a report which could not be delivered is kept.
const REPORT_DAYS: i64 = 7;

fn park_report(attempt: &mut Attempt<'_>, text: &str) -> Settled {
    attempt.site.metrics.undeliverable_reports.inc();
    attempt.note("park", "a report that cannot be delivered is kept aside");
    Settled::Parked(Parked {
        reason: ParkedReason::Hold,
        text: format!("a report that cannot be delivered: {text}"),
        resume: attempt.lease.row.work.clone(),
        expires: Some(attempt.now.plus_seconds(REPORT_DAYS * 24 * 3600)),
    })
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

/// One report for all rows of the group that failed, one for all that are late (L09): each in the
/// commit of the first row it is about.
async fn report_together(group: &mut [Attempt<'_>], settlements: &mut [Prepared]) {
    for is_failure in [true, false] {
        let about: Vec<usize> = (0..settlements.len())
            .filter(|&place| {
                let report = &settlements[place].report;
                report
                    .as_ref()
                    .is_some_and(|(kind, _)| matches!(kind, Kind::Failed) == is_failure)
            })
            .collect();
        let Some(&first) = about.first() else {
            continue;
        };
        match write_report(group, settlements, &about).await {
            Ok(Some(accept)) => {
                let line = internal::report_line(&accept);
                for &place in &about {
                    settlements[place].settlement.trace.push(line.clone());
                }
                let effects = &mut settlements[first].settlement.effects;
                effects.push(Effect::Accept(Box::new(accept)));
                for &place in &about[1..] {
                    settlements[place].follows = true;
                }
            }
            Ok(None) => {}
            // Better late than without a report.
            Err(error) => {
                let text = format!("the report could not be written: {error}");
                for place in about {
                    settlements[place].settlement.settled =
                        retry(&group[place], None, text.clone(), false);
                }
            }
        }
    }
}

async fn write_report(
    group: &[Attempt<'_>],
    settlements: &[Prepared],
    about: &[usize],
) -> store::Result<Option<store::Accept>> {
    let mut recipients = Vec::with_capacity(about.len());
    let mut of = None;
    for &place in about {
        let Some((kind, outcome)) = &settlements[place].report else {
            continue;
        };
        let row = &group[place].lease.row;
        recipients.push(internal::reported(&row.original, &row.address, outcome));
        of.get_or_insert((*kind, place));
    }
    let Some((kind, place)) = of else {
        return Ok(None);
    };
    let returned = group[place].returned()?;
    internal::write_report(group[place].site, kind, &recipients, &returned).await
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
