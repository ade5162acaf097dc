//! What of a running server an operator can change by SIGHUP, swapped as a whole.
//!
//! A reader takes one [`Settings`] and keeps it for as long as its decision lasts, so that no
//! decision sees half of a change. What a new file cannot change while the server runs (where it
//! listens, its data directory, its name) stays as it was; [`Settings::fixed`] names it.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use mail::Mailbox;

use crate::config::{Config, Network};
use crate::outflow::Channels;

/// One configuration with what was read out of it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    /// What routing needs of it.
    pub(crate) routing: routing::Site,
    /// `trusted_networks`, read.
    pub(crate) trusted: Vec<Network>,
    /// The ways out, by name.
    pub(crate) channels: Channels,
}

impl Settings {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The value that cannot be used.
    pub(crate) fn new(config: Config) -> anyhow::Result<Self> {
        Ok(Self {
            routing: routing_site(&config)?,
            trusted: config.trusted()?,
            channels: Channels::new(&config)?,
            config,
        })
    }

    /// The next settings while the server runs: what `wanted` says, but for what only a start
    /// can change. The names of the latter come with it.
    ///
    /// # Errors
    /// The value that cannot be used; then nothing changes.
    pub(crate) fn next(&self, mut wanted: Config) -> anyhow::Result<(Self, Vec<&'static str>)> {
        let fixed = fixed(&self.config, &wanted);
        let now = self.config.clone();
        wanted.hostname = now.hostname;
        wanted.data = now.data;
        wanted.head_note = now.head_note;
        wanted.listen = now.listen;
        wanted.tls = now.tls;
        wanted.store = now.store;
        wanted.dns = now.dns;
        wanted.directory = now.directory;
        wanted.login = now.login;
        wanted.program = now.program;
        wanted.file = now.file;
        wanted.limits.disk_reserve_bytes = now.limits.disk_reserve_bytes;
        wanted.limits.disk_reserve_percent = now.limits.disk_reserve_percent;
        Ok((Self::new(wanted)?, fixed))
    }
}

/// Which keys differ that only a start can change.
fn fixed(now: &Config, wanted: &Config) -> Vec<&'static str> {
    let reserve = |config: &Config| {
        (
            config.limits.disk_reserve_bytes,
            config.limits.disk_reserve_percent,
        )
    };
    let listen = |config: &Config| {
        let mut listen = config.listen.clone();
        // `serve --port-offset` may have moved the ports of the running server.
        listen.port_offset = 0;
        listen
    };
    [
        ("hostname", now.hostname != wanted.hostname),
        ("data", now.data != wanted.data),
        ("head_note", now.head_note != wanted.head_note),
        ("listen", listen(now) != listen(wanted)),
        ("tls", now.tls != wanted.tls),
        ("store", now.store != wanted.store),
        ("dns", now.dns != wanted.dns),
        ("directory", now.directory != wanted.directory),
        ("login", now.login != wanted.login),
        (
            "sendmail.socket",
            now.sendmail.socket != wanted.sendmail.socket,
        ),
        ("program", now.program != wanted.program),
        ("file", now.file != wanted.file),
        ("limits.disk_reserve", reserve(now) != reserve(wanted)),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// The settings in force. Whoever reads takes them whole.
#[derive(Debug)]
pub(crate) struct LiveSettings(RwLock<Arc<Settings>>);

impl LiveSettings {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(RwLock::new(Arc::new(settings)))
    }

    pub(crate) fn now(&self) -> Arc<Settings> {
        // One pointer is swapped; it is whole even after a poisoning.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn swap(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

fn routing_site(config: &Config) -> anyhow::Result<routing::Site> {
    let postmaster = config
        .postmaster
        .as_deref()
        .map(Mailbox::parse)
        .transpose()?;
    let channels: Vec<String> = config
        .channel
        .iter()
        .map(|channel| channel.name.clone())
        .collect();
    let routes = config
        .route
        .iter()
        .map(|route| {
            let own = config
                .channel
                .iter()
                .find(|channel| channel.name == route.channel);
            let default = crate::config::Channel::default();
            let host = route
                .host
                .as_deref()
                .map(|host| own.unwrap_or(&default).host_with_port(host))
                .transpose()
                .with_context(|| format!("route '{}'", route.domain))?;
            let next_hop = match host {
                Some(host) => routing::NextHop::Host(host),
                // The channel's own host is looked at when the mail goes out.
                None if own.is_some_and(|channel| channel.host.is_some()) => {
                    routing::NextHop::Channel
                }
                None => routing::NextHop::Mx { exchange: None },
            };
            Ok(routing::Route {
                pattern: route
                    .domain
                    .parse()
                    .with_context(|| format!("route '{}'", route.domain))?,
                channel: route.channel.clone(),
                next_hop,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let routes = routing::RouteTable::new(routes, &channels)?;
    Ok(routing::Site {
        postmaster,
        routes,
        ..routing::Site::default()
    })
}

#[cfg(test)]
mod tests;
