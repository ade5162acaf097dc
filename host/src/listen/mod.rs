//! Listeners: which session and which adapter serve a connection.

mod imap;
mod pop3;
mod sign_in;
mod smtp;
mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use mail::{Service, words};
use net::{
    Alpn, Certificates, Connection, DriveOptions, Gate, ListenOptions, Refusal, ServerTls,
    Shutdown, StartTls,
};
use tokio::net::TcpListener;

use crate::admin::{self, Front};
use crate::site::Site;

pub(crate) use imap::Shapes;
pub(crate) use pop3::Maildrops;
pub(crate) use sign_in::{SignIn, SignedIn};
pub(crate) use smtp::reply_to;
pub(crate) use watchdog::Watchdog;

/// A bound listener.
pub(crate) struct Bound {
    service: Service,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Its service.
    pub(crate) const fn service(&self) -> Service {
        self.service
    }

    /// Where it listens, with the port it got.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Binds every listener for people and servers, before anything is served.
pub(crate) fn bind_all(site: &Site) -> anyhow::Result<Vec<Bound>> {
    site.settings()
        .config
        .listen
        .services()
        .into_iter()
        .map(|(service, address)| {
            let listener = net::bind(address).with_context(|| {
                let hint = if address.port() < 1024 {
                    ": ports below 1024 need root, or try `postroom serve --port-offset 10000`"
                } else {
                    ""
                };
                format!("cannot listen on {address} for {}{hint}", service.name())
            })?;
            let address = listener.local_addr()?;
            Ok(Bound {
                service,
                listener,
                address,
            })
        })
        .collect()
}

/// Serves one listener until the server stops; `front` is for that of the API.
pub(crate) async fn serve(
    site: Arc<Site>,
    front: Front,
    bound: Bound,
    certificates: Certificates,
    gate: Gate,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let service = bound.service;
    let tls = ServerTls::new(certificates, alpn(service))?;
    let mut options = ListenOptions::new(service.name(), move |refusal| {
        refusal_line(service, refusal)
    });
    options.grace = std::time::Duration::from_secs(site.settings().config.drain_seconds);
    let mut drive = DriveOptions::default();
    if service.is_implicit_tls() {
        options = options.with_implicit_tls(tls);
    } else {
        drive.starttls = StartTls::Server(tls);
    }
    let shared = Arc::clone(&site);
    net::listen(bound.listener, options, gate, shutdown, move |connection| {
        let (site, front) = (Arc::clone(&shared), front.clone());
        attend(site, front, service, connection, drive.clone())
    })
    .await;
    Ok(())
}

async fn attend(
    site: Arc<Site>,
    front: Front,
    service: Service,
    connection: Connection,
    drive: DriveOptions,
) {
    let open = site
        .metrics
        .connections
        .with_label_values(&[service.name()]);
    open.inc();
    match service {
        Service::Mx | Service::Smtp | Service::Smtps => {
            smtp::attend(site, service, connection, drive).await;
        }
        Service::Imap | Service::Imaps => imap::attend(site, service, connection, drive).await,
        Service::Pop3 | Service::Pop3s => pop3::attend(site, service, connection, drive).await,
        Service::Http => admin::attend(front, connection).await,
    }
    open.dec();
}

const fn alpn(service: Service) -> Alpn {
    match service {
        Service::Mx | Service::Smtp | Service::Smtps => Alpn::Smtp,
        Service::Imap | Service::Imaps => Alpn::Imap,
        Service::Pop3 | Service::Pop3s => Alpn::Pop3,
        Service::Http => Alpn::Http,
    }
}

/// The one line a connection gets that is not taken.
fn refusal_line(service: Service, refusal: Refusal) -> Vec<u8> {
    match (service, refusal) {
        (Service::Imap | Service::Imaps, _) => {
            format!("* {}\r\n", words::IMAP_TOO_MANY_CONNECTIONS.line()).into_bytes()
        }
        (Service::Pop3 | Service::Pop3s, _) => {
            format!("{}\r\n", words::POP3_TOO_MANY_CONNECTIONS.line()).into_bytes()
        }
        (_, Refusal::Full) => words::TOO_MANY_CONNECTIONS.reply().wire(),
        (_, Refusal::TooManyFromPeer) => words::TOO_MANY_FROM_YOU.reply().wire(),
    }
}
