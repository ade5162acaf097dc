//! Removing everything of an owner, in steps of bounded size.

use mail::{DomainId, MailboxId, PersonId};

use crate::engine::Tx;
use crate::keys::{self, Key, Table};
use crate::rows::{MailboxRow, decode, is_locked, locked_owner};
use crate::view::View;
use crate::{ContentId, Owner, QueueId, Result, Rights};

/// Rows removed in one commit.
const STEP: usize = 1000;

/// Is there more to do?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Done,
}

/// Is anything there of this owner? For owners who were erased, of whom a restored backup may
/// bring back rows.
pub(crate) fn is_anything_left(view: &dyn View, domain: DomainId, owner: Owner) -> Result<bool> {
    let prefixes = match owner {
        Owner::Domain => vec![domain.0.to_be_bytes().to_vec()],
        Owner::Group(_) => vec![keys::names_of(domain, owner), keys::members(domain, owner)],
        Owner::Person(person) => vec![
            keys::names_of(domain, owner),
            keys::subscriptions(domain, person),
            keys::shared_with(domain, person),
        ],
    };
    for prefix in prefixes {
        if !view.prefix(&prefix, 1)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Tx<'_> {
    /// One step of [`crate::Store::remove_owner`].
    pub(crate) fn remove_owner(&mut self, domain: DomainId, owner: Owner) -> Result<Progress> {
        self.delete(keys::full(domain, owner));
        match owner {
            Owner::Domain => self.remove_domain(domain),
            Owner::Group(_) => {
                if self.remove_mailboxes(domain, owner)? == Progress::More {
                    return Ok(Progress::More);
                }
                self.delete_all(&keys::members(domain, owner))
            }
            Owner::Person(person) => {
                if self.remove_mailboxes(domain, owner)? == Progress::More {
                    return Ok(Progress::More);
                }
                for (key, _) in self.prefix(&keys::shared_with(domain, person), STEP)? {
                    self.put_rights(
                        domain,
                        MailboxId(keys::last_number(&key)),
                        person,
                        Rights::NONE,
                    );
                }
                self.leave_groups(domain, person)?;
                self.delete_all(&keys::subscriptions(domain, person))
            }
        }
    }

    fn leave_groups(&mut self, domain: DomainId, person: PersonId) -> Result<()> {
        for (key, _) in self.prefix(&keys::table(domain, Table::Member), usize::MAX)? {
            if keys::last_number(&key) == person.0 {
                self.delete(key);
            }
        }
        Ok(())
    }

    fn remove_mailboxes(&mut self, domain: DomainId, owner: Owner) -> Result<Progress> {
        let Some((name, value)) = self.prefix(&keys::names_of(domain, owner), 1)?.pop() else {
            return Ok(Progress::Done);
        };
        let (name, id) = self.leaf_below(domain, owner, Some(name), decode(&value)?)?;
        self.remove_mailbox(domain, owner, name, id)?;
        Ok(Progress::More)
    }

    /// This mailbox, or the first one below it that has none below it, with the key of its name.
    /// Children go before their parents: between two steps, or after a crash, every name can
    /// still be told.
    fn leaf_below(
        &mut self,
        domain: DomainId,
        owner: Owner,
        name: Option<Key>,
        id: u64,
    ) -> Result<(Option<Key>, MailboxId)> {
        let mut leaf = (name, id);
        while let Some((name, value)) = self
            .prefix(&keys::names_below(domain, owner, leaf.1), 1)?
            .pop()
        {
            leaf = (Some(name), decode(&value)?);
        }
        Ok((leaf.0, MailboxId(leaf.1)))
    }

    /// One step of removing a mailbox, also of one that nobody can read any more.
    fn remove_mailbox(
        &mut self,
        domain: DomainId,
        owner: Owner,
        name: Option<Key>,
        id: MailboxId,
    ) -> Result<()> {
        if !self.clear_mailbox(domain, owner, id, STEP)? {
            self.forget_mailbox(domain, owner, id)?;
            if let Some(name) = name {
                self.delete(name);
            }
        }
        Ok(())
    }

    fn remove_domain(&mut self, domain: DomainId) -> Result<Progress> {
        let mailbox = self.prefix(&keys::table(domain, Table::Mailbox), 1)?.pop();
        if let Some((key, value)) = mailbox {
            let owner = match locked_owner(&value) {
                Some(owner) => owner,
                None => decode::<MailboxRow>(&value)?.owner,
            };
            let (name, id) = self.leaf_below(domain, owner, None, keys::last_number(&key))?;
            self.remove_mailbox(domain, owner, name, id)?;
            return Ok(Progress::More);
        }
        let work = self.prefix(&keys::table(domain, Table::Queue), STEP)?;
        if work.iter().any(|(_, value)| is_locked(value)) {
            self.forget_work(domain)?;
            return Ok(Progress::More);
        }
        if !work.is_empty() {
            for (key, _) in work {
                self.remove_work(domain, QueueId(keys::last_number(&key)))?;
            }
            return Ok(Progress::More);
        }
        let contents = self.prefix(&keys::table(domain, Table::Content), STEP)?;
        if !contents.is_empty() {
            for (key, value) in contents {
                let id = ContentId(keys::last_number(&key));
                self.forget_content(domain, id, decode(&value)?)?;
            }
            return Ok(Progress::More);
        }
        // What is left has nothing hanging on it. The key of a domain leads all its tables.
        self.delete_all(&domain.0.to_be_bytes())
    }

    /// Removes all queue rows of a domain whose key is gone: what they say cannot be read, so
    /// their indexes are searched for the domain.
    fn forget_work(&mut self, domain: DomainId) -> Result<()> {
        let host = mail::Tenant::HOST.domain();
        self.forget_account(domain)?;
        for table in [Table::OldDue, Table::Started, Table::QueueAt] {
            for (key, value) in self.prefix(&keys::table(host, table), usize::MAX)? {
                if decode::<u64>(&value)? == domain.0 {
                    self.delete(key);
                }
            }
        }
        for table in [Table::ByChannel, Table::Depth] {
            let mut of_domain = keys::table(host, table);
            of_domain.extend_from_slice(&domain.0.to_be_bytes());
            for (key, _) in self.prefix(&of_domain, usize::MAX)? {
                self.delete(key);
            }
        }
        for (key, _) in self.prefix(&keys::table(domain, Table::Queue), usize::MAX)? {
            self.delete(key);
        }
        Ok(())
    }

    fn delete_all(&mut self, prefix: &[u8]) -> Result<Progress> {
        let rows = self.prefix(prefix, STEP)?;
        let progress = if rows.len() == STEP {
            Progress::More
        } else {
            Progress::Done
        };
        for (key, _) in rows {
            self.delete(key);
        }
        Ok(progress)
    }
}
