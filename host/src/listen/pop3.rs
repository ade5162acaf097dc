//! POP3: the session's questions, answered by the login way and a person's maildrop.

mod maildrop;

use std::sync::Arc;

use directory::Login;
use mail::{Service, Transport};
use net::{Connection, DriveOptions, Handler, Outlet, SendError};
use pop3::{Answer, Ask, Config, Event, Pop3, Progress, Retrieve, Stuffer, Tls};
use store::Content;

use super::{SignIn, SignedIn, Watchdog};
use crate::site::Site;

pub(crate) use maildrop::Maildrops;
use maildrop::{Maildrop, OpenError};

/// Bytes of a message read at a time.
const PIECE: usize = 64 * 1024;

/// Serves one connection.
pub(super) async fn attend(
    site: Arc<Site>,
    service: Service,
    connection: Connection,
    drive: DriveOptions,
) {
    let tls = if service.is_implicit_tls() {
        Tls::Implicit
    } else {
        Tls::Available
    };
    let config = Config::new(site.hostname.clone(), tls, &site.settings().config.limits);
    let Connection {
        stream,
        transport,
        shutdown,
    } = connection;
    let mut session = Pop3::new(
        Arc::new(config),
        transport.clone(),
        std::time::Instant::now(),
    );
    let (watchdog, shutdown) = Watchdog::new(shutdown);
    let mut adapter = Adapter {
        site,
        service,
        transport: transport.clone(),
        watchdog,
        login: None,
        maildrop: None,
        message: None,
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
    login: Option<Box<Login>>,
    /// Locked as long as it is here.
    maildrop: Option<Maildrop>,
    /// Opened for the next [`Retrieve`].
    message: Option<Content>,
}

impl Handler<Pop3> for Adapter {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Authenticate(credentials) => self.authenticate(&credentials).await,
            Ask::OpenMaildrop => self.open_maildrop().await,
            Ask::Open { uid } => {
                let Some(maildrop) = &self.maildrop else {
                    return Answer::Unavailable;
                };
                match maildrop.message(uid) {
                    Ok(content) => {
                        self.message = Some(content);
                        Answer::Opened
                    }
                    Err(error) => refusal(&error),
                }
            }
            Ask::Delete { uids } => {
                let Some(maildrop) = &self.maildrop else {
                    return Answer::Unavailable;
                };
                match maildrop.delete(uids).await {
                    Ok(()) => Answer::Deleted,
                    Err(error) => {
                        tracing::error!(%error, "QUIT could not delete");
                        Answer::Unavailable
                    }
                }
            }
        }
    }

    async fn send(&mut self, retrieve: Retrieve, outlet: &mut Outlet<'_>) -> Result<(), SendError> {
        let content = self
            .message
            .take()
            .ok_or_else(|| SendError::Source("no message is open".to_owned()))?;
        stream(&content, retrieve, outlet).await
    }

    async fn next_event(&mut self) -> Event {
        self.watchdog.revoked().await;
        Event::Revoked
    }

    fn transport_changed(&mut self, transport: &Transport) {
        self.transport = transport.clone();
        self.login = None;
        self.maildrop = None;
    }
}

impl Adapter {
    async fn authenticate(&mut self, credentials: &sasl::Credentials) -> Answer {
        // RFC 4616 §2: acting for somebody else is not offered.
        if credentials.authorization.is_some() {
            return Answer::Refused;
        }
        let sign_in = SignIn {
            service: self.service,
            login: &credentials.login,
            password: &credentials.password,
            transport: &self.transport,
        };
        match sign_in.run(&self.site).await {
            SignedIn::In(login) => {
                self.login = Some(login);
                Answer::SignedIn
            }
            SignedIn::Refused => Answer::Refused,
            SignedIn::Unavailable => Answer::Unavailable,
        }
    }

    async fn open_maildrop(&mut self) -> Answer {
        let Some(login) = self.login.take() else {
            return Answer::Unavailable;
        };
        let opened = Maildrop::open(
            &self.site.maildrops,
            Arc::clone(&self.site.store),
            login.tenant,
            login.person.id,
        )
        .await;
        match opened {
            Ok((maildrop, rows)) => {
                self.watchdog.guard_by_event(&self.site, &login);
                self.login = Some(login);
                self.maildrop = Some(maildrop);
                Answer::Maildrop(rows)
            }
            Err(OpenError::InUse) => Answer::InUse,
            Err(OpenError::Store(error)) => {
                tracing::error!(%error, "a maildrop cannot be opened");
                Answer::Unavailable
            }
        }
    }
}

fn refusal(error: &store::Error) -> Answer {
    match error {
        store::Error::NotFound => Answer::Gone,
        store::Error::Damaged(_) => {
            tracing::error!(%error, "a message cannot be read");
            Answer::Damaged
        }
        _ => {
            tracing::warn!(%error, "a message cannot be read now");
            Answer::Unavailable
        }
    }
}

/// A message from the store to the peer, in pieces; the peer's reading sets the pace.
async fn stream(
    content: &Content,
    retrieve: Retrieve,
    outlet: &mut Outlet<'_>,
) -> Result<(), SendError> {
    let mut stuffer = Stuffer::new(retrieve.extent);
    let (mut offset, mut out) = (0, Vec::new());
    while offset < content.size() {
        let piece = content
            .read(offset, PIECE)
            .map_err(|error| SendError::Source(error.to_string()))?;
        offset += piece.len() as u64;
        out.clear();
        let progress = stuffer.push(&piece, &mut out);
        outlet.write(&out).await?;
        if progress == Progress::Enough {
            break;
        }
    }
    out.clear();
    stuffer.finish(&mut out);
    outlet.write(&out).await
}

#[cfg(test)]
mod tests;
