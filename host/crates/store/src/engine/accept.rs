//! Taking responsibility: envelope, bodies, rows and effects in one record.

use mail::{DomainId, Envelope, OperationId, RecipientId, Tenant, ThreadId, Timestamp};

use crate::accept::{Accept, Accepted, Action, Part, Place, Queued, Recipient, Stored};
use crate::engine::Tx;
use crate::engine::messages::Incoming;
use crate::keys;
use crate::queue::Work;
use crate::rows::WorkRow;
use crate::view::ViewExt as _;
use crate::{
    ContentId, Effect, Error, Flags, Parked, Quota, Result, Resumed, TraceKey, TraceLine, Traced,
};

/// Bytes of the context a stage may leave for the next.
const CONTEXT_MAX: usize = 4096;
/// Bytes of a channel's or stage's name.
const NAME_MAX: usize = 255;

/// One recipient of a message as its actions need it.
pub(crate) struct Addressee<'a> {
    pub(crate) access: mail::Access,
    pub(crate) envelope: &'a Envelope,
    pub(crate) recipient: RecipientId,
    pub(crate) original: &'a str,
    pub(crate) address: &'a mail::Mailbox,
    pub(crate) thread: Option<ThreadId>,
    pub(crate) content: ContentId,
    pub(crate) size: u64,
    pub(crate) domain_quota: &'a Quota,
}

impl Tx<'_> {
    pub(crate) fn accept(&mut self, accept: &Accept) -> Result<Accepted> {
        // Parts are of several domains, so the operation is remembered by the host.
        self.once(Tenant::HOST.domain(), accept.operation, |tx| {
            tx.accept_from(accept, None)
        })
    }

    /// Contents among the pieces are those of `source`, or of the part's own domain.
    pub(crate) fn accept_from(
        &mut self,
        accept: &Accept,
        source: Option<DomainId>,
    ) -> Result<Accepted> {
        let mut accepted = Accepted {
            envelope: accept.envelope.id,
            stored: Vec::new(),
            queued: Vec::new(),
        };
        if accept.parts.iter().all(|part| part.recipients.is_empty()) {
            return Err(Error::Invalid("a message without recipients".to_owned()));
        }
        for part in &accept.parts {
            self.accept_part(&accept.envelope, part, source, &mut accepted)?;
        }
        Ok(accepted)
    }

    fn accept_part(
        &mut self,
        envelope: &Envelope,
        part: &Part,
        source: Option<DomainId>,
        accepted: &mut Accepted,
    ) -> Result<()> {
        let domain = part.access.domain();
        let source = source.unwrap_or(domain);
        let mut traced = trace_of(envelope, part);
        let mut shared = None;
        for recipient in &part.recipients {
            let (content, size) = match shared {
                Some(known) if recipient.prefix.is_empty() => known,
                _ => self.new_content(domain, source, &recipient.prefix, &part.pieces)?,
            };
            if recipient.prefix.is_empty() {
                shared = Some((content, size));
            }
            let addressee = Addressee {
                access: part.access,
                envelope,
                recipient: recipient.id,
                original: &recipient.original,
                address: &recipient.address,
                thread: part.thread,
                content,
                size,
                domain_quota: &part.domain_quota,
            };
            let before = (accepted.stored.len(), accepted.queued.len());
            self.act_all(&addressee, &recipient.actions, accepted)?;
            check_recipient(recipient)?;
            self.drop_if_unnamed(domain, content)?;
            if let Some(traced) = &mut traced {
                let made = (&accepted.stored[before.0..], &accepted.queued[before.1..]);
                self.trace_rows(domain, recipient.address.clone(), made, traced)?;
            }
        }
        if let Some(traced) = &traced {
            self.write_trace(domain, traced);
        }
        let others = part.effects.iter();
        let others = others.filter(|effect| !is_about(effect, envelope));
        self.apply_effects(&part.access, source, others, &mut Vec::new())
    }

    /// What was written for a recipient, as lines of the trace.
    pub(crate) fn trace_rows(
        &self,
        domain: DomainId,
        address: mail::Mailbox,
        (stored, queued): (&[Stored], &[Queued]),
        traced: &mut Traced,
    ) -> Result<()> {
        let line = |recipient, text| TraceLine {
            at: self.now,
            recipient: Some(recipient),
            step: "store".to_owned(),
            text,
        };
        for row in stored {
            let text = format!("mailbox {} UID {} for {address}", row.mailbox, row.uid.0);
            traced.lines.push(line(row.recipient, text));
        }
        for row in queued {
            let work: WorkRow = self
                .row(&keys::queue(domain, row.id))?
                .ok_or(Error::NotFound)?;
            let channel = work.work.channel();
            let text = match &work.parked {
                Some((reason, why)) => {
                    format!(
                        "queue {}, kept aside ({}: {why}) before {channel} for {address}",
                        row.id,
                        reason.name()
                    )
                }
                None => format!("queue {} {channel} for {address}", row.id),
            };
            traced.lines.push(line(row.recipient, text));
            traced.found_by.push(TraceKey::Row(row.id));
        }
        Ok(())
    }

    /// Does all actions of one recipient.
    pub(crate) fn act_all(
        &mut self,
        to: &Addressee<'_>,
        actions: &[Action],
        accepted: &mut Accepted,
    ) -> Result<()> {
        for action in actions {
            match action {
                Action::Mailbox {
                    place,
                    flags,
                    quota,
                } => {
                    accepted
                        .stored
                        .push(self.act_store(to, place, *flags, quota)?);
                }
                Action::Process {
                    stage,
                    context,
                    due,
                    expires,
                } => {
                    let work = Work::Process {
                        stage: stage.clone(),
                        context: context.clone(),
                    };
                    accepted
                        .queued
                        .push(self.act_queue(to, work, None, *due, *expires)?);
                }
                Action::Remote {
                    channel,
                    next_hop,
                    due,
                    expires,
                } => {
                    let work = Work::Remote {
                        channel: channel.clone(),
                        next_hop: next_hop.clone(),
                    };
                    accepted
                        .queued
                        .push(self.act_queue(to, work, None, *due, *expires)?);
                }
                Action::Parked(parked) => {
                    let due = parked.expires.unwrap_or(Timestamp(i64::MAX));
                    accepted.queued.push(self.act_queue(
                        to,
                        parked.resume.clone(),
                        Some(parked),
                        due,
                        due,
                    )?);
                }
                Action::Resumed(resumed) => {
                    accepted.queued.push(self.act_resume(to, resumed)?);
                }
            }
        }
        Ok(())
    }

    fn act_resume(&mut self, to: &Addressee<'_>, resumed: &Resumed) -> Result<Queued> {
        let row = WorkRow {
            parked: resumed.parked.clone(),
            attempts: resumed.attempts,
            created: resumed.created,
            last: resumed.last.clone(),
            delay_told: resumed.delay_told,
            ..self.work_row(to, resumed.work.clone(), resumed.due, resumed.expires)
        };
        self.act_enqueue(to, &row)
    }

    fn act_store(
        &mut self,
        to: &Addressee<'_>,
        place: &Place,
        flags: Flags,
        quota: &Quota,
    ) -> Result<Stored> {
        let incoming = Incoming {
            email: None,
            copied: None,
            thread: to.thread,
            internal_date: (self.now, 0),
            received: to.envelope.received,
            size: to.size,
            utf8: to.envelope.utf8,
            flags,
            keywords: Vec::new(),
            content: to.content,
        };
        let at = self.deliver(&to.access, place, incoming, quota, to.domain_quota)?;
        Ok(Stored {
            recipient: to.recipient,
            mailbox: at.mailbox,
            uid_validity: at.uid_validity,
            uid: at.uid,
            email: at.email,
        })
    }

    fn act_queue(
        &mut self,
        to: &Addressee<'_>,
        work: Work,
        parked: Option<&Parked>,
        due: Timestamp,
        expires: Timestamp,
    ) -> Result<Queued> {
        let row = WorkRow {
            parked: parked.map(|parked| (parked.reason, parked.text.clone())),
            ..self.work_row(to, work, due, expires)
        };
        self.act_enqueue(to, &row)
    }

    /// A row that begins now.
    fn work_row(
        &self,
        to: &Addressee<'_>,
        work: Work,
        due: Timestamp,
        expires: Timestamp,
    ) -> WorkRow {
        WorkRow {
            envelope: to.envelope.clone(),
            recipient: to.recipient,
            original: to.original.to_owned(),
            address: to.address.clone(),
            work,
            parked: None,
            due,
            attempts: 0,
            created: self.now,
            expires,
            last: None,
            started: None,
            delay_told: false,
            content: to.content,
            size: to.size,
            utf8: to.envelope.utf8,
            thread: to.thread,
        }
    }

    fn act_enqueue(&mut self, to: &Addressee<'_>, row: &WorkRow) -> Result<Queued> {
        check_work(&row.work)?;
        let id = self.enqueue(to.access.domain(), row, to.domain_quota)?;
        Ok(Queued {
            recipient: to.recipient,
            id,
        })
    }
}

