//! `/v1/messages`: mail handed in on this machine.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use mail::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use super::handin::LocalUser;
use super::{Api, ApiError};
use crate::intake::local::{Local, Refusal, submit};

/// The envelope, beside the message in the body.
#[derive(Deserialize)]
pub(super) struct Handed {
    from: String,
    #[serde(default)]
    name: String,
    /// Recipients, one a line.
    #[serde(default)]
    to: String,
    /// Are the recipients of the header meant too?
    #[serde(default)]
    from_header: bool,
}

pub(super) async fn send(
    State(api): State<Api>,
    user: Option<Extension<LocalUser>>,
    Query(handed): Query<Handed>,
    message: Body,
) -> Result<Json<Value>, ApiError> {
    let user = user.map(|Extension(user)| user);
    let settings = api.site.settings();
    let any_sender = &settings.config.sendmail.any_sender;
    let may = |user: &LocalUser, address: &str| user.check(address, &api.site.hostname, any_sender);
    if let Some(user) = &user {
        may(user, &handed.from)?;
    }
    let uid = user.as_ref().map_or(0, LocalUser::uid);
    let most = settings.config.limits.message_bytes;
    let message = api.held.read(uid, message, most).await?;
    let is_own = |address: &str| user.as_ref().is_none_or(|user| may(user, address).is_ok());
    let local = Local {
        is_own: &is_own,
        by: user.as_ref().map(LocalUser::text),
        from: &handed.from,
        name: &handed.name,
        recipients: handed.to.lines().map(str::to_owned).collect(),
        from_header: handed.from_header,
        message: &message.bytes,
    };
    match submit(&api.site, &local).await {
        Ok(id) => Ok(Json(
            json!({ "message": format!("Taken as {id}"), "id": id }),
        )),
        Err(Refusal::NotOwn(address)) => Err(match &user {
            Some(user) => user.denied(&address, &api.site.hostname),
            None => ApiError::denied(address),
        }),
        Err(Refusal::Invalid(text)) => Err(ApiError::new(StatusCode::BAD_REQUEST, text)),
        Err(Refusal::Reply(reply)) => Err(refused(&reply)),
    }
}

/// Temporary, nobody there, or refused.
fn refused(reply: &Reply) -> ApiError {
    let text = reply.to_string();
    if !reply.code().is_permanent() {
        return ApiError::unavailable(text);
    }
    // 5.1.x: the address (RFC 3463 §3.2).
    match reply
        .enhanced()
        .is_some_and(|status| status.to_string().starts_with("5.1."))
    {
        true => ApiError::new(StatusCode::NOT_FOUND, text),
        false => ApiError::invalid(text),
    }
}
