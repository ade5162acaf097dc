//! Copying and moving messages between mailboxes of a domain.

use mail::{Access, DomainId, MailboxId, ModSeq, OperationId, Uid};

use crate::engine::Tx;
use crate::engine::access::mailbox;
use crate::engine::messages::{Incoming, sorted};
use crate::rows::{MailboxRow, MessageRow};
use crate::view::{View, ViewExt};
use crate::{Copied, Destination, Error, Quota, Result, Rights, Usage, keys};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Copy,
    Move,
}

impl Tx<'_> {
    pub(crate) fn copy(
        &mut self,
        access: &Access,
        operation: OperationId,
        from: MailboxId,
        uids: &[Uid],
        to: &Destination,
    ) -> Result<Copied> {
        self.once(access.domain(), operation, |tx| {
            mailbox(tx, access, from, Rights::READ)?;
            mailbox(tx, access, to.mailbox, Rights::INSERT)?;
            tx.transfer(access.domain(), from, sorted(uids), to, Manner::Copy)
        })
    }

    pub(crate) fn move_messages(
        &mut self,
        access: &Access,
        operation: OperationId,
        from: MailboxId,
        uids: &[Uid],
        to: &Destination,
    ) -> Result<Copied> {
        self.once(access.domain(), operation, |tx| {
            let need = Rights::READ
                .union(Rights::DELETE_MESSAGES)
                .union(Rights::EXPUNGE);
            mailbox(tx, access, from, need)?;
            mailbox(tx, access, to.mailbox, Rights::INSERT)?;
            tx.transfer(access.domain(), from, sorted(uids), to, Manner::Move)
        })
    }

    /// RENAME of INBOX (RFC 3501 §6.3.5): everything in it goes to `to`.
    pub(crate) fn move_all(
        &mut self,
        domain: DomainId,
        from: MailboxId,
        to: MailboxId,
    ) -> Result<()> {
        let rows = self.prefix(&keys::messages(domain, from), usize::MAX)?;
        let uids = rows.iter().map(|(key, _)| keys::uid_of(key)).collect();
        self.transfer(domain, from, uids, &to.into(), Manner::Move)
            .map(drop)
    }

    /// One loop for both; each step works on fresh rows, so `from` and `to` may be the same.
    fn transfer(
        &mut self,
        domain: DomainId,
        from: MailboxId,
        uids: Vec<Uid>,
        to: &Destination,
        manner: Manner,
    ) -> Result<Copied> {
        let target: MailboxRow = self
            .row(&keys::mailbox(domain, to.mailbox))?
            .ok_or(Error::NotFound)?;
        let mut copied = Copied {
            uid_validity: target.uid_validity,
            uids: Vec::new(),
        };
        for uid in uids {
            let Some(message) = self.row::<MessageRow>(&keys::message(domain, from, uid))? else {
                continue;
            };
            let new = self.transfer_one(domain, from, uid, &message, to, manner)?;
            copied.uids.push((uid, new));
        }
        if manner == Manner::Move && !copied.uids.is_empty() {
            let mut row = self.mailbox_row(domain, from)?;
            self.trim_expunge_log(domain, from, &mut row)?;
            self.put_mailbox(domain, from, &row);
        }
        Ok(copied)
    }

    fn transfer_one(
        &mut self,
        domain: DomainId,
        from: MailboxId,
        uid: Uid,
        message: &MessageRow,
        to: &Destination,
        manner: Manner,
    ) -> Result<Uid> {
        let source = self.mailbox_row(domain, from)?;
        let keywords = message
            .keywords
            .iter()
            .filter_map(|n| source.keywords.get(usize::from(*n)).cloned())
            .collect();
        let incoming = Incoming {
            email: (manner == Manner::Move).then_some(message.email),
            copied: match manner {
                Manner::Copy => Some(message.object()),
                Manner::Move => message.copied,
            },
            thread: Some(message.thread),
            internal_date: (message.internal_date, message.internal_offset_minutes),
            received: message.received,
            size: message.size,
            utf8: message.utf8,
            flags: message.flags,
            keywords,
            content: message.content,
        };
        let mut target = self.mailbox_row(domain, to.mailbox)?;
        let usage = Usage {
            bytes: message.size,
            messages: 1,
        };
        // What moves takes no more room in the domain, and none with the owner it stays with.
        let (of_owner, of_domain) = match manner {
            Manner::Copy => (to.owner_quota, to.domain_quota),
            Manner::Move if source.owner == target.owner => (Quota::NONE, Quota::NONE),
            Manner::Move => (to.owner_quota, Quota::NONE),
        };
        self.charge(domain, target.owner, usage, &of_owner, &of_domain)?;
        let (new, _) = self.insert(domain, to.mailbox, &mut target, incoming)?;
        self.put_mailbox(domain, to.mailbox, &target);
        if manner == Manner::Move {
            let mut source = self.mailbox_row(domain, from)?;
            let modseq = ModSeq(source.highest_modseq.0 + 1);
            source.highest_modseq = modseq;
            self.take_out(domain, from, &mut source, uid, message, modseq)?;
            self.put_mailbox(domain, from, &source);
            self.refund(domain, source.owner, usage)?;
            self.drop_content(domain, source.owner, message.content)?;
        }
        Ok(new)
    }

    fn mailbox_row(&self, domain: DomainId, id: MailboxId) -> Result<MailboxRow> {
        self.row(&keys::mailbox(domain, id))?.ok_or(Error::NotFound)
    }
}
