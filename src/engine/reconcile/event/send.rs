//! Sending an event, once.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    api::{Reason, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventStatus},
    memory::MemoryPermit,
    plan::{
        ReconcileError,
        event::{self, Desired, EventStep, Message},
        status::ReadyState,
    },
    svix::{ErrorKind, SendMessage},
};

use super::{
    super::{
        super::{
            context::Context,
            events::EventReason,
            host::Host,
            object::Object,
            outcome::{Error, EventProgress, Outcome, RemoteRef},
            queue::Next,
            session::Session,
        },
        application::ensure_application,
        prepare::Prepared,
        status,
    },
    judge::{Accepted, Mismatch, judge},
};

/// How long an event waits for endpoints that are declared with it and not in Svix yet: what is applied together
/// belongs together.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// How often it checks whether they are there.
const DELAY_CHECK: Duration = Duration::from_millis(100);

/// Judges an event and sends it.
pub(super) async fn send<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
    prepared: &Prepared,
    (desired, memory): (&mut Desired, &mut MemoryPermit),
    step: EventStep,
) -> Result<Outcome, Error> {
    let (connection, session) = (&*prepared.connection, &*prepared.session);
    // Judging builds a tree of its own, which has the digits of numbers.
    desired.payload = Value::Null;
    let Accepted { condition: accepted, mismatch } = judge(ctx, object, event, session, desired).await?;
    // No tree is needed any more, and Svix may be slow.
    memory.shrink(event::memory(event).text);
    let desired = &*desired;
    let application = &desired.application;
    if is_delayed(ctx, object, event, connection, session, desired) {
        return Err(Error::Requeue(Next::After(DELAY_CHECK)));
    }
    session.ensure_listed(application).await?;
    ensure_application(ctx, object, connection, session, application).await?;
    let is_first = event.status.as_ref().is_none_or(|status| status.first_attempt_at.is_none());
    let event = record_attempt(ctx, object, event, desired, &accepted).await?;
    // An event counts once, however often it is judged.
    if let Some(Mismatch { event_type, schema_digest, places }) = mismatch.filter(|_| is_first) {
        ctx.audit(&event_type, &schema_digest, &places);
    }
    // It may have been sent by an object of the same name before, such as one that is restored from a backup. Svix Cloud
    // refuses an id that is used only for a day, but finds the message by its id after that, too.
    if step == EventStep::Send
        && let Some(found) = session.client.get_message(application, &desired.event_id).await?
    {
        return self::found(ctx, object, &event, session, desired, &found, Some(accepted));
    }
    let channels: Vec<_> = desired.channels.iter().flatten().cloned().collect();
    let message = SendMessage {
        event_type: &desired.event_type,
        event_id: Some(&desired.event_id),
        payload_text: &desired.payload_text,
        channels: &channels,
    };
    let asked = Instant::now();
    match session.client.send_message(application, &message).await {
        Ok(id) => {
            let what = format!("message {id} of event type {}", desired.event_type);
            ctx.publish(object, EventReason::EventSent, what);
            Ok(sent(&event, id, Some(accepted), count_matching(session, desired)))
        }
        // The id is taken: perhaps by this event, before a response was lost or by an earlier object.
        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
            match session.client.get_message(application, &desired.event_id).await? {
                Some(found) => self::found(ctx, object, &event, session, desired, &found, Some(accepted)),
                None => Err(Error::unsteady("message")),
            }
        }
        // The application was deleted since it was listed, and all that was in it.
        Err(error) if error.kind == ErrorKind::NotFound => {
            session.request_relist();
            let name = event.connection_name();
            ctx.ensure_listed_since(name, session, application, asked, Duration::ZERO).await?;
            Err(Error::Requeue(Next::Failed))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether an event waits for endpoints that are declared and not in Svix yet, or were found to be gone from it. Not
/// for long.
fn is_delayed<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
    connection: &SvixConnection,
    session: &Session,
    desired: &Desired,
) -> bool {
    let name = event.connection_name();
    let is_for = |endpoint: &Arc<WebhookEndpoint>| event::is_for(event, endpoint, &connection.spec);
    let are_lost = || {
        session.mirror.application_loaded(&desired.application)
            && count_matching(session, desired) == 0
            && ctx
                .registry
                .endpoints_of(name)
                .iter()
                .any(|endpoint| is_for(endpoint) && event::is_in_sync(endpoint))
    };
    let are_missing = ctx.registry.pending_endpoints(name).iter().any(is_for) || are_lost();
    ctx.scratch.with(&object.key(), |scratch| {
        let since = scratch.delayed_since.get_or_insert_with(Instant::now);
        let is_delayed = are_missing && since.elapsed() < LONGEST_DELAY;
        if !is_delayed {
            scratch.delayed_since = None;
        }
        is_delayed
    })
}

/// Records in status, before the first attempt, that there is one and under which id. Returns the event as stored.
async fn record_attempt<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
    desired: &Desired,
    accepted: &(Reason, String),
) -> Result<WebhookEvent, Error> {
    let before = event.status.clone().unwrap_or_default();
    if before.first_attempt_at.is_some() {
        return Ok(event.clone());
    }
    let now = Timestamp::now();
    let progress = EventProgress {
        status: WebhookEventStatus {
            event_id: Some(desired.event_id.clone()),
            first_attempt_at: Some(now),
            ..before
        },
        accepted: Some(accepted.clone()),
        is_missed: false,
    };
    let sending = Outcome {
        remote: Some(RemoteRef::Event(Box::new(progress))),
        ..Outcome::waiting(ReconcileError::new(Reason::Sending, "it is being sent"), Next::Settled)
    };
    let status = status::make(object, object, sending, None, true, now);
    match status::write(ctx, object, status).await? {
        Object::Event(stored) => Ok(Arc::unwrap_or_clone(stored)),
        _ => Ok(event.clone()),
    }
}

