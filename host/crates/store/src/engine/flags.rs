//! Flags and keywords.

use mail::{Access, MailboxId, ModSeq, OperationId, Uid, limits};

use crate::engine::Tx;
use crate::engine::access::{mailbox, rights};
use crate::engine::messages::sorted;
use crate::rows::{MailboxRow, MessageRow};
use crate::view::ViewExt;
use crate::{Error, FlagChange, FlagOperation, Flags, Message, Result, Rights, keys};

impl Tx<'_> {
    pub(crate) fn store_flags(
        &mut self,
        access: &Access,
        operation: OperationId,
        id: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
    ) -> Result<Vec<Message>> {
        let domain = access.domain();
        let changed = self.once(domain, operation, |tx| {
            let mut row = mailbox(tx, access, id, Rights::READ)?;
            let allowed = writable(rights(tx, access, id, &row)?);
            if allowed == Writable::default() {
                return Err(Error::Denied);
            }
            let numbers = tx.numbers_for(&mut row, change)?;
            // One sequence for the whole command (RFC 7162 §3.1).
            let modseq = ModSeq(row.highest_modseq.0 + 1);
            let mut seen = Vec::new();
            let mut is_changed = false;
            for uid in sorted(uids) {
                let key = keys::message(domain, id, uid);
                let Some(mut message) = tx.row::<MessageRow>(&key)? else {
                    continue;
                };
                if change
                    .unchanged_since
                    .is_some_and(|since| message.changed > since)
                {
                    continue;
                }
                seen.push(uid);
                let (flags, keywords) = changed_flags(&message, change, &numbers, allowed);
                if flags == message.flags && keywords == message.keywords {
                    continue;
                }
                is_changed = true;
                row.count(&message, -1);
                tx.delete(keys::change(domain, id, message.changed, uid));
                let before = Some(message.flags);
                tx.index_message((domain, id, uid), message.size, before, Some(flags))?;
                (message.flags, message.keywords, message.changed) = (flags, keywords, modseq);
                row.count(&message, 1);
                tx.put_raw(keys::change(domain, id, modseq, uid), Vec::new());
                tx.put(key, &message);
            }
            if is_changed {
                row.highest_modseq = modseq;
                tx.put_mailbox(domain, id, &row);
            }
            Ok(seen)
        })?;
        // Not remembered with the operation: a repeat shows the rows as they are by then.
        let row = mailbox(self, access, id, Rights::READ)?;
        let mut messages = Vec::with_capacity(changed.len());
        for uid in changed {
            if let Some(message) = self.row::<MessageRow>(&keys::message(domain, id, uid))? {
                messages.push(message.message(uid, &row.keywords));
            }
        }
        Ok(messages)
    }

    /// Numbers of the keywords in a change; only setting and adding make new ones.
    fn numbers_for(&mut self, row: &mut MailboxRow, change: &FlagChange) -> Result<Vec<u16>> {
        if change.operation == FlagOperation::Remove {
            let known = change
                .keywords
                .iter()
                .filter_map(|keyword| number_of(row, keyword));
            return Ok(known.collect());
        }
        self.keyword_numbers(row, &change.keywords)
    }

    /// Numbers of keywords in the mailbox's table, ascending; new ones are added to it.
    pub(crate) fn keyword_numbers(
        &mut self,
        row: &mut MailboxRow,
        keywords: &[String],
    ) -> Result<Vec<u16>> {
        let mut numbers = Vec::with_capacity(keywords.len());
        for keyword in keywords {
            let number = match number_of(row, keyword) {
                Some(number) => number,
                None if row.keywords.len() >= limits::IMAP_KEYWORDS => {
                    return Err(Error::Invalid(format!(
                        "the mailbox has {} keywords already",
                        row.keywords.len()
                    )));
                }
                None if keyword.is_empty() || keyword.len() > 255 => {
                    return Err(Error::Invalid("a keyword has 1 to 255 bytes".to_owned()));
                }
                None => {
                    row.keywords.push(keyword.clone());
                    (row.keywords.len() - 1) as u16
                }
            };
            numbers.push(number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

fn number_of(row: &MailboxRow, keyword: &str) -> Option<u16> {
    let index = row
        .keywords
        .iter()
        .position(|known| known.eq_ignore_ascii_case(keyword))?;
    u16::try_from(index).ok()
}

/// What the rights allow to change (RFC 4314 §4).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Writable {
    flags: Flags,
    keywords: bool,
}

fn writable(rights: Rights) -> Writable {
    let mut flags = Flags::NONE;
    if rights.contains(Rights::SEEN) {
        flags = flags.union(Flags::SEEN);
    }
    if rights.contains(Rights::DELETE_MESSAGES) {
        flags = flags.union(Flags::DELETED);
    }
    let keywords = rights.contains(Rights::WRITE);
    if keywords {
        flags = flags.union(Flags::ALL.without(Flags::SEEN).without(Flags::DELETED));
    }
    Writable { flags, keywords }
}

/// Flags that the principal may not change stay as they are.
fn changed_flags(
    message: &MessageRow,
    change: &FlagChange,
    numbers: &[u16],
    may: Writable,
) -> (Flags, Vec<u16>) {
    let wanted = match change.operation {
        FlagOperation::Set => change.flags,
        FlagOperation::Add => message.flags.union(change.flags),
        FlagOperation::Remove => message.flags.without(change.flags),
    };
    let fixed = message.flags.without(may.flags);
    let flags = wanted.without(Flags::ALL.without(may.flags)).union(fixed);
    if !may.keywords {
        return (flags, message.keywords.clone());
    }
    let mut keywords = match change.operation {
        FlagOperation::Set => numbers.to_vec(),
        FlagOperation::Add => [&message.keywords, numbers].concat(),
        FlagOperation::Remove => message
            .keywords
            .iter()
            .filter(|n| !numbers.contains(n))
            .copied()
            .collect(),
    };
    keywords.sort_unstable();
    keywords.dedup();
    (flags, keywords)
}
