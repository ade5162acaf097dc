//! Follows a directory that is changed elsewhere: domains that appear get their plugins, groups
//! that change their shared mailboxes. What is changed through the administration API is brought
//! in line by the call itself.

use std::sync::Arc;
use std::time::Duration;

use net::Shutdown;

use crate::config::DirectoryKind;
use crate::shared;
use crate::site::Site;

/// Between two looks at the shared mailboxes, which tell nobody when they change.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Can the directory change without this server?
pub(crate) fn is_needed(site: &Site) -> bool {
    site.settings().config.directory.kind == DirectoryKind::Ldap
}

/// Follows until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut generation = site.directory.generation();
    while !shutdown.is_requested() {
        generation.borrow_and_update();
        let prepared = async {
            site.plugins.publish_new(&*site.directory).await?;
            shared::reconcile_all(&site).await
        };
        if let Err(error) = prepared.await {
            tracing::debug!(%error, "the domains could not be looked at");
        }
        let changed = async {
            // A burst of changes is one.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let changed = tokio::time::timeout(LOOK_AGAIN, generation.changed());
            let _ = changed.await;
        };
        tokio::select! {
            () = shutdown.requested() => break,
            () = changed => {}
        }
    }
}
