//! Mailbox names: levels, canonical form, and the way from a name to an id and back.

use mail::{Access, DomainId, MailboxId, limits};
use unicode_normalization::UnicodeNormalization;

use crate::engine::Tx;
use crate::rows::MailboxRow;
use crate::store::SHARED_ROOT;
use crate::view::{View, ViewExt};
use crate::{Error, Owner, Result, keys};

/// INBOX in the one form that is stored.
pub(crate) const INBOX: &str = "INBOX";

/// The levels of a name in canonical form: NFC, INBOX in capitals.
pub(crate) fn levels(name: &str) -> Result<Vec<String>> {
    let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
    let name: String = name.nfc().collect();
    if name.len() > limits::MAILBOX_NAME {
        return invalid("the mailbox name is too long");
    }
    let mut levels: Vec<String> = name.split('/').map(str::to_owned).collect();
    if levels.len() > limits::MAILBOX_LEVELS {
        return invalid("the mailbox name has too many levels");
    }
    if levels.iter().any(String::is_empty) {
        return invalid("a level of the mailbox name is empty");
    }
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}'))
    {
        return invalid("the mailbox name has a character that is not allowed");
    }
    if levels[0].eq_ignore_ascii_case(INBOX) {
        levels[0] = INBOX.to_owned();
    }
    Ok(levels)
}

/// Levels for a mailbox of a person: the root of shared ones is taken.
pub(crate) fn levels_for(owner: Owner, name: &str) -> Result<Vec<String>> {
    let levels = levels(name)?;
    if owner == Owner::Domain {
        return Err(Error::Invalid(
            "a mailbox belongs to a person or a group".to_owned(),
        ));
    }
    if matches!(owner, Owner::Person(_)) && levels[0] == SHARED_ROOT {
        return Err(Error::Invalid(format!(
            "'{SHARED_ROOT}' is for the mailboxes of groups"
        )));
    }
    Ok(levels)
}

/// The id of the mailbox of this name in `parent`.
///
/// A name is found by what only its owner's key makes of it: no key of a table shows it. Format 1
/// had it in plain.
pub(crate) fn id_at<V: View + ?Sized>(
    view: &V,
    domain: DomainId,
    owner: Owner,
    parent: u64,
    level: &str,
) -> Result<Option<u64>> {
    if let Some(with) = view.keyring().find(domain, owner)
        && let Some(id) = view.row(&keys::hidden_name(
            domain,
            owner,
            parent,
            &with.token(level),
        ))?
    {
        return Ok(Some(id));
    }
    view.row(&keys::name(domain, owner, parent, level))
}

impl Tx<'_> {
    pub(crate) fn put_name(
        &mut self,
        domain: DomainId,
        owner: Owner,
        parent: u64,
        level: &str,
        id: MailboxId,
    ) -> Result<()> {
        let with = self.keyring().need(domain, owner)?;
        let key = keys::hidden_name(domain, owner, parent, &with.token(level));
        self.put(key, &id.0);
        Ok(())
    }

    pub(crate) fn delete_name(
        &mut self,
        domain: DomainId,
        owner: Owner,
        parent: u64,
        level: &str,
    ) -> Result<()> {
        if let Some(with) = self.keyring().find(domain, owner) {
            let token = with.token(level);
            self.delete(keys::hidden_name(domain, owner, parent, &token));
        }
        self.delete_plain(keys::name(domain, owner, parent, level))
    }

    /// Deletes a row of format 1 that has a name in its key. Only where it is: a deletion is in
    /// the journal with its key, and would tell the name.
    pub(crate) fn delete_plain(&mut self, key: keys::Key) -> Result<()> {
        if self.exists(&key)? {
            self.delete(key);
        }
        Ok(())
    }
}

/// The id at these levels.
pub(crate) fn find<V: View + ?Sized>(
    view: &V,
    domain: DomainId,
    owner: Owner,
    levels: &[String],
) -> Result<Option<MailboxId>> {
    let mut parent = 0;
    for level in levels {
        match id_at(view, domain, owner, parent, level)? {
            Some(id) => parent = id,
            None => return Ok(None),
        }
    }
    Ok((parent != 0).then_some(MailboxId(parent)))
}

/// The whole name of a mailbox as people see it.
pub(crate) fn full<V: View + ?Sized>(
    view: &V,
    access: &Access,
    row: &MailboxRow,
) -> Result<String> {
    let mut levels = vec![row.name.clone()];
    let mut parent = row.parent;
    while parent != 0 && levels.len() <= limits::MAILBOX_LEVELS {
        let above: MailboxRow = view
            .row(&keys::mailbox(access.domain(), MailboxId(parent)))?
            .ok_or_else(|| Error::Damaged("a mailbox has no parent".to_owned()))?;
        levels.push(above.name);
        parent = above.parent;
    }
    if matches!(row.owner, Owner::Group(_)) {
        levels.push(SHARED_ROOT.to_owned());
    }
    levels.reverse();
    Ok(levels.join("/"))
}

/// Are there mailboxes below this one?
pub(crate) fn has_children<V: View + ?Sized>(
    view: &V,
    domain: DomainId,
    owner: Owner,
    id: MailboxId,
) -> Result<bool> {
    Ok(!view
        .prefix(&keys::names_below(domain, owner, id.0), 1)?
        .is_empty())
}
