//! Makes again what is derived from other rows: the agenda from the queue, the change feed from
//! the mailboxes. For a repair; nobody claims meanwhile.
//!
//! In steps of bounded size, each a commit of its own. The agenda is emptied only when every row
//! of the queue is noted as one to be taken into it, which every start does: a crash between
//! leaves no row that is never claimed.

use mail::{DomainId, MailboxId};

use crate::Result;
use crate::engine::Tx;
use crate::engine::restored::STEP;
use crate::keys::{self, Key, Table};
use crate::queue::QueueId;
use crate::rows::{FeedRow, GoneRow, MailboxRow, decode, is_locked};
use crate::view::{Order, Row, View, ViewExt};

impl Tx<'_> {
    /// Notes queue rows from `from` on as ones that the agenda is to have, and puts them into the
    /// index of domains; answers where to go on.
    pub(crate) fn note_dues(&mut self, from: &[u8]) -> Result<Option<Key>> {
        let (rows, next) = self.over_domains(Table::Queue, from)?;
        for (key, value) in rows {
            if is_locked(&value) {
                continue;
            }
            let (domain, id) = (keys::number_of(&key), QueueId(keys::last_number(&key)));
            self.put(keys::old_due(id), &domain);
            if self.row::<u64>(&keys::queue_at(id))? != Some(domain) {
                self.put(keys::queue_at(id), &domain);
            }
        }
        Ok(next)
    }

    /// Removes a step of the agenda; answers whether there was any of it. Nodes first: what no
    /// node leads to is not seen.
    pub(crate) fn clear_agenda(&mut self) -> Result<bool> {
        let host = mail::Tenant::HOST.domain();
        for table in [Table::Node, Table::Turn, Table::Started] {
            let rows = self.prefix(&keys::table(host, table), STEP)?;
            if !rows.is_empty() {
                for (key, _) in rows {
                    self.delete(key);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts mailboxes from `from` on into the feed where they are not in it, as changed now;
    /// answers where to go on.
    pub(crate) fn mend_feed(&mut self, from: &[u8]) -> Result<Option<Key>> {
        let (rows, next) = self.over_domains(Table::Mailbox, from)?;
        for (key, value) in rows {
            if is_locked(&value) {
                continue;
            }
            let (domain, id) = of_mailbox(&key);
            // One that cannot be read is a problem of its own, which a check tells.
            let Ok(MailboxRow { owner, .. }) = decode(&value) else {
                continue;
            };
            let at: Option<u64> = self.row(&keys::feed_at(domain, id))?;
            let entry: Option<FeedRow> = match at {
                Some(at) => self.row(&keys::feed(domain, at, id))?,
                None => None,
            };
            if entry.is_some_and(|entry| entry.owner == owner) {
                continue;
            }
            let sequence = self.sequence;
            if let Some(at) = at {
                self.delete(keys::feed(domain, at, id));
            }
            self.put(keys::feed(domain, sequence, id), &FeedRow { owner });
            self.put(keys::feed_at(domain, id), &sequence);
        }
        Ok(next)
    }

    /// Takes from a table of the feed, from `from` on, what is of no mailbox; answers where to go
    /// on.
    pub(crate) fn drop_stray_feed(&mut self, table: Table, from: &[u8]) -> Result<Option<Key>> {
        let (rows, next) = self.over_domains(table, from)?;
        for (key, _) in rows {
            let (domain, id) = of_mailbox(&key);
            let is_there = self.exists(&keys::mailbox(domain, id))?;
            let is_right = match table {
                Table::Feed => {
                    let at: Option<u64> = self.row(&keys::feed_at(domain, id))?;
                    is_there && at == Some(keys::number_of(&key[9..]))
                }
                Table::FeedGone => !is_there,
                _ => is_there,
            };
            if !is_right {
                self.delete(key);
            }
        }
        Ok(next)
    }

    /// Counts the deleted mailboxes in the feeds of domains from `from` on; answers where to go
    /// on.
    pub(crate) fn count_gone(&mut self, from: &[u8]) -> Result<Option<Key>> {
        let Some((key, _)) = self.range(from, &[u8::MAX; 9], Order::Ascending, 1)?.pop() else {
            return Ok(None);
        };
        let domain = DomainId(keys::number_of(&key));
        let gone: Vec<Row> = self.prefix(&keys::feed_gones(domain), usize::MAX)?;
        let log: Option<GoneRow> = self.row(&keys::feed_log(domain))?;
        let length = u32::try_from(gone.len()).unwrap_or(u32::MAX);
        if log.unwrap_or_default().length != length {
            let log = GoneRow {
                length,
                ..log.unwrap_or_default()
            };
            self.put(keys::feed_log(domain), &log);
        }
        Ok(Some(keys::after(&domain.0.to_be_bytes())))
    }
}

/// Domain and mailbox of a key that ends with one.
fn of_mailbox(key: &[u8]) -> (DomainId, MailboxId) {
    (
        DomainId(keys::number_of(key)),
        MailboxId(keys::last_number(key)),
    )
}
