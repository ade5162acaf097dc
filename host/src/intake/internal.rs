//! Mail made on this host: forwards, replies, reports. It takes the same steps as any other
//! mail and comes to the hooks that want mail of this host; what a peer would be told becomes a
//! retry (4xx), a report (5xx), or is kept aside where a hook refuses and nobody vouches for the
//! sender.

use std::collections::BTreeMap;
use std::sync::Arc;

use delivery::report::{Kind, ReportRequest, ReportedRecipient};
use mail::trace::Hop;
use mail::{
    Body, Class, Direction, DomainId, EnhancedStatus, Envelope, ForwardPath, Localpart, Mailbox,
    Outcome, Reply, ReversePath, Timestamp, words,
};
use routing::{DomainFacts, Routed, Sender, Target};
use store::{Accept, BodyRef, Piece, QueueRow, TraceLine};

use super::context::{Fate, Mode, RecipientContext, Taken, Told, Transaction, Undeliverable};
use super::hooks::{Ruling, StoredMessage, keep_refused};
use super::message::{data_hooks, looping::goes_round};
use super::plan::{Plan, Planned, Vouched};
use super::quota::Trust;
use super::steps::run_recipient;
use super::trace;
use super::{is_for_postmaster, over_quota};
use crate::site::{self, Site};

/// A message made here.
pub(crate) struct Internal {
    pub(crate) envelope: Envelope,
    /// The domain that it is made for, if one of ours: it reads what becomes of it.
    pub(crate) sent_by: Option<DomainId>,
    pub(crate) vouched: Vouched,
    pub(crate) recipients: Vec<Mailbox>,
    pub(crate) pieces: Vec<Piece>,
    /// Its header section.
    pub(crate) head: Vec<u8>,
    /// All of it, for hooks.
    pub(crate) whole: Arc<StoredMessage>,
}

/// The envelope of a message that begins here.
pub(crate) fn envelope(site: &Site, reverse_path: ReversePath, body: Body, utf8: bool) -> Envelope {
    Envelope {
        id: site.store.envelope_id(),
        reverse_path,
        direction: Direction::Internal,
        authenticated: None,
        peer: None,
        helo: String::new(),
        encrypted: false,
        received: now(),
        body,
        utf8,
        envid: None,
    }
}

/// A message that a report is about.
pub(crate) struct Returned {
    pub(crate) envelope: Envelope,
    /// The domain whose copies it is about, or whose person sent it.
    pub(crate) sent_by: Option<DomainId>,
    /// All of it, or its beginning with at least the header.
    pub(crate) message: Vec<u8>,
    /// Bytes of all of it.
    pub(crate) size: u64,
}

/// What became of a queued recipient that came to its domain again.
pub(crate) enum Entered {
    /// Still not: again later.
    Later(Reply),
    /// Not at all: a report.
    Never(Reply),
    /// It is in, or was discarded (`None`); and what of it cannot be delivered.
    In(Option<Accept>, Vec<Undeliverable>),
}

/// Plans a message made here. What cannot be delivered comes back beside it.
pub(crate) async fn plan(site: &Site, mail: Internal) -> (Option<Accept>, Vec<Undeliverable>) {
    let mut transaction = transaction(&mail);
    let mut undeliverable = Vec::new();
    for recipient in &mail.recipients {
        let Err(refusal) = enter(site, &mut transaction, &mail, recipient).await else {
            continue;
        };
        if refusal.reply.code().is_permanent() {
            undeliverable.push(refused(site, recipient, refusal.reply));
        } else {
            let later = Fate {
                later: Some(refusal.reply),
                ..Fate::default()
            };
            let taken = taken_so(site, recipient, refusal.domain, Vec::new(), later);
            transaction.recipients.push(taken);
        }
    }
    if transaction.recipients.is_empty() {
        return (None, undeliverable);
    }
    let rulings = data_hooks::ask(site, &mut transaction, &mail.whole).await;
    let planned = make(site, &transaction, &rulings, &mail);
    let (accept, failed) = settle(site, &rulings, planned);
    undeliverable.extend(failed);
    (accept, undeliverable)
}

/// A queued recipient comes to its domain again, hooks and all.
pub(crate) async fn again(site: &Site, mail: Internal) -> Entered {
    let mut transaction = transaction(&mail);
    for recipient in &mail.recipients {
        if let Err(Refusal { reply, .. }) = enter(site, &mut transaction, &mail, recipient).await {
            return if reply.code().is_permanent() {
                Entered::Never(reply)
            } else {
                Entered::Later(reply)
            };
        }
    }
    let rulings = data_hooks::ask(site, &mut transaction, &mail.whole).await;
    let refusal = rulings.values().find_map(|ruling| ruling.refusal.clone());
    if let Some(reply) = refusal.filter(|reply| reply.code().is_transient()) {
        keep(site, &rulings);
        return Entered::Later(reply);
    }
    let planned = make(site, &transaction, &rulings, &mail);
    if let Some(address) = planned.all_full() {
        keep(site, &rulings);
        return Entered::Later(over_quota(address));
    }
    let (accept, undeliverable) = settle(site, &rulings, planned);
    Entered::In(accept, undeliverable)
}

