//! SIGHUP: read configuration and certificates again, without closing a connection.
//!
//! How it fails: a file that is wrong changes nothing and is logged with what is wrong; the
//! certificate that was in use stays in use. Configuration and certificates are two steps, so
//! that a mistake in one does not keep a renewed other out.

use std::sync::Arc;

use net::{Certificates, Gate, GateLimits};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::site::Site;

/// What a reload reaches.
#[derive(Clone)]
pub(crate) struct Reload {
    pub(crate) site: Arc<Site>,
    pub(crate) certificates: Certificates,
    pub(crate) gate: Gate,
}

/// Listens for SIGHUP; what comes before somebody asks is kept. `None` where it cannot be heard.
pub(crate) fn hangups() -> Option<Signal> {
    match signal(SignalKind::hangup()) {
        Ok(hangups) => Some(hangups),
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be heard: a restart is needed for changes");
            None
        }
    }
}

impl Reload {
    /// Reloads at every SIGHUP, for as long as the process lives.
    pub(crate) async fn at_signal(
        self,
        mut hangups: Signal,
        read: impl Fn() -> anyhow::Result<Config>,
    ) {
        while hangups.recv().await.is_some() {
            self.certificates();
            match read().and_then(|config| self.settings(config)) {
                Ok(()) => tracing::info!("the configuration was read again"),
                Err(error) => tracing::error!(
                    error = format!("{error:#}"),
                    "the configuration is wrong, the one before stays in force; run: postroom check"
                ),
            }
        }
    }

    fn certificates(&self) {
        match self.certificates.reload() {
            Ok(()) => tracing::info!("the certificates were read again"),
            Err(error) => tracing::error!(
                %error,
                "a certificate cannot be used, the one before stays in use; run: postroom check"
            ),
        }
    }

    fn settings(&self, wanted: Config) -> anyhow::Result<()> {
        let (next, fixed) = self.site.settings().next(wanted)?;
        if !fixed.is_empty() {
            tracing::warn!(
                keys = fixed.join(", "),
                "changed in the file, in force from the next start on"
            );
        }
        self.gate.set_limits(GateLimits::from(&next.config.limits));
        self.site.settings.swap(next);
        Ok(())
    }
}
