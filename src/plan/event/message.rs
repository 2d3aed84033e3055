//! The message that an event declares, and the message in Svix that it is compared with.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use crate::{
    api::{JsonObject, JsonPointer, Reason, SvixConnectionSpec, WebhookEvent},
    plan::{ReconcileError, channels, digest::Digest, ids, quoted},
    schema,
};

/// Most channels of a message in Svix Cloud. The open-source server accepts five, and refuses more itself.
pub const MAX_CHANNELS: usize = 10;

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
    if let Some(found) =
        channels.as_ref().map(BTreeSet::len).filter(|found| !(1..=MAX_CHANNELS).contains(found))
    {
        let expected = format_args!("found {found} channels, expected 1 to {MAX_CHANNELS}");
        return Err(invalid("/spec/channels", &expected));
    }
    let (payload, payload_text) = payload(object)?;
    // An event that was tried under an id keeps that id, even if another would be derived now: the connection may
    // have been created again, and a later version may derive ids in another way.
    let tried = object.status.as_ref().filter(|status| status.first_attempt_at.is_some());
    let recorded = tried.and_then(|status| status.event_id.as_ref()).filter(|id| ids::is_uid(id));
    // One that was tried before this was checked goes on.
    if let Some(id) = spec.event_id.as_ref().filter(|id| recorded != Some(id)) {
        ids::check_event_id(id).map_err(|error| invalid("/spec/eventId", &error))?;
    }
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

/// Returns the payload of an event, parsed and as text. It is a JSON object that every reader parses alike.
pub fn payload(object: &WebhookEvent) -> Result<(Value, String), ReconcileError> {
    let field = if object.spec.payload_text.is_some() { "/spec/payloadText" } else { "/spec/payload" };
    let text = object.spec.payload().map_err(|rule| rule.at(JsonPointer::SPEC))?;
    let invalid = |detail: &dyn fmt::Display| ReconcileError::at(Reason::InvalidPayload, field, detail);
    let value = schema::parse(text.as_bytes()).map_err(|violation| match violation.pointer.as_str() {
        "" => invalid(&violation.message),
        _ => invalid(&violation),
    })?;
    // A large object is not printed only to know that it is one.
    if !value.is_object() {
        JsonObject::from_value(&value).map_err(|error| invalid(&error))?;
    }
    Ok((value, text.to_owned()))
}

/// The memory that sending an event takes at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventMemory {
    /// The copies of its text: the object as it is read, the message, Svix's response.
    pub text: usize,
    /// The tree of its payload, until it is judged.
    pub tree: usize,
}

/// Returns the memory that sending an event takes.
#[must_use]
pub fn memory(object: &WebhookEvent) -> EventMemory {
    const COPIES: usize = 8;
    let text = object.spec.payload().unwrap_or_default();
    // A payload beyond the maximum is refused before anything is built of it.
    EventMemory { text: COPIES * text.len(), tree: schema::weigh(text, schema::MAX_WEIGHT).unwrap_or(0) }
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
    let parts = [&connection.owner_id, namespace, name, application, &object.spec.event_type];
    ids::default_event_id(Digest::of_texts_and_json(&parts, payload))
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
