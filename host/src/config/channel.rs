//! `[[channel]]`: a way out.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use routing::Host;
use serde::{Deserialize, Serialize};

/// A way out. A channel named `smtp` is the one of everything that no route names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Channel {
    /// Its name in routes, logs and metrics.
    pub name: String,
    /// `smtp`: to the mail hosts in the DNS, or to `host`; `lmtp`: to a mailbox server (RFC 2033);
    /// `relay`: to a smart host, with a login if it wants one.
    pub kind: ChannelKind,
    /// Next hop, `host:port`; for `lmtp` also the path of a Unix socket. Without a port: 25 for
    /// `smtp`, 24 for `lmtp`, 587 for `relay` (465 with `tls = "tls"`).
    pub host: Option<String>,
    /// `opportunistic` (where it works; default of `smtp`), `starttls` (or the mail waits; default
    /// of `relay`), `tls` (from byte one), `none` (default of `lmtp`).
    pub tls: Option<ChannelTls>,
    /// Must the certificate be one for the host's name? Default: for `relay` with `starttls` or
    /// `tls`.
    pub verify: Option<bool>,
    /// Authorities in PEM; default: those of the system.
    pub ca: Option<PathBuf>,
    /// Login at the next hop.
    pub user: Option<String>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Send the password also where the connection is not encrypted.
    pub plaintext_login: bool,
    /// Connections at once to one destination.
    pub connections: usize,
    /// Messages over one connection.
    pub messages: usize,
    /// Port of the mail hosts in the DNS.
    pub port: u16,
    /// Take mail hosts in the DNS at addresses of private networks and of this machine: for a
    /// network of its own that resolves its own names.
    pub allow_private_mx: bool,
}

/// What a channel speaks, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Other mail servers.
    #[default]
    Smtp,
    /// A mailbox server.
    Lmtp,
    /// A smart host.
    Relay,
}

/// Whether a channel encrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelTls {
    /// Never.
    None,
    /// Where it works.
    Opportunistic,
    /// By STARTTLS, always.
    Starttls,
    /// From byte one.
    Tls,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: ChannelKind::default(),
            host: None,
            tls: None,
            verify: None,
            ca: None,
            user: None,
            password_file: None,
            plaintext_login: false,
            connections: 10,
            messages: delivery::remote::MESSAGES,
            port: 25,
            allow_private_mx: false,
        }
    }
}

impl Channel {
    /// One that has every key.
    pub(super) fn reference() -> Self {
        Self {
            host: Some(String::new()),
            tls: Some(ChannelTls::None),
            verify: Some(false),
            ca: Some(PathBuf::new()),
            user: Some(String::new()),
            password_file: Some(PathBuf::new()),
            ..Self::default()
        }
    }

    /// Whether it encrypts.
    pub(crate) fn tls(&self) -> ChannelTls {
        self.tls.unwrap_or(match self.kind {
            ChannelKind::Smtp => ChannelTls::Opportunistic,
            ChannelKind::Lmtp => ChannelTls::None,
            ChannelKind::Relay => ChannelTls::Starttls,
        })
    }

    /// Is the certificate of the host checked?
    pub(crate) fn is_verified(&self) -> bool {
        let is_certain = matches!(self.tls(), ChannelTls::Starttls | ChannelTls::Tls);
        let usual = self.kind == ChannelKind::Relay || self.ca.is_some();
        is_certain && self.verify.unwrap_or(usual)
    }

    /// A host with this channel's port where it names none.
    pub(crate) fn host_with_port(&self, text: &str) -> anyhow::Result<Host> {
        let mut host: Host = text
            .parse()
            .with_context(|| format!("host = '{text}' is not a host"))?;
        let has_port = text
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        if !has_port {
            host.port = match (self.kind, self.tls()) {
                (ChannelKind::Smtp, _) => 25,
                (ChannelKind::Lmtp, _) => 24,
                (ChannelKind::Relay, ChannelTls::Tls) => 465,
                (ChannelKind::Relay, _) => 587,
            };
        }
        Ok(host)
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        let name = &self.name;
        let is_socket = self.host.as_ref().is_some_and(|host| host.starts_with('/'));
        ensure!(
            self.host.is_some() || self.kind == ChannelKind::Smtp,
            "channel '{name}': a channel of this kind needs `host`, the server that takes its mail"
        );
        ensure!(
            !is_socket || self.kind == ChannelKind::Lmtp,
            "channel '{name}': only `lmtp` goes to a Unix socket; write `host` as host:port"
        );
        ensure!(
            !is_socket || self.tls() == ChannelTls::None,
            "channel '{name}': a Unix socket needs no TLS; remove `tls`"
        );
        if let Some(host) = self.host.as_ref().filter(|_| !is_socket) {
            self.host_with_port(host)
                .with_context(|| format!("channel '{name}'"))?;
        }
        ensure!(
            self.user.is_some() == self.password_file.is_some(),
            "channel '{name}': user and password_file go together"
        );
        let is_open = matches!(self.tls(), ChannelTls::None);
        ensure!(
            self.user.is_none() || !is_open || self.plaintext_login,
            "channel '{name}': with `tls = \"none\"` the password would go in plain text; set `tls`, or `plaintext_login = true` if that is meant"
        );
        ensure!(
            self.connections >= 1 && self.messages >= 1 && self.port >= 1,
            "channel '{name}': connections, messages and port must be at least 1"
        );
        Ok(())
    }
}
