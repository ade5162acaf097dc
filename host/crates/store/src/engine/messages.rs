//! Putting messages into mailboxes and taking them out.

use mail::{Access, DomainId, EmailId, MailboxId, ModSeq, OperationId, ThreadId, Timestamp, Uid};

use crate::accept::Place;
use crate::engine::Tx;
use crate::engine::access::mailbox;
use crate::rows::{MailboxRow, MessageRow};
use crate::view::{Order, View, ViewExt};
use crate::{
    Appended, ContentId, Error, Flags, NewMessage, Owner, Quota, Result, Rights, Usage, keys,
};

/// UIDs in the log of expunges of one mailbox.
pub(crate) const EXPUNGE_LOG: u32 = 10_000;

/// A message about to get its UID.
pub(crate) struct Incoming {
    /// Kept by a move.
    pub(crate) email: Option<EmailId>,
    /// The EMAILID of a copy's source, and of a copy that moves.
    pub(crate) copied: Option<EmailId>,
    pub(crate) thread: Option<ThreadId>,
    pub(crate) internal_date: (Timestamp, i16),
    pub(crate) received: Timestamp,
    pub(crate) size: u64,
    pub(crate) utf8: bool,
    pub(crate) flags: Flags,
    pub(crate) keywords: Vec<String>,
    pub(crate) content: ContentId,
}

impl MailboxRow {
    pub(crate) fn next_modseq(&mut self) -> ModSeq {
        self.highest_modseq = ModSeq(self.highest_modseq.0 + 1);
        self.highest_modseq
    }

    /// Counts a message in (`1`) or out (`-1`).
    pub(crate) fn count(&mut self, message: &MessageRow, by: i64) {
        let add = |counter: &mut u32, applies: bool| {
            if applies {
                *counter = u32::try_from(i64::from(*counter) + by).unwrap_or(0);
            }
        };
        add(&mut self.messages, true);
        add(&mut self.unseen, !message.flags.contains(Flags::SEEN));
        add(&mut self.deleted, message.flags.contains(Flags::DELETED));
        self.bytes = if by > 0 {
            self.bytes + message.size
        } else {
            self.bytes.saturating_sub(message.size)
        };
    }
}

/// Which of the named messages an expunge takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them.
    All,
    /// Those that are marked `\Deleted`.
    Deleted,
}

