//! The error responses of the API: `{"code", "detail"}`, or a list of the fields that are invalid.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::embedded::store::error::StoreError;

/// One problem of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    pub(super) loc: Vec<String>,
    pub(super) msg: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
}

/// A response other than success.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("{detail}")]
    Standard { status: StatusCode, code: &'static str, detail: String },
    #[error("the input is not valid: {0:?}")]
    Invalid(Vec<Problem>),
    /// The server itself failed.
    #[error("internal error: {0}")]
    Internal(String),
}

pub(super) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn standard(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Standard { status, code, detail: detail.into() }
    }

    pub(super) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::standard(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::standard(StatusCode::UNAUTHORIZED, "authentication_failed", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::not_found_because("Entity not found")
    }

    pub(super) fn not_found_because(detail: &str) -> Self {
        Self::standard(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(super) fn conflict_because(code: &'static str, detail: &str) -> Self {
        Self::standard(StatusCode::CONFLICT, code, detail)
    }

    pub(super) fn too_large() -> Self {
        Self::standard(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "Request payload is too large.")
    }

    /// Returns a 422 with a single problem.
    pub(super) fn invalid(loc: &[&str], msg: impl Into<String>) -> Self {
        Self::invalid_as("value_error", loc, msg)
    }

    pub(super) fn invalid_as(kind: &'static str, loc: &[&str], msg: impl Into<String>) -> Self {
        let loc = loc.iter().map(|&part| part.to_owned()).collect();
        Self::Invalid(vec![Problem { loc, msg: msg.into(), kind }])
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::Conflict => Self::conflict_because("conflict", "A conflict has occurred"),
            StoreError::UnknownEventTypes(names) => {
                let msg = format!("The following event types don't exist: {}", names.join(", "));
                Self::invalid(&["body", "eventTypes"], msg)
            }
            StoreError::TooManySecrets { limit, next_expiry } => {
                let detail = format!(
                    "You can only rotate a key {limit} times; please wait for old keys to expire. Your next key \
                     expires at {next_expiry}."
                );
                Self::bad_request("limit_reached", detail)
            }
            StoreError::NulInJson | StoreError::NumberOutOfRange | StoreError::NotStorable => {
                Self::Internal(error.to_string())
            }
        }
    }
}

#[derive(Serialize)]
struct Standard<'a> {
    code: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Invalid {
    detail: Vec<Problem>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Standard { status, code, detail } => {
                (status, Json(Standard { code, detail: &detail })).into_response()
            }
            Self::Invalid(detail) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(Invalid { detail })).into_response()
            }
            Self::Internal(cause) => {
                tracing::error!(%cause, "the embedded Svix failed");
                (StatusCode::INTERNAL_SERVER_ERROR, Json(serde_json::json!({}))).into_response()
            }
        }
    }
}
