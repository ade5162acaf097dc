//! Ends sessions whose person may no longer be there: a domain or person that is set to a
//! refusing state loses its open sessions at once (`directory.md`: within 10 s).

use std::sync::{Arc, Mutex, PoisonError};

use directory::Login;
use net::{Shutdown, ShutdownTrigger};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::site::Site;

/// The reasons for one session to end: the server stops, or the person may not stay.
pub(crate) struct Watchdog {
    trigger: Arc<ShutdownTrigger>,
    forward: JoinHandle<()>,
    guard: Mutex<Option<JoinHandle<()>>>,
    revoked: Arc<Notify>,
}

impl Watchdog {
    /// A signal for one session, which also comes when `server` does.
    pub(crate) fn new(mut server: Shutdown) -> (Self, Shutdown) {
        let (trigger, shutdown) = net::shutdown();
        let trigger = Arc::new(trigger);
        let forwarded = Arc::clone(&trigger);
        let forward = tokio::spawn(async move {
            server.requested().await;
            forwarded.stop();
        });
        (
            Self {
                trigger,
                forward,
                guard: Mutex::new(None),
                revoked: Arc::default(),
            },
            shutdown,
        )
    }

    /// Guards a person that logged in; the session ends as when the server stops.
    pub(crate) fn guard(&self, site: &Arc<Site>, login: &Login) {
        let trigger = Arc::clone(&self.trigger);
        self.guard_with(site, login, move || trigger.stop());
    }

    /// Guards a person that logged in; the session hears of it by [`Watchdog::revoked`] and says
    /// so to its client.
    pub(crate) fn guard_by_event(&self, site: &Arc<Site>, login: &Login) {
        let revoked = Arc::clone(&self.revoked);
        self.guard_with(site, login, move || revoked.notify_one());
    }

    /// Waits until the person may no longer be there. Waiting may be given up and begun again.
    pub(crate) async fn revoked(&self) {
        self.revoked.notified().await;
    }

    fn guard_with(&self, site: &Arc<Site>, login: &Login, end: impl FnOnce() + Send + 'static) {
        let (site, login) = (Arc::clone(site), login.clone());
        let task = tokio::spawn(async move {
            let mut generation = site.directory.generation();
            while site.login.may_stay(&*site.directory, &login).await {
                if generation.changed().await.is_err() {
                    return;
                }
            }
            end();
        });
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = guard.replace(task) {
            earlier.abort();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.forward.abort();
        let guard = self.guard.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = guard.take() {
            task.abort();
        }
    }
}