/// What a recipient that is not taken is told, and whose it is.
struct Refusal {
    reply: Reply,
    domain: Option<Arc<DomainFacts>>,
}

/// One recipient takes the steps.
async fn enter(
    site: &Site,
    transaction: &mut Transaction,
    mail: &Internal,
    recipient: &Mailbox,
) -> Result<(), Refusal> {
    if goes_round(&mail.head, recipient) {
        let reply = words::MAIL_LOOP.reply();
        return Err(Refusal {
            reply,
            domain: None,
        });
    }
    let mut context = RecipientContext {
        site,
        transaction,
        path: ForwardPath::Mailbox(recipient.clone()),
        routed: None,
        fate: Fate::default(),
        sentences: Vec::new(),
    };
    let (step, reply) = run_recipient(&mut context).await;
    if reply.code().is_positive() {
        return Ok(());
    }
    // No backscatter: what a hook refuses is reported only to a sender that is known.
    if step == "rcpt-hook"
        && reply.code().is_permanent()
        && mail.vouched == Vouched::No
        && let Some(taken) = aside(&mut context, recipient, &reply)
    {
        transaction.recipients.push(taken);
        return Ok(());
    }
    let domain = context.domain();
    Err(Refusal { reply, domain })
}

/// A recipient whose copy is kept aside.
fn aside(context: &mut RecipientContext<'_>, recipient: &Mailbox, reply: &Reply) -> Option<Taken> {
    let routed = context.routed.take()?;
    let routing::Decision::Accept { targets, .. } = routed.decision else {
        return None;
    };
    let fate = Fate {
        quarantine: Some(format!("refused: {reply}")),
        ..Fate::default()
    };
    let mut taken = taken_so(context.site, recipient, routed.domain, targets, fate);
    taken.sentences = std::mem::take(&mut context.sentences);
    Some(taken)
}

fn taken_so(
    site: &Site,
    recipient: &Mailbox,
    domain: Option<Arc<DomainFacts>>,
    targets: Vec<Target>,
    fate: Fate,
) -> Taken {
    Taken {
        id: site.store.recipient_id(),
        original: recipient.to_string(),
        address: recipient.clone(),
        domain,
        targets,
        is_for_postmaster: is_for_postmaster(&ForwardPath::Mailbox(recipient.clone())),
        fate,
        sentences: Vec::new(),
    }
}

fn make(
    site: &Site,
    transaction: &Transaction,
    rulings: &BTreeMap<DomainId, Ruling>,
    mail: &Internal,
) -> Planned {
    let sentences: Vec<_> = rulings
        .values()
        .flat_map(|ruling| ruling.sentences.iter().cloned())
        .collect();
    let plan = Plan {
        site,
        envelope: &transaction.envelope,
        hop: Hop::Inside,
        recipients: &transaction.recipients,
        submitter: None,
        sent_by: mail.sent_by,
        message_id: trace::message_id(&mail.head),
        rulings,
        pieces: mail.pieces.clone(),
        sentences: &sentences,
        undeliverable: &[],
        told: Told::Sender,
        vouched: mail.vouched,
        trust: Trust::Numbers,
    };
    plan.make()
}

/// The accept, unless nobody gets a copy: then only what the hooks wrote is kept.
fn settle(
    site: &Site,
    rulings: &BTreeMap<DomainId, Ruling>,
    planned: Planned,
) -> (Option<Accept>, Vec<Undeliverable>) {
    if planned.is_for_somebody() {
        return (Some(planned.accept), planned.undeliverable);
    }
    keep(site, rulings);
    trace::of_nobody(site, &planned.accept);
    (None, planned.undeliverable)
}

fn keep(site: &Site, rulings: &BTreeMap<DomainId, Ruling>) {
    for (id, ruling) in rulings {
        keep_refused(site, *id, ruling);
    }
}

/// A queued message whose recipient stands for others by now: each gets a row, or a copy, of its
/// own. The queue life goes on.
pub(crate) fn split(
    site: &Site,
    row: &QueueRow,
    routed: Routed,
    targets: Vec<Target>,
    pieces: Vec<Piece>,
) -> (Option<Accept>, Vec<Undeliverable>) {
    let mut taken = taken_so(site, &row.address, routed.domain, targets, Fate::default());
    taken.id = row.recipient;
    taken.original.clone_from(&row.original);
    let plan = Plan {
        site,
        envelope: &row.envelope,
        hop: Hop::Inside,
        recipients: &[taken],
        submitter: None,
        sent_by: None,
        message_id: None,
        rulings: &BTreeMap::new(),
        pieces,
        sentences: &[],
        undeliverable: &[],
        told: Told::Sender,
        vouched: Vouched::No,
        trust: Trust::Numbers,
    };
    let planned = plan.make();
    settle(site, &BTreeMap::new(), planned)
}

