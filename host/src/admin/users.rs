//! `/v1/users`

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Change, NewPerson, PersonChanges, PersonEntry};
use mail::{Access, Mailbox, Principal, Secret};
use serde_json::{Value, json};
use store::Owner;

use super::domains::{find, read};
use super::{Api, ApiError, passwords};
use crate::shared;

pub(super) async fn list(
    State(api): State<Api>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let domain = find(&api, &domain).await?;
    let people = api.site.directory.people(domain.tenant()).await?;
    Ok(Json(people.iter().map(|person| brief(person)).collect()))
}

pub(super) async fn add(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let mut new: NewPerson = read(new)?;
    let mut shown = None;
    if new.password.is_none() {
        let password = passwords::make()?;
        new.password = Some(Secret::new(password.clone()));
        shown = Some(password);
    }
    let address = new.mail.clone();
    api.site.directory.apply(by, Change::AddPerson(new)).await?;
    // A group may have waited for this address. The person is there in any case, and the password
    // is shown only now.
    if let Err(error) = shared::reconcile(&api.site, address.domain()).await {
        tracing::warn!(%address, ?error, "shared mailboxes could not be brought in line");
    }
    Ok(Json(with_password(format!("Added {address}"), shown)))
}

pub(super) async fn show(
    State(api): State<Api>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (domain, person) = find_person(&api, &address).await?;
    let mut shown =
        serde_json::to_value(&*person).map_err(|error| ApiError::unavailable(error.to_string()))?;
    let usage = api
        .site
        .store
        .usage(&Access::system(domain.tenant()), Owner::Person(person.id))?;
    if let Some(fields) = shown.as_object_mut() {
        // A hash is as good as a password to whoever has time.
        for secret in ["password", "passwords", "user_password", "password_hash"] {
            fields.remove(secret);
        }
        fields.insert("messages".to_owned(), usage.messages.into());
        fields.insert("bytes".to_owned(), usage.bytes.into());
    }
    Ok(Json(shown))
}

pub(super) async fn set(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(address): Path<String>,
    Json(changes): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let changes: PersonChanges = read(changes)?;
    api.site
        .directory
        .apply(by, Change::SetPerson(address.clone(), changes))
        .await?;
    shared::reconcile(&api.site, address.domain()).await?;
    Ok(Json(json!({ "message": format!("Changed {address}") })))
}

pub(super) async fn password(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(address): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let (password, shown) = match body.get("password").and_then(Value::as_str) {
        Some(given) => (given.to_owned(), None),
        None => {
            let made = passwords::make()?;
            (made.clone(), Some(made))
        }
    };
    api.site
        .directory
        .apply(
            by,
            Change::SetPassword(address.clone(), Secret::new(password)),
        )
        .await?;
    Ok(Json(with_password(
        format!("{address} has a new password"),
        shown,
    )))
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(by): Extension<Principal>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (domain, person) = find_person(&api, &address).await?;
    let mailbox = parse(&address)?;
    api.site
        .directory
        .apply(by, Change::RemovePerson(mailbox.clone()))
        .await?;
    // The id is never used again, so what a crash here leaves behind is nobody's.
    api.site
        .store
        .remove_owner(&Access::system(domain.tenant()), Owner::Person(person.id))
        .await?;
    Ok(Json(
        json!({ "message": format!("Removed {mailbox} and the mail") }),
    ))
}

async fn find_person(
    api: &Api,
    address: &str,
) -> Result<
    (
        std::sync::Arc<directory::DomainEntry>,
        std::sync::Arc<PersonEntry>,
    ),
    ApiError,
> {
    let address = parse(address)?;
    let domain = api.site.directory.domain(address.domain()).await?;
    let person = api
        .site
        .directory
        .person_by_address(domain.tenant(), &address)
        .await?;
    Ok((domain, person))
}

/// The address of a path segment.
pub(super) fn parse(address: &str) -> Result<Mailbox, ApiError> {
    Mailbox::parse(address).map_err(|error| ApiError::invalid(format!("'{address}': {error}")))
}

fn brief(person: &PersonEntry) -> Value {
    let options: Vec<_> = person
        .deliveries()
        .iter()
        .map(|delivery| delivery.option().name())
        .collect();
    json!({
        "address": person.mail, "status": person.status, "options": options,
        "alternate_addresses": person.alternate_addresses,
    })
}

fn with_password(message: String, password: Option<String>) -> Value {
    match password {
        Some(password) => json!({
            "message": format!("{message}. The password is {password} and is not shown again"),
            "password": password,
        }),
        None => json!({ "message": message }),
    }
}
