//! IMAP: the session's questions, answered by the login way and a person's mailboxes.
//!
//! ```text
//!   Adapter ── Authenticate ──> SignIn (login way)
//!      │ signed in
//!      v
//!   Account ── mailboxes ─ messages ─ append ──> store::Store
//!      └ Selected: the mailbox, its watch, the messages open for reading
//! ```
//!
//! What a person may not see is answered as what is not there: the store says `NotFound` for
//! both, and nothing here asks it in another name.

mod account;
mod append;
mod convert;
mod mailboxes;
mod messages;
mod search;
mod shapes;

use std::sync::Arc;

use imap::ask::LoginOutcome;
use imap::{Answer, Ask, Config, Event, ImapSession, SendMessage, StartTls};
use mail::{Service, Transport};
use net::{Connection, DriveOptions, Handler, Outlet, SendError};
use store::{Owner, Quota};
use tokio::sync::Notify;

use super::sign_in::access;
use super::{SignIn, SignedIn, Watchdog};
use crate::intake::quotas_of;
use crate::site::Site;

use account::{Account, Quotas};
pub(crate) use shapes::Shapes;

/// Serves one connection.
pub(super) async fn attend(
    site: Arc<Site>,
    service: Service,
    connection: Connection,
    drive: DriveOptions,
) {
    let config = Config {
        host: site.hostname.to_string(),
        starttls: if service.is_implicit_tls() {
            StartTls::Absent
        } else {
            StartTls::Offered
        },
        limits: site.settings().config.limits.clone(),
    };
    let Connection {
        stream,
        transport,
        shutdown,
    } = connection;
    let mut session = ImapSession::new(Arc::new(config), &transport, std::time::Instant::now());
    let (watchdog, shutdown) = Watchdog::new(shutdown);
    let mut adapter = Adapter {
        site,
        service,
        transport: transport.clone(),
        watchdog,
        account: None,
        changed: Arc::default(),
    };
    net::drive(
        stream,
        transport,
        &mut session,
        &mut adapter,
        &drive,
        shutdown,
    )
    .await;
}

struct Adapter {
    site: Arc<Site>,
    service: Service,
    transport: Transport,
    watchdog: Watchdog,
    /// Who signed in.
    account: Option<Box<Account>>,
    /// Told by the watch of the selected mailbox.
    changed: Arc<Notify>,
}

impl Handler<ImapSession> for Adapter {
    async fn answer(&mut self, ask: Ask) -> Answer {
        if let Ask::Authenticate(credentials) = ask {
            return Answer::Login(self.authenticate(&credentials).await);
        }
        match &mut self.account {
            Some(account) => account.answer(ask).await,
            None => {
                tracing::error!("a session asked for mailboxes before it signed in");
                Answer::Refused(imap::ask::Refusal::ServerBug)
            }
        }
    }

    async fn body(&mut self, bytes: Vec<u8>) {
        if let Some(account) = &mut self.account {
            account.append_bytes(&bytes);
        }
    }

    async fn discard_body(&mut self) {
        if let Some(account) = &mut self.account {
            account.append_discard();
        }
    }

    async fn send(&mut self, send: SendMessage, outlet: &mut Outlet<'_>) -> Result<(), SendError> {
        match &mut self.account {
            Some(account) => account.send(&send, outlet).await,
            None => Err(SendError::Source("nobody signed in".to_owned())),
        }
    }

    async fn next_event(&mut self) -> Event {
        if let Some(account) = &mut self.account {
            // Between commands nothing is read; thousands of idle sessions hold nothing open.
            account.close_messages();
        }
        tokio::select! {
            biased;
            () = self.watchdog.revoked() => Event::Revoked,
            () = self.changed.notified() => Event::Changed,
        }
    }

    fn transport_changed(&mut self, transport: &Transport) {
        self.transport = transport.clone();
        self.account = None;
    }
}

impl Adapter {
    async fn authenticate(&mut self, credentials: &sasl::Credentials) -> LoginOutcome {
        // RFC 4616 §2: acting for somebody else is not offered.
        if credentials.authorization.is_some() {
            return LoginOutcome::Refused;
        }
        let sign_in = SignIn {
            service: self.service,
            login: &credentials.login,
            password: &credentials.password,
            transport: &self.transport,
        };
        let login = match sign_in.run(&self.site).await {
            SignedIn::In(login) => login,
            SignedIn::Refused => return LoginOutcome::Refused,
            SignedIn::Unavailable => return LoginOutcome::Unavailable,
        };
        let mut account = Account::new(
            Arc::clone(&self.site.store),
            access(&login),
            login.person.id,
            Box::new(SiteQuotas {
                site: Arc::clone(&self.site),
            }),
            Arc::clone(&self.changed),
            self.site.shapes.clone(),
        );
        match account.prepare().await {
            Ok(()) => {}
            // Nothing new can be made, but what is there can be read.
            Err(error @ store::Error::Latched(_)) => {
                tracing::warn!(%error, person = %login.person.id, "the mailboxes of a person are not prepared");
            }
            Err(error) => {
                tracing::error!(%error, person = %login.person.id, "the mailboxes of a person cannot be prepared");
                return LoginOutcome::Unavailable;
            }
        }
        self.watchdog.guard_by_event(&self.site, &login);
        self.account = Some(Box::new(account));
        LoginOutcome::Accepted
    }
}

/// The quotas in force, from the directory.
struct SiteQuotas {
    site: Arc<Site>,
}

impl Quotas for SiteQuotas {
    fn of(&self, access: &mail::Access, owner: Owner) -> (Quota, Quota) {
        quotas_of(&self.site, access.domain(), owner)
    }
}
