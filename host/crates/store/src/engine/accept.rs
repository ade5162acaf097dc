//! Taking responsibility: envelope, bodies, rows and effects in one record.

use mail::{DomainId, Envelope, OperationId, RecipientId, Tenant, ThreadId, Timestamp};

use crate::accept::{Accept, Accepted, Action, Part, Place, Queued, Recipient, Stored};
use crate::engine::Tx;
use crate::engine::messages::Incoming;
use crate::queue::Work;
use crate::rows::WorkRow;
use crate::{ContentId, Error, Flags, Parked, Quota, Result};

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
            self.act_all(&addressee, &recipient.actions, accepted)?;
            check_recipient(recipient)?;
            self.drop_if_unnamed(domain, content)?;
        }
        self.write_trace(domain, envelope.id, &part.trace);
        self.apply_effects(&part.access, source, &part.effects, &mut Vec::new())
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
            }
        }
        Ok(())
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
        check_work(&work)?;
        let row = WorkRow {
            envelope: to.envelope.clone(),
            recipient: to.recipient,
            original: to.original.to_owned(),
            address: to.address.clone(),
            work,
            parked: parked.map(|parked| (parked.reason, parked.text.clone())),
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
        };
        let id = self.enqueue(to.access.domain(), &row, to.domain_quota)?;
        Ok(Queued {
            recipient: to.recipient,
            id,
        })
    }
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
