//! `/v1/aliases`

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Change, NewAlias};
use mail::Principal;
use serde_json::{Value, json};

use super::domains::{find, read};
use super::users::parse;
use super::{Api, ApiError};

pub(super) async fn list(
    State(api): State<Api>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let domain = find(&api, &domain).await?;
    let aliases = api.site.directory.aliases(domain.tenant()).await?;
    Ok(Json(
        aliases
            .iter()
            .map(|alias| json!({ "address": alias.address, "targets": alias.targets }))
            .collect(),
    ))
}

pub(super) async fn add(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let new: NewAlias = read(new)?;
    let address = new.address.clone();
    api.site.directory.apply(by, Change::AddAlias(new)).await?;
    Ok(Json(json!({ "message": format!("Added {address}") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    api.site
        .directory
        .apply(by, Change::RemoveAlias(address.clone()))
        .await?;
    Ok(Json(json!({ "message": format!("Removed {address}") })))
}
