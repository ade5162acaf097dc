//! Where mail goes next, and on which terms.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use net::ClientTls;
use sasl::Credentials;
use smtp::client::{Protocol, TlsPolicy};

/// Messages over one connection unless the channel says otherwise.
pub const MESSAGES: usize = 100;

/// The next server on the way.
#[derive(Debug, Clone)]
pub struct NextHop {
    /// Its name, for TLS, for texts and for the log.
    pub name: String,
    /// Its addresses, the preferred first.
    pub addresses: Vec<Address>,
    /// How to talk to it.
    pub terms: Arc<Terms>,
}

impl NextHop {
    /// SMTP, encrypted where the server offers it.
    pub fn smtp(name: impl Into<String>, addresses: Vec<SocketAddr>) -> Self {
        Self {
            name: name.into(),
            addresses: addresses.into_iter().map(Address::Tcp).collect(),
            terms: Arc::new(Terms::new("smtp")),
        }
    }
}

/// One address of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Over the network.
    Tcp(SocketAddr),
    /// A Unix socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How a channel talks to its servers.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The channel. Connections are used again only for the channel that made them.
    pub channel: String,
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Whether to encrypt.
    pub security: Security,
    /// Instead of the TLS of [`super::Remote`], which takes any certificate.
    pub tls: Option<ClientTls>,
    /// To log in with.
    pub credentials: Option<Credentials>,
    /// May the password go over a connection that is not encrypted?
    pub plaintext_login: bool,
    /// Messages over one connection; 1: a connection for each.
    pub messages: usize,
}

impl Terms {
    /// Opportunistic SMTP without a login.
    pub fn new(channel: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            protocol: Protocol::Smtp,
            security: Security::Opportunistic,
            tls: None,
            credentials: None,
            plaintext_login: false,
            messages: MESSAGES,
        }
    }
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// Never.
    None,
    /// By STARTTLS where the server offers it and the handshake works (RFC 7435).
    #[default]
    Opportunistic,
    /// By STARTTLS, or the message waits.
    StartTls,
    /// From byte one, or the message waits (RFC 8314).
    Tls,
}

impl Security {
    pub(super) const fn policy(self) -> TlsPolicy {
        match self {
            Self::None | Self::Tls => TlsPolicy::Never,
            Self::Opportunistic => TlsPolicy::Opportunistic,
            Self::StartTls => TlsPolicy::Required,
        }
    }
}
