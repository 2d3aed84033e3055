//! Delivery: one signed POST for each endpoint, repeated by the retry schedule while it fails, with every attempt
//! recorded.

use std::sync::Arc;
use std::time::Duration;

use crate::embedded::delivery::job::Job;
use crate::embedded::delivery::report::DeliveryReport;
use crate::embedded::delivery::request::{Outcome, Request};
use crate::embedded::server::{Server, Shared};
use crate::embedded::store::attempt::Attempt;
use crate::embedded::store::clock::now;
use crate::embedded::store::ids;

/// Delivers in the background, until the server stops.
pub(crate) fn start(svix: &Shared, jobs: Vec<Job>) {
    for job in jobs {
        let (svix, tasks) = (Arc::clone(svix), &svix.tasks);
        let task = async move {
            let shutdown = svix.shutdown.clone();
            shutdown.run_until_cancelled(deliver(&svix, job)).await;
        };
        tasks.spawn(task);
    }
}

async fn deliver(svix: &Server, mut job: Job) {
    loop {
        let Ok(permit) = svix.sender.permits.acquire().await else { return };
        let Some(request) = Request::prepare(&svix.store(), &job) else { return };
        let outcome = request.send(&svix.sender).await;
        drop(permit);
        let Some(delay) = record(svix, &job, request, outcome) else { return };
        job.attempts += 1;
        tokio::time::sleep(delay).await;
    }
}

/// Stores the attempt, and returns the delay before the next one if there is one.
fn record(svix: &Server, job: &Job, request: Request, outcome: Outcome) -> Option<Duration> {
    let options = &svix.sender.options;
    let succeeded = (200..300).contains(&outcome.status);
    let may_retry = !succeeded && !job.manual;
    let delay = options.retry_schedule.get(job.attempts).copied().filter(|_| may_retry);
    let attempt = Arc::new(Attempt {
        id: ids::new(ids::ATTEMPT, outcome.at),
        message: job.message.clone(),
        endpoint: job.endpoint.clone(),
        url: request.url,
        response: outcome.response,
        response_status: outcome.status,
        error: outcome.error,
        duration_ms: i64::try_from(outcome.duration.as_millis()).unwrap_or(i64::MAX),
        succeeded,
        manual: job.manual,
        next: delay.and_then(|delay| now().checked_add(delay).ok()),
        created_at: outcome.at,
    });
    let mut store = svix.store();
    let app = store.applications.get_mut(&job.application)?;
    let message = app.messages.get_mut(&job.message)?;
    message.attempts.insert(attempt.id.clone(), Arc::clone(&attempt));
    let report = app
        .messages
        .get(&job.message)
        .filter(|_| svix.sender.has_listener())
        .map(|message| DeliveryReport::of(app, message, &attempt));
    let endpoint = app.endpoints.get_mut(&job.endpoint)?;
    endpoint.attempts.insert(attempt.id.clone(), attempt);
    if succeeded {
        endpoint.failing_since = None;
    } else if may_retry && delay.is_none() {
        endpoint.record_failed_message(options.disable_after);
    }
    drop(store);
    if let Some(report) = report {
        svix.sender.notify(report);
    }
    delay
}
