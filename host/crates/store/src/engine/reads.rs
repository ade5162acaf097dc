//! Reads that need no transaction.

use std::ops::RangeInclusive;

use mail::{Access, EnvelopeId, MailboxId, ModSeq, PersonId, Principal, Timestamp, Uid};

use crate::engine::access::{act_for, administer, mailbox as open, manage, rights, site};
use crate::engine::kv::{check_key, is_over};
use crate::engine::messages::sorted;
use crate::engine::names;
use crate::engine::secrets::{self, Opened};
use crate::keys::{self, Table};
use crate::message::{Changes, Message, Source};
use crate::queue::{Depth, QueueFilter, QueueId, QueueRow, is_site};
use crate::rows::{DepthRow, KvRow, MailboxRow, MessageRow, TraceRow, WorkRow, decode};
use crate::store::SHARED_ROOT;
use crate::view::{Order, View, ViewExt, Walk};
use crate::{
    ContentId, Error, Flags, KvEntry, Mailbox, Owner, Result, Rights, TraceEntry, TraceKey, Usage,
};

type Dyn<'a> = &'a dyn View;

/// A mailbox as the principal sees it.
pub(crate) fn mailbox(view: Dyn<'_>, access: &Access, id: MailboxId) -> Result<Mailbox> {
    let row = open(view, access, id, Rights::NONE)?;
    present(view, access, id, row)
}

fn present(view: Dyn<'_>, access: &Access, id: MailboxId, row: MailboxRow) -> Result<Mailbox> {
    Ok(Mailbox {
        id,
        owner: row.owner,
        name: names::full(view, access, &row)?,
        special_use: row.special_use,
        rights: rights(view, access, id, &row)?,
        has_children: names::has_children(view, access.domain(), row.owner, id)?,
        status: row.status(),
        keywords: row.keywords,
    })
}

