//! `/v1/groups`

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Change, DomainEntry, GroupChanges, GroupEntry, NewGroup};
use mail::{Access, Mailbox, Principal};
use serde_json::{Value, json};
use store::Owner;

use super::domains::{find, read};
use super::users::parse;
use super::{Api, ApiError};
use crate::shared;

pub(super) async fn list(
    State(api): State<Api>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let domain = find(&api, &domain).await?;
    let groups = api.site.directory.groups(domain.tenant()).await?;
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
    Extension(by): Extension<Principal>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let new: NewGroup = read(new)?;
    let address = new.mail.clone();
    api.site.directory.apply(by, Change::AddGroup(new)).await?;
    shared::reconcile(&api.site, address.domain()).await?;
    Ok(Json(json!({ "message": format!("Added {address}") })))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let (_, group) = find_group(&api, &address).await?;
    serde_json::to_value(&*group)
        .map(Json)
        .map_err(|error| ApiError::unavailable(error.to_string()))
}

pub(super) async fn set(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(address): Path<String>,
    Json(changes): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let changes: GroupChanges = read(changes)?;
    api.site
        .directory
        .apply(by, Change::SetGroup(address.clone(), changes))
        .await?;
    shared::reconcile(&api.site, address.domain()).await?;
    Ok(Json(json!({ "message": format!("Changed {address}") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let (domain, group) = find_group(&api, &address).await?;
    api.site
        .directory
        .apply(by, Change::RemoveGroup(address.clone()))
        .await?;
    // Nobody is a member of what is gone; its mail stays.
    api.site
        .store
        .set_members(
            &Access::system(domain.tenant()),
            Owner::Group(group.id),
            Vec::new(),
        )
        .await?;
    Ok(Json(json!({ "message": format!("Removed {address}") })))
}

async fn find_group(
    api: &Api,
    address: &Mailbox,
) -> Result<(Arc<DomainEntry>, Arc<GroupEntry>), ApiError> {
    let domain = api.site.directory.domain(address.domain()).await?;
    let groups = api.site.directory.groups(domain.tenant()).await?;
    let group = groups
        .into_iter()
        .find(|group| group.addresses().any(|own| own.key() == address.key()))
        .ok_or_else(|| ApiError::not_found(format!("group {address}")))?;
    Ok((domain, group))
}
