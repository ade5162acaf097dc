//! `postroom.toml`: what an operator may choose, with a default for everything.
//!
//! Unknown keys are errors that name the key and the nearest valid one, since a misspelt limit
//! that is silently ignored is worse than a server that does not start.

mod channel;
mod check;
mod directory;
mod listeners;
mod reference;
mod sendmail;
mod store;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mail::Domain;
use mail::limits::Limits;
use serde::{Deserialize, Serialize};

pub use self::store::Store;
pub use channel::{Channel, ChannelKind, ChannelTls};
pub use directory::{Directory, DirectoryKind};
pub use listeners::Listeners;
pub use reference::{to_markdown, to_template};
pub use sendmail::Sendmail;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name of this server, in greetings and `Received`. Default: the host's own name.
    pub hostname: String,
    /// Where everything is kept.
    pub data: PathBuf,
    /// The file that notes how far the store was, outside of the data directory: an older copy put
    /// in its place is found out by it. Default: `head` in the folder named as the data directory
    /// with `-note` behind.
    pub head_note: Option<PathBuf>,
    /// Where each service listens: lists of `ADDRESS:PORT`. An empty list switches a service
    /// off; port 0 takes any free one.
    pub listen: Listeners,
    /// Certificate and key, both in PEM. Without them a self-signed certificate is made.
    pub tls: Tls,
    /// Bounds on what a peer can make this server do.
    pub limits: Limits,
    /// How the mail store gives room back, and where its keys are.
    pub store: Store,
    /// Who knows the domains and people.
    pub directory: Directory,
    /// How people name themselves at login.
    pub login: Login,
    /// Mail that users of this machine hand in by `postroom sendmail`.
    pub sendmail: Sendmail,
    /// Networks whose mail is relayed without a login, as `192.0.2.0/24`. Default: none, and
    /// loopback is not in it.
    pub trusted_networks: Vec<String>,
    /// Where `postmaster` without a domain, or of a domain that names none, is delivered.
    pub postmaster: Option<String>,
    /// Name servers asked instead of the system's, as `127.0.0.1:53`.
    pub dns: Vec<std::net::SocketAddr>,
    /// How long SIGTERM waits for open sessions, in seconds.
    pub drain_seconds: u64,
    /// What the administrators of a domain may grant to plugins, in the words of `plugin bind --grant`.
    /// Programs and files are bounded by the lists below in any case.
    pub administrator_grants: Vec<String>,
    /// A program that domains may deliver to. They name it by its label.
    pub program: Vec<Program>,
    /// A file that domains may deliver to. They name it by its label.
    pub file: Vec<File>,
    /// A way out.
    pub channel: Vec<Channel>,
    /// Which domain goes which way out; the most specific entry wins. Default: by MX.
    pub route: Vec<Route>,
}

/// Certificate and key in PEM. Without them a self-signed certificate is made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Chain, leaf first.
    pub certificate: Option<PathBuf>,
    /// Private key.
    pub key: Option<PathBuf>,
}

/// How a login name says its domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Login {
    /// Between user and domain in names without `@`.
    pub separator: char,
    /// Domain of names that say none.
    pub default_domain: Option<Domain>,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            separator: '+',
            default_domain: None,
        }
    }
}

/// A program of the approved list. A domain names it by label only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Program {
    /// What domains call it.
    pub label: String,
    /// Absolute path.
    pub path: PathBuf,
    /// Arguments, one each; `{sender}`, `{recipient}`, `{domain}`, `{extension}` are filled in.
    pub args: Vec<String>,
    /// Seconds until it is killed with all its children.
    pub timeout_seconds: u64,
    /// The user it runs as when the server is root.
    pub user: String,
    /// What happens to an attempt that was open when the server died: `retry`, `park`, `fail`.
    pub after_crash: String,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            label: String::new(),
            path: PathBuf::new(),
            args: Vec::new(),
            timeout_seconds: 60,
            user: "nobody".to_owned(),
            after_crash: "retry".to_owned(),
        }
    }
}

/// A file of the approved list, beneath each domain's own folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// What domains call it.
    pub label: String,
    /// Relative path beneath the domain's folder.
    pub path: PathBuf,
}

/// Which domain goes which way out: exact name, `.suffix` or `*`; the most specific wins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Exact name, `.suffix` or `*`.
    pub domain: String,
    /// A channel's name.
    pub channel: String,
    /// Next hop, `host:port`, instead of the channel's.
    pub host: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: system_hostname(),
            data: PathBuf::from("postroom-data"),
            head_note: None,
            listen: Listeners::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            store: Store::default(),
            directory: Directory::default(),
            login: Login::default(),
            sendmail: Sendmail::default(),
            trusted_networks: Vec::new(),
            postmaster: None,
            dns: Vec::new(),
            drain_seconds: 30,
            administrator_grants: plugin::Grants::everything().words(),
            program: Vec::new(),
            file: Vec::new(),
            channel: Vec::new(),
            route: Vec::new(),
        }
    }
}

