//! `/v1/messages`: mail handed in on this machine.

use axum::body::Bytes;
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
    message: Bytes,
) -> Result<Json<Value>, ApiError> {
    let user = user.map(|Extension(user)| user);
    if let Some(user) = &user {
        let settings = api.site.settings();
        let any_sender = &settings.config.sendmail.any_sender;
        user.check(&handed.from, &api.site.hostname, any_sender)?;
    }
    let local = Local {
        by: user.as_ref().map(LocalUser::text),
        from: &handed.from,
        name: &handed.name,
        recipients: handed.to.lines().map(str::to_owned).collect(),
        from_header: handed.from_header,
        message: &message,
    };
    match submit(&api.site, &local).await {
        Ok(id) => Ok(Json(
            json!({ "message": format!("Taken as {id}"), "id": id }),
        )),
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
