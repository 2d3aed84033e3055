//! Reading a request: its token, its query, its body.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::embedded::api::errors::{ApiError, Problem};
use crate::embedded::api::validation::{self, Check, Problems};
use crate::embedded::server::Shared;

/// The request carries the right token.
pub(super) struct Authorized;

impl FromRequestParts<Shared> for Authorized {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        if token == Some(state.token.as_str()) {
            Ok(Self)
        } else {
            Err(ApiError::unauthorized("Invalid token"))
        }
    }
}

/// A JSON body that was read and checked. Text after the JSON value is ignored, and so is the content type.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + Check> FromRequest<Shared> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                ApiError::too_large()
            }
            other => ApiError::Internal(other.to_string()),
        })?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let loc = std::iter::once("body").chain(path.split('.')).map(str::to_owned).collect();
            ApiError::Invalid(vec![Problem { loc, msg: error.to_string(), kind: "value_error.jsondecode" }])
        })?;
        checked("body", value).map(Self)
    }
}

/// Query parameters that were read and checked.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned + Check> FromRequestParts<Shared> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        let Query(value) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::bad_request("generic_error", rejection.to_string()))?;
        checked("query", value).map(Self)
    }
}

fn checked<T: Check>(root: &'static str, value: T) -> Result<T, ApiError> {
    let mut problems = Problems::new(root);
    value.check(&mut problems);
    match problems.into_found() {
        found if found.is_empty() => Ok(value),
        found => Err(ApiError::Invalid(found)),
    }
}

/// For a field of a PATCH that cannot be null: named is `Some`, null is refused by `T`.
pub(super) fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(de: D) -> Result<Option<T>, D::Error> {
    T::deserialize(de).map(Some)
}

/// For a field of a PATCH that null clears: named is `Some`, null is `Some(None)`.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    de: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(de).map(Some)
}

/// The event types of a query, which may be given as `event_types=a,b`, repeated, or with brackets.
pub(super) struct EventTypesParam(pub(super) Vec<String>);

impl FromRequestParts<Shared> for EventTypesParam {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let names: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(key, _)| {
                key == "event_types" || (key.starts_with("event_types[") && key.ends_with(']'))
            })
            .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut problems = Problems::new("query");
        for name in &names {
            if let Err(msg) = validation::name(name) {
                problems.add(&["__all__"], msg);
                return Err(ApiError::Invalid(problems.into_found()));
            }
        }
        Ok(Self(names))
    }
}
