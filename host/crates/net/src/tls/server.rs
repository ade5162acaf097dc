//! Our side of TLS.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::{Certificates, TlsError, provider};
use crate::Stream;

/// The protocol spoken inside, for ALPN (RFC 7301). A client that names protocols must name one
/// of ours, so a browser that is lured to a mail port gets an alert and no reply (ALPACA).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// SMTP and submission.
    Smtp,
    /// IMAP (RFC 8437 registers `imap`).
    Imap,
    /// POP3.
    Pop3,
    /// LMTP.
    Lmtp,
    /// HTTP/1.1, for the administration.
    Http,
}

impl Alpn {
    const fn names(self) -> &'static [&'static [u8]] {
        match self {
            // No name is registered for SMTP; these two are the ones in use.
            Self::Smtp => &[b"smtp", b"esmtp"],
            Self::Imap => &[b"imap"],
            Self::Pop3 => &[b"pop3"],
            Self::Lmtp => &[b"lmtp"],
            Self::Http => &[b"http/1.1"],
        }
    }
}

/// TLS for incoming connections.
#[derive(Clone)]
pub struct ServerTls(TlsAcceptor);

impl ServerTls {
    /// TLS 1.2 and 1.3 with the certificates given.
    ///
    /// # Errors
    /// The library refuses the configuration.
    pub fn new(certificates: Certificates, alpn: Alpn) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = alpn.names().iter().map(|name| name.to_vec()).collect();
        // Resumption by ticket: the state is with the client, so ours does not grow.
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The handshake; also returns the name the client asked for (SNI).
    ///
    /// # Errors
    /// The client's fault, or the connection broke.
    pub async fn accept<T>(&self, io: T) -> io::Result<(Stream<T>, Option<String>)>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.0.accept(io).await?;
        let server_name = stream.get_ref().1.server_name().map(str::to_owned);
        Ok((
            Stream::Tls(Box::new(TlsStream::Server(stream))),
            server_name,
        ))
    }
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTls")
    }
}
