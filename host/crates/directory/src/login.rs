//! The login way: from what a client sends to a person, or a refusal that tells nothing.
//!
//! ```text
//!  throttle ─> domain ─> domain state ─> services of the domain ─> person under the domain
//!           ─> services of the person ─> person state ─> password ─> person
//! ```
//! Every refusal is the same to the client and costs one password hash; which step it was goes
//! to the log. Only trouble of our own looks different.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mail::{Domain, DomainId, PersonId, Secret, Service, Tenant, Timestamp};
use routing::{Level, Standing, standing};

use crate::services::Verdict;
use crate::throttle::{Gate, Throttle};
use crate::{Directory, DomainEntry, LookupError, PersonEntry, ServiceAccess};

/// What reverse DNS says of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerName {
    /// A name that leads back to the address.
    Known(String),
    /// There is no name.
    Unknown,
    /// A name that does not lead back to the address.
    Spoofed(String),
    /// No answer in two seconds.
    NoAnswer,
}

/// Who asks reverse DNS, when rules depend on it; two seconds at most.
pub trait PeerNames: Send + Sync {
    /// The name of the host with this address.
    fn name(&self, address: IpAddr) -> Pin<Box<dyn Future<Output = PeerName> + Send + '_>>;
}

/// Never an answer: rules by name then do not allow, and do deny.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeerNames;

impl PeerNames for NoPeerNames {
    fn name(&self, _address: IpAddr) -> Pin<Box<dyn Future<Output = PeerName> + Send + '_>> {
        Box::pin(std::future::ready(PeerName::NoAnswer))
    }
}

/// What a client sent, and over what.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// The service it logs in to.
    pub service: Service,
    /// The login name as sent.
    pub login: String,
    /// The password as sent.
    pub password: Secret<String>,
    /// The client.
    pub peer: IpAddr,
    /// Is the connection encrypted?
    pub encrypted: bool,
    /// The name given by SNI.
    pub server_name: Option<String>,
    /// The domain of the listener, where the configuration gives it one.
    pub listener_domain: Option<Domain>,
    /// Now.
    pub now: Timestamp,
}

/// How the domain is found in a login name, and whom the throttle spares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoginSettings {
    /// Divides `user` and `domain` in names without `@`; `None`: nothing does.
    pub separator: Option<char>,
    /// The domain of names that no other rule gives one.
    pub default_domain: Option<Domain>,
    /// Are passwords taken over a connection that is not encrypted? For tests on loopback.
    pub allow_plaintext: bool,
}

/// A person that logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The domain's proof.
    pub tenant: Tenant,
    /// The domain.
    pub domain: Arc<DomainEntry>,
    /// The person.
    pub person: Arc<PersonEntry>,
}

/// Where a login was refused. For the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginStep {
    /// The connection is not encrypted.
    Encryption,
    /// The password is empty.
    EmptyPassword,
    /// Too many failures; the password was not looked at.
    Throttle,
    /// No domain could be found.
    Domain,
    /// The state of the domain or of its mail.
    DomainState,
    /// The services of the domain.
    DomainServices,
    /// No such person under the domain.
    Person,
    /// The services of the person.
    PersonServices,
    /// The state of the person or of its mail.
    PersonState,
    /// The password.
    Password,
}

impl LoginStep {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption",
            Self::EmptyPassword => "empty-password",
            Self::Throttle => "throttle",
            Self::Domain => "domain",
            Self::DomainState => "domain-state",
            Self::DomainServices => "domain-services",
            Self::Person => "person",
            Self::PersonServices => "person-services",
            Self::PersonState => "person-state",
            Self::Password => "password",
        }
    }
}

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginOutcome {
    /// In.
    Accepted(Login),
    /// Not in; the client is told nothing but that. Wait `delay` before telling it.
    Refused {
        /// Where; never shown to the client.
        step: LoginStep,
        /// How long to wait before the answer. Depends on earlier failures, never on the step.
        delay: Duration,
    },
    /// Cannot say now: 454, `[UNAVAILABLE]`, `[SYS/TEMP]`.
    Unavailable(String),
}

/// How far a login comes, the password aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTrial {
    /// The domain, once it was found.
    pub domain: Option<Arc<DomainEntry>>,
    /// The person, once it was found.
    pub person: Option<Arc<PersonEntry>>,
    /// In, as far as everything but the password goes, or where not.
    pub outcome: LoginOutcome,
}

/// The login way with its memory of failures. One for all protocols of a server.
#[derive(Debug, Default)]
pub struct LoginWay {
    settings: LoginSettings,
    throttle: Throttle,
}

/// What the way has found so far.
#[derive(Default)]
struct Seen {
    domain: Option<Arc<DomainEntry>>,
    person: Option<Arc<PersonEntry>>,
}

/// Why a step did not go on.
enum Stop {
    Refused(LoginStep),
    Unavailable(String),
}

