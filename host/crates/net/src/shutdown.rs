//! The signal to stop.

use std::future::pending;

use tokio::sync::watch;

/// A signal and its trigger. Dropping the trigger does not stop anything.
pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(Some(receiver)))
}

/// The one who may stop the server.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl ShutdownTrigger {
    /// Tells everybody to stop. Twice is the same as once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// One more receiver.
    pub fn subscribe(&self) -> Shutdown {
        Shutdown(Some(self.0.subscribe()))
    }
}

/// Tells when to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(Option<watch::Receiver<bool>>);

impl Shutdown {
    /// A signal that never comes, for clients and tests.
    pub const fn never() -> Self {
        Self(None)
    }

    /// Has it come?
    pub fn is_requested(&self) -> bool {
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow())
    }

    /// Waits for it.
    pub async fn requested(&mut self) {
        if let Some(receiver) = &mut self.0
            && receiver.wait_for(|stop| *stop).await.is_ok()
        {
            return;
        }
        // Never to come, or the trigger is gone without having been used.
        pending::<()>().await;
    }
}
