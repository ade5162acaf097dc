//! Health and metrics for the operator: `/live`, `/ready`, `/metrics`.
//!
//! Alive: the process answers. Ready: it takes mail, the store is neither latched nor full.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use net::Shutdown;
use tokio::net::TcpListener;

use crate::outflow;
use crate::site::Site;

/// Serves until the server stops.
pub(crate) async fn serve(
    site: Arc<Site>,
    listener: TcpListener,
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/live", get(|| async { "alive\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(site);
    axum::serve(listener, app)
        .with_graceful_shutdown(async move { shutdown.requested().await })
        .await?;
    Ok(())
}

async fn ready(State(site): State<Arc<Site>>) -> (StatusCode, &'static str) {
    match site.store.space() {
        Ok(space) if space.latched.is_some() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store stopped: restart\n",
        ),
        Ok(space) if !space.has_room() => (StatusCode::SERVICE_UNAVAILABLE, "the disk is full\n"),
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the store does not answer\n",
        ),
    }
}

async fn metrics(State(site): State<Arc<Site>>) -> String {
    outflow::refresh(&site);
    site.metrics.render()
}
