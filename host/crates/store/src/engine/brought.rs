//! Bringing in what another store had.

use mail::{Access, EmailId, ModSeq, Tenant, ThreadId, Uid};

use crate::brought::{Brought, BroughtMailbox, BroughtMessage, BroughtRow, Mark};
use crate::engine::access::site;
use crate::engine::{Tx, names};
use crate::ids::BLOCK;
use crate::rows::{MailboxRow, MessageRow, WorkRow};
use crate::view::{View, ViewExt};
use crate::{Error, Quota, Result, Usage, keys};

/// Ids from here on are too many to be another store's: they would leave too few for this one.
/// A store that gave a million ids a second for a thousand years is below it.
const FOREIGN_IDS_END: u64 = 1 << 56;
/// RFC 7162 section 7: modification sequences have 63 bits; this leaves room for those to come.
const FOREIGN_MODSEQ_END: u64 = 1 << 62;
/// A UIDVALIDITY is the second at which it was given, or a little more: one of a clock that goes
/// further ahead is not believed, as every later one has to be larger.
const AHEAD_SECONDS: i64 = 10 * 366 * 24 * 60 * 60;

impl Tx<'_> {
    /// Brings in all of these and writes the mark, or nothing.
    pub(crate) fn bring(
        &mut self,
        access: &Access,
        brought: &[Brought],
        mark: &Mark,
    ) -> Result<()> {
        site(access)?;
        if access.tenant == Tenant::HOST {
            return Err(Error::NotFound);
        }
        if self.raw(&keys::setting(access.domain(), &mark.key))? != mark.before {
            return Err(Error::Conflict);
        }
        for one in brought {
            self.bring_one(access, one)?;
        }
        self.put_setting(access.domain(), &mark.key, Some(&mark.after))
    }

    fn bring_one(&mut self, access: &Access, brought: &Brought) -> Result<()> {
        let domain = access.domain();
        match brought {
            Brought::Mailbox(mailbox) => self.bring_mailbox(access, mailbox),
            Brought::Message(message) => self.bring_message(access, message),
            Brought::Subscription(person, name) => self.subscribe(access, *person, name, true),
            Brought::Rights {
                owner,
                mailbox,
                person,
                rights,
            } => {
                let levels = names::levels_for(*owner, mailbox)?;
                let id = names::find(self, domain, *owner, &levels)?.ok_or(Error::NotFound)?;
                self.put_rights(domain, id, *person, *rights);
                Ok(())
            }
            Brought::Queued(row) => self.bring_row(access, row),
            Brought::Kv(plugin, entry) => self.put_kv(
                domain,
                plugin,
                &entry.key,
                Some(&entry.value),
                entry.expires,
            ),
            Brought::Setting(key, value) => self.put_setting(domain, key, Some(value)),
        }
    }

    fn bring_mailbox(&mut self, access: &Access, brought: &BroughtMailbox) -> Result<()> {
        self.check_counters(brought)?;
        let domain = access.domain();
        let levels = names::levels_for(brought.owner, &brought.name)?;
        let id = self.ensure(domain, brought.owner, &levels)?;
        let mut row: MailboxRow = self
            .row(&keys::mailbox(domain, id))?
            .ok_or(Error::NotFound)?;
        if row.messages > 0 {
            return Err(Error::Exists);
        }
        row.special_use = brought.special_use;
        row.uid_validity = brought.uid_validity;
        row.uid_next = brought.uid_next;
        row.highest_modseq = brought.highest_modseq;
        // Nothing is known here of what was expunged there.
        row.expunge_floor = brought.highest_modseq;
        self.raise_uid_validity(brought.uid_validity)?;
        self.put_mailbox(domain, id, &row);
        Ok(())
    }

    /// Counters that would leave none for what comes next are refused.
    fn check_counters(&self, brought: &BroughtMailbox) -> Result<()> {
        let odd = |what: &str| {
            Err(Error::Invalid(format!(
                "{what} of a mailbox is out of range"
            )))
        };
        let latest = self.now.seconds().saturating_add(AHEAD_SECONDS);
        if brought.uid_validity.0 == 0 || i64::from(brought.uid_validity.0) > latest {
            return odd("the UIDVALIDITY");
        }
        if brought.uid_next.0 == 0 {
            return odd("the UIDNEXT");
        }
        if brought.highest_modseq.0 >= FOREIGN_MODSEQ_END {
            return odd("the modification sequence");
        }
        Ok(())
    }

    fn bring_message(&mut self, access: &Access, brought: &BroughtMessage) -> Result<()> {
        if brought.created > brought.changed || brought.changed.0 >= FOREIGN_MODSEQ_END {
            let what = "the modification sequence of a message is out of range";
            return Err(Error::Invalid(what.to_owned()));
        }
        let domain = access.domain();
        let levels = names::levels_for(brought.owner, &brought.mailbox)?;
        let id = names::find(self, domain, brought.owner, &levels)?.ok_or(Error::NotFound)?;
        let mut row: MailboxRow = self
            .row(&keys::mailbox(domain, id))?
            .ok_or(Error::NotFound)?;
        let key = keys::message(domain, id, brought.uid);
        if self.exists(&key)? {
            return Err(Error::Exists);
        }
        let after = brought.uid.0.checked_add(1).filter(|_| brought.uid.0 > 0);
        let after = after.ok_or_else(|| Error::Invalid("a UID is out of range".to_owned()))?;
        let new = &brought.message;
        let (content, size) = self.new_content(domain, domain, &[], &new.pieces)?;
        let usage = Usage {
            bytes: size,
            messages: 1,
        };
        self.charge(
            domain,
            row.owner,
            usage,
            &new.owner_quota,
            &new.domain_quota,
        )?;
        let email = EmailId(self.foreign_id(brought.email.0)?);
        let object = EmailId(self.foreign_id(brought.object.0)?);
        let message = MessageRow {
            email,
            thread: ThreadId(self.foreign_id(brought.thread.0)?),
            created: brought.created,
            changed: brought.changed,
            internal_date: new.internal_date.unwrap_or((self.now, 0)).0,
            internal_offset_minutes: new.internal_date.unwrap_or((self.now, 0)).1,
            received: new.received.unwrap_or(self.now),
            saved: brought.saved,
            size,
            utf8: new.utf8,
            flags: new.flags,
            keywords: self.keyword_numbers(&mut row, &new.keywords)?,
            content,
            copied: (object != email).then_some(object),
        };
        row.count(&message, 1);
        let place = (domain, id, brought.uid);
        self.index_message(place, size, None, Some(message.flags))?;
        row.uid_next = Uid(row.uid_next.0.max(after));
        row.highest_modseq = ModSeq(row.highest_modseq.0.max(brought.changed.0));
        self.put(key, &message);
        let change = keys::change(domain, id, brought.changed, brought.uid);
        self.put_raw(change, Vec::new());
        self.name_content(domain, row.owner, content)?;
        self.put_mailbox(domain, id, &row);
        Ok(())
    }

    fn bring_row(&mut self, access: &Access, brought: &BroughtRow) -> Result<()> {
        let domain = access.domain();
        let (content, size) = self.new_content(domain, domain, &[], &brought.pieces)?;
        super::accept::check_work(&brought.work)?;
        self.foreign_id(brought.envelope.id.0)?;
        self.foreign_id(brought.recipient.0)?;
        let row = WorkRow {
            envelope: brought.envelope.clone(),
            recipient: brought.recipient,
            original: brought.original.clone(),
            address: brought.address.clone(),
            work: brought.work.clone(),
            parked: brought.parked.clone(),
            due: brought.due,
            attempts: brought.attempts,
            created: brought.created,
            expires: brought.expires,
            last: brought.last.clone(),
            started: None,
            delay_told: brought.delay_told,
            content,
            size,
            utf8: brought.envelope.utf8,
            thread: None,
        };
        self.enqueue(domain, &row, &Quota::NONE)?;
        Ok(())
    }

    /// An id given by another store is kept, and this one never gives it again.
    fn foreign_id(&mut self, id: u64) -> Result<u64> {
        if id == 0 || id >= FOREIGN_IDS_END {
            return Err(Error::Invalid(format!("the id {id} is out of range")));
        }
        let key = keys::meta("ids");
        let limit: u64 = self.row(&key)?.unwrap_or(0);
        let wanted = id + 1;
        // What this process gives next is not known to a transaction: all below the limit may
        // be given yet, so the counter goes to where the id is not.
        if wanted > self.ids.given() {
            self.outcome.skip_ids = self.outcome.skip_ids.max(wanted);
            if wanted + BLOCK > limit {
                self.put(key, &(wanted + BLOCK));
            }
        }
        Ok(id)
    }

    /// RFC 3501 §2.3.1.1: one given later is larger than this.
    fn raise_uid_validity(&mut self, given: mail::UidValidity) -> Result<()> {
        let key = keys::meta("uid-validity");
        let largest: u32 = self.row(&key)?.unwrap_or(0);
        if given.0 > largest {
            self.put(key, &given.0);
        }
        Ok(())
    }
}