impl Config {
    /// Where a server that was installed for the whole machine has its file.
    pub const SYSTEM_FILE: &str = "/etc/postroom/postroom.toml";

    /// Reads a file. `None` reads `postroom.toml` here, else [`Config::SYSTEM_FILE`], whichever
    /// is there first, else all defaults.
    pub fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = Self::file(path) else {
            return Ok(Self::default());
        };
        let path = path.as_path();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let mut config = Self::parse(&text).with_context(|| format!("in {}", path.display()))?;
        // Relative to the file, so that the same file works from any directory.
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        config.data = base.join(&config.data);
        let channels = config.channel.iter_mut();
        let of_channels =
            channels.flat_map(|channel| [&mut channel.ca, &mut channel.password_file]);
        for file in [
            &mut config.head_note,
            &mut config.tls.certificate,
            &mut config.tls.key,
            &mut config.store.keys,
            &mut config.store.master_key,
            &mut config.directory.ca_file,
            &mut config.directory.bind_password_file,
            &mut config.sendmail.socket,
        ]
        .into_iter()
        .chain(of_channels)
        .flatten()
        {
            *file = base.join(&*file);
        }
        Ok(config)
    }

    /// The file that is read: the one named, else the first of the default ones that is there.
    pub fn file(named: Option<&Path>) -> Option<PathBuf> {
        let default = || {
            ["postroom.toml", Self::SYSTEM_FILE]
                .map(Path::new)
                .into_iter()
                .find(|path| path.exists())
        };
        named.or_else(default).map(Path::to_owned)
    }

    /// Where the store looks for its keys: beside the data, never in it.
    pub(crate) fn store_settings(&self) -> anyhow::Result<::store::Config> {
        let keys = match &self.store.keys {
            Some(keys) => keys.clone(),
            None => ::store::keys_beside(&self.data)
                .with_context(|| format!("where the keys of {} are", self.data.display()))?,
        };
        let is_inside = std::path::absolute(&keys)?.starts_with(std::path::absolute(&self.data)?);
        ensure!(
            !is_inside,
            "store.keys = '{}' is in the data directory: a backup of it would have the keys, and erasing somebody would erase nothing there; name a directory outside",
            keys.display()
        );
        Ok(::store::Config {
            keys: Some(keys),
            master_key: self.store.master_key.clone(),
            clock: crate::site::now,
            ..::store::Config::default()
        })
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let document: toml::Table = text.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
        check::unknown_keys(&document)?;
        let config: Self = toml::from_str(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        check::values(&config)?;
        Ok(config)
    }

    /// The networks of `trusted_networks`, read.
    pub fn trusted(&self) -> anyhow::Result<Vec<Network>> {
        self.trusted_networks
            .iter()
            .map(|text| Network::parse(text))
            .collect()
    }

    /// `administrator_grants`, read.
    pub fn administrator_grants(&self) -> anyhow::Result<plugin::Grants> {
        let mut grants = plugin::Grants::default();
        for word in &self.administrator_grants {
            grants.grant(word).context("administrator_grants")?;
        }
        Ok(grants)
    }

    /// Where it is noted how far the store was.
    pub fn head_note(&self) -> PathBuf {
        self.head_note.clone().unwrap_or_else(|| {
            let mut name = self.data.file_name().unwrap_or_default().to_owned();
            name.push("-note");
            self.data.with_file_name(name).join("head")
        })
    }

    /// The socket of the admin API.
    pub fn admin_socket(&self) -> PathBuf {
        self.data.join("admin.sock")
    }
}

/// An address range, `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address/bits` or one address.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address
            .parse()
            .with_context(|| format!("'{text}' is not a network"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = if prefix.is_empty() {
            longest
        } else {
            prefix.parse().unwrap_or(u8::MAX)
        };
        anyhow::ensure!(
            prefix <= longest,
            "'{text}' is not a network: at most {longest} bits"
        );
        Ok(Self { address, prefix })
    }

    /// Is `peer` in it? IPv4 inside IPv6 counts as IPv4.
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(peer)) => {
                let mask = u32::MAX
                    .checked_shl(u32::from(32 - self.prefix))
                    .unwrap_or(0);
                network.to_bits() & mask == peer.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(peer)) => {
                let mask = u128::MAX
                    .checked_shl(u32::from(128 - self.prefix))
                    .unwrap_or(0);
                network.to_bits() & mask == peer.to_bits() & mask
            }
            _ => false,
        }
    }
}

fn system_hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if Domain::parse(name).is_ok() {
        name.to_owned()
    } else {
        "localhost".to_owned()
    }
}

#[cfg(test)]
mod tests;
