//! The one administration API: HTTP and JSON, on a Unix socket in the data directory.
//!
//! The command line is its first client. Every call has a [`mail::Principal`]: on the socket the
//! kernel says who the peer is, and root and the server's own user are the site. A call that
//! fails says what failed, why, and what helps.

mod aliases;
mod domains;
mod error;
mod explain;
mod groups;
mod passwords;
mod peer;
mod plugins;
mod queue;
mod status;
mod users;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use net::{Shutdown, ShutdownTrigger};
use tokio::net::UnixListener;

use crate::site::Site;

pub(crate) use error::ApiError;

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) site: Arc<Site>,
    pub(crate) stop: Arc<ShutdownTrigger>,
    pub(crate) bound: Arc<Vec<(String, std::net::SocketAddr)>>,
}

/// Largest component that can be uploaded: the contract's bound for interpreters' guests.
pub(crate) const UPLOAD_BYTES: usize = 32 * 1024 * 1024;

/// Every route of the API. A test holds this table and the documentation together.
fn router(api: Api) -> Router {
    Router::new()
        .route("/v1/status", get(status::show))
        .route("/v1/stop", post(status::stop))
        .route("/v1/domains", get(domains::list).post(domains::add))
        .route(
            "/v1/domains/{domain}",
            get(domains::show)
                .patch(domains::set)
                .delete(domains::remove),
        )
        .route("/v1/domains/{domain}/users", get(users::list))
        .route("/v1/users", post(users::add))
        .route(
            "/v1/users/{address}",
            get(users::show).patch(users::set).delete(users::remove),
        )
        .route("/v1/users/{address}/password", post(users::password))
        .route("/v1/domains/{domain}/groups", get(groups::list))
        .route("/v1/groups", post(groups::add))
        .route(
            "/v1/groups/{address}",
            get(groups::show).patch(groups::set).delete(groups::remove),
        )
        .route("/v1/domains/{domain}/aliases", get(aliases::list))
        .route("/v1/aliases", post(aliases::add))
        .route("/v1/aliases/{address}", delete(aliases::remove))
        .route(
            "/v1/plugins",
            get(plugins::installed).post(plugins::install),
        )
        .route(
            "/v1/domains/{domain}/plugins",
            get(plugins::chain).post(plugins::bind),
        )
        .route("/v1/domains/{domain}/plugins/deploy", post(plugins::deploy))
        .route(
            "/v1/domains/{domain}/plugins/rollback",
            post(plugins::rollback),
        )
        .route(
            "/v1/domains/{domain}/plugins/{plugin}",
            delete(plugins::unbind),
        )
        .route("/v1/queue", get(queue::list))
        .route("/v1/queue/{id}", get(queue::show).delete(queue::remove))
        .route("/v1/queue/{id}/retry", post(queue::retry))
        .route("/v1/explain/{address}", get(explain::show))
        .layer(DefaultBodyLimit::max(UPLOAD_BYTES))
        .with_state(api)
}

/// Binds the socket. A socket that a dead server left is replaced: the store's lock, taken
/// before, says that nobody else serves this directory.
pub(crate) fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    if path.exists() {
        std::fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    UnixListener::bind(path)
        .with_context(|| format!("cannot make the admin socket {}", path.display()))
}

/// Serves the API until the server stops.
pub(crate) async fn serve(listener: UnixListener, api: Api, mut shutdown: Shutdown) {
    let app = router(api).layer(axum::middleware::from_fn(peer::admit));
    let service = app.into_make_service_with_connect_info::<peer::Peer>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(async move { shutdown.requested().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin socket failed");
    }
}
