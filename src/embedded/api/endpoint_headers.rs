//! The headers of an endpoint: written whole or in part, read back without the values of sensitive ones.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::extract::{Authorized, Body};
use crate::embedded::api::validation::{self, Check, Headers, Problems};
use crate::embedded::server::Shared;

const SENSITIVE: [&str; 6] = [
    "authorization",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "x-api-key",
    "x-auth-token",
];

#[derive(Debug, Serialize)]
pub(super) struct Out {
    headers: BTreeMap<String, String>,
    sensitive: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Replace {
    headers: Headers,
}

#[derive(Debug, Deserialize)]
pub(super) struct Patch {
    headers: BTreeMap<String, Option<String>>,
}

impl Check for Replace {
    fn check(&self, _: &mut Problems) {}
}

impl Check for Patch {
    /// A patch checks the names only; the server accepts any value.
    fn check(&self, problems: &mut Problems) {
        for key in self.headers.keys() {
            for msg in validation::header_name(key) {
                problems.add(&["headers", "__all__"], msg);
            }
        }
    }
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    let all = &store.application(&app)?.endpoint(&endpoint)?.headers;
    let sensitive = |key: &str| SENSITIVE.contains(&key.to_lowercase().as_str());
    let shown = all.iter().filter(|(key, _)| !sensitive(key));
    let headers = shown.map(|(key, value)| (key.clone(), value.clone())).collect();
    let sensitive = all.keys().filter(|key| sensitive(key)).cloned().collect();
    Ok(Json(Out { headers, sensitive }))
}

pub(super) async fn put(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(Replace { headers }): Body<Replace>,
) -> ApiResult<StatusCode> {
    let mut store = svix.store();
    let endpoint = store.application_mut(&app)?.endpoint_mut(&endpoint)?;
    endpoint.headers = headers.0;
    endpoint.touch();
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn patch(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(Patch { headers }): Body<Patch>,
) -> ApiResult<StatusCode> {
    // The real server stores such a value, and cannot show or list the endpoint from then on.
    if headers.values().flatten().any(|value| HeaderValue::try_from(value).is_err()) {
        return Err(ApiError::Internal("a header value that would make the endpoint unreadable".to_owned()));
    }
    let mut store = svix.store();
    let endpoint = store.application_mut(&app)?.endpoint_mut(&endpoint)?;
    for (key, value) in headers {
        match value {
            Some(value) => endpoint.headers.insert(key, value),
            None => endpoint.headers.remove(&key),
        };
    }
    endpoint.touch();
    Ok(StatusCode::NO_CONTENT)
}
