//! Making, renaming and deleting mailboxes; who else may use them.

use mail::{
    Access, DomainId, MailboxId, ModSeq, OperationId, PersonId, Principal, Uid, UidValidity,
};

use crate::accept::Place;
use crate::engine::Tx;
use crate::engine::access::{act_for, mailbox, manage};
use crate::engine::names::{self, INBOX};
use crate::keys;
use crate::rows::{MailboxRow, encode};
use crate::view::{View, ViewExt};
use crate::{Change, Error, NewMailbox, Owner, Result, Rights, SpecialUse};

/// Mailboxes of one owner.
const MAILBOXES_MAX: usize = 10_000;

impl Tx<'_> {
    /// Writes a mailbox row and notes that it changed.
    pub(crate) fn put_mailbox(&mut self, domain: DomainId, id: MailboxId, row: &MailboxRow) {
        self.put_for(row.owner, keys::mailbox(domain, id), &encode(row));
        self.touch(domain, id, row.owner);
    }

    pub(crate) fn touch(&mut self, domain: DomainId, mailbox: MailboxId, owner: Owner) {
        let change = Change {
            domain,
            owner,
            mailbox,
        };
        if !self.outcome.touched.contains(&change) {
            self.outcome.touched.push(change);
        }
    }

    /// RFC 3501 §2.3.1.1: larger than any before, whatever the clock does.
    pub(crate) fn next_uid_validity(&mut self) -> Result<UidValidity> {
        let key = keys::meta("uid-validity");
        let largest: u32 = self.row(&key)?.unwrap_or(0);
        let now = u32::try_from(self.now.seconds()).unwrap_or(0);
        let next = largest
            .checked_add(1)
            .ok_or_else(|| Error::Invalid("out of UIDVALIDITY".to_owned()))?
            .max(now);
        self.put(key, &next);
        Ok(UidValidity(next))
    }

    /// The mailbox at these levels, each level made where it is missing.
    pub(crate) fn ensure(
        &mut self,
        domain: DomainId,
        owner: Owner,
        levels: &[String],
    ) -> Result<MailboxId> {
        let mut parent = 0;
        for level in levels {
            parent = match names::id_at(self, domain, owner, parent, level)? {
                Some(id) => id,
                None => self.make(domain, owner, parent, level, None)?.0,
            };
        }
        Ok(MailboxId(parent))
    }

    fn make(
        &mut self,
        domain: DomainId,
        owner: Owner,
        parent: u64,
        level: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId> {
        if self
            .prefix(&keys::names_of(domain, owner), MAILBOXES_MAX)?
            .len()
            >= MAILBOXES_MAX
        {
            return Err(Error::Invalid(format!(
                "there are {MAILBOXES_MAX} mailboxes already"
            )));
        }
        if !self.keyring().is_open(domain, owner) {
            return Err(Error::NotFound);
        }
        let id = MailboxId(self.ids.next());
        let row = MailboxRow {
            owner,
            parent,
            name: level.to_owned(),
            special_use,
            uid_validity: self.next_uid_validity()?,
            uid_next: Uid(1),
            highest_modseq: ModSeq(1),
            messages: 0,
            unseen: 0,
            deleted: 0,
            bytes: 0,
            keywords: Vec::new(),
            expunge_floor: ModSeq(0),
            expunge_log: 0,
        };
        self.put_name(domain, owner, parent, level, id)?;
        self.put_mailbox(domain, id, &row);
        self.inherit_rights(domain, owner, parent, id)?;
        Ok(id)
    }

    /// A new mailbox has the rights of the one above it; at the top of a group, of its siblings.
    fn inherit_rights(
        &mut self,
        domain: DomainId,
        owner: Owner,
        parent: u64,
        id: MailboxId,
    ) -> Result<()> {
        let rights = if parent != 0 {
            self.prefix(&keys::acls(domain, MailboxId(parent)), usize::MAX)?
        } else if matches!(owner, Owner::Group(_)) {
            self.prefix(&keys::members(domain, owner), usize::MAX)?
        } else {
            Vec::new()
        };
        for (key, value) in rights {
            let person = PersonId(keys::last_number(&key));
            let rights = crate::rows::decode(&value)?;
            self.put_rights(domain, id, person, rights);
        }
        Ok(())
    }

    pub(crate) fn put_rights(
        &mut self,
        domain: DomainId,
        id: MailboxId,
        person: PersonId,
        rights: Rights,
    ) {
        if rights == Rights::NONE {
            self.delete(keys::acl(domain, id, person));
            self.delete(keys::shared(domain, person, id));
        } else {
            self.put(keys::acl(domain, id, person), &rights);
            self.put(keys::shared(domain, person, id), &rights);
        }
    }

    /// Where a message is to go; made on demand. The principal needs the right to insert.
    pub(crate) fn place(&mut self, access: &Access, place: &Place) -> Result<MailboxId> {
        let domain = access.domain();
        match place {
            Place::Mailbox(id) => {
                mailbox(self, access, *id, Rights::INSERT)?;
                Ok(*id)
            }
            Place::Inbox(person) => {
                act_for(access, Owner::Person(*person))?;
                self.ensure(domain, Owner::Person(*person), &[INBOX.to_owned()])
            }
            Place::Named(owner, name) => {
                let levels = names::levels_for(*owner, name)?;
                if let Some(id) = names::find(self, domain, *owner, &levels)? {
                    return self.place(access, &Place::Mailbox(id));
                }
                act_for(access, *owner)?;
                self.ensure(domain, *owner, &levels)
            }
        }
    }

    pub(crate) fn create_mailbox(
        &mut self,
        access: &Access,
        operation: OperationId,
        new: &NewMailbox,
    ) -> Result<MailboxId> {
        let domain = access.domain();
        self.once(domain, operation, |tx| {
            let levels = names::levels_for(new.owner, &new.name)?;
            tx.may_create(access, new.owner, &levels)?;
            let (last, above) = levels.split_last().ok_or(Error::NotFound)?;
            let parent = tx.ensure(domain, new.owner, above)?.0;
            if names::id_at(tx, domain, new.owner, parent, last)?.is_some() {
                return Err(Error::Exists);
            }
            tx.make(domain, new.owner, parent, last, new.special_use)
        })
    }

    /// The owner may; others need `k` on the nearest mailbox above that exists.
    fn may_create(&self, access: &Access, owner: Owner, levels: &[String]) -> Result<()> {
        if manage(access, owner).is_ok() {
            return Ok(());
        }
        for count in (1..levels.len()).rev() {
            if let Some(above) = names::find(self, access.domain(), owner, &levels[..count])? {
                return mailbox(self, access, above, Rights::CREATE).map(drop);
            }
        }
        Err(Error::NotFound)
    }

    pub(crate) fn delete_mailbox(
        &mut self,
        access: &Access,
        operation: OperationId,
        id: MailboxId,
    ) -> Result<()> {
        let domain = access.domain();
        self.once(domain, operation, |tx| {
            let row = mailbox(tx, access, id, Rights::DELETE_MAILBOX)?;
            if row.parent == 0 && row.name == INBOX {
                return Err(Error::Invalid("INBOX cannot be deleted".to_owned()));
            }
            if names::has_children(tx, domain, row.owner, id)? {
                return Err(Error::Invalid(
                    "the mailbox has mailboxes below it".to_owned(),
                ));
            }
            tx.clear_mailbox(domain, row.owner, id, usize::MAX)?;
            tx.forget_mailbox(domain, row.owner, id)
        })
    }

    /// Removes the rows of an empty mailbox. Of one that nobody can read the name stays, which is
    /// the caller's then.
    pub(crate) fn forget_mailbox(
        &mut self,
        domain: DomainId,
        owner: Owner,
        id: MailboxId,
    ) -> Result<()> {
        for (key, _) in self.prefix(&keys::acls(domain, id), usize::MAX)? {
            self.put_rights(domain, id, PersonId(keys::last_number(&key)), Rights::NONE);
        }
        for (key, _) in self.prefix(&keys::expunges(domain, id), usize::MAX)? {
            self.delete(key);
        }
        if let Some(row) = self.readable_mailbox(domain, id)? {
            self.delete_name(domain, owner, row.parent, &row.name)?;
        }
        self.delete(keys::mailbox(domain, id));
        self.touch(domain, id, owner);
        Ok(())
    }

    pub(crate) fn rename_mailbox(
        &mut self,
        access: &Access,
        operation: OperationId,
        id: MailboxId,
        name: &str,
    ) -> Result<()> {
        let domain = access.domain();
        self.once(domain, operation, |tx| {
            let mut row = mailbox(tx, access, id, Rights::DELETE_MAILBOX)?;
            let levels = names::levels_for(row.owner, name)?;
            tx.may_create(access, row.owner, &levels)?;
            if names::find(tx, domain, row.owner, &levels)?.is_some() {
                return Err(Error::Exists);
            }
            let (last, above) = levels.split_last().ok_or(Error::NotFound)?;
            if row.parent == 0 && row.name == INBOX {
                let target = tx.ensure(domain, row.owner, &levels)?;
                return tx.move_all(domain, id, target);
            }
            let parent = tx.ensure(domain, row.owner, above)?.0;
            if tx.is_below(domain, parent, id)? {
                return Err(Error::Invalid(
                    "a mailbox cannot go below itself".to_owned(),
                ));
            }
            tx.delete_name(domain, row.owner, row.parent, &row.name)?;
            tx.put_name(domain, row.owner, parent, last, id)?;
            row.parent = parent;
            row.name.clone_from(last);
            tx.put_mailbox(domain, id, &row);
            Ok(())
        })
    }

    /// Is `mailbox` the same as or somewhere below `above`?
    fn is_below(&self, domain: DomainId, mailbox: u64, above: MailboxId) -> Result<bool> {
        let mut at = mailbox;
        while at != 0 {
            if at == above.0 {
                return Ok(true);
            }
            let row: Option<MailboxRow> = self.row(&keys::mailbox(domain, MailboxId(at)))?;
            at = row.map_or(0, |row| row.parent);
        }
        Ok(false)
    }

    pub(crate) fn set_rights(
        &mut self,
        access: &Access,
        id: MailboxId,
        person: PersonId,
        rights: Rights,
    ) -> Result<()> {
        let row = mailbox(self, access, id, Rights::ADMINISTER)?;
        self.put_rights(access.domain(), id, person, rights);
        self.touch(access.domain(), id, row.owner);
        Ok(())
    }

    /// The list is kept beside the mailboxes, so that one made later gets it too.
    pub(crate) fn set_members(
        &mut self,
        access: &Access,
        group: Owner,
        members: &[(PersonId, Rights)],
    ) -> Result<()> {
        let domain = access.domain();
        if !matches!(group, Owner::Group(_)) || matches!(access.principal, Principal::Person(_)) {
            return Err(Error::NotFound);
        }
        for (key, _) in self.prefix(&keys::members(domain, group), usize::MAX)? {
            self.delete(key);
        }
        for (person, rights) in members {
            self.put(keys::member(domain, group, *person), rights);
        }
        for (_, value) in self.prefix(&keys::names_of(domain, group), usize::MAX)? {
            let id = MailboxId(crate::rows::decode(&value)?);
            for (key, _) in self.prefix(&keys::acls(domain, id), usize::MAX)? {
                self.put_rights(domain, id, PersonId(keys::last_number(&key)), Rights::NONE);
            }
            for (person, rights) in members {
                self.put_rights(domain, id, *person, *rights);
            }
            self.touch(domain, id, group);
        }
        Ok(())
    }

    pub(crate) fn subscribe(
        &mut self,
        access: &Access,
        person: PersonId,
        name: &str,
        subscribed: bool,
    ) -> Result<()> {
        act_for(access, Owner::Person(person))?;
        let name = names::levels(name)?.join("/");
        let (domain, owner) = (access.domain(), Owner::Person(person));
        self.delete_plain(keys::subscription(domain, person, &name))?;
        if subscribed {
            let token = self.keyring().need(domain, owner)?.token(&name);
            let key = keys::hidden_subscription(domain, person, &token);
            self.put_for(owner, key, &encode(&name));
        } else if let Some(with) = self.keyring().find(domain, owner) {
            let token = with.token(&name);
            self.delete(keys::hidden_subscription(domain, person, &token));
        }
        Ok(())
    }
}
