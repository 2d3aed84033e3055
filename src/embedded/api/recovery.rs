//! Sending the failed messages of a period to an endpoint again. The open-source server has no call for those that were
//! never sent (`replay-missing`).

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::extract::{Authorized, Body};
use crate::embedded::api::validation::{Check, Problems};
use crate::embedded::delivery::{job::Job, worker};
use crate::embedded::server::Shared;
use crate::embedded::store::{clock, ids};

/// Fourteen days, and five minutes for clocks that differ.
const LONGEST: Duration = Duration::from_secs(14 * 24 * 60 * 60 + 5 * 60);
/// The most messages that one call sends.
const MOST_MESSAGES: usize = 10_000;
const TASK: &str = "qtask_";

#[derive(Debug, Deserialize)]
pub(super) struct Input {
    since: Timestamp,
    until: Option<Timestamp>,
}

impl Check for Input {
    fn check(&self, _: &mut Problems) {}
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    id: String,
    status: &'static str,
    task: &'static str,
    updated_at: Timestamp,
}

pub(super) async fn recover(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(Input { since, until }): Body<Input>,
) -> ApiResult<impl IntoResponse> {
    let now = clock::now();
    let until = until.unwrap_or(now);
    if until.checked_sub(LONGEST).is_ok_and(|earliest| since < earliest) {
        return Err(ApiError::invalid(&["body", "since"], "Cannot recover more than 14 days of messages"));
    }
    let jobs: Vec<Job> = {
        let store = svix.store();
        let app = store.application(&app)?;
        let endpoint = app.endpoint(&endpoint)?;
        let (mut failed, mut succeeded) = (BTreeSet::new(), BTreeSet::new());
        let period = ids::first_of(ids::ATTEMPT, since)..ids::first_of(ids::ATTEMPT, until);
        let attempts = endpoint.attempts.iter().filter(|(id, _)| period.contains(*id));
        for (_, attempt) in attempts {
            let messages = if attempt.succeeded { &mut succeeded } else { &mut failed };
            messages.insert(attempt.message.as_str());
        }
        let messages = failed.difference(&succeeded).take(MOST_MESSAGES);
        messages.map(|message| Job::manual(&app.id, &endpoint.id, message)).collect()
    };
    worker::start(&svix, jobs);
    let task = Task { id: ids::new(TASK, now), status: "running", task: "endpoint.recover", updated_at: now };
    Ok((StatusCode::ACCEPTED, Json(task)))
}
