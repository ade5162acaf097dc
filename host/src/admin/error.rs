//! How a call fails: an HTTP status for scripts, a sentence for people.

use axum::Json;
use axum::http::StatusCode;
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

    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
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

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        let message = error.to_string();
        match error {
            AdminError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, message),
            AdminError::Taken { .. } => Self::conflict(message),
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
            LookupError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, message),
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
