//! The LDAP server: connections, operations with a bound on everything, and the breaker.
//!
//! ```text
//!  ask ─> breaker ─> a place ─> an idle connection, or a new one bound as the reader ─> search
//!                                                    every step within one time-out ───┘
//! ```
//! A connection serves one operation at a time, so that what one of them brings can be counted,
//! and goes away with the operation that failed on it.
//!
//! How it fails: always with [`LookupError::Temporary`]; a server that is not there, does not
//! answer in time or breaks off opens the breaker, and everything then fails at once until the
//! next attempt.

mod breaker;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry,
    SearchOptions, StdStream,
};
use mail::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use self::breaker::Breaker;
use super::entry::Entry;
use super::settings::LdapSettings;
use super::wire::Wire;
use crate::LookupError;

/// Operations at once; others wait within their time.
const PLACES: usize = 16;
/// Idle connections kept.
const IDLE: usize = 4;
/// Bytes that one question about one address may bring.
const LOOKUP_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that a list may bring.
const LIST_BYTES: usize = 128 * 1024 * 1024;
/// Entries of one page of a list (RFC 2696).
const PAGE: i32 = 500;

/// `invalidCredentials` and what else says "not this person with this password" rather than
/// "ask me later" (RFC 4511 appendix A).
const REFUSALS: [u32; 6] = [
    19, // constraintViolation: locked after failures, by some servers
    32, // noSuchObject
    48, // inappropriateAuthentication: no password is set
    49, // invalidCredentials
    50, // insufficientAccessRights
    53, // unwillingToPerform: locked or expired, by some servers
];
/// `noSuchObject`
const NO_SUCH_OBJECT: u32 = 32;
/// `sizeLimitExceeded`
const SIZE_LIMIT: u32 = 4;
/// `referral`
const REFERRAL: u32 = 10;
/// `busy`, `unavailable`: the server is in trouble.
const TROUBLED: [u32; 2] = [51, 52];

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) base: String,
    pub(super) reach: Reach,
    pub(super) filter: String,
    /// More entries are an error.
    pub(super) limit: usize,
}

/// How far a question reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The entry of the base itself, which may be missing.
    Entry,
    /// Everything beneath, a few entries.
    Beneath,
    /// Everything beneath, in pages.
    List,
}

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    settings: LdapSettings,
    host_and_port: String,
    tls: Option<Arc<ClientConfig>>,
    attributes: Vec<String>,
    idle: Mutex<Vec<Link>>,
    places: Semaphore,
    breaker: Breaker,
}

/// One open connection.
struct Link {
    ldap: Ldap,
    wire: Wire,
    driver: AbortHandle,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Why an operation failed.
enum Failure {
    /// The connection, or what is at its other end: another attempt may do better.
    Connection(String),
    /// The server answered, with this.
    Answer(String),
}

impl From<LdapError> for Failure {
    fn from(error: LdapError) -> Self {
        match error {
            LdapError::LdapResult { result } => refused("it answered", &result),
            error => Self::Connection(error.to_string()),
        }
    }
}

fn refused(act: &str, result: &LdapResult) -> Failure {
    let text = format!("{act} with {result}");
    if TROUBLED.contains(&result.rc) {
        Failure::Connection(text)
    } else {
        Failure::Answer(text)
    }
}

impl Server {
    /// Reads what the settings name; nothing is connected yet.
    ///
    /// # Errors
    /// A URL or a CA file that cannot be used.
    pub(super) fn new(settings: LdapSettings) -> Result<Arc<Self>, String> {
        let host_and_port = host_and_port(&settings.url)?;
        let tls = match &settings.ca_file {
            None => None,
            Some(path) => Some(Arc::new(trusting(path).map_err(|cause| {
                format!("the CA file {} cannot be used: {cause}", path.display())
            })?)),
        };
        let mut attributes: Vec<String> = settings
            .attributes
            .all()
            .into_iter()
            .map(|(_, name)| name.to_owned())
            .collect();
        attributes.push("objectClass".to_owned());
        Ok(Arc::new(Self {
            breaker: Breaker::new(settings.timing.operation, settings.timing.pause),
            settings,
            host_and_port,
            tls,
            attributes,
            idle: Mutex::new(Vec::new()),
            places: Semaphore::new(PLACES),
        }))
    }

    /// The settings it was made of.
    pub(super) const fn settings(&self) -> &LdapSettings {
        &self.settings
    }

    /// Would a question be asked now?
    pub(super) fn is_reachable(&self) -> Result<(), LookupError> {
        self.breaker.state().map_err(|cause| self.trouble(&cause))
    }

