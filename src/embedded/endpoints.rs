//! Endpoints: POST creates, PUT creates or replaces whole, PATCH changes what it names.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::endpoint_input::{Create, Input, Out, Patch};
use super::errors::{ApiError, ApiResult};
use super::extract::{Authorized, Body, Params};
use super::ids;
use super::limits::Metadata;
use super::pagination::{Order, Page, Paging};
use super::secrets::Secret;
use super::state::{Application, Endpoint, Shared, moved, now};

impl Application {
    fn create_endpoint(&mut self, input: Input, secret: Option<Secret>) -> ApiResult<&Endpoint> {
        if let Some(uid) = &input.uid
            && self.endpoint_uids.contains_key(uid)
        {
            return Err(ApiError::conflict());
        }
        let Input {
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
        } = input;
        let metadata = metadata.storable()?;
        let at = now();
        let id = ids::new(ids::ENDPOINT, at);
        if let Some(uid) = &uid {
            self.endpoint_uids.insert(uid.clone(), id.clone());
        }
        let endpoint = Endpoint {
            id: id.clone(),
            uid,
            url: url.0.into(),
            description,
            version: version.unwrap_or(1),
            throttle_rate: throttle_rate.or(rate_limit),
            disabled,
            event_types,
            channels,
            metadata,
            headers: BTreeMap::new(),
            secret: secret.unwrap_or_else(Secret::generate),
            old_secrets: Vec::new(),
            failing_since: None,
            created_at: at,
            updated_at: at,
            attempts: BTreeMap::new(),
        };
        Ok(self.endpoints.entry(id).or_insert(endpoint))
    }

    /// Moves an endpoint to another uid, or to none.
    fn rename_endpoint(&mut self, id: &str, uid: Option<String>) -> ApiResult<()> {
        if let Some(uid) = &uid
            && self.endpoint_uids.get(uid).is_some_and(|holder| holder != id)
        {
            return Err(ApiError::conflict());
        }
        let endpoint = self.endpoints.get_mut(id).ok_or_else(ApiError::not_found)?;
        if let Some(old) = std::mem::replace(&mut endpoint.uid, uid.clone()) {
            self.endpoint_uids.remove(&old);
        }
        if let Some(uid) = uid {
            self.endpoint_uids.insert(uid, id.to_owned());
        }
        Ok(())
    }

    /// Replaces everything but the secret and the headers. What the body leaves out is gone, the uid included.
    fn replace_endpoint(&mut self, id: &str, input: Input) -> ApiResult<&Endpoint> {
        let Input {
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
        } = input;
        let metadata = metadata.storable()?;
        self.rename_endpoint(id, uid)?;
        let endpoint = self.endpoints.get_mut(id).ok_or_else(ApiError::not_found)?;
        endpoint.description = description;
        endpoint.throttle_rate = throttle_rate.or(rate_limit);
        endpoint.url = url.0.into();
        endpoint.version = version.unwrap_or(1);
        endpoint.disabled = disabled;
        endpoint.event_types = event_types;
        endpoint.channels = channels;
        endpoint.metadata = metadata;
        endpoint.updated_at = moved(endpoint.updated_at);
        Ok(endpoint)
    }

    fn patch_endpoint(&mut self, id: &str, patch: Patch) -> ApiResult<&Endpoint> {
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
            self.rename_endpoint(id, uid)?;
        }
        let endpoint = self.endpoints.get_mut(id).ok_or_else(ApiError::not_found)?;
        if let Some(description) = description {
            endpoint.description = description;
        }
        if let Some(rate) = throttle_rate.or(rate_limit) {
            endpoint.throttle_rate = rate;
        }
        if let Some(url) = url {
            endpoint.url = url.0.into();
        }
        if let Some(version) = version {
            endpoint.version = version;
        }
        if let Some(disabled) = disabled {
            endpoint.disabled = disabled;
        }
        if let Some(event_types) = event_types {
            endpoint.event_types = event_types;
        }
        if let Some(channels) = channels {
            endpoint.channels = channels;
        }
        if let Some(metadata) = metadata {
            endpoint.metadata = metadata;
        }
        endpoint.updated_at = moved(endpoint.updated_at);
        Ok(endpoint)
    }
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
    let created = store.application_mut(&app)?.create_endpoint(input, secret)?;
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
        Some(id) => Ok((StatusCode::OK, Json(Out::from(app.replace_endpoint(&id, input)?)))),
        // The uid is the body's: the path's is not kept.
        None => Ok((StatusCode::CREATED, Json(Out::from(app.create_endpoint(input, None)?)))),
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
    let id = app.endpoint_id(&endpoint).ok_or_else(ApiError::not_found)?;
    Ok(Json(Out::from(app.patch_endpoint(&id, patch)?)))
}

pub(super) async fn delete(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<StatusCode> {
    let mut store = svix.store();
    let app = store.application_mut(&app)?;
    let id = app.endpoint_id(&endpoint).ok_or_else(ApiError::not_found)?;
    if let Some(gone) = app.endpoints.remove(&id)
        && let Some(uid) = gone.uid
    {
        app.endpoint_uids.remove(&uid);
    }
    Ok(StatusCode::NO_CONTENT)
}
