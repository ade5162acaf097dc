//! What owners use, and their limits.

use mail::{Access, DomainId, Timestamp};

use crate::engine::Tx;
use crate::engine::access::site;
use crate::rows::FullRow;
use crate::view::{View, ViewExt};
use crate::{Error, Owner, Quota, Result, Usage, keys};

impl Tx<'_> {
    /// Adds to the usage of an owner and of the domain, within both limits.
    pub(crate) fn charge(
        &mut self,
        domain: DomainId,
        owner: Owner,
        more: Usage,
        owner_quota: &Quota,
        domain_quota: &Quota,
    ) -> Result<()> {
        if owner != Owner::Domain {
            self.charge_one(domain, owner, more, owner_quota)?;
        }
        self.charge_one(domain, Owner::Domain, more, domain_quota)
    }

    fn charge_one(
        &mut self,
        domain: DomainId,
        owner: Owner,
        more: Usage,
        quota: &Quota,
    ) -> Result<()> {
        let key = keys::usage(domain, owner);
        let mut usage: Usage = self.row(&key)?.unwrap_or_default();
        usage.bytes += more.bytes;
        usage.messages += more.messages;
        if !quota.allows(usage) {
            return Err(Error::OverQuota(owner));
        }
        self.put(key, &usage);
        Ok(())
    }

    /// Since when the owner has had no room: from now on, unless it was noted before and nothing
    /// was stored or removed since.
    pub(crate) fn note_full(&mut self, access: &Access, owner: Owner) -> Result<Timestamp> {
        if let Some(since) = full_since(self, access, owner)? {
            return Ok(since);
        }
        let key = keys::usage(access.domain(), owner);
        let row = FullRow {
            since: self.now,
            usage: self.row(&key)?.unwrap_or_default(),
        };
        self.put(keys::full(access.domain(), owner), &row);
        Ok(self.now)
    }

    /// Takes from the usage of an owner and of the domain.
    pub(crate) fn refund(&mut self, domain: DomainId, owner: Owner, less: Usage) -> Result<()> {
        let owners = if owner == Owner::Domain {
            &[Owner::Domain][..]
        } else {
            &[owner, Owner::Domain][..]
        };
        for owner in owners {
            let key = keys::usage(domain, *owner);
            let mut usage: Usage = self.row(&key)?.unwrap_or_default();
            usage.bytes = usage.bytes.saturating_sub(less.bytes);
            usage.messages = usage.messages.saturating_sub(less.messages);
            if usage == Usage::default() {
                self.delete(key);
            } else {
                self.put(key, &usage);
            }
        }
        Ok(())
    }
}

/// Since when mail for the owner was refused, with nothing stored or removed in between.
pub(crate) fn full_since<V: View + ?Sized>(
    view: &V,
    access: &Access,
    owner: Owner,
) -> Result<Option<Timestamp>> {
    site(access)?;
    let domain = access.domain();
    let Some(row) = view.row::<FullRow>(&keys::full(domain, owner))? else {
        return Ok(None);
    };
    let usage: Usage = view.row(&keys::usage(domain, owner))?.unwrap_or_default();
    Ok((usage == row.usage).then_some(row.since))
}
