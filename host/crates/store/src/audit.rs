//! Looks at every row and compares: with the rows that must be there for it, and with the
//! counters over it.
//!
//! It knows what no operation needs to know: all tables at once. Memory: a few numbers a message
//! of one domain, and a body of all domains.
//! What it does not compare: traces, the plugins' values and settings stand for themselves;
//! indexes of what expires may outlive their rows (a purge leaves them to the clock).

mod agenda;
mod feed;

use std::collections::HashMap;

use mail::{BodyId, DomainId, MailboxId, ModSeq, PersonId};

use crate::engine::names;
use crate::engine::presence::{Block, BlockRow, block_of};
use crate::keys::{self, Table};
use crate::rows::{
    BodyAtRow, BodyRow, ContentRow, DepthRow, ExtentRow, KvRow, MailboxRow, MessageRow, WorkRow,
    decode, is_locked,
};
use crate::upkeep::{Checked, Stats, Step, Told};
use crate::view::{Order, View, ViewExt, Walk};
use crate::{Flags, Owner, Result, Rights, Usage};

/// Rows between two words about how far it is.
const TOLD_EVERY: u64 = 1024;

/// Tables in the order of their numbers, with their names.
const TABLES: &[(Table, &str)] = &[
    (Table::Mailbox, "mailbox"),
    (Table::Name, "name"),
    (Table::Message, "message"),
    (Table::Change, "change"),
    (Table::Expunged, "expunged"),
    (Table::Content, "content"),
    (Table::Usage, "usage"),
    (Table::Subscription, "subscription"),
    (Table::Acl, "acl"),
    (Table::Shared, "shared"),
    (Table::Queue, "queue"),
    (Table::Kv, "kv"),
    (Table::Setting, "setting"),
    (Table::Trace, "trace"),
    (Table::Operation, "operation"),
    (Table::Member, "member"),
    (Table::TraceBy, "trace-by"),
    (Table::ContentKey, "content-key"),
    (Table::Presence, "presence"),
    (Table::Feed, "feed"),
    (Table::FeedAt, "feed-at"),
    (Table::FeedGone, "feed-gone"),
    (Table::FeedLog, "feed-log"),
    (Table::Full, "full"),
    (Table::Deleted, "deleted"),
    (Table::Meta, "meta"),
    (Table::Body, "body"),
    (Table::BodyAt, "body-at"),
    (Table::OldDue, "old-due"),
    (Table::QueueAt, "queue-at"),
    (Table::ByChannel, "by-channel"),
    (Table::Depth, "depth"),
    (Table::Expiry, "expiry"),
    (Table::OperationAge, "operation-age"),
    (Table::Dead, "dead"),
    (Table::Namer, "namer"),
    (Table::Turn, "turn"),
    (Table::Node, "node"),
    (Table::Started, "started"),
];

/// Rows by table, and how much mail there is.
pub(crate) fn stats(view: &dyn View, told: Told<'_>) -> Result<Stats> {
    let mut counts = [0_u64; 256];
    let mut stats = Stats::default();
    let mut seen = 0;
    all(view, &[], &[u8::MAX; 40], |key, value| {
        seen += 1;
        if u64::is_multiple_of(seen, TOLD_EVERY) {
            told(Step {
                what: "rows",
                done: seen,
                total: 0,
            });
        }
        let Some(table) = key.get(8) else {
            return Ok(());
        };
        counts[usize::from(*table)] += 1;
        if *table == Table::Body as u8 {
            stats.body_bytes += decode::<BodyRow>(value)?.length;
        } else if *table == Table::Message as u8 {
            stats.message_bytes += decode::<MessageRow>(value)?.size;
        } else if *table == Table::Content as u8 {
            let private = decode::<ContentRow>(value)?.extents.into_iter();
            let private = private.filter(|extent| {
                matches!(extent, ExtentRow::Private(_) | ExtentRow::Hidden { .. })
            });
            stats.private_bytes += private.map(|extent| extent.length()).sum::<u64>();
        }
        Ok(())
    })?;
    let count = |table: Table| counts[table as usize];
    stats.tables = TABLES
        .iter()
        .map(|(table, name)| (*name, count(*table)))
        .collect();
    stats.bodies = count(Table::Body);
    stats.messages = count(Table::Message);
    Ok(stats)
}

