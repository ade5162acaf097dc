//! Domains and mailboxes as archives, on this machine only: `/v1/domains/{domain}/archive`,
//! `/v1/archives`, `/v1/users/{person}/mail`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http_body_util::BodyExt as _;
use mail::words;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_stream::wrappers::ReceiverStream;

use super::{Api, ApiError, Caller};
use crate::moving::{self, PipeReader, PipeWriter, Resume, Subtree, pipe};

/// The part of an archive that is there from before.
#[derive(Deserialize)]
pub(super) struct Behind {
    /// `Extent` and cursor of its mark, as JSON.
    #[serde(default)]
    behind: Option<String>,
}

pub(super) async fn export_domain(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(domain): Path<String>,
    Query(Behind { behind }): Query<Behind>,
) -> Result<Response, ApiError> {
    let resume = match behind {
        Some(text) => {
            Some(Resume::parse(&text).map_err(|error| ApiError::invalid(error.to_string()))?)
        }
        None => None,
    };
    let by = caller.operate("export domains")?;
    let reach = caller.administer_named(&api, &domain).await?;
    tracing::info!(target: "audit", by = caller.name(), domain = %reach.domain.name, ?by, "a domain is exported");
    let subtree = Subtree::load(&api.site, Arc::clone(&reach.domain)).await?;
    let site = Arc::clone(&api.site);
    Ok(streamed(move |out| {
        moving::export_domain(&site, &subtree, resume, out)
    }))
}

pub(super) async fn import_domain(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    caller.operate("import domains")?;
    let site = Arc::clone(&api.site);
    let handle = Handle::current();
    let imported = received(body, move |input| {
        moving::import_domain(&site, &handle, input)
    })
    .await?;
    let moving::Imported {
        domain,
        people,
        mailboxes,
        messages,
        queued,
        skipped,
    } = imported;
    tracing::info!(target: "audit", by = caller.name(), domain, "a domain was imported");
    let values = [
        ("name", domain.clone()),
        ("people", people.to_string()),
        ("mailboxes", mailboxes.to_string()),
        ("messages", messages.to_string()),
        ("queued", queued.to_string()),
    ];
    let values: Vec<_> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let done = match queued {
        0 => words::CLI_IMPORTED.text_with(&values),
        _ => words::CLI_IMPORTED_QUEUE.text_with(&values),
    };
    Ok(Json(json!({
        "message": done,
        "domain": domain, "people": people, "mailboxes": mailboxes, "messages": messages,
        "queued": queued, "skipped": skipped,
    })))
}

#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    mailbox: Option<String>,
}

pub(super) async fn export_person(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    caller.operate("export mail")?;
    let (reach, person) = caller.person(&api, &super::users::parse(&address)?).await?;
    if let Some(name) = &which.mailbox {
        let access = mail::Access::system(reach.tenant());
        let owner = store::Owner::Person(person.id);
        if api.site.store.mailbox_named(&access, owner, name).is_err() {
            return Err(ApiError::not_found(format!(
                "mailbox '{name}' of {address}"
            )));
        }
    }
    tracing::info!(target: "audit", by = caller.name(), person = %person.mail, "mail is exported");
    let site = Arc::clone(&api.site);
    Ok(streamed(move |out| {
        moving::export_person(&site, &reach.domain, &person, which.mailbox.as_deref(), out)
    }))
}

pub(super) async fn import_person(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(address): Path<String>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    caller.operate("import mail")?;
    let (reach, person) = caller.person(&api, &super::users::parse(&address)?).await?;
    let site = Arc::clone(&api.site);
    let who = person.mail.to_string();
    let done = received(body, move |input| {
        moving::import_person(&site, &reach.domain, &person, input)
    })
    .await?;
    tracing::info!(target: "audit", by = caller.name(), person = who, done.imported, "mail was imported");
    let refused = done.refused.iter();
    let refused = refused.map(|(file, why)| json!({ "file": file, "why": why }));
    Ok(Json(json!({
        "imported": done.imported, "known": done.known, "refused": refused.collect::<Vec<_>>(),
    })))
}

/// The answer as it is written, by a thread that may block.
fn streamed(
    write: impl FnOnce(&mut PipeWriter) -> anyhow::Result<()> + Send + 'static,
) -> Response {
    let (sender, receiver) = pipe();
    tokio::task::spawn_blocking(move || {
        let mut out = PipeWriter::new(sender);
        if let Err(error) = write(&mut out) {
            tracing::error!(error = format!("{error:#}"), "an export broke off");
            out.fail(&error);
        }
    });
    Body::from_stream(ReceiverStream::new(receiver)).into_response()
}

/// The body as it comes, read by a thread that may block.
async fn received<T: Send + 'static>(
    mut body: Body,
    read: impl FnOnce(PipeReader) -> anyhow::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let (sender, receiver) = pipe();
    tokio::spawn(async move {
        // When nobody reads any more the rest is passed over, so that the client gets to hear why.
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                let broken = std::io::Error::other("the connection broke");
                let _ = sender.send(Err(broken)).await;
                return;
            };
            if let Ok(data) = frame.into_data() {
                let _ = sender.send(Ok(data)).await;
            }
        }
    });
    let done = tokio::task::spawn_blocking(move || read(PipeReader::new(receiver))).await;
    done.map_err(|error| ApiError::unavailable(error.to_string()))?
        .map_err(shown)
}

/// What went wrong with an archive, as a refused call.
fn shown(error: anyhow::Error) -> ApiError {
    let text = format!("{error:#}");
    match error.downcast::<ApiError>() {
        Ok(refused) => refused,
        Err(error) => match error.downcast_ref::<store::Error>() {
            Some(
                store::Error::Full
                | store::Error::Busy
                | store::Error::Latched(_)
                | store::Error::Closed,
            ) => ApiError::unavailable(words::CLI_IMPORT_LATER.text_with(&[("detail", &text)])),
            _ => ApiError::invalid(text),
        },
    }
}
