//! Events: what is sent, whether it may be sent, and what its deliveries came to.
//!
//! An event is sent once. Its id in Svix depends on nothing but what it is, so the same event, made again from Git
//! or a backup, meets itself there; and when sending was first tried is recorded before it is tried.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{
        Attempts, Condition, ConditionStatus, ConditionType, JsonObject, Reason, SvixConnectionSpec,
        WebhookEndpoint, WebhookEvent, WebhookEventStatus,
    },
    schema,
};

use super::{ReconcileError, channels, digest::Digest, ids, quoted, status, status::ReadyState};

/// How long after the first attempt an event may still be sent by itself.
pub const SENDING_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How long deliveries are followed. Svix's own schedule of retries ends after 28 hours.
pub const FOLLOW_LIMIT: Duration = Duration::from_secs(36 * 3600);
/// How long Svix has for the first attempt on an endpoint that matches, before it is taken that none does.
const FIRST_ATTEMPT_LIMIT: Duration = Duration::from_secs(3600);
/// How long a matching endpoint without an attempt is waited for when others have theirs: it may be new.
const LATE_LIMIT: Duration = Duration::from_secs(60);
/// How soon after sending "no endpoint matches" can be told from "not tried yet".
pub const EARLIEST_NONE: Duration = Duration::from_secs(2);
/// The shortest and the longest time between two looks at deliveries.
const SHORTEST_LOOK: Duration = Duration::from_millis(500);
const LONGEST_LOOK: Duration = Duration::from_secs(3600);

/// What an object declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Uid of the application.
    pub application: String,
    /// Its id in Svix.
    pub event_id: String,
    /// Name of its event type.
    pub event_type: String,
    /// The payload, for judging it.
    pub payload: Value,
    /// The payload as it is sent.
    pub payload_text: String,
    /// The channels as Svix sees them.
    pub channels: Option<BTreeSet<String>>,
}

/// A message as Svix holds it.
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

/// How the delivery of a message to one endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Succeeded,
    /// It is tried, or will be again.
    Pending,
    /// Svix gave up.
    Failed,
}

/// Builds what an object declares.
pub fn desired(object: &WebhookEvent, connection: &SvixConnectionSpec) -> Result<Desired, ReconcileError> {
    let spec = &object.spec;
    let invalid = |message: String| ReconcileError::new(Reason::InvalidSpec, message);
    let application = spec.application(connection).to_owned();
    for (field, uid) in [("/spec/application", Some(&application)), ("/spec/eventId", spec.event_id.as_ref())]
    {
        if let Some(uid) = uid.filter(|uid| !ids::is_uid(uid)) {
            return Err(invalid(format!(
                "{field}: found {uid:?}, expected letters, digits, `-`, `_` and `.`, not starting with app_, ep_ or msg_"
            )));
        }
    }
    if !ids::is_name(&spec.event_type) {
        return Err(invalid(format!(
            "/spec/eventType: found {}, expected the name of an event type",
            quoted(&spec.event_type)
        )));
    }
    let channels = channels_in_svix(object, connection);
    if let Some(found) = channels.as_ref().map(BTreeSet::len).filter(|found| !(1..=5).contains(found)) {
        return Err(invalid(format!("/spec/channels: found {found} channels, expected 1 to 5")));
    }
    let (payload, payload_text) = payload(object)?;
    // What was tried under an id is looked for under that id, also when another would be made now: the connection may
    // have been made again, and a later version may make ids otherwise.
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

/// Whether an endpoint that is declared is to receive an event that is declared, once it is in Svix.
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

/// An endpoint that is declared for an event that no endpoint received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Namespace and name.
    pub name: String,
    /// What its `Ready` says; `None`: that it is in step.
    pub reason: Option<String>,
}

/// The endpoints that were declared for an event when it was sent, by name.
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
            let reason = ready(endpoint).map_or("not looked at yet", |ready| ready.reason.as_str());
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