pub(crate) fn mailboxes(view: Dyn<'_>, access: &Access, viewer: Owner) -> Result<Vec<Mailbox>> {
    manage(access, viewer)?;
    let domain = access.domain();
    let mut found = Vec::new();
    for (_, value) in view.prefix(&keys::names_of(domain, viewer), usize::MAX)? {
        found.push(mailbox(view, access, MailboxId(decode(&value)?))?);
    }
    if let Owner::Person(person) = viewer {
        let seen_by = Access {
            tenant: access.tenant,
            principal: Principal::Person(person),
        };
        for (key, _) in view.prefix(&keys::shared_with(domain, person), usize::MAX)? {
            // Rights without `l` and `r` do not show it.
            match mailbox(view, &seen_by, MailboxId(keys::last_number(&key))) {
                Ok(shared) => found.push(shared),
                Err(Error::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

pub(crate) fn mailbox_named(
    view: Dyn<'_>,
    access: &Access,
    viewer: Owner,
    name: &str,
) -> Result<Mailbox> {
    manage(access, viewer)?;
    let levels = names::levels(name).map_err(|_| Error::NotFound)?;
    if levels[0] == SHARED_ROOT {
        // Group names are not in the store's keys for people: look among what is shared.
        let name = levels.join("/");
        return mailboxes(view, access, viewer)?
            .into_iter()
            .find(|shared| shared.name == name)
            .ok_or(Error::NotFound);
    }
    let id = names::find(view, access.domain(), viewer, &levels)?.ok_or(Error::NotFound)?;
    mailbox(view, access, id)
}

pub(crate) fn subscriptions(
    view: Dyn<'_>,
    access: &Access,
    person: PersonId,
) -> Result<Vec<String>> {
    act_for(access, Owner::Person(person))?;
    let prefix = keys::subscriptions(access.domain(), person);
    let mut found = Vec::new();
    for (key, value) in view.prefix(&prefix, usize::MAX)? {
        found.push(match value.is_empty() {
            // Format 1 had the name in the key.
            true => String::from_utf8_lossy(&key[prefix.len()..]).into_owned(),
            false => decode(&value)?,
        });
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

pub(crate) fn rights_list(
    view: Dyn<'_>,
    access: &Access,
    id: MailboxId,
) -> Result<Vec<(PersonId, Rights)>> {
    open(view, access, id, Rights::ADMINISTER)?;
    let rows = view.prefix(&keys::acls(access.domain(), id), usize::MAX)?;
    rows.iter()
        .map(|(key, value)| Ok((PersonId(keys::last_number(key)), decode(value)?)))
        .collect()
}

pub(crate) fn rows(
    view: Dyn<'_>,
    access: &Access,
    id: MailboxId,
    uids: &RangeInclusive<u32>,
) -> Result<Vec<Message>> {
    let row = open(view, access, id, Rights::READ)?;
    let mut messages = Vec::new();
    let domain = access.domain();
    each(view, domain, id, uids, &mut |uid, value| {
        let message: MessageRow = decode(value)?;
        messages.push(message.message(uid, &row.keywords));
        Ok(())
    })?;
    Ok(messages)
}

/// Each message row of a range, ascending.
fn each(
    view: Dyn<'_>,
    domain: mail::DomainId,
    id: MailboxId,
    uids: &RangeInclusive<u32>,
    visit: &mut dyn FnMut(Uid, &[u8]) -> Result<()>,
) -> Result<()> {
    let from = keys::message(domain, id, Uid(*uids.start()));
    let to = match uids.end().checked_add(1) {
        Some(end) => keys::message(domain, id, Uid(end)),
        None => keys::after(&keys::messages(domain, id)),
    };
    view.walk(&from, &to, Order::Ascending, &mut |key, value| {
        visit(keys::uid_of(key), value)?;
        Ok(Walk::Continue(()))
    })
}

/// UIDs that are no further apart are read in one go, with what is between them.
const NEAR: u32 = 8;

pub(crate) fn messages(
    view: Dyn<'_>,
    access: &Access,
    id: MailboxId,
    uids: &[Uid],
) -> Result<Vec<Message>> {
    let row = open(view, access, id, Rights::READ)?;
    let (domain, uids) = (access.domain(), sorted(uids));
    let mut messages = Vec::with_capacity(uids.len());
    for near in uids.chunk_by(|a, b| b.0 - a.0 <= NEAR) {
        // No chunk is empty.
        let range = near[0].0..=near[near.len() - 1].0;
        let mut wanted = near.iter().peekable();
        each(view, domain, id, &range, &mut |uid, value| {
            while wanted.next_if(|wanted| **wanted < uid).is_some() {}
            if wanted.peek() == Some(&&uid) {
                let message: MessageRow = decode(value)?;
                messages.push(message.message(uid, &row.keywords));
            }
            Ok(())
        })?;
    }
    Ok(messages)
}

pub(crate) fn deleted(view: Dyn<'_>, access: &Access, id: MailboxId) -> Result<Vec<(Uid, u64)>> {
    let row = open(view, access, id, Rights::READ)?;
    let domain = access.domain();
    let listed = view.prefix(&keys::deleted(domain, id), usize::MAX)?;
    if listed.len() == row.deleted as usize {
        let listed = listed.into_iter();
        return listed
            .map(|(key, size)| Ok((keys::uid_of(&key), decode(&size)?)))
            .collect();
    }
    // Marked before there was a list.
    let mut marked = Vec::new();
    let messages = keys::messages(domain, id);
    let end = keys::after(&messages);
    view.walk(&messages, &end, Order::Ascending, &mut |key, value| {
        let message: MessageRow = decode(value)?;
        if message.flags.contains(Flags::DELETED) {
            marked.push((keys::uid_of(key), message.size));
        }
        Ok(Walk::Continue(()))
    })?;
    Ok(marked)
}

pub(crate) fn changes_since(
    view: Dyn<'_>,
    access: &Access,
    id: MailboxId,
    since: ModSeq,
) -> Result<Changes> {
    let row = open(view, access, id, Rights::READ)?;
    let domain = access.domain();
    let next = ModSeq(since.0.saturating_add(1));
    let mut uids = Vec::new();
    let end = keys::after(&keys::changes(domain, id));
    view.walk(
        &keys::changes_at(domain, id, next),
        &end,
        Order::Ascending,
        &mut |key, _| {
            uids.push(keys::uid_of(key));
            Ok(Walk::Continue(()))
        },
    )?;
    uids.sort_unstable();
    let mut changed = Vec::with_capacity(uids.len());
    for uid in uids {
        let message: MessageRow = view.row(&keys::message(domain, id, uid))?.ok_or_else(|| {
            Error::Damaged("a change names a message that is not there".to_owned())
        })?;
        changed.push(message.message(uid, &row.keywords));
    }
    let mut expunged = Vec::new();
    let end = keys::after(&keys::expunges(domain, id));
    view.walk(
        &keys::expunges_at(domain, id, next),
        &end,
        Order::Ascending,
        &mut |key, _| {
            expunged.push(keys::uid_of(key));
            Ok(Walk::Continue(()))
        },
    )?;
    expunged.sort_unstable();
    Ok(Changes {
        changed,
        expunged,
        complete: since >= row.expunge_floor,
        highest_modseq: row.highest_modseq,
    })
}

/// What is to be read, and its key.
pub(crate) fn content(view: Dyn<'_>, access: &Access, source: Source) -> Result<Opened> {
    let (domain, id) = content_of(view, access, source)?;
    secrets::open(view, domain, id)?.ok_or(Error::NotFound)
}

/// What is to be read of messages of a mailbox, ascending.
pub(crate) fn contents(
    view: Dyn<'_>,
    access: &Access,
    id: MailboxId,
    uids: &[Uid],
) -> Result<Vec<(Uid, Opened)>> {
    open(view, access, id, Rights::READ)?;
    let domain = access.domain();
    let mut found = Vec::with_capacity(uids.len());
    for uid in sorted(uids) {
        let key = keys::message(domain, id, uid);
        if let Some(message) = view.row::<MessageRow>(&key)? {
            // Damage of one message is no trouble of the others: a check tells of it.
            if let Some(opened) = secrets::open(view, domain, message.content)? {
                found.push((uid, opened));
            }
        }
    }
    Ok(found)
}

fn content_of(
    view: Dyn<'_>,
    access: &Access,
    source: Source,
) -> Result<(mail::DomainId, ContentId)> {
    let domain = access.domain();
    match source {
        Source::Message(id, uid) => {
            open(view, access, id, Rights::READ)?;
            let message: MessageRow = view
                .row(&keys::message(domain, id, uid))?
                .ok_or(Error::NotFound)?;
            Ok((domain, message.content))
        }
        Source::Queue(id) => {
            let (domain, row) = super::queue::find(view, access, id)?;
            site(access)?;
            Ok((domain, row.content))
        }
        Source::Content(content) => {
            site(access)?;
            Ok((domain, content))
        }
    }
}

/// Queue rows looked at in one go.
const QUEUE_LOOKS: usize = 1000;

/// Rows that match, and where to go on where so many were looked at that others should have
/// their turn: a filter may match few of a million.
pub(crate) fn queue(
    view: Dyn<'_>,
    access: &Access,
    filter: &QueueFilter,
    is_leased: &dyn Fn(QueueId) -> bool,
) -> Result<(Vec<QueueRow>, Option<QueueId>)> {
    administer(access)?;
    let table = if is_site(access) {
        keys::table(access.domain(), Table::QueueAt)
    } else {
        keys::table(access.domain(), Table::Queue)
    };
    let mut from = table.clone();
    if let Some(after) = filter.after {
        from.extend_from_slice(&after.0.saturating_add(1).to_be_bytes());
    }
    let mut found = Vec::new();
    if filter.max == 0 {
        return Ok((found, None));
    }
    let (mut looks, mut next) = (0, None);
    view.walk(
        &from,
        &keys::after(&table),
        Order::Ascending,
        &mut |key, _| {
            let id = QueueId(keys::last_number(key));
            let (domain, row) = super::queue::find(view, access, id)?;
            if filter.matches(&row) {
                found.push(row.public(id, domain, is_leased(id)));
            }
            looks += 1;
            let is_enough = found.len() >= filter.max;
            if !is_enough && looks < QUEUE_LOOKS {
                return Ok(Walk::Continue(()));
            }
            next = (!is_enough).then_some(id);
            Ok(Walk::Break(()))
        },
    )?;
    Ok((found, next))
}

pub(crate) fn queue_row(
    view: Dyn<'_>,
    access: &Access,
    id: QueueId,
    is_leased: bool,
) -> Result<QueueRow> {
    let (domain, row) = super::queue::find(view, access, id)?;
    Ok(row.public(id, domain, is_leased))
}

impl QueueFilter {
    fn matches(&self, row: &WorkRow) -> bool {
        self.envelope.is_none_or(|id| row.envelope.id == id)
            && self
                .channel
                .as_ref()
                .is_none_or(|channel| row.work.channel() == channel)
            && self
                .parked
                .is_none_or(|parked| row.parked.is_some() == parked)
    }
}

pub(crate) fn depth(view: Dyn<'_>) -> Result<Vec<Depth>> {
    let prefix = keys::table(mail::Tenant::HOST.domain(), Table::Depth);
    let mut depths = Vec::new();
    for (key, value) in view.prefix(&prefix, usize::MAX)? {
        let row: DepthRow = decode(&value)?;
        let domain = mail::DomainId(keys::number_of(&key[prefix.len()..]));
        let channel = String::from_utf8_lossy(&key[prefix.len() + 8..]).into_owned();
        let by_age = keys::channel(domain, &channel);
        let oldest = view
            .prefix(&by_age, 1)?
            .pop()
            .map(|(key, _)| keys::instant_of(&key[by_age.len()..]));
        depths.push(Depth {
            domain,
            channel,
            rows: row.rows,
            parked: row.parked,
            oldest,
        });
    }
    Ok(depths)
}

pub(crate) fn kv(
    view: Dyn<'_>,
    access: &Access,
    plugin: &str,
    key: &[u8],
    now: Timestamp,
) -> Result<Option<Vec<u8>>> {
    administer(access)?;
    check_key(plugin, key)?;
    let row: Option<KvRow> = view.row(&keys::kv_prefix(access.domain(), plugin, key))?;
    Ok(row.filter(|row| !is_over(row, now)).map(|row| row.value))
}

pub(crate) fn kv_list(
    view: Dyn<'_>,
    access: &Access,
    plugin: &str,
    prefix: &[u8],
    max: usize,
    now: Timestamp,
) -> Result<Vec<KvEntry>> {
    administer(access)?;
    check_key(plugin, prefix)?;
    let skip = keys::kv_prefix(access.domain(), plugin, &[]).len();
    let from = keys::kv_prefix(access.domain(), plugin, prefix);
    let mut entries = Vec::new();
    if max == 0 {
        return Ok(entries);
    }
    view.walk(
        &from,
        &keys::after(&from),
        Order::Ascending,
        &mut |key, value| {
            let row: KvRow = decode(value)?;
            if !is_over(&row, now) {
                entries.push(KvEntry {
                    key: key[skip..].to_vec(),
                    value: row.value,
                    expires: row.expires,
                });
            }
            Ok(if entries.len() < max {
                Walk::Continue(())
            } else {
                Walk::Break(())
            })
        },
    )?;
    Ok(entries)
}

pub(crate) fn setting(view: Dyn<'_>, access: &Access, key: &[u8]) -> Result<Option<Vec<u8>>> {
    administer(access)?;
    view.raw(&keys::setting(access.domain(), key))
}

pub(crate) fn settings(
    view: Dyn<'_>,
    access: &Access,
    prefix: &[u8],
) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    administer(access)?;
    let skip = keys::setting(access.domain(), &[]).len();
    let rows = view.prefix(&keys::setting(access.domain(), prefix), usize::MAX)?;
    Ok(rows
        .into_iter()
        .map(|(key, value)| (key[skip..].to_vec(), value))
        .collect())
}

pub(crate) fn trace(
    view: Dyn<'_>,
    access: &Access,
    envelope: EnvelopeId,
) -> Result<Vec<TraceEntry>> {
    administer(access)?;
    let (own, host) = (access.domain(), mail::Tenant::HOST.domain());
    let mut rows = view.prefix(&keys::traces(own, envelope), usize::MAX)?;
    if own != host && view.exists(&keys::trace_of_sender(own, envelope))? {
        rows.extend(view.prefix(&keys::traces(host, envelope), usize::MAX)?);
        // By their numbers: in the order of the commits.
        rows.sort_by_key(|(key, _)| keys::last_number(key));
    }
    let mut entries = Vec::new();
    for (_, value) in rows {
        let row: TraceRow = decode(&value)?;
        entries.extend(
            row.lines
                .into_iter()
                .map(|line| TraceEntry { envelope, line }),
        );
    }
    Ok(entries)
}

pub(crate) fn traced(
    view: Dyn<'_>,
    access: &Access,
    by: &TraceKey,
    max: usize,
) -> Result<Vec<EnvelopeId>> {
    administer(access)?;
    let (own, host) = (access.domain(), mail::Tenant::HOST.domain());
    let prefix = keys::traced(own, by);
    let rows = view.range(&prefix, &keys::after(&prefix), Order::Descending, max)?;
    let mut found: Vec<_> = rows
        .iter()
        .map(|(key, _)| EnvelopeId(keys::last_number(key)))
        .collect();
    // The host's rows of a message that somebody of the domain sent.
    if found.is_empty() && own != host && matches!(by, TraceKey::Row(_)) {
        for (key, _) in view.prefix(&keys::traced(host, by), max)? {
            let envelope = EnvelopeId(keys::last_number(&key));
            if view.exists(&keys::trace_of_sender(own, envelope))? {
                found.push(envelope);
            }
        }
    }
    Ok(found)
}

pub(crate) fn recent_traces(view: Dyn<'_>, access: &Access, max: usize) -> Result<Vec<TraceEntry>> {
    administer(access)?;
    let prefix = keys::table(access.domain(), Table::Trace);
    let mut entries = Vec::new();
    view.walk(
        &prefix,
        &keys::after(&prefix),
        Order::Descending,
        &mut |key, value| {
            let envelope = EnvelopeId(keys::number_of(&key[prefix.len()..]));
            let row: TraceRow = decode(value)?;
            entries.extend(
                row.lines
                    .into_iter()
                    .map(|line| TraceEntry { envelope, line }),
            );
            Ok(if entries.len() < max {
                Walk::Continue(())
            } else {
                Walk::Break(())
            })
        },
    )?;
    entries.truncate(max);
    Ok(entries)
}

pub(crate) fn usage(view: Dyn<'_>, access: &Access, owner: Owner) -> Result<Usage> {
    manage(access, owner)?;
    Ok(view
        .row(&keys::usage(access.domain(), owner))?
        .unwrap_or_default())
}
