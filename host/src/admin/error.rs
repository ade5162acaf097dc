//! How a call fails: an HTTP status for scripts, a sentence for people.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use directory::{AdminError, LookupError};
use serde_json::json;

/// A refused call.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// `what` is a kind and a name: `group team@abc.test`.
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        let what = what.to_string();
        let next =
            listing(&what).map(|command| format!(": `{command}` shows those that are there"));
        let next = next.unwrap_or_default();
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}{next}"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

/// The command that lists things of the same kind.
fn listing(what: &str) -> Option<String> {
    let (kind, name) = what.split_once(' ')?;
    let domain = name.rsplit(['@', ' ']).next()?;
    match kind {
        "domain" => Some("postroom domain list".to_owned()),
        "queue" => Some("postroom queue list".to_owned()),
        "user" | "person" => Some(format!("postroom user list {domain}")),
        "group" | "alias" => Some(format!("postroom {kind} list {domain}")),
        _ => None,
    }
}

/// The command that shows what a name stands for.
fn showing(name: &str) -> String {
    if name.contains('@') {
        format!("`postroom explain {name}` shows what it does")
    } else {
        format!("`postroom domain show {name}` shows it")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.message }))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3.
            let challenge = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// There is no such route.
pub(super) async fn no_route(uri: Uri) -> ApiError {
    let path = uri.path();
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is no route {path}: docs/api.md lists them"),
    )
}

/// The route takes other methods.
pub(super) async fn no_method(method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{path} does not take {method}: docs/api.md lists what it takes"),
    )
}

/// Every refusal has one shape, also those that the library makes; and no answer is kept on the
/// way, since it may hold a password.
pub(super) async fn shape(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if (status.is_client_error() || status.is_server_error()) && !is_json {
        let body = axum::body::to_bytes(response.into_body(), 4096).await;
        let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        response = ApiError::new(status, text).into_response();
    }
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let message = error.to_string();
        match error {
            AdminError::NotFound(what) => Self::not_found(what),
            AdminError::Taken { name, .. } => {
                Self::conflict(format!("{message}: {}", showing(&name)))
            }
            AdminError::Invalid { .. } => Self::invalid(message),
            AdminError::Denied(_) => Self::denied(message),
            AdminError::Temporary(_) => Self::unavailable(message),
        }
    }
}

impl From<LookupError> for ApiError {
    fn from(error: LookupError) -> Self {
        let message = error.to_string();
        match error {
            LookupError::NotFound(what) => Self::not_found(what),
            LookupError::Temporary(_) => Self::unavailable(message),
        }
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        let message = error.to_string();
        match error {
            store::Error::NotFound => Self::new(StatusCode::NOT_FOUND, message),
            store::Error::Denied => Self::denied(message),
            store::Error::Exists | store::Error::Conflict => Self::conflict(message),
            store::Error::Stale => {
                Self::conflict("it is being worked on right now: try again in a moment")
            }
            store::Error::Invalid(_) | store::Error::OverQuota(_) => Self::invalid(message),
            _ => Self::unavailable(message),
        }
    }
}
