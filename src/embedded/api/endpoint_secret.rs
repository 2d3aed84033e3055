//! The signing secret of an endpoint: reading it, rotating it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::embedded::api::errors::ApiResult;
use crate::embedded::api::extract::{Authorized, Body};
use crate::embedded::api::validation::{Check, Problems};
use crate::embedded::server::Shared;
use crate::embedded::store::secret::Secret;

const DEFAULT_GRACE_SECONDS: u32 = 86_400;
const MAX_GRACE_SECONDS: u32 = 604_800;

#[derive(Debug, Serialize)]
pub(super) struct Out {
    key: Secret,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rotate {
    #[serde(default)]
    key: Option<Secret>,
    #[serde(default)]
    grace_period_seconds: Option<u32>,
}

impl Check for Rotate {
    fn check(&self, problems: &mut Problems) {
        problems.secret(self.key.as_ref());
        if self.grace_period_seconds.is_some_and(|seconds| seconds > MAX_GRACE_SECONDS) {
            problems.add(&["grace_period_seconds"], "Duration must be between 0 and 7 days");
        }
    }
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    Ok(Json(Out { key: store.application(&app)?.endpoint(&endpoint)?.secret.clone() }))
}

pub(super) async fn rotate(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(Rotate { key, grace_period_seconds }): Body<Rotate>,
) -> ApiResult<StatusCode> {
    let mut store = svix.store();
    let endpoint = store.application_mut(&app)?.endpoint_mut(&endpoint)?;
    endpoint.rotate_secret(key, grace_period_seconds.unwrap_or(DEFAULT_GRACE_SECONDS))?;
    Ok(StatusCode::NO_CONTENT)
}
