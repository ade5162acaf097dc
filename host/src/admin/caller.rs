//! Who calls, and what that caller may reach. Every handler asks here and nowhere else.
//!
//! What lies outside of a caller's reach answers word for word as what is not there, and leaves
//! a line in the audit log. What lies inside and is reserved to others answers 403.

use std::sync::Arc;

use directory::{DomainEntry, LookupError, PersonEntry, Role};
use mail::{Access, Domain, Mailbox, Principal, Tenant};

use super::{Api, ApiError};

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Whoever may open the admin socket.
    Operator,
    /// A person that signed in.
    Person(Arc<Signed>),
}

/// A person that signed in, as the directory has it now.
#[derive(Debug)]
pub(crate) struct Signed {
    /// The name it signed in with.
    pub(super) login: String,
    /// The domain.
    pub(super) domain: Arc<DomainEntry>,
    /// The person.
    pub(super) person: Arc<PersonEntry>,
}

/// A domain that the caller may work in, and as what.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    /// The domain.
    pub(crate) domain: Arc<DomainEntry>,
    /// In whose name.
    pub(crate) by: Principal,
}

impl Reach {
    /// The domain's proof.
    pub(crate) fn tenant(&self) -> Tenant {
        self.domain.tenant()
    }

    /// For calls of the store.
    pub(crate) fn access(&self) -> Access {
        Access {
            tenant: self.tenant(),
            principal: self.by,
        }
    }
}