/// Whether an endpoint is in step, as far as its status says.
#[must_use]
pub fn is_in_step(endpoint: &WebhookEndpoint) -> bool {
    ready(endpoint).is_some_and(|ready| ready.reason == Reason::InSync.as_str())
}

fn ready(endpoint: &WebhookEndpoint) -> Option<&Condition> {
    let conditions = endpoint.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions.iter().find(|condition| condition.type_ == ConditionType::Ready)
}

/// What is said of an event that no endpoint received although these are declared for it.
#[must_use]
pub fn missed_by(missed: &[Missed]) -> String {
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
         not sent again by itself: once they are in step, resend it from Svix, or make another event",
        names.join(", ")
    )
}

/// How a payload breaks its schema, with the place of the payload in front of the place in it.
#[must_use]
pub fn describe_violations(object: &WebhookEvent, violations: &[schema::Violation], more: usize) -> String {
    let placed = |violation: &schema::Violation| match &object.spec.payload_text {
        // A pointer goes on into the object, but not into a text.
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

/// Where a payload breaks its schema, without what was found there.
#[must_use]
pub fn places(violations: &[schema::Violation], more: usize) -> String {
    let place = |violation: &schema::Violation| format!("/spec/payload{}", violation.pointer);
    let mut places: Vec<_> = violations.iter().map(place).collect();
    places.dedup();
    let more = if more > 0 { " and elsewhere" } else { "" };
    format!("{}{more}", places.join(", "))
}

/// The payload of an event, parsed and as it stands, once it is found to be a JSON object that every reader sees
/// alike.
pub fn payload(object: &WebhookEvent) -> Result<(Value, String), ReconcileError> {
    let field = if object.spec.payload_text.is_some() { "/spec/payloadText" } else { "/spec/payload" };
    let Some(text) = object.spec.payload() else {
        return Err(ReconcileError::new(
            Reason::InvalidSpec,
            "/spec: exactly one of payload and payloadText must be given",
        ));
    };
    let invalid = |message: String| ReconcileError::new(Reason::InvalidPayload, message);
    let value = schema::parse(text.as_bytes()).map_err(|problem| invalid(problem.within(field)))?;
    JsonObject::from_value(&value).map_err(|error| invalid(format!("{field}: {error}")))?;
    Ok((value, text.to_owned()))
}

/// The id of an event whose spec names none: the same for the same event, whenever its object is made again.
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

/// Whether the message that Svix holds under an event's id is that event; if not, what differs. Never repeats the
/// payload.
pub fn same(desired: &Desired, found: &Message) -> Result<(), String> {
    let mut differs = Vec::new();
    if found.event_type != desired.event_type {
        differs.push(format!(
            "event type is {} in Svix, declared {}",
            quoted(&found.event_type),
            quoted(&desired.event_type)
        ));
    }
    if found.channels.as_ref().filter(|all| !all.is_empty()) != desired.channels.as_ref() {
        differs.push("channels differ".to_owned());
    }
    // What Svix keeps no more cannot be compared; an id made from the payload says enough.
    if found.payload.is_some_and(|payload| payload != Digest::of_json_text(&desired.payload_text)) {
        differs.push("payload differs".to_owned());
    }
    if differs.is_empty() { Ok(()) } else { Err(differs.join("; ")) }
}

/// What has to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Judge it, record the first attempt, send it.
    Send,
    /// It was tried before: look whether it arrived; if not, send it.
    SendAgain,
    /// It was tried too long ago: look whether it arrived, and do no more.
    Find,
    /// It is sent: look at its deliveries.
    Follow,
    /// It is finished, for ever or for so long.
    Keep(Option<Duration>),
    /// It is finished and its time is over.
    Delete,
}

/// What has to be done with an event of this status, now.
#[must_use]
pub fn step(object: &WebhookEvent, now: Timestamp) -> Step {
    let Some(status) = &object.status else { return Step::Send };
    if let Some(finished) = status.finished_at {
        return match object.spec.ttl_after_finished() {
            None => Step::Keep(None),
            Some(ttl) => match ttl.checked_sub(since(finished, now)).filter(|left| !left.is_zero()) {
                Some(left) => Step::Keep(Some(left)),
                None => Step::Delete,
            },
        };
    }
    if status.message_id.is_some() {
        return Step::Follow;
    }
    match status.first_attempt_at {
        None => Step::Send,
        Some(first) if since(first, now) < SENDING_LIMIT => Step::SendAgain,
        Some(_) => Step::Find,
    }
}

/// Whether nothing is done with an event any more: it is finished, or waits for a person, who can only make another.
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

/// What the deliveries of an event have come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Endpoints by how it stands.
    pub attempts: Attempts,
    /// How they ended; `None`: they go on.
    pub ended: Option<Reason>,
    /// What to say.
    pub message: String,
}