/// The trace of a part, with what it is found by; none where nobody traces.
fn trace_of(envelope: &Envelope, part: &Part) -> Option<Traced> {
    let mut traced = Traced::new(envelope.id);
    traced.lines.clone_from(&part.trace);
    for effect in &part.effects {
        if let Effect::Trace(more) = effect
            && is_about(effect, envelope)
        {
            traced.lines.extend(more.lines.iter().cloned());
            traced.found_by.extend(more.found_by.iter().cloned());
            traced.is_sender |= more.is_sender;
        }
    }
    if traced == Traced::new(envelope.id) {
        return None;
    }
    let sender = envelope.reverse_path.mailbox().cloned();
    let recipients = part.recipients.iter().flat_map(|recipient| {
        let original = mail::Mailbox::parse(&recipient.original).ok();
        std::iter::once(recipient.address.clone()).chain(original)
    });
    let addresses = sender.into_iter().chain(recipients);
    traced.found_by.extend(addresses.map(TraceKey::Address));
    Some(traced)
}

fn is_about(effect: &Effect, envelope: &Envelope) -> bool {
    matches!(effect, Effect::Trace(traced) if traced.envelope == envelope.id)
}

pub(crate) fn check_work(work: &Work) -> Result<()> {
    if work.channel().len() > NAME_MAX {
        return Err(Error::Invalid(format!(
            "a channel's or stage's name has over {NAME_MAX} bytes"
        )));
    }
    match work {
        Work::Process { context, .. } if context.len() > CONTEXT_MAX => Err(Error::Invalid(
            format!("a context has over {CONTEXT_MAX} bytes"),
        )),
        _ => Ok(()),
    }
}

fn check_recipient(recipient: &Recipient) -> Result<()> {
    if recipient.actions.is_empty() {
        return Err(Error::Invalid(format!(
            "the recipient {} has no action",
            recipient.id
        )));
    }
    Ok(())
}

/// The operation of a follow-up is part of the operation that carries it.
pub(crate) const PART_OF_ANOTHER: OperationId = OperationId(0);
