//! Who asks, and in whose domain.

use crate::{DomainId, PersonId};

/// Proof that a domain was found in the directory.
///
/// Every read and write of the store carries one. Only the `directory` crate makes them (and
/// the tests of the store): a tidy test holds every other crate to that, so a domain id that
/// came in from a peer or a plugin can never be used as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tenant(DomainId);

impl Tenant {
    /// The host itself: rows that no domain answers for (mail that leaves, site settings).
    pub const HOST: Self = Self(DomainId(0));

    /// Vouches that `domain` is a domain of this server. Only for the directory.
    pub const fn vouch(domain: DomainId) -> Self {
        Self(domain)
    }

    /// The domain vouched for.
    pub const fn domain(self) -> DomainId {
        self.0
    }
}

/// In whose name a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The server itself, moving mail.
    System,
    /// The operator of the site.
    Site,
    /// An administrator of the domain of the [`Access`] it is in.
    DomainAdministrator(PersonId),
    /// A person of the domain of the [`Access`] it is in.
    Person(PersonId),
}

/// What every call to the store and every administrative call carries: the domain it works in
/// and in whose name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// The domain.
    pub tenant: Tenant,
    /// In whose name.
    pub principal: Principal,
}

impl Access {
    /// The server's own access to a domain.
    pub const fn system(tenant: Tenant) -> Self {
        Self {
            tenant,
            principal: Principal::System,
        }
    }

    /// A person's access to the own domain.
    pub const fn person(tenant: Tenant, person: PersonId) -> Self {
        Self {
            tenant,
            principal: Principal::Person(person),
        }
    }

    /// The domain it works in.
    pub const fn domain(&self) -> DomainId {
        self.tenant.domain()
    }
}
