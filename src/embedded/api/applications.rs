//! Applications.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::extract::{Authorized, Body, Params, named, nullable};
use crate::embedded::api::pagination::{Order, Page, Paging};
use crate::embedded::api::validation::{Check, Metadata, Problems};
use crate::embedded::server::Shared;
use crate::embedded::store::application::{Application, ApplicationSettings};
use crate::embedded::store::clock::next_update;
use crate::embedded::store::error::StoreResult;
use crate::embedded::store::ids;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    name: String,
    rate_limit: Option<u16>,
    throttle_rate: Option<u16>,
    pub(super) uid: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patch {
    #[serde(default, deserialize_with = "named")]
    name: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    rate_limit: Option<Option<u16>>,
    #[serde(default, deserialize_with = "nullable")]
    throttle_rate: Option<Option<u16>>,
    #[serde(default, deserialize_with = "nullable")]
    uid: Option<Option<String>>,
    #[serde(default, deserialize_with = "named")]
    metadata: Option<Metadata>,
}

impl Check for Input {
    fn check(&self, problems: &mut Problems) {
        check_name(problems, &self.name);
        let msg = "Application rate limits must be at least 1 if set";
        problems.at_least_one("rate_limit", self.rate_limit, msg);
        let msg = "Application throttle rate must be at least 1 if set";
        problems.at_least_one("throttle_rate", self.throttle_rate, msg);
        problems.uid("uid", self.uid.as_deref(), ids::APPLICATION);
    }
}

impl Check for Patch {
    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.name {
            check_name(problems, name);
        }
        let msg = "Application rate limits must be at least 1 if set";
        problems.at_least_one("rate_limit", self.rate_limit.flatten(), msg);
        problems.at_least_one("throttle_rate", self.throttle_rate.flatten(), msg);
        problems.uid("uid", self.uid.as_ref().and_then(Option::as_deref), ids::APPLICATION);
    }
}

fn check_name(problems: &mut Problems, name: &str) {
    if name.is_empty() {
        problems.add(&["name"], "Application names must be at least one character");
    }
    problems.text("name", name);
}

#[derive(Debug, Deserialize)]
pub(super) struct CreateParams {
    #[serde(default)]
    get_if_exists: bool,
}

impl Check for CreateParams {
    fn check(&self, _: &mut Problems) {}
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out {
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<u16>,
    throttle_rate: Option<u16>,
    id: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    metadata: BTreeMap<String, String>,
}

impl From<&Application> for Out {
    fn from(app: &Application) -> Self {
        let settings = &app.settings;
        Self {
            uid: settings.uid.clone(),
            name: settings.name.clone(),
            rate_limit: settings.throttle_rate,
            throttle_rate: settings.throttle_rate,
            id: app.id.clone(),
            created_at: app.created_at,
            updated_at: app.updated_at,
            metadata: settings.metadata.clone(),
        }
    }
}

impl Input {
    /// Returns the fields to store, unless the database of the real server cannot store them.
    pub(super) fn settings(self) -> StoreResult<ApplicationSettings> {
        let Self { name, rate_limit, throttle_rate, uid, metadata } = self;
        let throttle_rate = throttle_rate.or(rate_limit);
        Ok(ApplicationSettings { uid, name, throttle_rate, metadata: metadata.storable()? })
    }
}

pub(super) async fn list(
    State(svix): State<Shared>,
    Params(paging): Params<Paging>,
    _: Authorized,
) -> ApiResult<Json<Page<Out>>> {
    paging.check_ids(ids::APPLICATION)?;
    let store = svix.store();
    let order = paging.order.unwrap_or(Order::Ascending);
    Ok(Json(paging.page(&store.applications, order, |app| Some(Out::from(app)))))
}

pub(super) async fn create(
    State(svix): State<Shared>,
    Params(params): Params<CreateParams>,
    _: Authorized,
    Body(input): Body<Input>,
) -> ApiResult<impl IntoResponse> {
    let mut store = svix.store();
    if let Some(uid) = &input.uid
        && let Ok(found) = store.application(uid)
    {
        if params.get_if_exists {
            return Ok((StatusCode::OK, Json(Out::from(found))));
        }
        let detail = "An application with that id or uid already exists";
        return Err(ApiError::conflict_because("conflict", detail));
    }
    let id = store.create_application(input.settings()?)?;
    Ok((StatusCode::CREATED, Json(Out::from(store.application(&id)?))))
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path(app): Path<String>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    Ok(Json(Out::from(store.application(&app)?)))
}

pub(super) async fn put(
    State(svix): State<Shared>,
    Path(app): Path<String>,
    _: Authorized,
    Body(input): Body<Input>,
) -> ApiResult<impl IntoResponse> {
    let mut store = svix.store();
    let Some(id) = store.application(&app).ok().map(|found| found.id.clone()) else {
        let id = store.create_application(input.settings()?)?;
        return Ok((StatusCode::CREATED, Json(Out::from(store.application(&id)?))));
    };
    let settings = input.settings()?;
    store.set_application_uid(&id, settings.uid.clone())?;
    let found = store.application_mut(&id)?;
    found.settings = settings;
    found.updated_at = next_update(found.updated_at);
    Ok((StatusCode::OK, Json(Out::from(&*found))))
}

pub(super) async fn patch(
    State(svix): State<Shared>,
    Path(app): Path<String>,
    _: Authorized,
    Body(patch): Body<Patch>,
) -> ApiResult<Json<Out>> {
    let mut store = svix.store();
    let id = store.application(&app)?.id.clone();
    let Patch { name, rate_limit, throttle_rate, uid, metadata } = patch;
    let metadata = metadata.map(Metadata::storable).transpose()?;
    if let Some(uid) = uid {
        store.set_application_uid(&id, uid)?;
    }
    let found = store.application_mut(&id)?;
    if let Some(name) = name {
        found.settings.name = name;
    }
    if let Some(rate) = throttle_rate.or(rate_limit) {
        found.settings.throttle_rate = rate;
    }
    if let Some(metadata) = metadata {
        found.settings.metadata = metadata;
    }
    found.updated_at = next_update(found.updated_at);
    Ok(Json(Out::from(&*found)))
}

pub(super) async fn delete(
    State(svix): State<Shared>,
    Path(app): Path<String>,
    _: Authorized,
) -> ApiResult<StatusCode> {
    svix.store().delete_application(&app)?;
    Ok(StatusCode::NO_CONTENT)
}
