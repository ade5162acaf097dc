//! Mail made on this host: forwards, replies, reports. It takes the same steps as any other
//! mail; what a peer would be told becomes a retry (4xx) or a report (5xx).

use std::collections::BTreeMap;

use delivery::report::{Kind, ReportRequest, ReportedRecipient};
use mail::{
    Body, Class, Direction, EnhancedStatus, Envelope, ForwardPath, Localpart, Mailbox, Outcome,
    Reply, ReversePath, Timestamp, words,
};
use routing::{Routed, Sender, Target};
use store::{Accept, Piece, QueueRow};

use super::context::{Fate, Mode, RecipientContext, Taken, Transaction};
use super::message::looping::goes_round;
use super::plan::{Plan, Undeliverable};
use super::steps::run_recipient;
use crate::site::{self, Site};

/// A message made here.
pub(crate) struct Internal {
    pub(crate) reverse_path: ReversePath,
    pub(crate) recipients: Vec<Mailbox>,
    pub(crate) pieces: Vec<Piece>,
    /// Its header section.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Body,
    pub(crate) utf8: bool,
}

/// A message that a report is about.
pub(crate) struct Returned {
    pub(crate) envelope: Envelope,
    /// All of it, or its beginning with at least the header.
    pub(crate) message: Vec<u8>,
    /// Bytes of all of it.
    pub(crate) size: u64,
}

/// Plans a message made here. What cannot be delivered comes back beside it.
pub(crate) async fn plan(site: &Site, mail: Internal) -> (Option<Accept>, Vec<Undeliverable>) {
    let mut transaction = transaction(site, &mail);
    let mut undeliverable = Vec::new();
    for recipient in &mail.recipients {
        if goes_round(&mail.head, std::iter::once(recipient)) {
            undeliverable.push(refused(recipient, words::MAIL_LOOP.reply()));
            continue;
        }
        let path = ForwardPath::Mailbox(recipient.clone());
        let mut context = RecipientContext {
            site,
            transaction: &mut transaction,
            path,
            routed: None,
            fate: Fate::default(),
            sentences: Vec::new(),
        };
        let (_, reply) = run_recipient(&mut context).await;
        if reply.code().is_permanent() {
            undeliverable.push(refused(recipient, reply));
        } else if !reply.code().is_positive() {
            let domain = context.domain();
            let later = Target::Refused {
                address: recipient.clone(),
                reply: routing::StoredReply(reply),
            };
            transaction.recipients.push(Taken {
                id: site.store.recipient_id(),
                original: recipient.to_string(),
                address: recipient.clone(),
                domain,
                targets: vec![later],
                fate: Fate::default(),
                sentences: Vec::new(),
            });
        }
    }
    if transaction.recipients.is_empty() {
        return (None, undeliverable);
    }
    let plan = Plan {
        site,
        envelope: &transaction.envelope,
        operation: site.store.operation_id(),
        recipients: &transaction.recipients,
        submitter: None,
        rulings: &BTreeMap::new(),
        pieces: mail.pieces,
        sentences: &[],
    };
    let (accept, failed) = plan.make();
    undeliverable.extend(failed);
    (Some(accept), undeliverable)
}

/// A queued message whose recipient stands for others by now: each gets a row, or a copy, of its
/// own. The queue life goes on.
pub(crate) fn split(
    site: &Site,
    row: &QueueRow,
    routed: Routed,
    targets: Vec<Target>,
    pieces: Vec<Piece>,
) -> (Accept, Vec<Undeliverable>) {
    let taken = Taken {
        id: row.recipient,
        original: row.original.clone(),
        address: row.address.clone(),
        domain: routed.domain,
        targets,
        fate: Fate::default(),
        sentences: Vec::new(),
    };
    let plan = Plan {
        site,
        envelope: &row.envelope,
        operation: site.store.operation_id(),
        recipients: &[taken],
        submitter: None,
        rulings: &BTreeMap::new(),
        pieces,
        sentences: &[],
    };
    plan.make()
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
    let mut writer = site.store.begin_body()?;
    writer.write(&report.message)?;
    let body = writer.finish()?;
    let mail = Internal {
        reverse_path: ReversePath::Null,
        recipients: vec![report.recipient],
        pieces: vec![body.piece()],
        head: report.message,
        body: if report.eight_bit {
            Body::EightBitMime
        } else {
            Body::SevenBit
        },
        utf8: report.utf8,
    };
    // A report that cannot be delivered itself ends here (RFC 5321 §6.1).
    Ok(Box::pin(plan(site, mail)).await.0)
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

fn refused(recipient: &Mailbox, reply: Reply) -> Undeliverable {
    Undeliverable {
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

fn transaction(site: &Site, mail: &Internal) -> Transaction {
    Transaction {
        envelope: Envelope {
            id: site.store.envelope_id(),
            reverse_path: mail.reverse_path.clone(),
            direction: Direction::Internal,
            authenticated: None,
            peer: None,
            helo: String::new(),
            encrypted: false,
            received: now(),
            body: mail.body,
            utf8: mail.utf8,
            envid: None,
        },
        sender: Sender::Internal,
        submitter: None,
        declared_size: None,
        mode: Mode::Real,
        recipients: Vec::new(),
        hooks: BTreeMap::new(),
        group: None,
    }
}

fn now() -> Timestamp {
    site::now()
}
