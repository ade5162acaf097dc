//! `/v1/domains`

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Adopt, Adoption, Change, DomainChanges, DomainEntry, NewDomain};
use mail::{Access, Domain, Mailbox};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Owner;

use super::users::what_is_erased;
use super::{Api, ApiError, Caller};

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    let reached = caller.domains(&api).await?;
    let shown = reached.iter().map(|reach| brief(&reach.domain));
    Ok(Json(shown.collect()))
}

pub(super) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let by = caller.operate("add domains")?;
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
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let entry = caller.administer_named(&api, &domain).await?.domain;
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
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
    Json(changes): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let name = parse(&domain)?;
    let reach = caller.administer(&api, &name).await?;
    let changes: DomainChanges = read(changes)?;
    api.site
        .directory
        .apply(reach.by, Change::SetDomain(name.clone(), changes))
        .await?;
    Ok(Json(json!({ "message": format!("Changed {name}") })))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let name = parse(&domain)?;
    caller.administer(&api, &name).await?;
    let by = caller.operate("remove domains")?;
    api.site
        .directory
        .apply(by, Change::RemoveDomain(name.clone()))
        .await?;
    Ok(Json(json!({
        "message": format!("{name} is deleted: its mail is refused with 550 5.1.6. Nothing is erased; `postroom domain set {name} state=active` brings it back")
    })))
}

/// Erases a deleted domain: everybody's mail, keys and entries. Its name stays deleted.
pub(super) async fn purge(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let name = parse(&domain)?;
    let reach = caller.administer(&api, &name).await?;
    let by = caller.operate("purge domains")?;
    if reach.domain.status != directory::State::Deleted {
        return Err(ApiError::invalid(format!(
            "{name} is not deleted, and what is purged never comes back: run 'postroom domain remove {name}' first"
        )));
    }
    let tenant = reach.tenant();
    let erased = api
        .site
        .store
        .erase_owner(&Access::system(tenant), Owner::Domain)
        .await?;
    let directory = &api.site.directory;
    for group in directory.groups(tenant).await?.iter() {
        directory
            .apply(by, Change::RemoveGroup(group.mail.clone()))
            .await?;
    }
    for person in directory.people(tenant).await?.iter() {
        directory
            .apply(by, Change::RemovePerson(person.mail.clone()))
            .await?;
    }
    Ok(Json(json!({
        "message": format!("Purged {name}: {}. The name stays deleted", what_is_erased(erased)),
        "messages": erased.messages, "bytes": erased.bytes,
    })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adopted {
    #[serde(default)]
    only: Option<Mailbox>,
    #[serde(default)]
    as_new: bool,
}

pub(super) async fn adopt(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
    Json(adopted): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let name = parse(&domain)?;
    // A name that waits for this is no domain yet, so the operator is not asked for its own.
    let by = match caller.operate("say whose mail a name gets") {
        Ok(by) => by,
        Err(denied) => {
            caller.administer(&api, &name).await?;
            return Err(denied);
        }
    };
    let Adopted { only, as_new } = read(adopted)?;
    let adopt = Adopt {
        domain: name.clone(),
        only: only.clone(),
        adoption: if as_new {
            Adoption::AsNew
        } else {
            Adoption::Continue
        },
    };
    api.site.directory.adopt(by, adopt).await?;
    let who = only.map_or_else(|| name.to_string(), |address| address.to_string());
    let what = if as_new {
        format!("{who} begins anew; the mail it had before is kept and shown to nobody")
    } else {
        format!("{who} goes on with the mail it had before")
    };
    Ok(Json(json!({ "message": what })))
}

/// Reads the body of a call; an error names the field.
pub(super) fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| ApiError::invalid(error.to_string()))
}

/// A domain's name.
pub(super) fn parse(domain: &str) -> Result<Domain, ApiError> {
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