/// Compares all rows.
pub(crate) fn check(view: &dyn View, told: Told<'_>) -> Result<Checked> {
    let mut audit = Audit {
        view,
        told,
        found: Checked::default(),
        bodies: HashMap::new(),
    };
    for domain in domains(view)? {
        audit.domain(domain)?;
    }
    audit.bodies()?;
    audit.queue_index()?;
    audit.agenda()?;
    Ok(audit.found)
}

/// Does what is derived from the queue and from mailboxes, the agenda and the change feed, fit to
/// them?
pub(crate) fn is_derived_right(view: &dyn View) -> Result<bool> {
    let mut audit = Audit {
        view,
        told: &mut |_| {},
        found: Checked::default(),
        bodies: HashMap::new(),
    };
    for domain in domains(view)? {
        audit.table(domain, Table::Queue, |audit, key, value| {
            if is_locked(value) {
                return Ok(());
            }
            let id = crate::QueueId(keys::last_number(key));
            let row: WorkRow = decode(value)?;
            audit.expect(&keys::queue_at(id), "index", || id.to_string())?;
            audit.turn_of(domain, id, &row)
        })?;
        audit.table(domain, Table::Mailbox, |audit, key, value| {
            if is_locked(value) {
                return Ok(());
            }
            let id = MailboxId(keys::last_number(key));
            audit.fed(domain, id, &decode(value)?)
        })?;
        audit.feed(domain)?;
    }
    audit.queue_index()?;
    audit.agenda()?;
    Ok(audit.found.problems == 0)
}

fn domains(view: &dyn View) -> Result<Vec<DomainId>> {
    let mut domains = Vec::new();
    let mut from = vec![0];
    while let Some((key, _)) = view
        .range(&from, &[u8::MAX; 40], Order::Ascending, 1)?
        .pop()
    {
        let domain = keys::number_of(&key);
        domains.push(DomainId(domain));
        from = keys::after(&domain.to_be_bytes());
    }
    Ok(domains)
}

fn all(
    view: &dyn View,
    from: &[u8],
    to: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    view.walk(from, to, Order::Ascending, &mut |key, value| {
        each(key, value)?;
        Ok(Walk::Continue(()))
    })
}

/// What the messages of a mailbox add up to.
#[derive(Default)]
struct Counted {
    messages: u32,
    unseen: u32,
    deleted: u32,
    bytes: u64,
    changes: u32,
    expunged: u32,
    uid: u32,
    modseq: ModSeq,
}

struct Audit<'a, 'b> {
    view: &'a dyn View,
    told: Told<'b>,
    found: Checked,
    /// How often a body is named.
    bodies: HashMap<BodyId, u32>,
}

