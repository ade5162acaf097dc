//! The change feed: which mailboxes of a domain changed since a cursor, also over restarts.
//!
//! One row a mailbox, at its last change: the feed is as long as there are mailboxes, whatever
//! happens in them, and somebody who was away for a year misses none. Mailboxes that are gone
//! stay in a log of bounded length; a cursor from before its floor is told so.

use mail::{Access, DomainId, MailboxId, PersonId};
use serde::{Deserialize, Serialize};

use crate::engine::Tx;
use crate::engine::access::manage;
use crate::rows::{FeedRow, GoneRow, decode};
use crate::view::{Order, View, ViewExt, Walk};
use crate::{Error, Owner, Result, keys};

/// Mailboxes in the log of those that are gone, for each domain.
pub(crate) const GONE_LOG: u32 = 10_000;

/// A place in a domain's change feed.
///
/// It means the same after a restart. After an old copy of the store was restored it may be of
/// a future that did not happen: then [`Feed::complete`] is false.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct FeedCursor {
    sequence: u64,
    mailbox: u64,
}

impl FeedCursor {
    /// Before everything: from here all mailboxes there are come once.
    pub const START: Self = Self {
        sequence: 0,
        mailbox: 0,
    };
}

/// A mailbox that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedEntry {
    /// Behind this entry.
    pub cursor: FeedCursor,
    /// Whose mailbox.
    pub owner: Owner,
    /// Which. What changed says [`crate::Store::changes_since`].
    pub mailbox: MailboxId,
    /// Was it deleted?
    pub gone: bool,
}

/// A page of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// In the order of the last changes; each mailbox once, at its last.
    pub entries: Vec<FeedEntry>,
    /// Ask from here next time.
    pub cursor: FeedCursor,
    /// Is there more already?
    pub more: bool,
    /// Is every mailbox that was deleted among the entries? The log of those is bounded (10,000
    /// a domain); when the cursor is older, or of another life of the store, the caller compares
    /// with the mailboxes that exist.
    pub complete: bool,
}

impl Tx<'_> {
    /// Puts the mailboxes that this operation changed at the end of the feed.
    pub(crate) fn write_feed(&mut self) -> Result<()> {
        for change in self.outcome.touched.clone() {
            let (domain, mailbox) = (change.domain, change.mailbox);
            let at = keys::feed_at(domain, mailbox);
            if let Some(before) = self.row::<u64>(&at)? {
                self.delete(keys::feed(domain, before, mailbox));
            }
            let sequence = self.sequence;
            if self.exists(&keys::mailbox(domain, mailbox))? {
                let owner = change.owner;
                self.put(keys::feed(domain, sequence, mailbox), &FeedRow { owner });
                self.put(at, &sequence);
            } else {
                self.delete(at);
                self.log_gone(domain, mailbox, change.owner)?;
            }
        }
        Ok(())
    }

    fn log_gone(&mut self, domain: DomainId, mailbox: MailboxId, owner: Owner) -> Result<()> {
        let key = keys::feed_gone(domain, self.sequence, mailbox);
        self.put(key, &FeedRow { owner });
        let key = keys::feed_log(domain);
        let mut log: GoneRow = self.row(&key)?.unwrap_or_default();
        log.length += 1;
        let over = log.length.saturating_sub(GONE_LOG) as usize;
        let all = keys::feed_gones(domain);
        for (old, _) in self.range(&all, &keys::after(&all), Order::Ascending, over)? {
            log.floor = place(&all, &old);
            log.length -= 1;
            self.delete(old);
        }
        self.put(key, &log);
        Ok(())
    }
}

/// The place of a row of a feed table.
fn place(prefix: &[u8], key: &[u8]) -> FeedCursor {
    FeedCursor {
        sequence: keys::number_of(&key[prefix.len()..]),
        mailbox: keys::last_number(key),
    }
}

pub(crate) fn feed(
    view: &dyn View,
    access: &Access,
    of: Owner,
    after: FeedCursor,
    max: usize,
) -> Result<Feed> {
    manage(access, of)?;
    let domain = access.domain();
    let complete = is_complete(view, domain, after)?;
    let mut entries = match of {
        Owner::Domain => changed(view, domain, after, max.saturating_add(1))?,
        owner => changed_of(view, domain, owner, after)?,
    };
    gone(view, domain, of, after, max.saturating_add(1), &mut entries)?;
    entries.sort_unstable_by_key(|entry| entry.cursor);
    let more = entries.len() > max;
    entries.truncate(max);
    let cursor = entries.last().map_or(after, |entry| entry.cursor);
    Ok(Feed {
        entries,
        cursor,
        more,
        complete,
    })
}

