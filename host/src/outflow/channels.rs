//! The ways out, as configured: where each leads and on which terms.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use delivery::remote::{Security, Terms};
use net::ClientTls;
use routing::Host;
use sasl::Credentials;
use smtp::client::Protocol;

use crate::config::{self, ChannelKind, ChannelTls, Config};

/// The channel of everything that no route names; a `[[channel]]` of this name changes its terms.
const SMTP: &str = "smtp";

/// Authorities of Debian and most others, where the channel names no file.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// All channels, by name.
#[derive(Debug)]
pub(crate) struct Channels(HashMap<String, Channel>);

/// One way out.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) terms: Arc<Terms>,
    pub(super) to: To,
    /// Transactions at once with one destination.
    pub(super) connections: usize,
}

/// Where a channel leads if a route does not say it.
#[derive(Debug)]
pub(super) enum To {
    /// To the mail hosts in the DNS.
    Exchanges {
        /// Their port.
        port: u16,
        /// Also to addresses of private networks?
        allow_private: bool,
    },
    /// To this host.
    Host(Host),
    /// To this Unix socket.
    Socket(PathBuf),
}

impl Channels {
    /// Reads what the channels need: password files and authorities.
    ///
    /// # Errors
    /// Which channel, which file and why.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let mut channels = HashMap::new();
        let own = config::Channel {
            name: SMTP.to_owned(),
            ..config::Channel::default()
        };
        for channel in std::iter::once(&own).chain(&config.channel) {
            let built =
                Channel::new(channel).with_context(|| format!("channel '{}'", channel.name))?;
            channels.insert(channel.name.clone(), built);
        }
        Ok(Self(channels))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Channel> {
        self.0.get(name)
    }
}

impl Channel {
    fn new(channel: &config::Channel) -> anyhow::Result<Self> {
        let tls = channel.tls();
        let security = match tls {
            ChannelTls::None => Security::None,
            ChannelTls::Opportunistic => Security::Opportunistic,
            ChannelTls::Starttls => Security::StartTls,
            ChannelTls::Tls => Security::Tls,
        };
        let terms = Terms {
            protocol: match channel.kind {
                ChannelKind::Lmtp => Protocol::Lmtp,
                ChannelKind::Smtp | ChannelKind::Relay => Protocol::Smtp,
            },
            security,
            tls: match channel.is_verified() {
                true => Some(verified(channel.ca.as_deref())?),
                false => None,
            },
            credentials: credentials(channel)?,
            plaintext_login: channel.plaintext_login,
            messages: channel.messages,
            ..Terms::new(channel.name.clone())
        };
        Ok(Self {
            terms: Arc::new(terms),
            to: to(channel)?,
            connections: channel.connections,
        })
    }
}

fn to(channel: &config::Channel) -> anyhow::Result<To> {
    Ok(match &channel.host {
        None => To::Exchanges {
            port: channel.port,
            allow_private: channel.allow_private_mx,
        },
        Some(path) if path.starts_with('/') => To::Socket(path.into()),
        Some(host) => To::Host(channel.host_with_port(host)?),
    })
}

fn verified(ca: Option<&Path>) -> anyhow::Result<ClientTls> {
    let roots = ca.unwrap_or_else(|| Path::new(AUTHORITIES));
    ClientTls::verified(roots).context(
        "the certificate of its host cannot be checked: name a PEM file of authorities by `ca`, or say `verify = false`",
    )
}

fn credentials(channel: &config::Channel) -> anyhow::Result<Option<Credentials>> {
    let (Some(user), Some(file)) = (&channel.user, &channel.password_file) else {
        return Ok(None);
    };
    let password = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the password file {}", file.display()))?;
    let password = password.lines().next().unwrap_or_default().to_owned();
    let credentials = Credentials::new(None, user.clone(), password)
        .with_context(|| format!("the login with the password of {}", file.display()))?;
    Ok(Some(credentials))
}
