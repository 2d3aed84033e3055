//! Event types: created or unarchived by POST, replaced whole by PUT, archived by DELETE.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::extract::{Authorized, Body, Params, named, nullable};
use crate::embedded::api::pagination::{Order, Page, Paging};
use crate::embedded::api::schemas::Schemas;
use crate::embedded::api::validation::{Check, FeatureFlag, Problems};
use crate::embedded::server::Shared;
use crate::embedded::store::clock::{next_update, now};
use crate::embedded::store::event_type::EventType;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    name: String,
    // Not a flattened `Replace`: flattening would read the schemas through a buffer that rounds numbers.
    description: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    deprecated: bool,
    schemas: Option<Schemas>,
    feature_flag: Option<FeatureFlag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Replace {
    description: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    deprecated: bool,
    schemas: Option<Schemas>,
    feature_flag: Option<FeatureFlag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patch {
    #[serde(default, deserialize_with = "named")]
    description: Option<String>,
    #[serde(default, deserialize_with = "named")]
    archived: Option<bool>,
    #[serde(default, deserialize_with = "named")]
    deprecated: Option<bool>,
    #[serde(default, deserialize_with = "nullable")]
    schemas: Option<Option<Schemas>>,
    #[serde(default, deserialize_with = "nullable")]
    feature_flag: Option<Option<FeatureFlag>>,
}

impl Check for Create {
    fn check(&self, problems: &mut Problems) {
        problems.name("name", &self.name);
        problems.text("description", &self.description);
    }
}

impl Check for Replace {
    fn check(&self, problems: &mut Problems) {
        problems.text("description", &self.description);
    }
}

impl Check for Patch {
    fn check(&self, problems: &mut Problems) {
        if let Some(description) = &self.description {
            problems.text("description", description);
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ListParams {
    #[serde(default)]
    include_archived: bool,
    #[serde(default)]
    with_content: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeleteParams {
    #[serde(default)]
    expunge: bool,
}

impl Check for ListParams {
    fn check(&self, _: &mut Problems) {}
}

impl Check for DeleteParams {
    fn check(&self, _: &mut Problems) {}
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out {
    name: String,
    description: String,
    archived: bool,
    deprecated: bool,
    schemas: Option<BTreeMap<String, Box<RawValue>>>,
    created_at: Timestamp,
    updated_at: Timestamp,
    feature_flag: Option<String>,
}

impl Out {
    fn of(event_type: &EventType, with_content: bool) -> Self {
        Self {
            name: event_type.name.clone(),
            description: event_type.description.clone(),
            archived: event_type.archived,
            deprecated: event_type.deprecated,
            schemas: event_type.schemas.as_ref().filter(|_| with_content).cloned(),
            created_at: event_type.created_at,
            updated_at: event_type.updated_at,
            feature_flag: event_type.feature_flag.clone(),
        }
    }
}

impl Replace {
    fn into_new(self, name: String) -> ApiResult<EventType> {
        let Self { description, archived, deprecated, schemas, feature_flag } = self;
        let schemas = schemas.map(Schemas::stored).transpose()?;
        let at = now();
        Ok(EventType {
            name,
            description,
            archived,
            deprecated,
            schemas,
            feature_flag: feature_flag.map(|flag| flag.0),
            created_at: at,
            updated_at: at,
        })
    }

    /// Replaces everything: fields that the body leaves out get their defaults.
    fn replace(self, event_type: &mut EventType) -> ApiResult<()> {
        let new = self.into_new(event_type.name.clone())?;
        let (created_at, before) = (event_type.created_at, event_type.updated_at);
        *event_type = EventType { created_at, updated_at: next_update(before), ..new };
        Ok(())
    }
}

pub(super) async fn list(
    State(svix): State<Shared>,
    Params(paging): Params<Paging>,
    Params(params): Params<ListParams>,
    _: Authorized,
) -> Json<Page<Out>> {
    let store = svix.store();
    // Always ascending, whatever `order` asks.
    Json(paging.page(&store.event_types, Order::Ascending, |event_type| {
        (params.include_archived || !event_type.archived).then(|| Out::of(event_type, params.with_content))
    }))
}

pub(super) async fn create(
    State(svix): State<Shared>,
    _: Authorized,
    Body(body): Body<Create>,
) -> ApiResult<impl IntoResponse> {
    let Create { name, description, archived, deprecated, schemas, feature_flag } = body;
    let rest = Replace { description, archived, deprecated, schemas, feature_flag };
    let mut store = svix.store();
    let out = match store.event_types.get_mut(&name) {
        Some(found) if found.archived => {
            rest.replace(found)?;
            Out::of(found, true)
        }
        Some(_) => {
            let detail = "An event_type with this name already exists";
            return Err(ApiError::conflict_because("event_type_exists", detail));
        }
        None => {
            let new = rest.into_new(name.clone())?;
            let out = Out::of(&new, true);
            store.event_types.insert(name, new);
            out
        }
    };
    Ok((StatusCode::CREATED, Json(out)))
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path(name): Path<String>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    let found = store.event_types.get(&name).ok_or_else(ApiError::not_found)?;
    Ok(Json(Out::of(found, true)))
}

pub(super) async fn put(
    State(svix): State<Shared>,
    Path(name): Path<String>,
    _: Authorized,
    Body(new): Body<Replace>,
) -> ApiResult<impl IntoResponse> {
    let mut store = svix.store();
    if let Some(found) = store.event_types.get_mut(&name) {
        new.replace(found)?;
        return Ok((StatusCode::OK, Json(Out::of(found, true))));
    }
    let new = new.into_new(name.clone())?;
    let out = Out::of(&new, true);
    store.event_types.insert(name, new);
    Ok((StatusCode::CREATED, Json(out)))
}

pub(super) async fn patch(
    State(svix): State<Shared>,
    Path(name): Path<String>,
    _: Authorized,
    Body(patch): Body<Patch>,
) -> ApiResult<Json<Out>> {
    let mut store = svix.store();
    let found = store.event_types.get_mut(&name).ok_or_else(ApiError::not_found)?;
    let Patch { description, archived, deprecated, schemas, feature_flag } = patch;
    let schemas = match schemas {
        Some(schemas) => Some(schemas.map(Schemas::stored).transpose()?),
        None => None,
    };
    if let Some(description) = description {
        found.description = description;
    }
    if let Some(archived) = archived {
        found.archived = archived;
    }
    if let Some(deprecated) = deprecated {
        found.deprecated = deprecated;
    }
    if let Some(schemas) = schemas {
        found.schemas = schemas;
    }
    if let Some(flag) = feature_flag {
        found.feature_flag = flag.map(|flag| flag.0);
    }
    found.updated_at = next_update(found.updated_at);
    Ok(Json(Out::of(found, true)))
}

pub(super) async fn delete(
    State(svix): State<Shared>,
    Path(name): Path<String>,
    Params(params): Params<DeleteParams>,
    _: Authorized,
) -> ApiResult<StatusCode> {
    let mut store = svix.store();
    let found = store.event_types.get_mut(&name).ok_or_else(ApiError::not_found)?;
    if params.expunge {
        store.event_types.remove(&name);
    } else {
        found.archived = true;
        found.updated_at = next_update(found.updated_at);
    }
    Ok(StatusCode::NO_CONTENT)
}
