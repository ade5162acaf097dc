//! `/v1/status`, `/v1/stop`

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Api, ApiError};

pub(super) async fn show(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let space = api.site.store.space()?;
    let listeners: serde_json::Map<String, Value> = api
        .bound
        .iter()
        .map(|(name, address)| (name.clone(), address.to_string().into()))
        .collect();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "hostname": api.site.hostname,
        "data": api.site.settings().config.data,
        "listeners": listeners,
        "free_bytes": space.free,
        "takes_mail": space.latched.is_none() && space.has_room(),
        "trouble": space.latched,
    })))
}

pub(super) async fn stop(State(api): State<Api>) -> Json<Value> {
    api.stop.stop();
    Json(json!({ "message": "Stopping: open sessions may end first" }))
}
