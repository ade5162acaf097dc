//! `/v1/users`

use axum::extract::{Path, State};
use axum::{Extension, Json};
use directory::{Change, LookupError, NewPerson, Permitted, PersonChanges, PersonEntry};
use mail::{Access, Mailbox, PersonId, Secret, Service, Transport};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Erased, Owner, Standing};

use super::domains::read;
use super::{Api, ApiError, Caller, Reach, passwords};
use crate::listen::{SignIn, SignedIn};
use crate::shared;

pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let reach = caller.administer_named(&api, &domain).await?;
    let people = api.site.directory.people(reach.tenant()).await?;
    Ok(Json(people.iter().map(|person| brief(person)).collect()))
}

pub(super) async fn add(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let mut new: NewPerson = read(new)?;
    let reach = caller.administer_home(&api, &new.mail).await?;
    let mut shown = None;
    if new.password.is_none() {
        let password = passwords::make()?;
        new.password = Some(Secret::new(password.clone()));
        shown = Some(password);
    }
    let address = new.mail.clone();
    api.site
        .directory
        .apply(reach.by, Change::AddPerson(new))
        .await?;
    // A group may have waited for this address. The person is there in any case, and the password
    // is shown only now.
    if let Err(error) = shared::reconcile(&api.site, address.domain()).await {
        tracing::warn!(%address, ?error, "shared mailboxes could not be brought in line");
    }
    Ok(Json(with_password(format!("Added {address}"), shown)))
}

pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (reach, person) = caller.person(&api, &parse(&address)?).await?;
    let mut shown =
        serde_json::to_value(&*person).map_err(|error| ApiError::unavailable(error.to_string()))?;
    let usage = api
        .site
        .store
        .usage(&Access::system(reach.tenant()), Owner::Person(person.id))?;
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
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Json(changes): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let (reach, _) = caller.person(&api, &address).await?;
    let changes: PersonChanges = read(changes)?;
    change(&api, &reach, Change::SetPerson(address.clone(), changes)).await?;
    Ok(Json(json!({ "message": format!("Changed {address}") })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    old: Option<String>,
}

pub(super) async fn password(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    transport: Option<Extension<Transport>>,
    Path(address): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let address = parse(&address)?;
    let (reach, person) = caller.person(&api, &address).await?;
    let body: NewPassword = read(body)?;
    if let (true, Some(Extension(transport))) = (caller.is_self(&person), transport) {
        check_old(&api, &caller, &transport, body.old).await?;
    }
    let (password, shown) = match body.password {
        Some(given) => (given, None),
        None => {
            let made = passwords::make()?;
            (made.clone(), Some(made))
        }
    };
    api.site
        .directory
        .apply(
            reach.by,
            Change::SetPassword(address.clone(), Secret::new(password)),
        )
        .await?;
    Ok(Json(with_password(
        format!("{address} has a new password"),
        shown,
    )))
}

/// Who found a token must not make it last: the own password changes with the old one only. A
/// wrong one counts as a failed login.
async fn check_old(
    api: &Api,
    caller: &Caller,
    transport: &Transport,
    old: Option<String>,
) -> Result<(), ApiError> {
    let Caller::Person(signed) = caller else {
        return Ok(());
    };
    let old = old.ok_or_else(|| {
        ApiError::invalid("your own password is changed with the old one: give it as 'old'")
    })?;
    let sign_in = SignIn {
        service: Service::Http,
        login: &signed.login,
        password: &Secret::new(old),
        transport,
    };
    match sign_in.run(&api.site).await {
        SignedIn::In(_) => Ok(()),
        SignedIn::Refused => Err(ApiError::denied(
            "the old password is wrong: nothing was changed",
        )),
        SignedIn::Unavailable => Err(ApiError::unavailable(
            "the old password cannot be checked for the moment: try again in a minute",
        )),
    }
}

pub(super) async fn remove(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let mailbox = parse(&address)?;
    let (reach, person) = caller.person(&api, &mailbox).await?;
    api.site
        .directory
        .apply(reach.by, Change::RemovePerson(mailbox.clone()))
        .await?;
    // The id is never used again, so what a crash here leaves behind is nobody's.
    api.site
        .store
        .remove_owner(&Access::system(reach.tenant()), Owner::Person(person.id))
        .await?;
    Ok(Json(json!({
        "message": format!("Removed {mailbox} and the mail. The key is kept: backups can be read until the operator runs `postroom user erase {mailbox} --id {}`", person.id.0),
        "id": person.id,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Erasing {
    /// Of somebody who is not in the directory any more.
    #[serde(default)]
    id: Option<PersonId>,
}

/// Destroys the key of the mail and removes the person. What the directory would refuse is refused
/// first, and nothing is done. Then the store: from the moment it has written the erasure down
/// nobody gets in or gets mail, and every start ends it. The directory comes last, so that whoever
/// is told of an error, or of nothing, can ask for the same again.
pub(super) async fn erase(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, ApiError> {
    let mailbox = parse(&address)?;
    let reach = caller.administer_home(&api, &mailbox).await?;
    let body: Erasing = read(body)?;
    let (erased, left) = match body.id {
        Some(person) => {
            caller.operate("erase people by their ids")?;
            (erase_former(&api, &reach, person).await?, "")
        }
        None => {
            let (_, person) = caller.person(&api, &mailbox).await?;
            let removal = Change::RemovePerson(mailbox.clone());
            let directory = &api.site.directory;
            let permitted = directory.permits(reach.by, removal.clone()).await?;
            let erased = erase_mail(&api, &reach, person.id).await?;
            match permitted {
                Permitted::Here => {
                    directory.apply(reach.by, removal).await?;
                    (erased, "")
                }
                Permitted::Elsewhere => (erased, LEFT_IN_LDAP),
            }
        }
    };
    Ok(Json(json!({
        "message": format!("Erased {mailbox}: {}{left}", what_is_erased(erased)),
        "messages": erased.messages, "bytes": erased.bytes,
    })))
}

/// What is left to do where the directory is only read.
const LEFT_IN_LDAP: &str = ". The entry stays in the LDAP directory: remove it there; until then its mail is refused with 550 5.1.1";

/// Erases somebody who was removed before, or whose entry is gone from LDAP.
async fn erase_former(api: &Api, reach: &Reach, person: PersonId) -> Result<Erased, ApiError> {
    let tenant = reach.tenant();
    match api.site.directory.person(tenant, person).await {
        Ok(entry) => {
            return Err(ApiError::invalid(format!(
                "{} is {}, who is in the directory: erase that address without an id",
                person.0, entry.mail
            )));
        }
        Err(LookupError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let access = Access::system(tenant);
    // An id that nobody had yet would be lost to whoever is to get it.
    if api.site.store.standing(&access, Owner::Person(person))? == Standing::Unknown {
        return Err(ApiError::not_found(format!(
            "key or mail of the person {} of {}",
            person.0, reach.domain.name
        )));
    }
    erase_mail(api, reach, person).await
}

async fn erase_mail(api: &Api, reach: &Reach, person: PersonId) -> Result<Erased, ApiError> {
    let access = Access::system(reach.tenant());
    let erased = api.site.store.erase_owner(&access, Owner::Person(person));
    Ok(erased.await?)
}

/// What an erasure did, and what it did not.
pub(super) fn what_is_erased(erased: Erased) -> String {
    format!(
        "{} messages, {} bytes. The key is destroyed: what the disk and backups of the data directory still have of the mailboxes cannot be read any more. Their room is free after garbage collection. What others got of the same messages stays theirs. Mail that waited in the queue was encrypted with the key of its domain, or of the host if it went out, and can be read in old backups as long as that key is there. Copies of the key file, if you keep any, must be replaced",
        erased.messages, erased.bytes
    )
}

/// Changes a person or a group, and what hangs on who is a member of what.
pub(super) async fn change(api: &Api, reach: &Reach, change: Change) -> Result<(), ApiError> {
    api.site.directory.apply(reach.by, change).await?;
    shared::reconcile(&api.site, &reach.domain.name).await
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