/// Returns what follows when there is a message under the event's id.
pub(super) fn found<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
    session: &Session,
    desired: &Desired,
    found: &Message,
    accepted: Option<(Reason, String)>,
) -> Result<Outcome, Error> {
    if let Err(differs) = event::check_same(desired, found) {
        return Err(ReconcileError::new(
            Reason::EventIdTaken,
            format!(
                "another event was sent as {} in application {} (message {}): {differs}. Svix accepts an id once: \
                 create another WebhookEvent, with another name or another eventId",
                desired.event_id, desired.application, found.id
            ),
        )
        .into());
    }
    let what = format!("message {} of event type {}: it had arrived before", found.id, desired.event_type);
    ctx.publish(object, EventReason::EventSent, what);
    Ok(sent(event, found.id.clone(), accepted, count_matching(session, desired)))
}

/// Returns the outcome of an event that was sent, and that so many endpoints are to receive.
fn sent(
    event: &WebhookEvent,
    message_id: String,
    accepted: Option<(Reason, String)>,
    expected: usize,
) -> Outcome {
    let progress = event::progress(&[], expected, Duration::ZERO);
    let status = WebhookEventStatus {
        message_id: Some(message_id),
        sent_at: Some(Timestamp::now()),
        attempts: Some(progress.attempts),
        ..event.status.clone().unwrap_or_default()
    };
    Outcome {
        ready: ReadyState::Ready(Reason::Sent, progress.message.into()),
        remote: Some(RemoteRef::Event(Box::new(EventProgress { status, accepted, is_missed: false }))),
        details: None,
        next: Next::After(event::next_poll(Duration::ZERO)),
    }
}

/// Returns how many endpoints receive an event, as far as is known.
fn count_matching(session: &Session, desired: &Desired) -> usize {
    session.mirror.matching(&desired.application, &desired.event_type, desired.channels.as_ref(), None)
}
