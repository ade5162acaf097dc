//! Ends sessions whose person may no longer be there: a domain or person that is set to a
//! refusing state loses its open sessions at once (`directory.md`: within 10 s).

use std::sync::{Arc, Mutex, PoisonError};

use directory::Login;
use net::{Shutdown, ShutdownTrigger};
use tokio::task::JoinHandle;

use crate::site::Site;

/// The reasons for one session to end: the server stops, or the person may not stay.
pub(crate) struct Watchdog {
    trigger: Arc<ShutdownTrigger>,
    forward: JoinHandle<()>,
    guard: Mutex<Option<JoinHandle<()>>>,
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
            },
            shutdown,
        )
    }

    /// Guards a person that logged in.
    pub(crate) fn guard(&self, site: &Arc<Site>, login: &Login) {
        let (site, login, trigger) = (Arc::clone(site), login.clone(), Arc::clone(&self.trigger));
        let task = tokio::spawn(async move {
            let mut generation = site.directory.generation();
            while site.login.may_stay(&*site.directory, &login).await {
                if generation.changed().await.is_err() {
                    return;
                }
            }
            trigger.stop();
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
