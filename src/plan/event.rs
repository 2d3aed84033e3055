//! Events: the message to send, the next step, and the outcome of the deliveries.
//!
//! An event is sent once. Its id in Svix depends only on its content, so the same event, created again from Git
//! or a backup, is found there; and the time of the first attempt is recorded before the attempt.

use std::{collections::BTreeSet, fmt, time::Duration};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{
        Attempts, Condition, ConditionStatus, ConditionType, JsonObject, JsonPointer, Reason,
        SvixConnectionSpec, WebhookEndpoint, WebhookEvent, WebhookEventStatus,
    },
    schema,
};

use super::{ReconcileError, channels, digest::Digest, ids, quoted, status, status::ReadyState};

/// How long after the first attempt an event may still be sent automatically.
pub const SENDING_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How long deliveries are followed. Svix's own schedule of retries ends after 28 hours.
pub const FOLLOW_LIMIT: Duration = Duration::from_secs(36 * 3600);
/// How long Svix has for the first attempt on an endpoint that matches, before it is assumed that none does.
const FIRST_ATTEMPT_LIMIT: Duration = Duration::from_secs(3600);
/// How long to wait for an attempt on a matching endpoint when others have theirs: it may be new.
const LATE_LIMIT: Duration = Duration::from_secs(60);
/// The earliest time after sending at which "no endpoint matches" is distinguished from "not tried yet".
pub const EARLIEST_NONE: Duration = Duration::from_secs(2);
/// The shortest and the longest time between two readings of the deliveries.
const SHORTEST_POLL: Duration = Duration::from_millis(500);
const LONGEST_POLL: Duration = Duration::from_secs(3600);

/// The message that an object declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Uid of the application.
    pub application: String,
    /// Its id in Svix.
    pub event_id: String,
    /// Name of its event type.
    pub event_type: String,
    /// The payload, for validation.
    pub payload: Value,
    /// The payload as it is sent.
    pub payload_text: String,
    /// The channels as Svix sees them.
    pub channels: Option<BTreeSet<String>>,
}

/// A message in Svix.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id, given by Svix.
    pub id: String,
    /// Its event type.
    pub event_type: String,
    /// Its channels.
    pub channels: Option<BTreeSet<String>>,
    /// Digest of its payload; `None`: Svix does not keep it any more.
    pub payload: Option<Digest>,
}

/// The state of the delivery of a message to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Succeeded,
    /// It is tried, or will be again.
    Pending,
    /// Svix gave up.
    Failed,
}

/// Builds the message that an object declares.
pub fn desired(object: &WebhookEvent, connection: &SvixConnectionSpec) -> Result<Desired, ReconcileError> {
    let spec = &object.spec;
    let invalid = |field: &'static str, detail: &dyn fmt::Display| {
        ReconcileError::at(Reason::InvalidSpec, field, detail)
    };
    let application = spec.application(connection).to_owned();
    for (field, uid) in [("/spec/application", Some(&application)), ("/spec/eventId", spec.event_id.as_ref())]
    {
        if let Some(uid) = uid {
            ids::check_uid(uid).map_err(|error| invalid(field, &error))?;
        }
    }
    if !ids::is_name(&spec.event_type) {
        let found = quoted(&spec.event_type);
        return Err(invalid(
            "/spec/eventType",
            &format_args!("found {found}, expected the name of an event type"),
        ));
    }
    let channels = channels_in_svix(object, connection);
    if let Some(found) = channels.as_ref().map(BTreeSet::len).filter(|found| !(1..=5).contains(found)) {
        return Err(invalid("/spec/channels", &format_args!("found {found} channels, expected 1 to 5")));
    }
    let (payload, payload_text) = payload(object)?;
    // An event that was tried under an id keeps that id, even if another would be derived now: the connection may
    // have been created again, and a later version may derive ids in another way.
    let tried = object.status.as_ref().filter(|status| status.first_attempt_at.is_some());
    let recorded = tried.and_then(|status| status.event_id.as_ref()).filter(|id| ids::is_uid(id));
    let event_id = match spec.event_id.as_ref().or(recorded) {
        Some(id) => id.clone(),
        None => default_event_id(object, connection, &application, &payload),
    };
    Ok(Desired {
        application,
        event_id,
        event_type: spec.event_type.clone(),
        payload,
        payload_text,
        channels,
    })
}

