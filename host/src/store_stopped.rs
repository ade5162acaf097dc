//! When the store stops taking changes, the server ends, so that its supervisor starts it again:
//! only a start reads again what really is on the disk.
//!
//! A failed write or sync latches the store: every later change is refused, and reading goes on.
//! This notices, and the server stops as at SIGTERM: nothing new is accepted, open sessions get
//! 4xx for what they want to change, read what is there, and end within `drain_seconds`. The
//! process ends with [`EXIT_CODE`]. systemd's `Restart=on-failure` does the rest; a start that
//! fails again says why and is tried again.
//!
//! An older copy of a store, which is opened for reading only, is served as that: it was stopped
//! before it was served, and a new start would change nothing.
//!
//! It does not know whether the disk is well again: a start that finds it ill fails, or latches
//! at its first commit.

use std::sync::Arc;
use std::time::Duration;

use net::Shutdown;

use crate::site::Site;

/// The exit code of a server whose disk failed (`EX_IOERR` of `sysexits.h`).
pub const EXIT_CODE: u8 = 74;

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
#[error("the store stopped: {0}. The server ends, to be started again; look at the disk")]
pub struct StoreStopped(String);

/// Waits until the store stops; ends well at a shutdown.
///
/// # Errors
/// [`StoreStopped`], which stops the server.
pub(crate) async fn watch(site: Arc<Site>, mut shutdown: Shutdown) -> anyhow::Result<()> {
    if latched(&site).is_some() {
        shutdown.requested().await;
        return Ok(());
    }
    loop {
        if let Some(reason) = latched(&site) {
            let stopped = StoreStopped(reason);
            tracing::error!(exit_code = EXIT_CODE, "{stopped}");
            return Err(stopped.into());
        }
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

fn latched(site: &Site) -> Option<String> {
    // Without an answer there is nothing to say: it is asked again.
    site.store.space().ok()?.latched
}