/// Values of all plugins in the order in which they are kept, from behind one on.
pub(crate) fn kv_all(
    view: &dyn View,
    access: &Access,
    after: Option<(&str, &[u8])>,
    max: usize,
) -> Result<Vec<(String, crate::KvEntry)>> {
    site(access)?;
    let table = keys::table(access.domain(), keys::Table::Kv);
    let from = match after {
        Some((plugin, key)) => {
            let mut from = keys::kv_prefix(access.domain(), plugin, key);
            from.push(0);
            from
        }
        None => table.clone(),
    };
    let rows = view.range(
        &from,
        &keys::after(&table),
        crate::view::Order::Ascending,
        max,
    )?;
    let damaged = || Error::Damaged("a key of a plugin's value is too short".to_owned());
    rows.into_iter()
        .map(|(key, value)| {
            let (length, rest) = key[table.len()..].split_first().ok_or_else(damaged)?;
            let (plugin, key) = rest
                .split_at_checked(usize::from(*length))
                .ok_or_else(damaged)?;
            let row: crate::rows::KvRow = crate::rows::decode(&value)?;
            let entry = crate::KvEntry {
                key: key.to_vec(),
                value: row.value,
                expires: row.expires,
            };
            Ok((String::from_utf8_lossy(plugin).into_owned(), entry))
        })
        .collect()
}
