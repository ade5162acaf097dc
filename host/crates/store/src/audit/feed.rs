//! The change feed beside the mailboxes, both ways: every mailbox that has changed since there is a
//! feed is in it once, and nothing else.

use mail::{DomainId, MailboxId};

use super::Audit;
use crate::Result;
use crate::keys::{self, Table};
use crate::rows::{FeedRow, GoneRow, MailboxRow, decode};
use crate::view::ViewExt;

impl Audit<'_, '_> {
    /// What the feed must have for a mailbox.
    pub(super) fn fed(&mut self, domain: DomainId, id: MailboxId, row: &MailboxRow) -> Result<()> {
        let at: Option<u64> = self.view.row(&keys::feed_at(domain, id))?;
        // It was there before the feed was, and has not changed since.
        let Some(at) = at else { return Ok(()) };
        let entry: Option<FeedRow> = self.view.row(&keys::feed(domain, at, id))?;
        if entry.is_none_or(|entry| entry.owner != row.owner) {
            let what = format!("{domain}, mailbox {id}: it is not in the change feed");
            self.found.problem("index", what);
        }
        Ok(())
    }

    /// What the feed has, and whether it is of a mailbox.
    pub(super) fn feed(&mut self, domain: DomainId) -> Result<()> {
        self.table(domain, Table::Feed, |audit, key, _| {
            let (sequence, id) = place(key);
            let at: Option<u64> = audit.view.row(&keys::feed_at(domain, id))?;
            if at != Some(sequence) {
                let what = format!(
                    "{domain}, mailbox {id}: it is in the change feed where it should not be"
                );
                audit.found.problem("index", what);
            }
            Ok(())
        })?;
        self.table(domain, Table::FeedAt, |audit, key, _| {
            let id = MailboxId(keys::last_number(key));
            audit.expect(&keys::mailbox(domain, id), "index", || {
                format!("{domain}, mailbox {id}: in the change feed, and not there")
            })
        })?;
        let mut gone = 0;
        self.table(domain, Table::FeedGone, |audit, key, _| {
            gone += 1;
            let (_, id) = place(key);
            if audit.view.exists(&keys::mailbox(domain, id))? {
                let what = format!("{domain}, mailbox {id}: told as deleted, and it is there");
                audit.found.problem("index", what);
            }
            Ok(())
        })?;
        let log = self.view.raw(&keys::feed_log(domain))?;
        let log: GoneRow = log.map_or_else(|| Ok(GoneRow::default()), |value| decode(&value))?;
        if log.length != gone {
            let what = format!(
                "{domain}: {} deleted mailboxes in the change feed, counted {gone}",
                log.length
            );
            self.found.problem("counter", what);
        }
        Ok(())
    }
}

/// Sequence and mailbox of a row of the feed.
fn place(key: &[u8]) -> (u64, MailboxId) {
    (
        keys::number_of(&key[9..]),
        MailboxId(keys::last_number(key)),
    )
}
