//! `/v1/status`, `/v1/stop`

use axum::extract::State;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::{Api, ApiError, Caller, session};

/// Everybody sees which server it is and who one is; the operator the rest.
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    let mut shown = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "hostname": api.site.hostname,
    });
    let more = if caller.is_site() {
        inside(&api)?
    } else {
        session::about(&api, &caller).await?
    };
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    Ok(Json(shown))
}

fn inside(api: &Api) -> Result<Value, ApiError> {
    let space = api.site.store.space()?;
    let listeners: serde_json::Map<String, Value> = api
        .bound
        .iter()
        .map(|(name, address)| (name.clone(), address.to_string().into()))
        .collect();
    Ok(json!({
        "data": api.site.settings().config.data,
        "listeners": listeners,
        "free_bytes": space.free,
        "takes_mail": space.latched.is_none() && space.has_room(),
        "trouble": space.latched,
    }))
}

pub(super) async fn stop(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    caller.operate("stop the server")?;
    api.stop.stop();
    Ok(Json(
        json!({ "message": "Stopping: open sessions may end first" }),
    ))
}