    /// Asks for entries.
    pub(super) async fn search(
        self: &Arc<Self>,
        search: Search,
    ) -> Result<Vec<Entry>, LookupError> {
        let own = Arc::clone(self);
        self.run(async move { own.search_once(&search).await })
            .await
    }

    /// Is this the password of this entry? Asks on a connection of its own.
    pub(super) async fn bind(
        self: &Arc<Self>,
        dn: &str,
        password: &Secret<String>,
    ) -> Result<bool, LookupError> {
        // RFC 4513 §5.1.2: a bind without a password succeeds as nobody, and one without a name
        // says nothing of anybody (A08).
        if password.expose_secret().is_empty() || dn.is_empty() {
            return Ok(false);
        }
        let (own, dn, password) = (Arc::clone(self), dn.to_owned(), password.clone());
        self.run(async move {
            let mut link = own.dial().await?;
            let result = link.ldap.simple_bind(&dn, password.expose_secret()).await?;
            let _ = link.ldap.unbind().await;
            match result.rc {
                0 => Ok(true),
                rc if REFUSALS.contains(&rc) => Ok(false),
                _ => Err(refused("a login was answered", &result)),
            }
        })
        .await
    }

    /// Runs one operation inside its time, in a task of its own: the library panics on some of
    /// what a server can send.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        operation: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, LookupError> {
        self.breaker.admit().map_err(|cause| self.trouble(&cause))?;
        let own = Arc::clone(self);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let Ok(_place) = own.places.acquire().await else {
                return Err(Failure::Connection("it is closed".to_owned()));
            };
            operation.await
        });
        let ended = match timeout(self.settings.timing.operation, task.join_next()).await {
            Err(_) => Err(Failure::Connection(format!(
                "no answer in {} s",
                self.settings.timing.operation.as_secs_f32()
            ))),
            Ok(Some(Ok(ended))) => ended,
            Ok(Some(Err(_)) | None) => {
                Err(Failure::Connection("its answer cannot be read".to_owned()))
            }
        };
        match ended {
            Ok(value) => {
                if self.breaker.succeeded() {
                    tracing::info!(url = self.settings.url, "the LDAP server answers again");
                }
                Ok(value)
            }
            Err(Failure::Connection(cause)) => {
                // The others are most likely as dead, and would each cost the whole time-out.
                self.idle().clear();
                let pause = self.breaker.failed(&cause);
                tracing::warn!(
                    url = self.settings.url,
                    cause,
                    ?pause,
                    "the LDAP server is in trouble"
                );
                Err(self.trouble(&cause))
            }
            Err(Failure::Answer(cause)) => {
                self.breaker.succeeded();
                tracing::error!(
                    url = self.settings.url,
                    cause,
                    "the LDAP server refused a question"
                );
                Err(self.trouble(&cause))
            }
        }
    }

    fn trouble(&self, cause: &str) -> LookupError {
        LookupError::Temporary(format!("LDAP server {}: {cause}", self.settings.url))
    }

    /// On an idle connection if there is one; that may have died since, and is then replaced.
    async fn search_once(&self, search: &Search) -> Result<Vec<Entry>, Failure> {
        let idle = self.idle().pop();
        if let Some(mut link) = idle {
            match self.search_on(&mut link, search).await {
                Err(Failure::Connection(_)) if !link.wire.is_used_up() => {}
                ended => return self.keep(link, ended),
            }
        }
        let mut link = self.dial().await?;
        self.bind_as_reader(&mut link).await?;
        let ended = self.search_on(&mut link, search).await;
        self.keep(link, ended)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Link>> {
        // One push or pop: a panic cannot leave it half done.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep<T>(&self, link: Link, ended: Result<T, Failure>) -> Result<T, Failure> {
        if ended.is_ok() {
            let mut idle = self.idle();
            if idle.len() < IDLE {
                idle.push(link);
            }
        } else if link.wire.is_used_up() {
            return Err(Failure::Answer(
                "it sent more than one answer may have (8 MiB, a list 128 MiB)".to_owned(),
            ));
        }
        ended
    }

    async fn dial(&self) -> Result<Link, Failure> {
        let connected = Wire::connect(&self.host_and_port).await;
        let (stream, wire) =
            connected.map_err(|error| Failure::Connection(format!("cannot connect: {error}")))?;
        wire.allow(LOOKUP_BYTES);
        let mut settings = LdapConnSettings::new()
            .set_std_stream(StdStream::Tcp(stream))
            .set_starttls(self.settings.start_tls);
        if let Some(tls) = &self.tls {
            settings = settings.set_config(Arc::clone(tls));
        }
        let (connection, ldap) = LdapConnAsync::with_settings(settings, &self.settings.url).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "an LDAP connection ended");
            }
        });
        Ok(Link {
            ldap,
            wire,
            driver: driver.abort_handle(),
        })
    }

    async fn bind_as_reader(&self, link: &mut Link) -> Result<(), Failure> {
        let settings = &self.settings;
        if settings.bind_dn.is_empty() {
            return Ok(());
        }
        let password = settings.bind_password.expose_secret();
        let result = link.ldap.simple_bind(&settings.bind_dn, password).await?;
        if result.rc == 0 {
            return Ok(());
        }
        // Nothing works until somebody mends it: the breaker keeps it from being asked for every
        // message.
        Err(Failure::Connection(format!(
            "directory.bind_dn and its password are refused with {result}"
        )))
    }

    async fn search_on(&self, link: &mut Link, search: &Search) -> Result<Vec<Entry>, Failure> {
        let is_list = search.reach == Reach::List;
        link.wire
            .allow(if is_list { LIST_BYTES } else { LOOKUP_BYTES });
        let scope = match search.reach {
            Reach::Entry => Scope::Base,
            Reach::Beneath | Reach::List => Scope::Subtree,
        };
        let mut adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> =
            vec![Box::new(EntriesOnly::new())];
        if is_list {
            adapters.push(Box::new(PagedResults::new(PAGE)));
        } else {
            link.ldap.with_search_options(
                SearchOptions::new()
                    .sizelimit(i32::try_from(search.limit + 1).unwrap_or(i32::MAX))
                    .timelimit(seconds(self.settings.timing.operation)),
            );
        }
        let mut stream = link
            .ldap
            .streaming_search_with(
                adapters,
                &search.base,
                scope,
                &search.filter,
                self.attributes.clone(),
            )
            .await?;
        let mut entries = Vec::new();
        while let Some(entry) = stream.next().await? {
            if entries.len() >= search.limit {
                return Err(Failure::Answer(format!(
                    "it has more than {} entries for {}",
                    search.limit, search.filter
                )));
            }
            entries.push(Entry::from(SearchEntry::construct(entry)));
        }
        let result = stream.finish().await;
        if !result.refs.is_empty() {
            tracing::debug!(referrals = ?result.refs, "LDAP referrals are not followed");
        }
        match result.rc {
            0 => Ok(entries),
            NO_SUCH_OBJECT if search.reach == Reach::Entry => Ok(Vec::new()),
            NO_SUCH_OBJECT => Err(Failure::Answer(format!(
                "there is no entry '{}'",
                search.base
            ))),
            SIZE_LIMIT => Err(Failure::Answer(format!(
                "its own limit on the size of answers cut off those for {}: raise it for '{}'",
                search.filter, self.settings.bind_dn
            ))),
            REFERRAL => Err(Failure::Answer(format!(
                "it points to {} for '{}', and referrals are not followed: name the server that has the entries by directory.url",
                result.refs.join(", "),
                search.base
            ))),
            _ => Err(refused("a question was answered", &result)),
        }
    }
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs().max(1)).unwrap_or(i32::MAX)
}

