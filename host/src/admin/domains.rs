//! `/v1/domains`

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Change, DomainChanges, DomainEntry, NewDomain};
use mail::{Domain, Principal};
use serde_json::{Value, json};

use super::{Api, ApiError};

pub(super) async fn list(State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let domains = api.site.directory.domains().await?;
    Ok(Json(domains.iter().map(|domain| brief(domain)).collect()))
}

pub(super) async fn add(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let new: NewDomain = read(new)?;
    let name = new.name.clone();
    api.site.directory.apply(by, Change::AddDomain(new)).await?;
    let domain = api.site.directory.domain(&name).await?;
    api.site.plugins.publish_stored(domain.tenant()).await?;
    Ok(Json(
        json!({ "message": format!("Added {name}. Next: postroom user add someone@{name}") }),
    ))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let entry = find(&api, &domain).await?;
    let people = api.site.directory.people(entry.tenant()).await?.len();
    let groups = api.site.directory.groups(entry.tenant()).await?.len();
    let mut shown =
        serde_json::to_value(&*entry).map_err(|error| ApiError::unavailable(error.to_string()))?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("people".to_owned(), people.into());
        fields.insert("groups".to_owned(), groups.into());
        fields.insert("dns".to_owned(), records(&api, &entry).into());
    }
    Ok(Json(shown))
}

pub(super) async fn set(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(domain): Path<String>,
    Json(changes): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let changes: DomainChanges = read(changes)?;
    let name = parse(&domain)?;
    api.site
        .directory
        .apply(by, Change::SetDomain(name.clone(), changes))
        .await?;
    Ok(Json(json!({ "message": format!("Changed {name}") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let name = parse(&domain)?;
    api.site
        .directory
        .apply(by, Change::RemoveDomain(name.clone()))
        .await?;
    Ok(Json(json!({
        "message": format!("{name} is deleted: its mail is refused with 550 5.1.6. Nothing is erased; `postroom domain set {name} status=active` brings it back")
    })))
}

/// The domain of a path segment, as hosted.
pub(super) async fn find(api: &Api, domain: &str) -> Result<std::sync::Arc<DomainEntry>, ApiError> {
    let name = parse(domain)?;
    Ok(api.site.directory.domain(&name).await?)
}

/// Reads the body of a call; an error names the field.
pub(super) fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| ApiError::invalid(error.to_string()))
}

fn parse(domain: &str) -> Result<Domain, ApiError> {
    Domain::parse(domain).map_err(|error| ApiError::invalid(error.to_string()))
}

fn brief(domain: &DomainEntry) -> Value {
    json!({
        "name": domain.name, "status": domain.status, "mail_status": domain.mail_status,
        "aliases": domain.aliases, "postmaster": domain.postmaster,
    })
}

/// What to publish in the DNS so that mail finds its way here.
fn records(api: &Api, domain: &DomainEntry) -> Vec<String> {
    std::iter::once(&domain.name)
        .chain(&domain.aliases)
        .map(|name| format!("{name}. IN MX 10 {}.", api.site.hostname))
        .collect()
}
