//! What the parts of a running server share. It wires; it decides nothing.

use std::sync::Arc;

use mail::{Domain, Timestamp};
use net::Resolver;
use store::Store;

use crate::plugins::Plugins;
use crate::settings::{LiveSettings, Settings};
use crate::telemetry::Metrics;

/// The shared parts of one server.
pub(crate) struct Site {
    /// What SIGHUP may change; [`Site::settings`] reads it.
    pub(crate) settings: LiveSettings,
    pub(crate) hostname: Domain,
    pub(crate) directory: Arc<dyn directory::DirectoryAdmin>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) plugins: Plugins,
    pub(crate) resolver: Arc<dyn Resolver>,
    /// How far the store was, noted elsewhere.
    pub(crate) note: crate::backup::Note,
    pub(crate) metrics: Metrics,
    pub(crate) login: directory::LoginWay,
    /// Which INBOXes POP3 sessions have open.
    pub(crate) maildrops: crate::listen::Maildrops,
    /// Outlines of messages that IMAP clients asked for.
    pub(crate) shapes: crate::listen::Shapes,
    pub(crate) remote: delivery::remote::Remote,
    /// How much goes out at a time.
    pub(crate) places: crate::outflow::Places,
}

impl Site {
    /// The settings in force now. Whoever decides something takes them once.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.now()
    }
}

/// The time of day; the only place of the host that reads it for mail. See [`crate::clock`].
pub(crate) fn now() -> Timestamp {
    crate::clock::now()
}

/// Fills `bytes` with what nobody can guess.
pub(crate) fn random(bytes: &mut [u8]) -> std::io::Result<()> {
    use std::io::Read as _;
    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}
