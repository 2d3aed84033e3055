//! Following the deliveries of an event that is sent.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    api::{Reason, WebhookEvent, WebhookEventStatus},
    plan::{
        event::{self, Missed, Progress},
        status::ReadyState,
    },
};

use super::super::{
    super::{
        context::Context,
        events::EventReason,
        host::Host,
        object::Object,
        outcome::{Error, EventProgress, Outcome, RemoteRef},
        queue::Next,
    },
    prepare::Prepared,
};

/// How long after sending an endpoint may have been created that is still counted among those of before: times in status
/// may be whole seconds.
const CREATED_BEFORE: Duration = Duration::from_secs(1);
/// How long ago endpoints must have been listed to be listed again for an event that they do not receive.
const LISTED_AGAIN: Duration = Duration::from_secs(2);
/// How long after sending an event counts as being worked on: most deliveries end within.
const WORKED_ON: Duration = Duration::from_secs(5);

/// Reads the deliveries of an event that is sent.
pub(super) async fn follow<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
    prepared: &Prepared,
) -> Result<Outcome, Error> {
    let status = event.status.clone().unwrap_or_default();
    let now = Timestamp::now();
    let since_sent = status.sent_at.map_or(Duration::ZERO, |sent| event::since(sent, now));
    let (progress, missed) = read_progress(ctx, event, prepared, since_sent).await?;
    let is_missed = !missed.is_empty();
    let progress = match progress.ended {
        Some(Reason::NoEndpointMatched) if is_missed => {
            Progress { message: event::missed_message(&missed), ..progress }
        }
        _ => progress,
    };
    match progress.ended {
        None => {}
        Some(reason) if is_missed || matches!(reason, Reason::DeliveryFailed | Reason::DeliveryUnknown) => {
            ctx.publish_warning(object, reason.as_str(), progress.message.clone());
        }
        Some(_) => ctx.publish(object, EventReason::EventDelivered, progress.message.clone()),
    }
    let next = match (progress.ended, event.spec.ttl_after_finished()) {
        (Some(_), None) => Next::Settled,
        (Some(_), Some(ttl)) => Next::Later(ttl),
        (None, _) if since_sent < WORKED_ON => Next::After(event::next_poll(since_sent)),
        (None, _) => Next::Later(event::next_poll(since_sent)),
    };
    let status = WebhookEventStatus {
        attempts: Some(progress.attempts),
        finished_at: progress.ended.map(|_| now),
        ..status
    };
    Ok(Outcome {
        ready: ReadyState::Ready(progress.ended.unwrap_or(Reason::Sent), progress.message.into()),
        remote: Some(RemoteRef::Event(Box::new(EventProgress { status, accepted: None, is_missed }))),
        details: None,
        next,
    })
}

/// Returns how far the deliveries are, and which endpoints were declared for an event that none received.
async fn read_progress<H: Host>(
    ctx: &Context<H>,
    event: &WebhookEvent,
    prepared: &Prepared,
    since_sent: Duration,
) -> Result<(Progress, Vec<Missed>), Error> {
    let (connection, session) = (&*prepared.connection, &*prepared.session);
    let application = event.spec.application(&connection.spec);
    let attempts = event.status.as_ref().and_then(|status| status.attempts);
    let message_id = event.status.as_ref().and_then(|status| status.message_id.as_deref());
    let Some(tried) = session.client.deliveries(application, message_id.unwrap_or_default()).await? else {
        session.request_relist();
        let progress = Progress {
            attempts: attempts.unwrap_or_default(),
            ended: Some(Reason::DeliveryUnknown),
            message: "the message is not in Svix any more".to_owned(),
        };
        return Ok((progress, Vec::new()));
    };
    session.ensure_listed(application).await?;
    let sent = Instant::now().checked_sub(since_sent);
    let channels = event::channels_in_svix(event, &connection.spec);
    let progress = || {
        let by = sent.map(|sent| (sent + CREATED_BEFORE).into_std());
        let event_type = &event.spec.event_type;
        let matching = session.mirror.matching(application, event_type, channels.as_ref(), by);
        let expected = event::expected(attempts, matching, tried.len());
        (event::progress(&tried, expected, since_sent), tried.len() < expected)
    };
    let (mut progress_now, are_lacking) = progress();
    let is_late = since_sent >= event::EARLIEST_NONE;
    let missed = if tried.is_empty() && is_late {
        let endpoints = ctx.registry.endpoints_of(event.connection_name());
        event::missed(event, endpoints.iter().map(AsRef::as_ref), &connection.spec)
    } else {
        Vec::new()
    };
    // Svix may have lost what the mirror has: it is listed before anything is reported.
    if is_late && (are_lacking || missed.iter().any(|one| one.reason.is_none())) {
        let (name, moment) = (event.connection_name(), sent.unwrap_or_else(Instant::now));
        if ctx.ensure_listed_since(name, session, application, moment, LISTED_AGAIN).await? {
            (progress_now, _) = progress();
        } else if progress_now.ended == Some(Reason::NoEndpointMatched) {
            progress_now.ended = None;
            "sent; no endpoint is tried yet".clone_into(&mut progress_now.message);
        }
    }
    if event::has_failures(&tried) {
        let cause = session.client.no_response(application, message_id.unwrap_or_default()).await?;
        progress_now.message = event::with_cause(progress_now.message, cause.as_deref());
    }
    let is_unmatched = progress_now.ended == Some(Reason::NoEndpointMatched);
    Ok((progress_now, if is_unmatched { missed } else { Vec::new() }))
}