/// The channels of an event as Svix sees them.
#[must_use]
pub fn channels_in_svix(object: &WebhookEvent, connection: &SvixConnectionSpec) -> Option<BTreeSet<String>> {
    let encoding = connection.channel_encoding();
    let channels = object.spec.channels.as_ref()?;
    Some(channels.iter().map(|channel| channels::encode(channel, encoding)).collect())
}

/// Whether a declared endpoint is meant to receive a declared event, once the endpoint is in Svix.
#[must_use]
pub fn is_for(object: &WebhookEvent, endpoint: &WebhookEndpoint, connection: &SvixConnectionSpec) -> bool {
    endpoint.spec.disabled != Some(true)
        && endpoint.spec.application(connection) == object.spec.application(connection)
        && endpoint.spec.event_types.contains(&object.spec.event_type)
        && endpoint
            .spec
            .channels
            .as_ref()
            .is_none_or(|mine| object.spec.channels.iter().flatten().any(|channel| mine.contains(channel)))
}

/// An endpoint that was declared for an event that no endpoint received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Namespace and name.
    pub name: String,
    /// The reason of its `Ready` condition; `None`: it is in sync.
    pub reason: Option<String>,
}

/// Returns the endpoints that were declared for an event when it was sent, by name.
#[must_use]
pub fn missed<'a>(
    object: &WebhookEvent,
    endpoints: impl IntoIterator<Item = &'a WebhookEndpoint>,
    connection: &SvixConnectionSpec,
) -> Vec<Missed> {
    let sent = object.status.as_ref().and_then(|status| status.sent_at);
    let in_time = |endpoint: &WebhookEndpoint| match (&endpoint.metadata.creation_timestamp, sent) {
        (Some(created), Some(sent)) => created.0 <= sent,
        _ => true,
    };
    let mut missed: Vec<_> = endpoints
        .into_iter()
        .filter(|endpoint| endpoint.metadata.deletion_timestamp.is_none() && in_time(endpoint))
        .filter(|endpoint| is_for(object, endpoint, connection))
        .map(|endpoint| {
            let reason = ready(endpoint).map_or("not reconciled yet", |ready| ready.reason.as_str());
            Missed {
                name: format!(
                    "{}/{}",
                    endpoint.metadata.namespace.as_deref().unwrap_or_default(),
                    endpoint.metadata.name.as_deref().unwrap_or_default()
                ),
                reason: (reason != Reason::InSync.as_str()).then(|| reason.to_owned()),
            }
        })
        .collect();
    missed.sort_by(|a, b| a.name.cmp(&b.name));
    missed
}

/// Whether an endpoint is in sync, according to its status.
#[must_use]
pub fn is_in_sync(endpoint: &WebhookEndpoint) -> bool {
    ready(endpoint).is_some_and(|ready| ready.reason == Reason::InSync.as_str())
}

fn ready(endpoint: &WebhookEndpoint) -> Option<&Condition> {
    let conditions = endpoint.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions.iter().find(|condition| condition.type_ == ConditionType::Ready)
}

/// The message for an event that no endpoint received although these are declared for it.
#[must_use]
pub fn missed_message(missed: &[Missed]) -> String {
    let names: Vec<_> = missed
        .iter()
        .take(3)
        .map(|one| match &one.reason {
            Some(reason) => format!("{} ({reason})", one.name),
            None => one.name.clone(),
        })
        .collect();
    let more = match missed.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "sent; no endpoint received it, since these are declared for it and were not in Svix as declared: {}{more}. It is \
         not sent again by itself: once they are in sync, resend it from Svix, or make another event",
        names.join(", ")
    )
}

/// The violations of a payload, each with its place in the object.
#[must_use]
pub fn describe_violations(object: &WebhookEvent, violations: &[schema::Violation], more: usize) -> String {
    let placed = |violation: &schema::Violation| match &object.spec.payload_text {
        // The payload is part of the object; a text is a document of its own.
        None => {
            schema::Violation { pointer: format!("/spec/payload{}", violation.pointer), ..violation.clone() }
        }
        Some(_) => violation.clone(),
    };
    let violations: Vec<_> = violations.iter().map(placed).collect();
    let text = schema::describe(&violations, more);
    match &object.spec.payload_text {
        None => text,
        Some(_) => format!("/spec/payloadText: {text}"),
    }
}

/// The field of the payload with the first violation: within the payload, or the whole text.
#[must_use]
pub fn violated_field(object: &WebhookEvent, violations: &[schema::Violation]) -> JsonPointer {
    match (&object.spec.payload_text, violations.first()) {
        (Some(_), _) => "/spec/payloadText".into(),
        (None, first) => {
            let inner = first.map_or("", |violation| &violation.pointer);
            JsonPointer::from_static("/spec/payload").join(inner)
        }
    }
}

