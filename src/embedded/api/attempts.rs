//! Attempts by message and by endpoint; resending; the statistics of an endpoint.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::embedded::api::endpoint_models;
use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::extract::{Authorized, EventTypesParam, Params};
use crate::embedded::api::messages;
use crate::embedded::api::pagination::{Order, Page, Paging, Times};
use crate::embedded::api::validation::{Check, Problems};
use crate::embedded::delivery::{job::Job, worker};
use crate::embedded::server::Shared;
use crate::embedded::store::application::Application;
use crate::embedded::store::attempt::Attempt;
use crate::embedded::store::ids;
use crate::embedded::store::message::Message;

const SUCCESS: u8 = 0;
const FAIL: u8 = 2;
const SENDING: u8 = 3;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out {
    url: String,
    response: String,
    response_status_code: u16,
    response_duration_ms: i64,
    status: u8,
    status_text: &'static str,
    trigger_type: u8,
    msg_id: String,
    endpoint_id: String,
    id: String,
    timestamp: Timestamp,
}

impl Out {
    fn of(attempt: &Attempt, with_content: bool) -> Self {
        let (status, status_text) = if attempt.succeeded { (SUCCESS, "success") } else { (FAIL, "fail") };
        Self {
            url: attempt.url.clone(),
            response: if with_content { attempt.response.clone() } else { "{}".to_owned() },
            response_status_code: attempt.response_status,
            response_duration_ms: attempt.duration_ms,
            status,
            status_text,
            trigger_type: u8::from(attempt.manual),
            msg_id: attempt.message.clone(),
            endpoint_id: attempt.endpoint.clone(),
            id: attempt.id.clone(),
            timestamp: attempt.created_at,
        }
    }
}

/// A message with the state of its delivery to one endpoint.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageOut {
    #[serde(flatten)]
    message: messages::Out,
    status: u8,
    status_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListParams {
    status: Option<u8>,
    status_code_class: Option<u16>,
    channel: Option<String>,
    endpoint_id: Option<String>,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
    #[serde(default = "yes")]
    with_content: bool,
}

fn yes() -> bool {
    true
}

impl Check for ListParams {
    fn check(&self, problems: &mut Problems) {
        for (field, value) in [("channel", &self.channel), ("endpoint_id", &self.endpoint_id)] {
            if let Some(value) = value {
                problems.name(field, value);
            }
        }
    }
}

impl ListParams {
    fn times(&self) -> Times {
        Times { before: self.before, after: self.after }
    }

    fn shows(&self, app: &Application, types: &[String], attempt: &Attempt) -> bool {
        let status = if attempt.succeeded { SUCCESS } else { FAIL };
        let class = attempt.response_status / 100 * 100;
        let message = app.messages.get(&attempt.message);
        self.status.is_none_or(|wanted| wanted == status)
            && self.status_code_class.is_none_or(|wanted| wanted == class)
            && (types.is_empty() || message.is_some_and(|it| types.contains(&it.event_type)))
            && self.channel.as_ref().is_none_or(|channel| {
                message.and_then(|it| it.channels.as_ref()).is_some_and(|its| its.contains(channel))
            })
    }
}