impl From<Stop> for LoginOutcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(step) => Self::Refused {
                step,
                delay: Duration::ZERO,
            },
            Stop::Unavailable(cause) => Self::Unavailable(cause),
        }
    }
}

impl LoginWay {
    /// With no failures yet.
    pub fn new(settings: LoginSettings) -> Self {
        Self {
            settings,
            throttle: Throttle::default(),
        }
    }

    /// Takes the whole way once.
    pub async fn login(
        &self,
        directory: &dyn Directory,
        names: &dyn PeerNames,
        request: LoginRequest,
    ) -> LoginOutcome {
        let account = request.login.to_lowercase();
        let gate = self.throttle.check(request.peer, &account, request.now);
        let found = match gate {
            Gate::Open => self.find(directory, names, &request).await,
            Gate::Closed => Err(Stop::Refused(LoginStep::Throttle)),
        };
        let found = match found {
            Err(Stop::Unavailable(cause)) => return LoginOutcome::Unavailable(cause),
            found => found,
        };
        // One hash whatever happened before, so that time tells nothing.
        let person = found
            .as_ref()
            .ok()
            .map(|login| (login.tenant, login.person.id));
        let fits = match directory
            .verify_password(person, request.password.clone())
            .await
        {
            Ok(fits) => fits,
            Err(error) => return LoginOutcome::Unavailable(error.to_string()),
        };
        let step = match found {
            Ok(login) if fits => {
                self.throttle.succeeded(request.peer, &account, request.now);
                return LoginOutcome::Accepted(login);
            }
            Ok(_) => LoginStep::Password,
            Err(Stop::Refused(step)) => step,
            Err(Stop::Unavailable(cause)) => return LoginOutcome::Unavailable(cause),
        };
        if step != LoginStep::Throttle {
            self.throttle.failed(request.peer, &account, request.now);
        }
        let delay = self.throttle.delay(request.peer, &account, request.now);
        tracing::info!(
            service = request.service.name(),
            peer = %request.peer,
            // `Debug` escapes what could forge a line of the log.
            login = ?crate::throttle::shortened(&account),
            step = step.name(),
            "login refused"
        );
        LoginOutcome::Refused { step, delay }
    }

    /// The way without the password, which need not be given: for `explain`, and for a person
    /// that proved itself before and comes again. Counts nothing, waits for nothing.
    pub async fn try_without_password(
        &self,
        directory: &dyn Directory,
        names: &dyn PeerNames,
        request: &LoginRequest,
    ) -> LoginTrial {
        let mut seen = Seen::default();
        let found = match self.check_encryption(request) {
            Ok(()) => self.walk(directory, names, request, &mut seen).await,
            Err(stop) => Err(stop),
        };
        LoginTrial {
            domain: seen.domain,
            person: seen.person,
            outcome: found.map_or_else(LoginOutcome::from, LoginOutcome::Accepted),
        }
    }

    /// Would the password not be looked at now, because too many were wrong?
    pub fn is_pausing(&self, peer: IpAddr, login: &str, now: Timestamp) -> bool {
        self.throttle.check(peer, &login.to_lowercase(), now) == Gate::Closed
    }

    /// Everything before the password.
    async fn find(
        &self,
        directory: &dyn Directory,
        names: &dyn PeerNames,
        request: &LoginRequest,
    ) -> Result<Login, Stop> {
        self.check_encryption(request)?;
        // An empty password is what an LDAP server takes as "anonymous" and lets in
        // (RFC 4513 §5.1.2): it is never handed on.
        if request.password.expose_secret().is_empty() {
            return Err(Stop::Refused(LoginStep::EmptyPassword));
        }
        self.walk(directory, names, request, &mut Seen::default())
            .await
    }

    /// From the name to the person.
    async fn walk(
        &self,
        directory: &dyn Directory,
        names: &dyn PeerNames,
        request: &LoginRequest,
        seen: &mut Seen,
    ) -> Result<Login, Stop> {
        let (domain, uid) = self.find_domain(directory, request).await?;
        seen.domain = Some(Arc::clone(&domain));
        check_standing(&domain_levels(&domain), LoginStep::DomainState)?;
        let mut client = Client {
            names,
            address: request.peer,
            name: None,
        };
        client
            .check(&domain.services, request.service, LoginStep::DomainServices)
            .await?;
        let tenant = domain.tenant();
        let person = not_found(
            directory.person_by_uid(tenant, &uid).await,
            LoginStep::Person,
        )?;
        if person.domain != domain.id {
            return Err(Stop::Refused(LoginStep::Person));
        }
        seen.person = Some(Arc::clone(&person));
        client
            .check(&person.services, request.service, LoginStep::PersonServices)
            .await?;
        check_standing(&person_levels(&person), LoginStep::PersonState)?;
        Ok(Login {
            tenant,
            domain,
            person,
        })
    }

