//! Signing in, the same for every protocol: the login way of the directory, counted.

use std::net::IpAddr;
use std::pin::Pin;

use directory::{Login, LoginOutcome, LoginRequest, LoginTrial, PeerName, PeerNames};
use mail::{Access, Secret, Service, Transport};
use net::{Answer, Resolver};
use store::{Owner, Standing};

use crate::site::{self, Site};

/// What a client sent.
pub(crate) struct SignIn<'a> {
    pub(crate) service: Service,
    pub(crate) login: &'a str,
    pub(crate) password: &'a Secret<String>,
    pub(crate) transport: &'a Transport,
}

/// How it went. A refusal says nothing more, to nobody.
pub(crate) enum SignedIn {
    In(Box<Login>),
    Refused,
    Unavailable,
}

impl SignIn<'_> {
    /// Takes the login way, and waits as long as the throttle says.
    pub(crate) async fn run(self, site: &Site) -> SignedIn {
        let names = DnsNames(&*site.resolver);
        let request = self.request();
        let outcome = site.login.login(&*site.directory, &names, request).await;
        let (result, signed_in) = match outcome {
            LoginOutcome::Accepted(login) if is_erased(site, &login) => {
                ("refused", SignedIn::Refused)
            }
            LoginOutcome::Accepted(login) => ("accepted", SignedIn::In(Box::new(login))),
            LoginOutcome::Refused { delay, .. } => {
                tokio::time::sleep(delay).await;
                ("refused", SignedIn::Refused)
            }
            LoginOutcome::Unavailable(cause) => {
                tracing::warn!(
                    cause,
                    service = self.service.name(),
                    "a login could not be checked"
                );
                ("unavailable", SignedIn::Unavailable)
            }
        };
        site.metrics
            .logins
            .with_label_values(&[self.service.name(), result])
            .inc();
        signed_in
    }

    /// Takes the login way but for the password, and counts nothing.
    pub(crate) async fn try_out(self, site: &Site) -> LoginTrial {
        let names = DnsNames(&*site.resolver);
        let request = self.request();
        site.login
            .try_without_password(&*site.directory, &names, &request)
            .await
    }

    fn request(&self) -> LoginRequest {
        LoginRequest {
            service: self.service,
            login: self.login.to_owned(),
            password: self.password.clone(),
            peer: self.transport.peer,
            encrypted: self.transport.encrypted,
            server_name: self.transport.server_name.clone(),
            listener_domain: None,
            now: site::now(),
        }
    }
}

/// Was the person erased, and is named again by a restored backup of the directory, or by LDAP?
fn is_erased(site: &Site, login: &Login) -> bool {
    let owner = Owner::Person(login.person.id);
    matches!(
        site.store.standing(&access(login), owner),
        Ok(Standing::Erased)
    )
}

/// The access of a person that logged in.
pub(crate) fn access(login: &Login) -> Access {
    Access::person(login.tenant, login.person.id)
}

/// Names of clients by PTR, confirmed by the forward look-up.
struct DnsNames<'a>(&'a dyn Resolver);

impl PeerNames for DnsNames<'_> {
    fn name(&self, address: IpAddr) -> Pin<Box<dyn Future<Output = PeerName> + Send + '_>> {
        Box::pin(async move {
            let asked =
                tokio::time::timeout(std::time::Duration::from_secs(2), self.look_up(address))
                    .await;
            asked.unwrap_or(PeerName::NoAnswer)
        })
    }
}

impl DnsNames<'_> {
    async fn look_up(&self, address: IpAddr) -> PeerName {
        let name = match self.0.ptr(address).await {
            Answer::Found(names) => match names.into_iter().next() {
                Some(name) => name,
                None => return PeerName::Unknown,
            },
            Answer::NoSuchDomain | Answer::NoRecords | Answer::NullMx => return PeerName::Unknown,
            Answer::Temporary(_) => return PeerName::NoAnswer,
        };
        match self.0.addresses(&name).await {
            Answer::Found(addresses) if addresses.contains(&address) => PeerName::Known(name),
            Answer::Temporary(_) => PeerName::NoAnswer,
            _ => PeerName::Spoofed(name),
        }
    }
}