impl Caller {
    /// For the audit log.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Person(signed) => signed.person.mail.to_string(),
        }
    }

    /// May the caller do everything?
    pub(crate) fn is_site(&self) -> bool {
        match self {
            Self::Operator => true,
            Self::Person(signed) => signed.person.roles.contains(&Role::Site),
        }
    }

    /// For what only the operator of the site does; `what` completes "only the operator may".
    pub(crate) fn operate(&self, what: &str) -> Result<Principal, ApiError> {
        if self.is_site() {
            return Ok(Principal::Site);
        }
        tracing::warn!(target: "audit", by = self.name(), what, "refused: for the operator only");
        Err(ApiError::denied(format!(
            "only the operator of the site may {what}"
        )))
    }

    /// A domain to administer.
    pub(crate) async fn administer(&self, api: &Api, name: &Domain) -> Result<Reach, ApiError> {
        let found = known(api.site.directory.domain(name).await)?;
        let missing = || format!("domain {name}");
        if self.is_site() {
            let domain = found.ok_or_else(|| ApiError::not_found(missing()))?;
            let by = Principal::Site;
            return Ok(Reach { domain, by });
        }
        let Some(domain) = found else {
            return Err(self.hidden(missing()));
        };
        if let Some(by) = self.administrator_of(api, &domain).await? {
            return Ok(Reach { domain, by });
        }
        if self.is_of(&domain) {
            tracing::warn!(target: "audit", by = self.name(), domain = %domain.name, "refused: for administrators only");
            return Err(ApiError::denied(format!(
                "only an administrator of {} may do this",
                domain.name
            )));
        }
        Err(self.hidden(missing()))
    }

    /// The same, by the text of a path or query.
    pub(crate) async fn administer_named(&self, api: &Api, name: &str) -> Result<Reach, ApiError> {
        self.administer(api, &super::domains::parse(name)?).await
    }

    /// The domain of an address, to administer.
    pub(crate) async fn administer_home(
        &self,
        api: &Api,
        address: &Mailbox,
    ) -> Result<Reach, ApiError> {
        self.administer(api, address.domain()).await
    }

    /// A person: anybody for the site, those of the domain for its administrator, oneself for
    /// everybody.
    pub(crate) async fn person(
        &self,
        api: &Api,
        address: &Mailbox,
    ) -> Result<(Reach, Arc<PersonEntry>), ApiError> {
        let missing = || format!("person {address}");
        let own = match self {
            Self::Person(signed) if !self.is_site() => signed,
            _ => {
                let reach = self.administer_home(api, address).await?;
                let person = find_person(api, &reach.domain, address).await?;
                let person = person.ok_or_else(|| ApiError::not_found(missing()))?;
                return Ok((reach, person));
            }
        };
        let Some(domain) = known(api.site.directory.domain(address.domain()).await)? else {
            return Err(self.hidden(format!("domain {}", address.domain())));
        };
        let administrator = self.administrator_of(api, &domain).await?;
        if administrator.is_none() && !self.is_of(&domain) {
            return Err(self.hidden(format!("domain {}", address.domain())));
        }
        match (find_person(api, &domain, address).await?, administrator) {
            (Some(person), Some(by)) => Ok((Reach { domain, by }, person)),
            (Some(person), None) if person.id == own.person.id => {
                let by = Principal::Person(person.id);
                Ok((Reach { domain, by }, person))
            }
            (None, Some(_)) => Err(ApiError::not_found(missing())),
            _ => Err(self.hidden(missing())),
        }
    }

    /// An address to ask about: any for the site, any of the domain for its administrator, the
    /// own for everybody.
    pub(crate) async fn ask_about(&self, api: &Api, address: &Mailbox) -> Result<(), ApiError> {
        if self.is_site() {
            return Ok(());
        }
        let domain = known(api.site.directory.domain(address.domain()).await)?;
        if let Some(domain) = domain
            && self.administrator_of(api, &domain).await?.is_some()
        {
            return Ok(());
        }
        self.person(api, address).await.map(|_| ())
    }

    /// Is a name that leads elsewhere a domain of this server that the caller does not
    /// administer?
    pub(crate) async fn is_foreign(&self, api: &Api, name: &Domain) -> Result<bool, ApiError> {
        if self.is_site() {
            return Ok(false);
        }
        match known(api.site.directory.domain(name).await)? {
            Some(domain) => {
                let own =
                    self.is_of(&domain) || self.administrator_of(api, &domain).await?.is_some();
                Ok(!own)
            }
            None => Ok(false),
        }
    }

    /// Is it the caller's own entry? The operator has none.
    pub(crate) fn is_self(&self, person: &PersonEntry) -> bool {
        matches!(self, Self::Person(signed) if signed.person.id == person.id && signed.domain.id == person.domain)
    }

    /// Every domain that the caller administers, by name.
    pub(crate) async fn domains(&self, api: &Api) -> Result<Vec<Reach>, ApiError> {
        let mut reached = Vec::new();
        for domain in api.site.directory.domains().await? {
            let by = if self.is_site() {
                Some(Principal::Site)
            } else {
                self.administrator_of(api, &domain).await?
            };
            reached.extend(by.map(|by| Reach { domain, by }));
        }
        Ok(reached)
    }

    /// Every domain whose mail the caller may trace: those that are administered, and those whose
    /// postmaster the caller is.
    pub(crate) async fn traced_domains(&self, api: &Api) -> Result<Vec<Reach>, ApiError> {
        let mut reached = self.domains(api).await?;
        let Self::Person(signed) = self else {
            return Ok(reached);
        };
        for domain in api.site.directory.domains().await? {
            let is_reached = reached.iter().any(|reach| reach.domain.id == domain.id);
            if !is_reached && self.is_one_of(api, &domain.postmaster).await? {
                let by = Principal::DomainAdministrator(signed.person.id);
                reached.push(Reach { domain, by });
            }
        }
        Ok(reached)
    }

    /// One domain whose mail is to be traced, by the text of a query.
    pub(crate) async fn trace_named(&self, api: &Api, name: &str) -> Result<Reach, ApiError> {
        let name = super::domains::parse(name)?;
        if let (Self::Person(signed), Some(domain)) =
            (self, known(api.site.directory.domain(&name).await)?)
            && self.is_one_of(api, &domain.postmaster).await?
        {
            let by = Principal::DomainAdministrator(signed.person.id);
            return Ok(Reach { domain, by });
        }
        self.administer(api, &name).await
    }

    /// What is outside of the caller's reach: `what` is a kind and a name, as for
    /// [`ApiError::not_found`], and the answer is that one.
    pub(crate) fn hidden(&self, what: impl std::fmt::Display) -> ApiError {
        let what = what.to_string();
        // `Debug` escapes what could forge a line of the log.
        tracing::warn!(target: "audit", by = self.name(), ?what, "refused: not within reach");
        ApiError::not_found(what)
    }

    fn is_of(&self, domain: &DomainEntry) -> bool {
        matches!(self, Self::Person(signed) if signed.domain.id == domain.id)
    }

    /// Administrators are named by address, anywhere; each address stands for whoever has it now.
    async fn administrator_of(
        &self,
        api: &Api,
        domain: &DomainEntry,
    ) -> Result<Option<Principal>, ApiError> {
        let Self::Person(signed) = self else {
            return Ok(None);
        };
        let is_one = self.is_one_of(api, &domain.administrators).await?;
        Ok(is_one.then_some(Principal::DomainAdministrator(signed.person.id)))
    }

    /// Does one of the addresses belong to the caller?
    async fn is_one_of(
        &self,
        api: &Api,
        addresses: impl IntoIterator<Item = &Mailbox>,
    ) -> Result<bool, ApiError> {
        let Self::Person(signed) = self else {
            return Ok(false);
        };
        for address in addresses {
            let home = known(api.site.directory.domain(address.domain()).await)?;
            let Some(home) = home.filter(|home| home.id == signed.domain.id) else {
                continue;
            };
            let person = find_person(api, &home, address).await?;
            if person.is_some_and(|person| person.id == signed.person.id) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn find_person(
    api: &Api,
    domain: &DomainEntry,
    address: &Mailbox,
) -> Result<Option<Arc<PersonEntry>>, ApiError> {
    let found = api
        .site
        .directory
        .person_by_address(domain.tenant(), address)
        .await;
    known(found)
}

/// `None` for what is definitely not there.
fn known<T>(found: Result<T, LookupError>) -> Result<Option<T>, ApiError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(LookupError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
