//! `/v1/groups`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Change, GroupChanges, GroupEntry, NewGroup};
use mail::{Access, Mailbox};
use serde_json::{Value, json};
use store::Owner;

use super::domains::read;
use super::users::{change, parse};
use super::{Api, ApiError, Caller, Reach};

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let reach = caller.administer_named(&api, &domain).await?;
    let groups = api.site.directory.groups(reach.tenant()).await?;
    let brief = |group: &Arc<GroupEntry>| {
        json!({
            "address": group.mail, "status": group.status, "members": group.members,
            "shared": group.shared.as_ref().map(|shared| &shared.name),
        })
    };
    Ok(Json(groups.iter().map(brief).collect()))
}

pub(super) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let new: NewGroup = read(new)?;
    let address = new.mail.clone();
    let reach = caller.administer_home(&api, &address).await?;
    change(&api, &reach, Change::AddGroup(new)).await?;
    Ok(Json(json!({ "message": format!("Added {address}") })))
}

pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let reach = caller.administer_home(&api, &address).await?;
    let group = find_group(&api, &reach, &address).await?;
    serde_json::to_value(&*group)
        .map(Json)
        .map_err(|error| ApiError::unavailable(error.to_string()))
}

pub(super) async fn set(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Json(changes): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let reach = caller.administer_home(&api, &address).await?;
    let changes: GroupChanges = read(changes)?;
    change(&api, &reach, Change::SetGroup(address.clone(), changes)).await?;
    Ok(Json(json!({ "message": format!("Changed {address}") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let reach = caller.administer_home(&api, &address).await?;
    let group = find_group(&api, &reach, &address).await?;
    change(&api, &reach, Change::RemoveGroup(address.clone())).await?;
    // Nobody is a member of what is gone; its mail stays.
    api.site
        .store
        .set_members(
            &Access::system(reach.tenant()),
            Owner::Group(group.id),
            Vec::new(),
        )
        .await?;
    Ok(Json(json!({ "message": format!("Removed {address}") })))
}

async fn find_group(
    api: &Api,
    reach: &Reach,
    address: &Mailbox,
) -> Result<Arc<GroupEntry>, ApiError> {
    let groups = api.site.directory.groups(reach.tenant()).await?;
    groups
        .into_iter()
        .find(|group| group.addresses().any(|own| own.key() == address.key()))
        .ok_or_else(|| ApiError::not_found(format!("group {address}")))
}
