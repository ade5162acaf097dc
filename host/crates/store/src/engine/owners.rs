//! What owners use, and their limits.

use mail::DomainId;

use crate::engine::Tx;
use crate::view::ViewExt;
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
