//! The next step for an event.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::{ConditionType, WebhookEvent};

/// How long after the first attempt an event may still be sent automatically.
pub const SENDING_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// The next step for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStep {
    /// Validate it, record the first attempt, send it.
    Send,
    /// It was tried before: check whether it arrived; if not, send it.
    SendAgain,
    /// It was tried too long ago: check whether it arrived, and do not send it.
    Find,
    /// It is sent: read its deliveries.
    Follow,
    /// It is finished: keep the object, forever or for this long.
    Keep(Option<Duration>),
    /// It is finished and its time to live is over: delete the object.
    Delete,
}

/// Returns the next step for an event of this status, now.
#[must_use]
pub fn step(object: &WebhookEvent, now: Timestamp) -> EventStep {
    let Some(status) = &object.status else { return EventStep::Send };
    if let Some(finished) = status.finished_at {
        return match object.spec.ttl_after_finished() {
            None => EventStep::Keep(None),
            Some(ttl) => match ttl.checked_sub(since(finished, now)).filter(|left| !left.is_zero()) {
                Some(left) => EventStep::Keep(Some(left)),
                None => EventStep::Delete,
            },
        };
    }
    if status.message_id.is_some() {
        return EventStep::Follow;
    }
    match status.first_attempt_at {
        None => EventStep::Send,
        Some(first) if since(first, now) < SENDING_LIMIT => EventStep::SendAgain,
        Some(_) => EventStep::Find,
    }
}

/// Whether an event needs no further work: it is finished, or waits for a person, who can only create another.
#[must_use]
pub fn is_over(object: &WebhookEvent) -> bool {
    object.status.as_ref().is_some_and(|status| {
        status.finished_at.is_some()
            || status.conditions.iter().any(|condition| condition.type_ == ConditionType::Stalled)
    })
}

/// The time since a moment; zero when that lies in the future.
#[must_use]
pub fn since(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(moment)).unwrap_or_default()
}