/// The places of the violations, without the content of the payload.
#[must_use]
pub fn violated_places(violations: &[schema::Violation], more: usize) -> String {
    let place = |violation: &schema::Violation| format!("/spec/payload{}", violation.pointer);
    let mut places: Vec<_> = violations.iter().map(place).collect();
    places.dedup();
    let more = if more > 0 { " and elsewhere" } else { "" };
    format!("{}{more}", places.join(", "))
}

/// Returns the payload of an event, parsed and as text. It is a JSON object that every reader parses alike.
pub fn payload(object: &WebhookEvent) -> Result<(Value, String), ReconcileError> {
    let field = if object.spec.payload_text.is_some() { "/spec/payloadText" } else { "/spec/payload" };
    let text = object.spec.payload().map_err(|rule| rule.at(JsonPointer::SPEC))?;
    let invalid = |detail: &dyn fmt::Display| ReconcileError::at(Reason::InvalidPayload, field, detail);
    let value = schema::parse(text.as_bytes()).map_err(|violation| match violation.pointer.as_str() {
        "" => invalid(&violation.message),
        _ => invalid(&violation),
    })?;
    JsonObject::from_value(&value).map_err(|error| invalid(&error))?;
    Ok((value, text.to_owned()))
}

/// The id of an event whose spec names none: the same for the same event, whenever its object is created again.
fn default_event_id(
    object: &WebhookEvent,
    connection: &SvixConnectionSpec,
    application: &str,
    payload: &Value,
) -> String {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let parts = json!([connection.owner_id, namespace, name, application, object.spec.event_type, payload]);
    format!("event-{}", Digest::of_json(&parts))
}

/// The message in Svix under an event's id is another event. The text never contains the payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct OtherEvent {
    /// The parts that differ.
    pub differences: Vec<EventDifference>,
}

/// A part in which a message in Svix differs from an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventDifference {
    /// The event type.
    #[error("event type is {} in Svix, declared {}", quoted(.found), quoted(.declared))]
    EventType {
        /// The one in Svix.
        found: String,
        /// The declared one.
        declared: String,
    },
    /// The channels.
    #[error("channels differ")]
    Channels,
    /// The payload.
    #[error("payload differs")]
    Payload,
}

/// Checks that a message that was found under an event's id is that event.
pub fn check_same(desired: &Desired, found: &Message) -> Result<(), OtherEvent> {
    let mut differences = Vec::new();
    if found.event_type != desired.event_type {
        differences.push(EventDifference::EventType {
            found: found.event_type.clone(),
            declared: desired.event_type.clone(),
        });
    }
    if found.channels.as_ref().filter(|all| !all.is_empty()) != desired.channels.as_ref() {
        differences.push(EventDifference::Channels);
    }
    // A payload that Svix no longer keeps cannot be compared; an id that is derived from it is enough.
    if found.payload.is_some_and(|payload| payload != Digest::of_json_text(&desired.payload_text)) {
        differences.push(EventDifference::Payload);
    }
    if differences.is_empty() { Ok(()) } else { Err(OtherEvent { differences }) }
}

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

/// The state of the deliveries of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Numbers of endpoints by the state of their delivery.
    pub attempts: Attempts,
    /// How they ended; `None`: they go on.
    pub ended: Option<Reason>,
    /// The message for status.
    pub message: String,
}

/// How many endpoints are expected to receive an event: as many as matched when it was sent (`recorded`), but no more
/// than match now or were tried. One that was created or enabled since does not receive it.
#[must_use]
pub fn expected(recorded: Option<Attempts>, matching: usize, tried: usize) -> usize {
    let recorded = recorded.map(|Attempts { succeeded, pending, failed }| {
        usize::try_from(succeeded.saturating_add(pending).saturating_add(failed)).unwrap_or(0)
    });
    recorded.unwrap_or(matching).min(matching.max(tried)).max(tried)
}