impl<'a> Audit<'a, '_> {
    /// Each row of a table of a domain.
    fn table(
        &mut self,
        domain: DomainId,
        table: Table,
        mut each: impl FnMut(&mut Self, &[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let prefix = keys::table(domain, table);
        let view: &'a dyn View = self.view;
        all(view, &prefix, &keys::after(&prefix), |key, value| {
            self.found.rows += 1;
            if self.found.rows.is_multiple_of(TOLD_EVERY) {
                (self.told)(Step {
                    what: "rows",
                    done: self.found.rows,
                    total: 0,
                });
            }
            each(self, key, value)
        })
    }

    fn expect(&mut self, key: &[u8], kind: &'static str, what: impl Fn() -> String) -> Result<()> {
        if !self.view.exists(key)? {
            self.found.problem(kind, what());
        }
        Ok(())
    }

    fn domain(&mut self, domain: DomainId) -> Result<()> {
        let mut named = HashMap::new();
        let mut usage: HashMap<Owner, Usage> = HashMap::new();
        let boxes = self.messages(domain, &mut named)?;
        self.queue(domain, &mut named, &mut usage)?;
        self.contents(domain, named)?;
        self.mailboxes(domain, boxes, &mut usage)?;
        self.usage(domain, &usage)?;
        self.rights(domain)?;
        self.feed(domain)?;
        self.values(domain)
    }

    fn messages(
        &mut self,
        domain: DomainId,
        named: &mut HashMap<u64, u32>,
    ) -> Result<HashMap<MailboxId, Counted>> {
        let mut boxes: HashMap<MailboxId, Counted> = HashMap::new();
        let mut blocks: HashMap<(MailboxId, u32), Block> = HashMap::new();
        self.table(domain, Table::Message, |audit, key, value| {
            let (id, uid) = (MailboxId(keys::number_of(&key[9..])), keys::uid_of(key));
            let row: MessageRow = decode(value)?;
            let block = blocks.entry((id, block_of(uid))).or_default();
            block.note(uid, Some(row.flags));
            let counted = boxes.entry(id).or_default();
            counted.messages += 1;
            counted.unseen += u32::from(!row.flags.contains(Flags::SEEN));
            counted.deleted += u32::from(row.flags.contains(Flags::DELETED));
            counted.bytes += row.size;
            counted.uid = counted.uid.max(uid.0);
            counted.modseq = counted.modseq.max(row.changed);
            *named.entry(row.content.0).or_default() += 1;
            audit.expect(&keys::change(domain, id, row.changed, uid), "index", || {
                format!("{domain}, mailbox {id}, UID {}: no change row", uid.0)
            })
        })?;
        self.table(domain, Table::Change, |_, key, _| {
            boxes
                .entry(MailboxId(keys::number_of(&key[9..])))
                .or_default()
                .changes += 1;
            Ok(())
        })?;
        self.table(domain, Table::Expunged, |_, key, _| {
            boxes
                .entry(MailboxId(keys::number_of(&key[9..])))
                .or_default()
                .expunged += 1;
            Ok(())
        })?;
        self.presence(domain, &blocks)?;
        Ok(boxes)
    }

    /// A block that is not there is made when its mailbox is opened; one that is there is right.
    fn presence(
        &mut self,
        domain: DomainId,
        blocks: &HashMap<(MailboxId, u32), Block>,
    ) -> Result<()> {
        self.table(domain, Table::Presence, |audit, key, value| {
            let id = MailboxId(keys::number_of(&key[9..]));
            let number = keys::uid_of(key).0;
            let says: Block = decode::<BlockRow>(value)?.into();
            if blocks.get(&(id, number)) != Some(&says) {
                let what =
                    format!("{domain}, mailbox {id}: block {number} is not as its messages are");
                audit.found.problem("index", what);
            }
            Ok(())
        })
    }

    fn queue(
        &mut self,
        domain: DomainId,
        named: &mut HashMap<u64, u32>,
        usage: &mut HashMap<Owner, Usage>,
    ) -> Result<()> {
        let mut depths: HashMap<Vec<u8>, DepthRow> = HashMap::new();
        self.table(domain, Table::Queue, |audit, key, value| {
            let id = crate::QueueId(keys::last_number(key));
            let row: WorkRow = decode(value)?;
            *named.entry(row.content.0).or_default() += 1;
            let depth = depths
                .entry(keys::depth(domain, row.work.channel()))
                .or_default();
            if row.parked.is_some() {
                depth.parked += 1;
                let usage = usage.entry(Owner::Domain).or_default();
                usage.bytes += row.size;
                usage.messages += 1;
            } else {
                depth.rows += 1;
            }
            audit.expect(&keys::queue_at(id), "index", || {
                format!("queue row {id}: its domain is not in the index")
            })?;
            let channel = keys::by_channel(domain, row.work.channel(), row.created, id);
            audit.expect(&channel, "index", || {
                format!("queue row {id}: it is not in the index by channel")
            })?;
            audit.turn_of(domain, id, &row)
        })?;
        for (key, depth) in depths {
            let row: DepthRow = self.view.row(&key)?.unwrap_or_default();
            if row != depth {
                let what =
                    format!("{domain}: the depth of a channel is {row:?}, its rows say {depth:?}");
                self.found.problem("counter", what);
            }
        }
        Ok(())
    }

    fn contents(&mut self, domain: DomainId, mut named: HashMap<u64, u32>) -> Result<()> {
        self.table(domain, Table::Content, |audit, key, value| {
            let id = keys::last_number(key);
            let row: ContentRow = decode(value)?;
            let names = named.remove(&id).unwrap_or_default();
            if names != row.references {
                let what = format!(
                    "{domain}, content {id}: {} references, named by {names} rows",
                    row.references
                );
                audit.found.problem("reference", what);
            }
            let size: u64 = row.extents.iter().map(ExtentRow::length).sum();
            if size != row.size {
                let what = format!(
                    "{domain}, content {id}: {size} bytes, its row says {}",
                    row.size
                );
                audit.found.problem("counter", what);
            }
            for extent in &row.extents {
                audit.extent(domain, id, extent)?;
            }
            Ok(())
        })?;
        for (content, names) in named {
            let what = format!("{domain}, content {content}: named by {names} rows, not there");
            self.found.problem("reference", what);
        }
        Ok(())
    }

    fn extent(&mut self, domain: DomainId, content: u64, extent: &ExtentRow) -> Result<()> {
        let ExtentRow::Body {
            body,
            offset,
            length,
        } = extent
        else {
            return Ok(());
        };
        *self.bodies.entry(*body).or_default() += 1;
        let row: Option<BodyRow> = self.view.row(&keys::body(*body))?;
        if row.is_none_or(|row| offset.saturating_add(*length) > row.length) {
            let what =
                format!("{domain}, content {content}: body {body} is not there or too short");
            self.found.problem("body", what);
        }
        Ok(())
    }

    fn mailboxes(
        &mut self,
        domain: DomainId,
        mut boxes: HashMap<MailboxId, Counted>,
        usage: &mut HashMap<Owner, Usage>,
    ) -> Result<()> {
        self.table(domain, Table::Mailbox, |audit, key, value| {
            let id = MailboxId(keys::last_number(key));
            let row: MailboxRow = decode(value)?;
            let counted = boxes.remove(&id).unwrap_or_default();
            let pairs = [
                (
                    "messages",
                    u64::from(row.messages),
                    u64::from(counted.messages),
                ),
                ("unseen", u64::from(row.unseen), u64::from(counted.unseen)),
                (
                    "deleted",
                    u64::from(row.deleted),
                    u64::from(counted.deleted),
                ),
                ("bytes", row.bytes, counted.bytes),
                (
                    "changes",
                    u64::from(row.messages),
                    u64::from(counted.changes),
                ),
                (
                    "expunged",
                    u64::from(row.expunge_log),
                    u64::from(counted.expunged),
                ),
            ];
            for (name, says, is) in pairs {
                if says != is {
                    let what = format!("{domain}, mailbox {id}: {name} is {says}, counted {is}");
                    audit.found.problem("counter", what);
                }
            }
            if row.uid_next.0 <= counted.uid || row.highest_modseq < counted.modseq {
                let what = format!(
                    "{domain}, mailbox {id}: a UID or modification sequence is above its highest"
                );
                audit.found.problem("counter", what);
            }
            let more = Usage {
                bytes: counted.bytes,
                messages: u64::from(counted.messages),
            };
            let mut owners = vec![row.owner];
            if row.owner != Owner::Domain {
                owners.push(Owner::Domain);
            }
            for owner in owners {
                let usage = usage.entry(owner).or_default();
                usage.bytes += more.bytes;
                usage.messages += more.messages;
            }
            let leads = names::id_at(audit.view, domain, row.owner, row.parent, &row.name)?;
            if leads != Some(id.0) {
                let what = format!("{domain}, mailbox {id}: its name leads elsewhere or nowhere");
                audit.found.problem("index", what);
            }
            audit.fed(domain, id, &row)
        })?;
        for id in boxes.keys() {
            let what = format!("{domain}, mailbox {id}: it has rows and is not there");
            self.found.problem("reference", what);
        }
        self.table(domain, Table::Name, |audit, _, value| {
            let id = MailboxId(decode(value)?);
            audit.expect(&keys::mailbox(domain, id), "index", || {
                format!("{domain}: a name leads to mailbox {id}, which is not there")
            })
        })
    }

    fn usage(&mut self, domain: DomainId, counted: &HashMap<Owner, Usage>) -> Result<()> {
        for (owner, usage) in counted {
            let row: Usage = self
                .view
                .row(&keys::usage(domain, *owner))?
                .unwrap_or_default();
            if row != *usage {
                let what = format!("{domain}: usage of {owner:?} is {row:?}, counted {usage:?}");
                self.found.problem("counter", what);
            }
        }
        Ok(())
    }

    fn rights(&mut self, domain: DomainId) -> Result<()> {
        self.table(domain, Table::Acl, |audit, key, value| {
            let id = MailboxId(keys::number_of(&key[9..]));
            let person = PersonId(keys::last_number(key));
            let rights: Rights = decode(value)?;
            let shared: Option<Rights> = audit.view.row(&keys::shared(domain, person, id))?;
            if shared != Some(rights) {
                let what = format!(
                    "{domain}, mailbox {id}: rights of {person} differ by mailbox and by person"
                );
                audit.found.problem("index", what);
            }
            Ok(())
        })?;
        self.table(domain, Table::Shared, |audit, key, _| {
            let person = PersonId(keys::number_of(&key[9..]));
            let id = MailboxId(keys::last_number(key));
            audit.expect(&keys::acl(domain, id, person), "index", || {
                format!("{domain}, mailbox {id}: rights of {person} by person, and none by mailbox")
            })
        })
    }

    fn values(&mut self, domain: DomainId) -> Result<()> {
        self.table(domain, Table::Kv, |audit, key, value| {
            match decode::<KvRow>(value)?.expires {
                Some(at) => audit.expect(&keys::expiry(at, key), "index", || {
                    format!("{domain}: a plugin's value would never expire")
                }),
                None => Ok(()),
            }
        })
    }

    fn bodies(&mut self) -> Result<()> {
        let host = mail::Tenant::HOST.domain();
        let mut named = std::mem::take(&mut self.bodies);
        self.table(host, Table::Body, |audit, key, value| {
            let id = BodyId(keys::last_number(key));
            let row: BodyRow = decode(value)?;
            let names = named.remove(&id).unwrap_or_default();
            if names != row.references {
                let what = format!(
                    "body {id}: {} references, named by {names} contents",
                    row.references
                );
                audit.found.problem("reference", what);
            }
            audit.expect(&keys::body_at(id), "body", || {
                format!("body {id}: nothing says where it is")
            })
        })?;
        self.table(host, Table::BodyAt, |audit, key, value| {
            let id = BodyId(keys::last_number(key));
            // It decodes, which is all that can be said without the files.
            decode::<BodyAtRow>(value)?;
            audit.expect(&keys::body(id), "body", || {
                format!("body {id}: it is somewhere, and no row has it")
            })
        })
    }

    fn queue_index(&mut self) -> Result<()> {
        let host = mail::Tenant::HOST.domain();
        self.table(host, Table::QueueAt, |audit, key, value| {
            let id = crate::QueueId(keys::last_number(key));
            let domain = DomainId(decode(value)?);
            audit.expect(&keys::queue(domain, id), "index", || {
                format!("queue row {id}: in the index of domains, and not there")
            })
        })
    }
}