    fn check_encryption(&self, request: &LoginRequest) -> Result<(), Stop> {
        if !request.encrypted && !self.settings.allow_plaintext {
            return Err(Stop::Refused(LoginStep::Encryption));
        }
        Ok(())
    }

    /// After the last `@`; else after the separator; else by the name that came by SNI; else
    /// the listener's; else the default.
    async fn find_domain(
        &self,
        directory: &dyn Directory,
        request: &LoginRequest,
    ) -> Result<(Arc<DomainEntry>, String), Stop> {
        let separator = self.settings.separator;
        let login = request.login.as_str();
        let split = login
            .rsplit_once('@')
            .or_else(|| login.rsplit_once(separator?));
        if let Some((uid, domain)) = split {
            let name = Domain::parse(domain).map_err(|_| Stop::Refused(LoginStep::Domain))?;
            let domain = not_found(directory.domain(&name).await, LoginStep::Domain)?;
            return Ok((domain, uid.to_owned()));
        }
        if let Some(name) = request
            .server_name
            .as_deref()
            .and_then(|name| Domain::parse(name).ok())
        {
            match directory.domain_by_service_name(&name).await {
                Ok(domain) => return Ok((domain, login.to_owned())),
                Err(LookupError::NotFound(_)) => {}
                Err(LookupError::Temporary(cause)) => return Err(Stop::Unavailable(cause)),
            }
        }
        let name = request
            .listener_domain
            .as_ref()
            .or(self.settings.default_domain.as_ref());
        let name = name.ok_or(Stop::Refused(LoginStep::Domain))?;
        Ok((
            not_found(directory.domain(name).await, LoginStep::Domain)?,
            login.to_owned(),
        ))
    }
}

/// May a person that logged in before stay? `Ok(false)` ends the session; a directory that
/// cannot answer does not.
pub(crate) async fn may_stay(
    directory: &dyn Directory,
    tenant: Tenant,
    person: PersonId,
) -> Result<bool, LookupError> {
    let domain = match directory.domain_by_id(tenant.domain()).await {
        Err(LookupError::NotFound(_)) => return Ok(false),
        domain => domain?,
    };
    let person = match directory.person(tenant, person).await {
        Err(LookupError::NotFound(_)) => return Ok(false),
        person => person?,
    };
    let domain = check_standing(&domain_levels(&domain), LoginStep::DomainState);
    let person = check_standing(&person_levels(&person), LoginStep::PersonState);
    Ok(domain.and(person).is_ok())
}

impl LoginWay {
    /// May a person that logged in before stay? Ask when [`Directory::generation`] grows;
    /// `false` ends the session.
    pub async fn may_stay(&self, directory: &dyn Directory, domain: &Login) -> bool {
        may_stay(directory, domain.tenant, domain.person.id)
            .await
            .unwrap_or(true)
    }
}

/// The client, whose name is asked for once and only when a rule needs it.
struct Client<'a> {
    names: &'a dyn PeerNames,
    address: IpAddr,
    name: Option<PeerName>,
}

impl Client<'_> {
    async fn check(
        &mut self,
        access: &ServiceAccess,
        service: Service,
        step: LoginStep,
    ) -> Result<(), Stop> {
        let mut verdict = access.verdict(service, self.address, self.name.as_ref());
        if verdict == Verdict::NeedsName {
            self.name = Some(self.names.name(self.address).await);
            verdict = access.verdict(service, self.address, self.name.as_ref());
        }
        if verdict == Verdict::Granted {
            Ok(())
        } else {
            Err(Stop::Refused(step))
        }
    }
}

fn domain_levels(domain: &DomainEntry) -> [(Level, routing::State); 2] {
    [
        (Level::Domain, domain.status),
        (Level::DomainMail, domain.mail_status),
    ]
}

fn person_levels(person: &PersonEntry) -> [(Level, routing::State); 2] {
    [
        (Level::Person, person.status),
        (Level::PersonMail, person.mail_status),
    ]
}

fn check_standing(levels: &[(Level, routing::State)], step: LoginStep) -> Result<(), Stop> {
    match standing(levels) {
        Standing::Active | Standing::Overquota(_) => Ok(()),
        Standing::Refusing(..) | Standing::Hold(_) => Err(Stop::Refused(step)),
    }
}

fn not_found<T>(result: Result<T, LookupError>, step: LoginStep) -> Result<T, Stop> {
    result.map_err(|error| match error {
        LookupError::NotFound(_) => Stop::Refused(step),
        LookupError::Temporary(cause) => Stop::Unavailable(cause),
    })
}

/// For logs: who it was, without the name.
impl Login {
    /// Domain and person.
    pub fn ids(&self) -> (DomainId, PersonId) {
        (self.domain.id, self.person.id)
    }
}

#[cfg(test)]
mod tests;