/// How many endpoints are to receive an event: as many as matched when it was sent (`recorded`), but no more than
/// match now or were tried. One that was made or enabled since receives nothing of it.
#[must_use]
pub fn expected(recorded: Option<Attempts>, matching: usize, tried: usize) -> usize {
    let recorded = recorded.map(|Attempts { succeeded, pending, failed }| {
        usize::try_from(succeeded.saturating_add(pending).saturating_add(failed)).unwrap_or(0)
    });
    recorded.unwrap_or(matching).min(matching.max(tried)).max(tried)
}

/// What deliveries have come to, given the endpoints that were tried, how many are expected to be, and how long ago
/// it was sent.
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
        let advice = "look at the receiver, then resend from Svix";
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

/// How long to wait before the next look at deliveries, so long after sending.
#[must_use]
pub fn next_look(since_sent: Duration) -> Duration {
    (since_sent / 2).clamp(SHORTEST_LOOK, LONGEST_LOOK)
}

/// The conditions of an event: those of every object, and before them how far it has come. `status` is what is
/// recorded beside the conditions; `accepted` is what the payload was found to be, `None`: as before; `missed` says
/// whether endpoints that are declared for it did not receive it.
#[must_use]
pub fn conditions(
    verdict: &ReadyState,
    status: &WebhookEventStatus,
    accepted: Option<(Reason, &str)>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
    missed: bool,
) -> Vec<Condition> {
    let mut facts: Vec<(ConditionType, ConditionStatus, Reason, String)> = Vec::new();
    let reason = verdict.reason();
    let old = before.iter().find(|old| old.type_ == ConditionType::Accepted);
    let mut kept = None;
    match (accepted, reason) {
        (_, Reason::InvalidPayload) => {
            facts.push((
                ConditionType::Accepted,
                ConditionStatus::False,
                reason,
                verdict.message().to_owned(),
            ));
        }
        (Some((reason, message)), _) => {
            facts.push((ConditionType::Accepted, ConditionStatus::True, reason, message.to_owned()));
        }
        // What was found when it was sent stays true.
        (None, _) if status.first_attempt_at.is_some() => kept = old.cloned(),
        (None, _) => {}
    }
    let (sent, sent_reason, sent_message) = match &status.message_id {
        Some(id) => (ConditionStatus::True, Reason::Sent, format!("Svix took it as message {id}")),
        // Why not is what `Ready` says.
        None => (ConditionStatus::False, reason, "not sent".to_owned()),
    };
    facts.push((ConditionType::Sent, sent, sent_reason, sent_message));
    if status.message_id.is_some() && verdict.is_ready() {
        let delivered = match reason {
            Reason::NoEndpointMatched if missed => ConditionStatus::False,
            Reason::Delivered | Reason::NoEndpointMatched => ConditionStatus::True,
            Reason::DeliveryFailed => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        };
        facts.push((ConditionType::Delivered, delivered, reason, verdict.message().to_owned()));
    }
    let told = facts.into_iter().map(|(type_, status, reason, message)| {
        status::condition(type_, status, reason, &message, before, generation, now)
    });
    kept.into_iter()
        .chain(told)
        .chain(status::conditions(verdict, Some(&[]), before, generation, now))
        .collect()
}

#[cfg(test)]
mod tests;