pub(super) async fn by_endpoint(
    State(svix): State<Shared>,
    Params(paging): Params<Paging>,
    Params(params): Params<ListParams>,
    EventTypesParam(types): EventTypesParam,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Page<Out>>> {
    paging.check_ids(ids::ATTEMPT)?;
    let store = svix.store();
    let app = store.application(&app)?;
    let attempts = &app.endpoint(&endpoint)?.attempts;
    Ok(Json(paging.page_of_times(attempts, &params.times(), ids::ATTEMPT, |attempt| {
        params.shows(app, &types, attempt).then(|| Out::of(attempt, params.with_content))
    })))
}

pub(super) async fn by_message(
    State(svix): State<Shared>,
    Params(paging): Params<Paging>,
    Params(params): Params<ListParams>,
    EventTypesParam(types): EventTypesParam,
    Path((app, message)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Page<Out>>> {
    paging.check_ids(ids::ATTEMPT)?;
    let store = svix.store();
    let app = store.application(&app)?;
    let attempts = &app.message(&message)?.attempts;
    let endpoint = match &params.endpoint_id {
        Some(key) => Some(app.endpoint_id(key).ok_or_else(ApiError::not_found)?),
        None => None,
    };
    Ok(Json(paging.page_of_times(attempts, &params.times(), ids::ATTEMPT, |attempt| {
        let here = endpoint.as_ref().is_none_or(|wanted| *wanted == attempt.endpoint);
        (here && params.shows(app, &types, attempt)).then(|| Out::of(attempt, params.with_content))
    })))
}

/// Lists the messages that an endpoint was sent, each with the state of its latest attempt.
pub(super) async fn messages_of_endpoint(
    State(svix): State<Shared>,
    Params(paging): Params<Paging>,
    Params(params): Params<ListParams>,
    EventTypesParam(types): EventTypesParam,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Page<MessageOut>>> {
    paging.check_ids(ids::MESSAGE)?;
    let store = svix.store();
    let app = store.application(&app)?;
    let endpoint = &app.endpoint(&endpoint)?.id;
    Ok(Json(paging.page_of_times(&app.messages, &params.times(), ids::MESSAGE, |message| {
        let attempt = latest_with_status(message, endpoint, params.status)?;
        let (status, status_text) = match attempt {
            attempt if attempt.next.is_some() => (SENDING, "sending"),
            attempt if attempt.succeeded => (SUCCESS, "success"),
            _ => (FAIL, "fail"),
        };
        let of_type = types.is_empty() || types.contains(&message.event_type);
        let on_channel = params.channel.as_ref().is_none_or(|channel| {
            message.channels.as_ref().is_some_and(|channels| channels.contains(channel))
        });
        (of_type && on_channel).then(|| MessageOut {
            message: messages::Out::of(message, params.with_content),
            status,
            status_text,
            next_attempt: attempt.next,
        })
    })))
}

/// Returns the latest attempt at an endpoint that makes the message one of this status; `None`: it is not of this status. A
/// message with a success has succeeded, whatever failed before or after; one has failed if an attempt without a successor
/// failed and none succeeded.
fn latest_with_status<'a>(message: &'a Message, endpoint: &str, status: Option<u8>) -> Option<&'a Attempt> {
    let attempts = || message.attempts.values().rev().filter(|attempt| attempt.endpoint == *endpoint);
    let latest = |which: fn(&Attempt) -> bool| attempts().find(|attempt| which(attempt));
    let found = match status {
        None => latest(|_| true),
        Some(SUCCESS) => latest(|attempt| attempt.succeeded),
        Some(FAIL) if !attempts().any(|attempt| attempt.succeeded) => {
            latest(|attempt| attempt.next.is_none())
        }
        Some(SENDING) if attempts().all(|attempt| attempt.next.is_some()) => latest(|_| true),
        Some(_) => None,
    };
    found.map(AsRef::as_ref)
}

/// An endpoint with the state of the latest attempt to deliver a message to it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DestinationOut {
    #[serde(flatten)]
    endpoint: endpoint_models::Shown,
    id: String,
    status: u8,
    status_text: &'static str,
    next_attempt: Option<Timestamp>,
}

/// Lists the endpoints that a message was sent to, each with the state of its latest attempt. An endpoint that waits
/// for its first attempt is not listed. As in the real server a full page says `done`, although more may follow.
pub(super) async fn destinations(
    State(svix): State<Shared>,
    Params(paging): Params<Paging>,
    Path((app, message)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Page<DestinationOut>>> {
    paging.check_ids(ids::ENDPOINT)?;
    let store = svix.store();
    let app = store.application(&app)?;
    let mut latest: BTreeMap<String, &Attempt> = BTreeMap::new();
    for attempt in app.message(&message)?.attempts.values() {
        latest.insert(attempt.endpoint.clone(), attempt);
    }
    let page = paging.page(&latest, Order::Ascending, |attempt| {
        let endpoint = app.endpoints.get(&attempt.endpoint)?;
        let (status, status_text) = if attempt.succeeded { (SUCCESS, "success") } else { (FAIL, "fail") };
        Some(DestinationOut {
            endpoint: endpoint.into(),
            id: endpoint.id.clone(),
            status,
            status_text,
            next_attempt: attempt.next,
        })
    });
    Ok(Json(page.without_next()))
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path((app, message, id)): Path<(String, String, String)>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    let found = store.application(&app)?.message(&message)?.attempts.get(&id);
    Ok(Json(Out::of(found.ok_or_else(ApiError::not_found)?, true)))
}

pub(super) async fn resend(
    State(svix): State<Shared>,
    Path((app, message, endpoint)): Path<(String, String, String)>,
    _: Authorized,
) -> ApiResult<impl IntoResponse> {
    let job = {
        let store = svix.store();
        let app = store.application(&app)?;
        let message = app.message(&message)?;
        if message.payload().is_none() {
            let detail = "Unable to resend message. Payload is missing (probably expired).";
            return Err(ApiError::bad_request("missing_payload", detail));
        }
        Job::manual(&app.id, &app.endpoint(&endpoint)?.id, &message.id)
    };
    worker::start(&svix, vec![job]);
    Ok((StatusCode::ACCEPTED, Json(serde_json::json!({}))))
}

#[derive(Debug, Serialize)]
pub(super) struct Stats {
    success: usize,
    pending: usize,
    sending: usize,
    fail: usize,
    canceled: usize,
}

/// Returns the number of attempts of an endpoint by state. A range in the query is ignored.
pub(super) async fn stats(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Stats>> {
    let store = svix.store();
    let attempts = &store.application(&app)?.endpoint(&endpoint)?.attempts;
    let success = attempts.values().filter(|attempt| attempt.succeeded).count();
    Ok(Json(Stats { success, pending: 0, sending: 0, fail: attempts.len() - success, canceled: 0 }))
}