/// Is the cursor within what the log of deleted mailboxes covers, and of this life?
fn is_complete(view: &dyn View, domain: DomainId, after: FeedCursor) -> Result<bool> {
    let log: GoneRow = view.row(&keys::feed_log(domain))?.unwrap_or_default();
    if after < log.floor {
        return Ok(after == FeedCursor::START);
    }
    let mut last = log.floor;
    for table in [keys::feeds(domain), keys::feed_gones(domain)] {
        let end = keys::after(&table);
        for (key, _) in view.range(&table, &end, Order::Descending, 1)? {
            last = last.max(place(&table, &key));
        }
    }
    Ok(after <= last)
}

/// Mailboxes of the domain behind the cursor.
fn changed(
    view: &dyn View,
    domain: DomainId,
    after: FeedCursor,
    max: usize,
) -> Result<Vec<FeedEntry>> {
    let table = keys::feeds(domain);
    let mut entries = Vec::new();
    walk_behind(view, &table, after, &mut |cursor, owner| {
        entries.push(FeedEntry {
            cursor,
            owner,
            mailbox: MailboxId(cursor.mailbox),
            gone: false,
        });
        entries.len() < max
    })?;
    Ok(entries)
}

/// Mailboxes of one owner, and what is shared with a person: as many rows are read as there are
/// of these.
fn changed_of(
    view: &dyn View,
    domain: DomainId,
    owner: Owner,
    after: FeedCursor,
) -> Result<Vec<FeedEntry>> {
    let mut mailboxes = Vec::new();
    for (_, id) in view.prefix(&keys::names_of(domain, owner), usize::MAX)? {
        mailboxes.push(MailboxId(decode(&id)?));
    }
    if let Owner::Person(person) = owner {
        mailboxes.extend(shared_with(view, domain, person)?);
    }
    let mut entries = Vec::new();
    for mailbox in mailboxes {
        let Some(sequence) = view.row::<u64>(&keys::feed_at(domain, mailbox))? else {
            continue;
        };
        let cursor = FeedCursor {
            sequence,
            mailbox: mailbox.0,
        };
        if cursor <= after {
            continue;
        }
        let row: FeedRow = view
            .row(&keys::feed(domain, sequence, mailbox))?
            .ok_or_else(|| Error::Damaged("the change feed misses a mailbox".to_owned()))?;
        entries.push(FeedEntry {
            cursor,
            owner: row.owner,
            mailbox,
            gone: false,
        });
    }
    Ok(entries)
}

fn shared_with(view: &dyn View, domain: DomainId, person: PersonId) -> Result<Vec<MailboxId>> {
    let rows = view.prefix(&keys::shared_with(domain, person), usize::MAX)?;
    Ok(rows
        .iter()
        .map(|(key, _)| MailboxId(keys::last_number(key)))
        .collect())
}

/// Mailboxes that are gone, of `of` or of all. A person is not told of what others deleted: who
/// had rights on it is not known any more.
fn gone(
    view: &dyn View,
    domain: DomainId,
    of: Owner,
    after: FeedCursor,
    max: usize,
    entries: &mut Vec<FeedEntry>,
) -> Result<()> {
    if after == FeedCursor::START {
        return Ok(());
    }
    let mut count = 0;
    walk_behind(
        view,
        &keys::feed_gones(domain),
        after,
        &mut |cursor, owner| {
            if of == Owner::Domain || of == owner {
                count += 1;
                entries.push(FeedEntry {
                    cursor,
                    owner,
                    mailbox: MailboxId(cursor.mailbox),
                    gone: true,
                });
            }
            count < max
        },
    )
}

/// Calls `visit` for the rows of a feed table behind a cursor, until it says that it has enough.
fn walk_behind(
    view: &dyn View,
    table: &[u8],
    after: FeedCursor,
    visit: &mut dyn FnMut(FeedCursor, Owner) -> bool,
) -> Result<()> {
    let from = keys::behind(table, after.sequence, after.mailbox);
    view.walk(
        &from,
        &keys::after(table),
        Order::Ascending,
        &mut |key, value| {
            let row: FeedRow = decode(value)?;
            Ok(match visit(place(table, key), row.owner) {
                true => Walk::Continue(()),
                false => Walk::Break(()),
            })
        },
    )
}