impl Tx<'_> {
    /// Writes a message row with the next UID; the caller writes `row` back.
    pub(crate) fn insert(
        &mut self,
        domain: DomainId,
        id: MailboxId,
        row: &mut MailboxRow,
        incoming: Incoming,
    ) -> Result<(Uid, EmailId)> {
        let uid = row.uid_next;
        row.uid_next = Uid(uid
            .0
            .checked_add(1)
            .ok_or_else(|| Error::Invalid("the mailbox is out of UIDs".into()))?);
        let modseq = row.next_modseq();
        let email = incoming.email.unwrap_or_else(|| EmailId(self.ids.next()));
        let message = MessageRow {
            email,
            thread: incoming.thread.unwrap_or(ThreadId(email.0)),
            created: modseq,
            changed: modseq,
            internal_date: incoming.internal_date.0,
            internal_offset_minutes: incoming.internal_date.1,
            received: incoming.received,
            saved: self.now,
            size: incoming.size,
            utf8: incoming.utf8,
            flags: incoming.flags,
            keywords: self.keyword_numbers(row, &incoming.keywords)?,
            content: incoming.content,
            copied: incoming.copied,
        };
        row.count(&message, 1);
        self.index_message((domain, id, uid), message.size, None, Some(message.flags))?;
        self.put(keys::message(domain, id, uid), &message);
        self.put_raw(keys::change(domain, id, modseq, uid), Vec::new());
        self.name_content(domain, row.owner, incoming.content)?;
        Ok((uid, email))
    }

    pub(crate) fn append(
        &mut self,
        access: &Access,
        operation: OperationId,
        place: &Place,
        messages: &[NewMessage],
    ) -> Result<Vec<Appended>> {
        self.once(access.domain(), operation, |tx| {
            messages
                .iter()
                .map(|message| tx.append_one(access, access.domain(), place, message))
                .collect()
        })
    }

    /// Appends one message; contents among its pieces are those of the domain `source`.
    pub(crate) fn append_one(
        &mut self,
        access: &Access,
        source: DomainId,
        place: &Place,
        message: &NewMessage,
    ) -> Result<Appended> {
        let domain = access.domain();
        let (content, size) = self.new_content(domain, source, &[], &message.pieces)?;
        let incoming = Incoming {
            email: None,
            copied: None,
            thread: message.thread,
            internal_date: message.internal_date.unwrap_or((self.now, 0)),
            received: message.received.unwrap_or(self.now),
            size,
            utf8: message.utf8,
            flags: message.flags,
            keywords: message.keywords.clone(),
            content,
        };
        self.deliver(
            access,
            place,
            incoming,
            &message.owner_quota,
            &message.domain_quota,
        )
    }

    /// Into a mailbox, charged to its owner.
    pub(crate) fn deliver(
        &mut self,
        access: &Access,
        place: &Place,
        incoming: Incoming,
        owner_quota: &Quota,
        domain_quota: &Quota,
    ) -> Result<Appended> {
        let domain = access.domain();
        let id = self.place(access, place)?;
        let mut row: MailboxRow = self
            .row(&keys::mailbox(domain, id))?
            .ok_or(Error::NotFound)?;
        let more = Usage {
            bytes: incoming.size,
            messages: 1,
        };
        self.charge(domain, row.owner, more, owner_quota, domain_quota)?;
        let (uid, email) = self.insert(domain, id, &mut row, incoming)?;
        self.put_mailbox(domain, id, &row);
        Ok(Appended {
            mailbox: id,
            uid_validity: row.uid_validity,
            uid,
            email,
        })
    }

    pub(crate) fn expunge(
        &mut self,
        access: &Access,
        operation: OperationId,
        id: MailboxId,
        uids: &[Uid],
        which: Which,
    ) -> Result<Vec<Uid>> {
        let domain = access.domain();
        self.once(domain, operation, |tx| {
            let mut row = mailbox(tx, access, id, Rights::EXPUNGE)?;
            let mut gone = Vec::new();
            // One sequence for all that go together.
            let modseq = ModSeq(row.highest_modseq.0 + 1);
            for uid in sorted(uids) {
                let Some(message) = tx.row::<MessageRow>(&keys::message(domain, id, uid))? else {
                    continue;
                };
                if which == Which::Deleted && !message.flags.contains(Flags::DELETED) {
                    continue;
                }
                tx.take_out(domain, id, &mut row, uid, &message, modseq)?;
                tx.refund(
                    domain,
                    row.owner,
                    Usage {
                        bytes: message.size,
                        messages: 1,
                    },
                )?;
                tx.drop_content(domain, row.owner, message.content)?;
                gone.push(uid);
            }
            if !gone.is_empty() {
                row.highest_modseq = modseq;
                tx.trim_expunge_log(domain, id, &mut row)?;
                tx.put_mailbox(domain, id, &row);
            }
            Ok(gone)
        })
    }

    /// Removes the row of a message and logs it; usage and content are the caller's.
    pub(crate) fn take_out(
        &mut self,
        domain: DomainId,
        id: MailboxId,
        row: &mut MailboxRow,
        uid: Uid,
        message: &MessageRow,
        modseq: ModSeq,
    ) -> Result<()> {
        row.count(message, -1);
        row.expunge_log += 1;
        self.index_message((domain, id, uid), message.size, Some(message.flags), None)?;
        self.delete(keys::message(domain, id, uid));
        self.delete(keys::change(domain, id, message.changed, uid));
        self.put_raw(keys::expunged(domain, id, modseq, uid), Vec::new());
        Ok(())
    }

    pub(crate) fn trim_expunge_log(
        &mut self,
        domain: DomainId,
        id: MailboxId,
        row: &mut MailboxRow,
    ) -> Result<()> {
        let over = row.expunge_log.saturating_sub(EXPUNGE_LOG);
        if over == 0 {
            return Ok(());
        }
        // What is before the floor is deleted, and in memory until the next checkpoint.
        let old = self.range(
            &keys::expunges_at(domain, id, row.expunge_floor),
            &keys::after(&keys::expunges(domain, id)),
            Order::Ascending,
            over as usize,
        )?;
        for (key, _) in old {
            // domain, table, mailbox, then the sequence.
            row.expunge_floor = ModSeq(keys::number_of(&key[17..]));
            row.expunge_log -= 1;
            self.delete(key);
        }
        Ok(())
    }

    /// Removes messages with everything that hangs on them, without a log; answers whether
    /// some are left. For mailboxes that go themselves, also where nobody can read their rows.
    pub(crate) fn clear_mailbox(
        &mut self,
        domain: DomainId,
        owner: Owner,
        id: MailboxId,
        max: usize,
    ) -> Result<bool> {
        let messages = self.prefix(&keys::messages(domain, id), max)?;
        let is_more = messages.len() == max;
        let mut gone = Vec::with_capacity(messages.len());
        let mut usage = Usage::default();
        for (key, value) in messages {
            let message: MessageRow = crate::rows::decode(&value)?;
            let uid = keys::uid_of(&key);
            usage.bytes += message.size;
            usage.messages += 1;
            self.index_message((domain, id, uid), message.size, Some(message.flags), None)?;
            self.delete(keys::change(domain, id, message.changed, uid));
            self.delete(key);
            self.drop_content(domain, owner, message.content)?;
            gone.push(message);
        }
        if gone.is_empty() {
            return Ok(is_more);
        }
        self.refund(domain, owner, usage)?;
        if let Some(mut row) = self.readable_mailbox(domain, id)? {
            gone.iter().for_each(|message| row.count(message, -1));
            row.next_modseq();
            self.put_mailbox(domain, id, &row);
        }
        Ok(is_more)
    }

    /// The row of a mailbox, unless the key of its owner is gone.
    pub(crate) fn readable_mailbox(
        &self,
        domain: DomainId,
        id: MailboxId,
    ) -> Result<Option<MailboxRow>> {
        match self.raw(&keys::mailbox(domain, id))? {
            Some(row) if !crate::rows::is_locked(&row) => crate::rows::decode(&row).map(Some),
            _ => Ok(None),
        }
    }
}

/// Ascending, each once.
pub(crate) fn sorted(uids: &[Uid]) -> Vec<Uid> {
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    uids
}