/// Writes a body made here. Large ones are synced, which may block.
///
/// # Errors
/// As [`store::BodyWriter::write`] and [`store::BodyWriter::finish`].
pub(crate) async fn body_of(site: &Site, message: &[u8]) -> store::Result<BodyRef> {
    let mut writer = site.store.begin_body()?;
    let message = message.to_vec();
    let written = tokio::task::spawn_blocking(move || {
        writer.write(&message)?;
        writer.finish()
    });
    // The task ends without a value only where the runtime ends with it.
    written.await.unwrap_or(Err(store::Error::Closed))
}

/// A report about what cannot be delivered; none where nobody wants one.
///
/// # Errors
/// The report could not be written down.
pub(crate) async fn report(
    site: &Site,
    failed: &[Undeliverable],
    about: &Returned,
) -> store::Result<Option<Accept>> {
    let recipients: Vec<_> = failed
        .iter()
        .map(|failed| reported(&failed.original, &failed.address, &outcome(&failed.reply)))
        .collect();
    write_report(site, Kind::Failed, &recipients, about).await
}

/// A recipient as a report names it.
pub(crate) fn reported(original: &str, address: &Mailbox, outcome: &Outcome) -> ReportedRecipient {
    let (status, reason) = match outcome {
        Outcome::Failed { status, text } | Outcome::Deferred { status, text } => {
            (*status, text.clone())
        }
        Outcome::Done { text } => (EnhancedStatus::new(Class::Success, 0, 0), text.clone()),
        Outcome::NotMine => (EnhancedStatus::new(Class::Permanent, 3, 5), String::new()),
    };
    let original = (original != address.to_string()).then(|| original.to_owned());
    ReportedRecipient {
        original,
        address: address.clone(),
        status,
        reason,
        remote: None,
        last_attempt: site::now(),
    }
}

/// A report, planned like any other mail of this host; none where nobody wants one.
///
/// # Errors
/// The report could not be written down.
pub(crate) async fn write_report(
    site: &Site,
    kind: Kind,
    recipients: &[ReportedRecipient],
    about: &Returned,
) -> store::Result<Option<Accept>> {
    let id = site.store.envelope_id().to_string();
    let report = ReportRequest {
        kind,
        envelope: &about.envelope,
        message: &about.message,
        whole: about.message.len() as u64 == about.size,
        server: site.hostname.as_str(),
        from: &postmaster(site),
        recipients,
        now: site::now(),
        unique: &id,
    }
    .write();
    let Some(report) = report else {
        return Ok(None);
    };
    let body = body_of(site, &report.message).await?;
    let kind = if report.eight_bit {
        Body::EightBitMime
    } else {
        Body::SevenBit
    };
    let mail = Internal {
        envelope: envelope(site, ReversePath::Null, kind, report.utf8),
        sent_by: about.sent_by,
        vouched: Vouched::No,
        recipients: vec![report.recipient],
        pieces: vec![body.piece()],
        head: report.message,
        whole: Arc::new(StoredMessage::Arriving(body)),
    };
    // A report that cannot be delivered itself ends here (RFC 5321 §6.1).
    Ok(Box::pin(plan(site, mail)).await.0)
}

/// That a report was made, for the trace of the message that it is about.
pub(crate) fn report_line(report: &Accept) -> TraceLine {
    let recipients = report.parts.iter().flat_map(|part| &part.recipients);
    let to = recipients.map(|recipient| recipient.address.to_string());
    let to: Vec<_> = to.collect();
    TraceLine {
        at: now(),
        recipient: None,
        step: "report".to_owned(),
        text: format!("{} to {}", report.envelope.id, to.join(", ")),
    }
}

/// Who reports are from.
pub(crate) fn postmaster(site: &Site) -> Mailbox {
    let own = Localpart::parse("postmaster")
        .map(|localpart| Mailbox::new(localpart, site.hostname.clone()));
    // "postmaster" is a local part.
    site.settings()
        .routing
        .postmaster
        .clone()
        .or_else(|| own.ok())
        .unwrap_or_else(|| unreachable!("postmaster is a local part"))
}

fn refused(site: &Site, recipient: &Mailbox, reply: Reply) -> Undeliverable {
    Undeliverable {
        recipient: site.store.recipient_id(),
        domain: None,
        address: recipient.clone(),
        original: recipient.to_string(),
        reply,
    }
}

/// A refusing reply as the outcome of a delivery.
pub(crate) fn outcome(reply: &Reply) -> Outcome {
    let text = reply.text().to_owned();
    if reply.code().is_permanent() {
        let status = reply
            .enhanced()
            .unwrap_or(EnhancedStatus::new(Class::Permanent, 0, 0));
        Outcome::Failed { status, text }
    } else {
        let status = reply
            .enhanced()
            .unwrap_or(EnhancedStatus::new(Class::Transient, 0, 0));
        Outcome::Deferred { status, text }
    }
}

fn transaction(mail: &Internal) -> Transaction {
    Transaction {
        envelope: mail.envelope.clone(),
        sender: Sender::Internal,
        hop: Hop::Inside,
        submitter: None,
        declared_size: Some(mail.whole.length()),
        mode: Mode::Real,
        recipients: Vec::new(),
        hooks: BTreeMap::new(),
        group: None,
    }
}

fn now() -> Timestamp {
    site::now()
}
