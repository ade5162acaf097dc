//! What a store that comes from a backup has to forget: the restore rules.
//!
//! Since the backup was made, mail was given UIDs, ids were given out and queued mail was sent,
//! and none of that is known here. So every UIDVALIDITY moves on, ids begin far behind what can
//! have been given, and queued mail waits until somebody says that it was not sent. Leases are
//! never in a backup.
//!
//! In steps of bounded size, each a commit of its own; done twice the rules do no harm.

use mail::{DomainId, MailboxId, Tenant, UidValidity};

use crate::engine::Tx;
use crate::engine::agenda::Turn;
use crate::engine::queue::park;
use crate::keys::{self, Key, Table};
use crate::queue::{Parked, ParkedReason, QueueId};
use crate::rows::{MailboxRow, WorkRow, is_locked};
use crate::view::{Order, Row, View, ViewExt};
use crate::{Error, Head, Owner, Quota, Result};

/// Rows of one step.
pub(crate) const STEP: usize = 1000;
/// Ids skipped: far more than can have been given out since any backup.
const IDS_SKIPPED: u64 = 1 << 40;

impl Tx<'_> {
    /// Ids and the new UIDVALIDITY of all mailboxes; first of all.
    pub(crate) fn restore_numbers(&mut self, noted: Option<&Head>) -> Result<UidValidity> {
        let noted = noted.copied().unwrap_or_default();
        let key = keys::meta("ids");
        let limit: u64 = self.row(&key)?.unwrap_or(0);
        self.put(key, &limit.max(noted.ids).saturating_add(IDS_SKIPPED));
        let key = keys::meta("uid-validity");
        let largest: u32 = self.row(&key)?.unwrap_or(0);
        // RFC 3501 §2.3.1.1: larger than any before, as far as that is known.
        let next = largest
            .max(noted.uid_validity)
            .checked_add(1)
            .ok_or_else(|| Error::Invalid("out of UIDVALIDITY".to_owned()))?
            .max(u32::try_from(self.now.seconds()).unwrap_or(0));
        self.put(key, &next);
        Ok(UidValidity(next))
    }

    /// Mailboxes from `from` on; answers where to go on.
    pub(crate) fn restore_mailboxes(
        &mut self,
        from: &[u8],
        validity: UidValidity,
    ) -> Result<(usize, Option<Key>)> {
        let (rows, next) = self.over_domains(Table::Mailbox, from)?;
        let mut count = 0;
        for (key, value) in rows {
            // Of somebody who was erased since: it goes.
            if is_locked(&value) {
                continue;
            }
            let mut row: MailboxRow = crate::rows::decode(&value)?;
            row.uid_validity = validity;
            let domain = DomainId(keys::number_of(&key));
            // The same, of a format that knew no keys: it can be read, and goes all the same.
            if !self.keyring().is_open(domain, row.owner) {
                continue;
            }
            count += 1;
            self.put_mailbox(domain, MailboxId(keys::last_number(&key)), &row);
        }
        Ok((count, next))
    }

    /// Parks queue rows from `from` on; answers where to go on.
    pub(crate) fn restore_queue(
        &mut self,
        from: &[u8],
        text: &str,
    ) -> Result<(usize, Option<Key>)> {
        let (rows, next) = self.over_domains(Table::Queue, from)?;
        let mut count = 0;
        for (key, value) in rows {
            if is_locked(&value) {
                continue;
            }
            let row: WorkRow = crate::rows::decode(&value)?;
            let domain = DomainId(keys::number_of(&key));
            if row.parked.is_some() || !self.keyring().is_open(domain, Owner::Domain) {
                continue;
            }
            let parked = Parked {
                reason: ParkedReason::Restored,
                text: text.to_owned(),
                resume: row.work.clone(),
                expires: None,
            };
            let mut new = row.clone();
            park(&mut new, &parked)?;
            let id = QueueId(keys::last_number(&key));
            self.change_work(domain, id, Some(&row), Some(&new), &Quota::NONE, Turn::Kept)?;
            count += 1;
        }
        Ok((count, next))
    }

    /// A new life: the last step.
    pub(crate) fn begin_life(&mut self, noted: Option<&Head>) -> Result<()> {
        let key = keys::meta("life");
        let before: u64 = self.row(&key)?.unwrap_or(0);
        let noted = noted.map_or(0, |noted| noted.life);
        let now = u64::try_from(self.now.seconds()).unwrap_or(0);
        self.put(key, &(before.max(noted) + 1).max(now));
        Ok(())
    }

    /// Rows of a table of all domains, the host's first; at most [`STEP`], and where to go on.
    pub(super) fn over_domains(
        &self,
        table: Table,
        from: &[u8],
    ) -> Result<(Vec<Row>, Option<Key>)> {
        let mut found = Vec::new();
        let mut at = from.to_vec();
        let end = [u8::MAX; 9];
        loop {
            let prefix = keys::table(DomainId(keys::number_of(&at)), table);
            let start = at.max(prefix.clone());
            let room = STEP - found.len();
            found.extend(self.range(&start, &keys::after(&prefix), Order::Ascending, room)?);
            if let (true, Some((last, _))) = (found.len() >= STEP, found.last()) {
                let mut next = last.clone();
                next.push(0);
                return Ok((found, Some(next)));
            }
            let Some(next) = keys::number_of(&prefix).checked_add(1) else {
                return Ok((found, None));
            };
            let next = next.to_be_bytes();
            match self.range(&next, &end, Order::Ascending, 1)?.pop() {
                Some((key, _)) => at = keys::table(DomainId(keys::number_of(&key)), table),
                None => return Ok((found, None)),
            }
        }
    }
}

/// Where the walks begin: with what is the host's.
pub(crate) fn start() -> Key {
    Tenant::HOST.domain().0.to_be_bytes().to_vec()
}
