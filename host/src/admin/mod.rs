//! The one administration API: HTTP and JSON, on a Unix socket in the data directory and, for
//! people from afar, over HTTPS.
//!
//! ```text
//!  socket ── peer: root and the server's own user ──┐
//!                                                   ├─> Caller ─> handlers ─> directory, store, plugins
//!  HTTPS ─── https: token of POST /v1/login ────────┘      └ may the caller reach it?
//! ```
//! The command line is its first client. Every call has a [`Caller`], and what a caller may reach
//! is decided there alone. A call that fails says what failed, why, and what helps; what it says
//! of a foreign object is what it says of one that is not there.

mod aliases;
mod backup;
mod caller;
mod domains;
mod error;
mod explain;
mod groups;
pub(crate) mod handin;
mod held;
mod https;
mod messages;
mod moving;
mod passwords;
mod peer;
mod plugins;
mod queue;
mod routes;
mod session;
mod status;
mod tokens;
mod trace;
mod trail;
mod upkeep;
mod users;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use net::{Shutdown, ShutdownTrigger};
use tokio::net::UnixListener;

use crate::site::Site;

pub(crate) use caller::{Caller, Reach};
pub(crate) use error::ApiError;
pub(crate) use held::Held;
pub(crate) use https::{Front, attend};
pub(crate) use tokens::Tokens;
pub(crate) use upkeep::{Tasks, compacted, show_checked, show_stats};

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) site: Arc<Site>,
    pub(crate) stop: Arc<ShutdownTrigger>,
    pub(crate) bound: Arc<Vec<(String, std::net::SocketAddr)>>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) tasks: Tasks,
    /// Messages that are handed in at the moment.
    pub(crate) held: Held,
}

/// Largest component that can be uploaded.
pub(crate) const UPLOAD_BYTES: usize = mail::limits::HTTP_UPLOAD;

/// Every route of the API, for callers that are known.
fn router(api: Api) -> Router {
    routes::router()
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .layer(DefaultBodyLimit::max(UPLOAD_BYTES))
        .layer(from_fn(audit))
        .with_state(api)
}

/// Writes down who did what. What was only looked at is not.
async fn audit(caller: Option<Extension<Caller>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    // Percent-encoded as it came, so it is one line; secrets are in bodies only.
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    if let Some(Extension(caller)) = caller
        && method != axum::http::Method::GET
    {
        let status = response.status().as_u16();
        tracing::info!(target: "audit", by = caller.name(), %method, path, status, "call");
    }
    response
}

/// Handing in mail, and nothing else: for everybody on this machine (everybody else has
/// submission).
fn handing_in(api: Api) -> Router {
    Router::new()
        .route("/v1/messages", post(messages::send))
        .with_state(api)
}

/// What there is on this machine only, for the operator: handing in mail, and what works on files
/// or carries more than a call from afar may.
fn local(api: Api) -> Router {
    let files = Router::new()
        .route("/v1/backup", post(backup::cut))
        .route("/v1/domains/{domain}/archive", get(moving::export_domain))
        .route("/v1/archives", post(moving::import_domain))
        .route(
            "/v1/users/{person}/mail",
            get(moving::export_person).post(moving::import_person),
        )
        .with_state(api.clone());
    handing_in(api).merge(files)
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

/// Serves the API on the socket until the server stops.
pub(crate) async fn serve(listener: UnixListener, api: Api, mut shutdown: Shutdown) {
    let app = router(api.clone())
        .merge(local(api))
        .layer(from_fn(peer::admit))
        .layer(from_fn(error::shape));
    let service = app.into_make_service_with_connect_info::<peer::Peer>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(async move { shutdown.requested().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the admin socket failed");
    }
}

#[cfg(test)]
pub(crate) mod tests;
