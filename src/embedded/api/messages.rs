//! Messages: accepted with 202, whatever their event type or payload; found by id or by eventId.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::embedded::api::applications;
use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::extract::{Authorized, Body, EventTypesParam, Params};
use crate::embedded::api::pagination::{Page, Paging, Times};
use crate::embedded::api::validation::{self, Check, Problems};
use crate::embedded::delivery::{job::Job, worker};
use crate::embedded::server::Shared;
use crate::embedded::store::ids;
use crate::embedded::store::message::Message;
use crate::embedded::store::state::Store;

const MAX_CHANNELS: usize = 5;
const CHANNELS: &str = "Channels must have at least 1 and at most 5 items, or be set to null.";
const RETENTION_DAYS: std::ops::RangeInclusive<i64> = 5..=90;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    event_id: Option<String>,
    event_type: String,
    #[serde(alias = "data")]
    payload: Box<RawValue>,
    channels: Option<BTreeSet<String>>,
    #[serde(default = "ninety")]
    payload_retention_period: i64,
    transformations_params: Option<TransformationsParams>,
    application: Option<applications::Input>,
}

/// Its `rawPayload`, if there is one, is sent in place of the payload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransformationsParams {
    raw_payload: Option<String>,
}

fn ninety() -> i64 {
    90
}

fn yes() -> bool {
    true
}

impl Check for Input {
    fn check(&self, problems: &mut Problems) {
        problems.uid("uid", self.event_id.as_deref(), ids::MESSAGE);
        problems.name("event_type", &self.event_type);
        if !self.payload.get().starts_with('{') {
            problems.add(&["payload"], "Payload must be an object.");
        }
        problems.names("channels", self.channels.as_ref(), MAX_CHANNELS, CHANNELS);
        if !RETENTION_DAYS.contains(&self.payload_retention_period) {
            problems.add(&["payload_retention_period"], "Validation error");
        }
        if let Some(app) = &self.application {
            app.check(problems);
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ContentParams {
    #[serde(default = "yes")]
    with_content: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListParams {
    channel: Option<String>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
    #[serde(default = "yes")]
    with_content: bool,
}

impl Check for ContentParams {
    fn check(&self, _: &mut Problems) {}
}

impl Check for ListParams {
    fn check(&self, problems: &mut Problems) {
        if let Some(channel) = &self.channel {
            problems.name("channel", channel);
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out {
    event_id: Option<String>,
    event_type: String,
    payload: Box<RawValue>,
    channels: Option<BTreeSet<String>>,
    id: String,
    timestamp: Timestamp,
}

impl Out {
    pub(super) fn of(message: &Message, with_content: bool) -> Self {
        // A raw payload that is not JSON reads back as an expired one does.
        let payload = if with_content {
            let raw = message.payload().and_then(|text| RawValue::from_string(text.to_string()).ok());
            raw.unwrap_or_else(|| constant(r#"{"expired":true}"#))
        } else {
            constant("{}")
        };
        Self {
            event_id: message.event_id.clone(),
            event_type: message.event_type.clone(),
            payload,
            channels: message.channels.clone(),
            id: message.id.clone(),
            timestamp: message.created_at,
        }
    }
}

/// Returns a constant as raw JSON.
fn constant(text: &'static str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Returns the id of the application that a message is sent to, which is created if the body asks for it.
fn application_id(store: &mut Store, key: &str, create: Option<applications::Input>) -> ApiResult<String> {
    if let Err(msg) = validation::name(key) {
        return Err(ApiError::invalid(&["path", "app_id_or_uid", "__all__"], msg));
    }
    if let Ok(found) = store.application(key) {
        return Ok(found.id.clone());
    }
    let Some(create) = create else {
        return Err(ApiError::not_found_because("Application not found"));
    };
    let loc = ["body", "application", "uid"];
    match create.uid.as_deref() {
        Some(uid) if uid == key => Ok(store.create_application(create.settings()?)?),
        Some(_) => {
            let msg = "Application UID in the path and body must match";
            Err(ApiError::invalid_as("application_uid_mismatch", &loc, msg))
        }
        None => {
            let msg = "Application UID not set in body";
            Err(ApiError::invalid_as("application_uid_missing", &loc, msg))
        }
    }
}

pub(super) async fn create(
    State(svix): State<Shared>,
    Params(params): Params<ContentParams>,
    Path(app): Path<String>,
    _: Authorized,
    Body(input): Body<Input>,
) -> ApiResult<impl IntoResponse> {
    let Input { event_id, event_type, payload, channels, payload_retention_period, .. } = input;
    let raw = input.transformations_params.and_then(|params| params.raw_payload);
    let text = raw.as_deref().unwrap_or(payload.get());
    let (out, jobs) = {
        let mut store = svix.store();
        let id = application_id(&mut store, &app, input.application)?;
        let app = store.application_mut(&id)?;
        let days = u64::try_from(payload_retention_period).unwrap_or_default();
        let new = Message { channels, ..Message::new(event_id, event_type, text, days) };
        let (out, message) = (Out::of(&new, params.with_content), new.id.clone());
        let recipients = app.add_message(new, None, svix.faults.accepts_used_event_ids())?;
        (out, Job::of_message(&app.id, &recipients, &message))
    };
    worker::start(&svix, jobs);
    Ok((StatusCode::ACCEPTED, Json(out)))
}

pub(super) async fn list(
    State(svix): State<Shared>,
    Path(app): Path<String>,
    Params(paging): Params<Paging>,
    Params(params): Params<ListParams>,
    EventTypesParam(types): EventTypesParam,
    _: Authorized,
) -> ApiResult<Json<Page<Out>>> {
    paging.check_ids(ids::MESSAGE)?;
    let store = svix.store();
    let app = store.application(&app)?;
    let times = Times { before: params.before, after: params.after };
    let on_channel = |message: &Message| match &params.channel {
        Some(channel) => message.channels.as_ref().is_some_and(|its| its.contains(channel)),
        None => true,
    };
    Ok(Json(paging.page_of_times(&app.messages, &times, ids::MESSAGE, |message| {
        let of_type = types.is_empty() || types.contains(&message.event_type);
        (of_type && on_channel(message)).then(|| Out::of(message, params.with_content))
    })))
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path((app, id)): Path<(String, String)>,
    Params(params): Params<ContentParams>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    Ok(Json(Out::of(store.application(&app)?.message(&id)?, params.with_content)))
}

/// Deletes a payload: it can be neither shown nor sent again.
pub(super) async fn expunge(
    State(svix): State<Shared>,
    Path((app, id)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<StatusCode> {
    let mut store = svix.store();
    store.application_mut(&app)?.message_mut(&id)?.payload = None;
    Ok(StatusCode::NO_CONTENT)
}