/// Returns the state of the deliveries, given the endpoints that were tried, how many are expected to be, and how long
/// ago the event was sent.
#[must_use]
pub fn progress(tried: &[Delivery], expected: usize, since_sent: Duration) -> Progress {
    let count = |wanted| {
        let count = tried.iter().filter(|delivery| **delivery == wanted).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let untried = i32::try_from(expected.saturating_sub(tried.len())).unwrap_or(i32::MAX);
    let mut attempts = Attempts {
        succeeded: count(Delivery::Succeeded),
        pending: count(Delivery::Pending),
        failed: count(Delivery::Failed),
    };
    let late_limit = if tried.is_empty() { FIRST_ATTEMPT_LIMIT } else { LATE_LIMIT };
    let waits_for_untried =
        if untried > 0 { since_sent < late_limit } else { tried.is_empty() && since_sent < EARLIEST_NONE };
    let Attempts { succeeded, pending, failed } = attempts;
    let all = succeeded.saturating_add(pending).saturating_add(failed);
    let (ended, message) = if (pending > 0 || waits_for_untried) && since_sent < FOLLOW_LIMIT {
        if waits_for_untried {
            attempts.pending = attempts.pending.saturating_add(untried);
        }
        let pending = attempts.pending;
        (
            None,
            match (pending, failed) {
                (0, _) => "sent; no endpoint is tried yet".to_owned(),
                (_, 0) => format!("sent; delivered to {succeeded}, {pending} to go"),
                _ => format!("sent; delivered to {succeeded}, {pending} to go, {failed} failed"),
            },
        )
    } else if pending > 0 {
        let hours = FOLLOW_LIMIT.as_secs() / 3600;
        (
            Some(Reason::DeliveryUnknown),
            format!(
                "{pending} of {all} endpoints had not answered after {hours} hours; it is not followed any more"
            ),
        )
    } else if all == 0 {
        (
            Some(Reason::NoEndpointMatched),
            "sent; no enabled endpoint of the application subscribes to this event type on these channels"
                .to_owned(),
        )
    } else if failed > 0 {
        let advice = "check the receiver, then resend from Svix";
        (
            Some(Reason::DeliveryFailed),
            format!("Svix gave up on {failed} of {all} endpoints, delivered to {succeeded}; {advice}"),
        )
    } else {
        let endpoints = if succeeded == 1 { "endpoint" } else { "endpoints" };
        (Some(Reason::Delivered), format!("delivered to {succeeded} {endpoints}"))
    };
    Progress { attempts, ended, message }
}

/// How long to wait before deliveries are read again, at this time after sending.
#[must_use]
pub fn next_poll(since_sent: Duration) -> Duration {
    (since_sent / 2).clamp(SHORTEST_POLL, LONGEST_POLL)
}

/// The conditions of an event: `Accepted`, `Sent` and `Delivered`, and those of every object. `status` is the rest of the
/// status; `accepted` is the result of validating the payload, `None`: as before; `missed`: whether endpoints that are
/// declared for it did not receive it.
#[must_use]
pub fn conditions(
    state: &ReadyState,
    status: &WebhookEventStatus,
    accepted: Option<(Reason, &str)>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
    missed: bool,
) -> Vec<Condition> {
    let mut facts: Vec<(ConditionType, ConditionStatus, Reason, String)> = Vec::new();
    let reason = state.reason();
    let old = before.iter().find(|old| old.type_ == ConditionType::Accepted);
    let mut kept = None;
    match (accepted, reason) {
        (_, Reason::InvalidPayload) => {
            facts.push((ConditionType::Accepted, ConditionStatus::False, reason, state.message().to_owned()));
        }
        (Some((reason, message)), _) => {
            facts.push((ConditionType::Accepted, ConditionStatus::True, reason, message.to_owned()));
        }
        // The result from before it was sent stays.
        (None, _) if status.first_attempt_at.is_some() => kept = old.cloned(),
        (None, _) => {}
    }
    let (sent, sent_reason, sent_message) = match &status.message_id {
        Some(id) => (ConditionStatus::True, Reason::Sent, format!("Svix took it as message {id}")),
        // The message of `Ready` is the reason.
        None => (ConditionStatus::False, reason, "not sent".to_owned()),
    };
    facts.push((ConditionType::Sent, sent, sent_reason, sent_message));
    if status.message_id.is_some() && state.is_ready() {
        let delivered = match reason {
            Reason::NoEndpointMatched if missed => ConditionStatus::False,
            Reason::Delivered | Reason::NoEndpointMatched => ConditionStatus::True,
            Reason::DeliveryFailed => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        };
        facts.push((ConditionType::Delivered, delivered, reason, state.message().to_owned()));
    }
    let facts = facts.into_iter().map(|(type_, status, reason, message)| {
        status::condition(type_, status, reason, &message, before, generation, now)
    });
    kept.into_iter()
        .chain(facts)
        .chain(status::conditions(state, Some(&[]), before, generation, now))
        .collect()
}

#[cfg(test)]
mod tests;
