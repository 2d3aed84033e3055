//! Endpoints: POST creates, PUT creates or replaces whole, PATCH changes the fields that it names.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;

use crate::embedded::api::endpoint_models::{Create, Input, Out, Patch};
use crate::embedded::api::errors::ApiResult;
use crate::embedded::api::extract::{Authorized, Body, Params};
use crate::embedded::api::pagination::{Order, Page, Paging};
use crate::embedded::api::validation::Metadata;
use crate::embedded::server::Shared;
use crate::embedded::store::application::Application;
use crate::embedded::store::endpoint::Endpoint;
use crate::embedded::store::error::{StoreError, StoreResult};
use crate::embedded::store::ids;

fn apply<'app>(app: &'app mut Application, id: &str, patch: Patch) -> StoreResult<&'app Endpoint> {
    let Patch {
        description,
        rate_limit,
        throttle_rate,
        uid,
        url,
        version,
        disabled,
        event_types,
        channels,
        metadata,
    } = patch;
    let metadata = metadata.map(Metadata::storable).transpose()?;
    if let Some(uid) = uid {
        app.set_endpoint_uid(id, uid)?;
    }
    let endpoint = app.endpoint_mut(id)?;
    let settings = &mut endpoint.settings;
    if let Some(description) = description {
        settings.description = description;
    }
    if let Some(rate) = throttle_rate.or(rate_limit) {
        settings.throttle_rate = rate;
    }
    if let Some(url) = url {
        settings.url = url.0.into();
    }
    if let Some(version) = version {
        settings.version = version;
    }
    if let Some(disabled) = disabled {
        settings.disabled = disabled;
    }
    if let Some(event_types) = event_types {
        settings.event_types = event_types;
    }
    if let Some(channels) = channels {
        settings.channels = channels;
    }
    if let Some(metadata) = metadata {
        settings.metadata = metadata;
    }
    endpoint.touch();
    Ok(endpoint)
}

pub(super) async fn list(
    State(svix): State<Shared>,
    Path(app): Path<String>,
    Params(paging): Params<Paging>,
    _: Authorized,
) -> ApiResult<Json<Page<Out>>> {
    paging.check_ids(ids::ENDPOINT)?;
    let store = svix.store();
    let endpoints = &store.application(&app)?.endpoints;
    let order = paging.order.unwrap_or(Order::Descending);
    Ok(Json(paging.page(endpoints, order, |endpoint| Some(Out::from(endpoint)))))
}

pub(super) async fn create(
    State(svix): State<Shared>,
    Path(app): Path<String>,
    _: Authorized,
    Body(body): Body<Create>,
) -> ApiResult<impl IntoResponse> {
    let mut store = svix.store();
    store.application(&app)?;
    let (input, secret) = body.split();
    store.check_subscription(input.event_types.as_ref())?;
    let created = store.application_mut(&app)?.create_endpoint(input.settings()?, secret)?;
    Ok((StatusCode::CREATED, Json(Out::from(created))))
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    Ok(Json(Out::from(store.application(&app)?.endpoint(&endpoint)?)))
}

pub(super) async fn put(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(input): Body<Input>,
) -> ApiResult<impl IntoResponse> {
    let mut store = svix.store();
    store.application(&app)?;
    store.check_subscription(input.event_types.as_ref())?;
    let app = store.application_mut(&app)?;
    match app.endpoint_id(&endpoint) {
        Some(id) => Ok((StatusCode::OK, Json(Out::from(app.replace_endpoint(&id, input.settings()?)?)))),
        // The uid is the body's: the path's is not kept.
        None => Ok((StatusCode::CREATED, Json(Out::from(app.create_endpoint(input.settings()?, None)?)))),
    }
}

pub(super) async fn patch(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(patch): Body<Patch>,
) -> ApiResult<Json<Out>> {
    let mut store = svix.store();
    store.application(&app)?;
    store.check_subscription(patch.event_types.as_ref().and_then(Option::as_ref))?;
    let app = store.application_mut(&app)?;
    let id = app.endpoint_id(&endpoint).ok_or(StoreError::NotFound)?;
    Ok(Json(Out::from(apply(app, &id, patch)?)))
}

pub(super) async fn delete(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<StatusCode> {
    svix.store().application_mut(&app)?.delete_endpoint(&endpoint)?;
    Ok(StatusCode::NO_CONTENT)
}
