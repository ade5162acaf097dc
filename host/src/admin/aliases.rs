//! `/v1/aliases`

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Change, NewAlias};
use serde_json::{Value, json};

use super::domains::read;
use super::users::parse;
use super::{Api, ApiError, Caller};

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let reach = caller.administer_named(&api, &domain).await?;
    let aliases = api.site.directory.aliases(reach.tenant()).await?;
    Ok(Json(
        aliases
            .iter()
            .map(|alias| json!({ "address": alias.address, "targets": alias.targets }))
            .collect(),
    ))
}

pub(super) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let new: NewAlias = read(new)?;
    let address = new.address.clone();
    let reach = caller.administer_home(&api, &address).await?;
    api.site
        .directory
        .apply(reach.by, Change::AddAlias(new))
        .await?;
    Ok(Json(json!({ "message": format!("Added {address}") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let reach = caller.administer_home(&api, &address).await?;
    api.site
        .directory
        .apply(reach.by, Change::RemoveAlias(address.clone()))
        .await?;
    Ok(Json(json!({ "message": format!("Removed {address}") })))
}