/// `ldap://host:port/` as `host:port`.
pub(super) fn host_and_port(url: &str) -> Result<String, String> {
    let wrong = || format!("'{url}' is not ldap://HOST[:PORT] or ldaps://HOST[:PORT]");
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let default = match scheme {
        "ldap" => 389,
        "ldaps" => 636,
        _ => return Err(wrong()),
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if host.is_empty() || !host.chars().all(is_plain) {
        return Err(wrong());
    }
    let after_literal = host.rfind(']').map_or(0, |end| end + 1);
    match host[after_literal..].rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => Ok(host.to_owned()),
        Some(_) => Err(wrong()),
        None => Ok(format!("{host}:{default}")),
    }
}

/// Trusts exactly the certificates of this file.
fn trusting(path: &std::path::Path) -> Result<ClientConfig, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it has no certificate".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn urls_name_a_host_and_a_port() {
        let cases = [
            ("ldap://ldap.abc.test", Ok("ldap.abc.test:389")),
            ("ldaps://ldap.abc.test/", Ok("ldap.abc.test:636")),
            ("ldap://127.0.0.1:3890", Ok("127.0.0.1:3890")),
            ("ldap://[::1]", Ok("[::1]:389")),
            ("ldap://[::1]:3890", Ok("[::1]:3890")),
            ("ldap://", Err(())),
            ("ldap://host:port", Err(())),
            ("ldap://host/dc=abc", Err(())),
            ("ldapi:///run/slapd", Err(())),
            ("http://host", Err(())),
            ("host", Err(())),
        ];
        for (url, expected) in cases {
            assert_eq!(
                host_and_port(url).map_err(|_| ()).as_deref(),
                expected.as_ref().copied().map_err(|()| &()),
                "{url}"
            );
        }
    }
}
