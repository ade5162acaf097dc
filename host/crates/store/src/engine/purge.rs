//! Removing everything of an owner, in steps of bounded size.

use mail::{Access, DomainId, MailboxId, PersonId};

use crate::engine::Tx;
use crate::engine::access::manage;
use crate::keys::{self, Table};
use crate::rows::MailboxRow;
use crate::view::View;
use crate::{Error, Owner, QueueId, Result, Rights};

/// Rows removed in one commit.
const STEP: usize = 1000;

/// Is there more to do?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Done,
}

impl Tx<'_> {
    /// One step of [`crate::Store::remove_owner`].
    pub(crate) fn remove_owner(&mut self, access: &Access, owner: Owner) -> Result<Progress> {
        manage(access, owner)?;
        let domain = access.domain();
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
        let Some((_, value)) = self.prefix(&keys::names_of(domain, owner), 1)?.pop() else {
            return Ok(Progress::Done);
        };
        let id = self.leaf_below(domain, owner, crate::rows::decode(&value)?)?;
        if !self.clear_mailbox(domain, id, STEP)? {
            self.forget_mailbox(domain, id)?;
        }
        Ok(Progress::More)
    }

    /// This mailbox, or the first one below it that has none below it. Children go before their
    /// parents: between two steps, or after a crash, every name can still be told.
    fn leaf_below(&mut self, domain: DomainId, owner: Owner, id: u64) -> Result<MailboxId> {
        let mut leaf = id;
        while let Some((_, value)) = self
            .prefix(&keys::names_below(domain, owner, leaf), 1)?
            .pop()
        {
            leaf = crate::rows::decode(&value)?;
        }
        Ok(MailboxId(leaf))
    }

    fn remove_domain(&mut self, domain: DomainId) -> Result<Progress> {
        if domain == mail::Tenant::HOST.domain() {
            return Err(Error::Invalid(
                "the host itself cannot be removed".to_owned(),
            ));
        }
        if let Some((key, value)) = self.prefix(&keys::table(domain, Table::Mailbox), 1)?.pop() {
            let row: MailboxRow = crate::rows::decode(&value)?;
            let id = self.leaf_below(domain, row.owner, keys::last_number(&key))?;
            if !self.clear_mailbox(domain, id, STEP)? {
                self.forget_mailbox(domain, id)?;
            }
            return Ok(Progress::More);
        }
        let work = self.prefix(&keys::table(domain, Table::Queue), STEP)?;
        if !work.is_empty() {
            for (key, _) in work {
                self.remove_work(domain, QueueId(keys::last_number(&key)))?;
            }
            return Ok(Progress::More);
        }
        // What is left has nothing hanging on it. The key of a domain leads all its tables.
        self.delete_all(&domain.0.to_be_bytes())
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
