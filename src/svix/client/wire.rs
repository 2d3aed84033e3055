//! Conversions between Svix's JSON and the types of the plan. Reading is lenient: a server may omit fields that it does not
//! have.

use std::collections::{BTreeMap, BTreeSet};

use js_option::JsOption;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::api::{PREPARING_METADATA_KEY, Statistics};
use crate::plan::{Field, digest::Digest, endpoint, event, event_type, headers, secrets::Sensitive};

/// An event type with its schemas, as it is read before a change.
#[derive(Clone, Debug, PartialEq)]
pub struct EventTypeDocument {
    /// The fields that the mirror keeps.
    pub observed: event_type::Observed,
    /// All versions of its schema.
    pub schemas: Option<Value>,
}

/// `EventTypeOut`. Cloud has `featureFlags`, the open-source server `featureFlag`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventTypeOut {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    deprecated: bool,
    schemas: Option<Value>,
    group_name: Option<String>,
    feature_flag: Option<String>,
    feature_flags: Option<BTreeSet<String>>,
}

impl From<EventTypeOut> for EventTypeDocument {
    fn from(out: EventTypeOut) -> Self {
        let schema = out.schemas.as_ref().and_then(|schemas| schemas.get(event_type::SCHEMA_VERSION));
        Self {
            observed: event_type::Observed {
                schema_digest: schema.filter(|schema| !schema.is_null()).map(Digest::of_json),
                name: out.name,
                description: out.description,
                archived: out.archived,
                deprecated: out.deprecated,
                group_name: out.group_name,
                // Svix Cloud may return the first of several as `featureFlag`, too.
                feature_flags: match out.feature_flags.filter(|flags| !flags.is_empty()) {
                    Some(flags) => flags,
                    None => out.feature_flag.into_iter().collect(),
                },
            },
            schemas: out.schemas,
        }
    }
}

/// An event type in a list. Each item's schemas become a digest before the next item is read: a page of parsed
/// schemas takes megabytes.
#[derive(Deserialize)]
#[serde(from = "EventTypeTextOut")]
pub(super) struct ListedEventType(pub event_type::Observed);

impl From<EventTypeTextOut> for ListedEventType {
    fn from(out: EventTypeTextOut) -> Self {
        Self(EventTypeText::from(out).observed)
    }
}

/// An event type with its schemas as Svix wrote them, with every digit of their numbers.
#[derive(Clone, Debug)]
pub struct EventTypeText {
    /// The fields that the mirror keeps.
    pub observed: event_type::Observed,
    /// The JSON text of each version of its schema.
    pub schemas: BTreeMap<String, Box<RawValue>>,
}

/// `EventTypeOut`, whose schemas are not parsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventTypeTextOut {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    deprecated: bool,
    schemas: Option<BTreeMap<String, Box<RawValue>>>,
    group_name: Option<String>,
    feature_flag: Option<String>,
    feature_flags: Option<BTreeSet<String>>,
}

impl From<EventTypeTextOut> for EventTypeText {
    fn from(out: EventTypeTextOut) -> Self {
        let EventTypeTextOut {
            name,
            description,
            archived,
            deprecated,
            schemas,
            group_name,
            feature_flag,
            feature_flags,
        } = out;
        let schemas = schemas.unwrap_or_default();
        let schema = schemas.get(event_type::SCHEMA_VERSION);
        let schema_digest = schema.and_then(|text| Digest::of_schema_text(text.get()));
        let document = EventTypeDocument::from(EventTypeOut {
            name,
            description,
            archived,
            deprecated,
            schemas: None,
            group_name,
            feature_flag,
            feature_flags,
        });
        Self { observed: event_type::Observed { schema_digest, ..document.observed }, schemas }
    }
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its id.
    pub id: String,
    /// Its uid.
    pub uid: Option<String>,
    /// Its name.
    pub name: String,
    /// Messages per second.
    pub throttle_rate: Option<u16>,
    /// Whether it has metadata.
    pub has_metadata: bool,
}

/// `ApplicationOut`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationOut {
    id: String,
    uid: Option<String>,
    #[serde(default)]
    name: String,
    throttle_rate: Option<u16>,
    rate_limit: Option<u16>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl From<ApplicationOut> for Application {
    fn from(out: ApplicationOut) -> Self {
        Self {
            id: out.id,
            uid: out.uid,
            name: out.name,
            throttle_rate: out.throttle_rate.or(out.rate_limit),
            has_metadata: !out.metadata.is_empty(),
        }
    }
}

/// `EndpointOut`. Servers before 1.99 say `filterTypes` where later ones say `eventTypes`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EndpointOut {
    id: Box<str>,
    uid: Option<Box<str>>,
    url: Box<str>,
    #[serde(default)]
    description: Box<str>,
    event_types: Option<BTreeSet<Box<str>>>,
    filter_types: Option<BTreeSet<Box<str>>>,
    channels: Option<BTreeSet<Box<str>>>,
    throttle_rate: Option<u16>,
    rate_limit: Option<u16>,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    metadata: BTreeMap<Box<str>, Box<str>>,
    updated_at: Option<jiff::Timestamp>,
}

impl From<EndpointOut> for endpoint::Observed {
    fn from(out: EndpointOut) -> Self {
        Self {
            id: out.id,
            uid: out.uid,
            url: out.url,
            description: out.description,
            event_types: out.event_types.or(out.filter_types).map(|set| set.into_iter().collect()),
            channels: out.channels.map(|set| set.into_iter().collect()),
            throttle_rate: out.throttle_rate.or(out.rate_limit),
            disabled: out.disabled,
            metadata: out.metadata.into_iter().collect(),
            // The response to a write may have nanoseconds, which are not stored.
            updated_at: out.updated_at.map_or(0, jiff::Timestamp::as_microsecond),
        }
    }
}

/// `ListResponse…`.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub data: Vec<T>,
    pub iterator: Option<String>,
    #[serde(rename = "prevIterator")]
    pub prev_iterator: Option<String>,
    pub done: bool,
}

/// Returns the body that creates an event type.
pub(super) fn event_type_in(desired: &event_type::Desired) -> Value {
    // No `..`: a new field must be handled here.
    let event_type::Desired {
        name,
        // It is merged into the schemas.
        schema: _,
        description,
        deprecated,
        group_name,
        feature_flags,
        feature_flags_field: _,
        named: _,
    } = desired;
    let mut body = svix::models::EventTypeIn::new(name.clone(), description.clone().unwrap_or_default());
    body.deprecated = *deprecated;
    body.schemas = event_type::merge_schemas(desired, None);
    body.group_name = group_name.clone().flatten();
    body.feature_flags = feature_flags.clone().filter(|flags| !flags.is_empty());
    let mut body = serde_json::to_value(body).unwrap_or_default();
    add_feature_flag(&mut body, feature_flags.as_ref().filter(|flags| !flags.is_empty()));
    body
}

/// Returns the body that changes these fields of an event type.
pub(super) fn event_type_patch(
    desired: &event_type::Desired,
    fields: &[Field],
    revive: bool,
    observed: Option<&Value>,
) -> Value {
    let mut body = svix::models::EventTypePatch::new();
    body.archived = revive.then_some(false);
    let mut flags = None;
    for field in fields {
        match field {
            Field::Description => body.description.clone_from(&desired.description),
            Field::Deprecated => body.deprecated = desired.deprecated,
            Field::Schema => {
                body.schemas =
                    event_type::merge_schemas(desired, observed).map_or(JsOption::Undefined, JsOption::Some);
            }
            Field::GroupName => {
                body.group_name = desired.group_name.clone().map_or(JsOption::Undefined, nullable);
            }
            Field::FeatureFlag | Field::FeatureFlags => {
                flags = desired.feature_flags.as_ref();
                let value = |flags: &BTreeSet<String>| nullable((!flags.is_empty()).then(|| flags.clone()));
                body.feature_flags = flags.map_or(JsOption::Undefined, value);
            }
            // Fields of endpoints.
            Field::Uid
            | Field::Url
            | Field::EventTypes
            | Field::Channels
            | Field::ThrottleRate
            | Field::Disabled
            | Field::Metadata
            | Field::Headers
            | Field::SigningSecret => {}
        }
    }
    let mut body = serde_json::to_value(body).unwrap_or_default();
    add_feature_flag(&mut body, flags);
    body
}

/// Adds the open-source server's `featureFlag`, which the SDK's model does not have. That server cannot have several, so it
/// gets none of them then: one alone would show the event type to other consumers than the spec says.
fn add_feature_flag(body: &mut Value, flags: Option<&BTreeSet<String>>) {
    if let (Some(flags), Some(body)) = (flags, body.as_object_mut())
        && flags.len() <= 1
    {
        body.insert("featureFlag".to_owned(), flags.first().cloned().into());
    }
}

/// Returns the body that creates an endpoint. It is enabled unless the spec says otherwise, or its headers follow.
pub(super) fn endpoint_in(desired: &endpoint::Desired) -> svix::models::EndpointIn {
    // No `..`: a new field must be handled here.
    let endpoint::Desired {
        application: _,
        uid,
        // With the forgotten entries, they are merged into the metadata.
        mark: _,
        metadata: _,
        forgotten_metadata: _,
        url,
        event_types,
        description,
        channels,
        throttle_rate,
        disabled,
        signing_key,
        // They are written with a request of their own.
        headers: _,
        named: _,
        named_metadata: _,
        hides_url: _,
    } = desired;
    let mut body = svix::models::EndpointIn::new(url.clone());
    body.uid = Some(uid.clone());
    body.description.clone_from(description);
    body.event_types = Some(event_types.clone());
    body.channels.clone_from(channels);
    body.throttle_rate = throttle_rate.flatten();
    body.secret = signing_key.as_ref().map(|key| key.expose().to_owned());
    let mut metadata = endpoint::merge_metadata(desired, None);
    if desired.needs_preparing() {
        metadata.insert(PREPARING_METADATA_KEY.to_owned(), "true".to_owned());
        body.disabled = Some(true);
    } else {
        body.disabled = *disabled;
    }
    body.metadata = Some(metadata);
    body
}

/// `EndpointHeadersOut`.
#[derive(Deserialize)]
pub(super) struct HeadersOut {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    sensitive: BTreeSet<String>,
}

impl From<HeadersOut> for headers::Observed {
    fn from(out: HeadersOut) -> Self {
        let shown = out.headers.into_iter().map(|(name, value)| (name, Sensitive::new(value)));
        Self { shown: shown.collect(), hidden: out.sensitive }
    }
}

/// `EndpointSecretOut`.
#[derive(Deserialize)]
pub(super) struct SecretOut {
    pub key: String,
}

/// `EndpointStats`.
#[derive(Deserialize)]
pub(super) struct StatsOut {
    #[serde(default)]
    success: i64,
    #[serde(default)]
    pending: i64,
    #[serde(default)]
    sending: i64,
    #[serde(default)]
    fail: i64,
}

impl From<StatsOut> for Statistics {
    fn from(out: StatsOut) -> Self {
        Self { succeeded: out.success, pending: out.pending, sending: out.sending, failed: out.fail }
    }
}

/// Returns the body that changes these fields of an endpoint.
pub(super) fn endpoint_patch(change: &endpoint::Change) -> svix::models::EndpointPatch {
    // Without `..`, a new field fails to compile until it is handled here.
    let endpoint::Change { uid, url, description, event_types, channels, throttle_rate, disabled, metadata } =
        change.clone();
    let mut body = svix::models::EndpointPatch::new();
    body.uid = uid.map_or(JsOption::Undefined, |uid| nullable(Some(uid)));
    body.url = url;
    body.description = description;
    body.event_types = event_types.map_or(JsOption::Undefined, |set| nullable(Some(set)));
    body.channels = channels.map_or(JsOption::Undefined, nullable);
    body.throttle_rate = throttle_rate.map_or(JsOption::Undefined, nullable);
    body.disabled = disabled;
    body.metadata = metadata;
    body
}

/// A message to send.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendMessage<'a> {
    /// Its event type.
    pub event_type: &'a str,
    /// An id that the sender chooses, by which Svix recognises a second message of the same event.
    pub event_id: Option<&'a str>,
    /// The payload as JSON text, which is sent unchanged.
    pub payload_text: &'a str,
    /// Its channels, in the form that Svix has; empty: none.
    pub channels: &'a [String],
}

/// Returns the body that creates a message. Not the SDK's model, which would parse the payload and serialise it again.
pub(super) fn message_in(message: &SendMessage<'_>) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct MessageIn<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        event_id: Option<&'a str>,
        event_type: &'a str,
        payload: &'a serde_json::value::RawValue,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        channels: &'a [String],
    }
    let SendMessage { event_type, event_id, payload_text, channels } = *message;
    let payload = serde_json::from_str(payload_text)?;
    serde_json::to_vec(&MessageIn { event_id, event_type, payload, channels })
}

/// Returns a value to write, with `None` as null.
fn nullable<T>(value: Option<T>) -> JsOption<T> {
    value.map_or(JsOption::Null, JsOption::Some)
}

/// `MessageOut`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageOut {
    pub id: String,
    event_type: String,
    channels: Option<BTreeSet<String>>,
    payload: Option<Box<RawValue>>,
}

impl From<MessageOut> for event::Message {
    fn from(out: MessageOut) -> Self {
        // What Svix returns for a payload that it does not store any more.
        let expired = Digest::of_json(&serde_json::json!({"expired": true}));
        Self {
            id: out.id,
            event_type: out.event_type,
            channels: out.channels,
            payload: out
                .payload
                .map(|payload| Digest::of_json_text(payload.get()))
                .filter(|digest| *digest != expired),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::api::{EventTypeNames, WebhookEventType};

    fn desired(spec: &Value) -> event_type::Desired {
        let object: WebhookEventType = serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {"name": "a.b", "namespace": "ns"}, "spec": spec,
        }))
        .unwrap();
        let owned = ["featureFlag".into()];
        event_type::desired(&object, Some(json!({})), vec![], EventTypeNames::Grouped, &owned).unwrap()
    }

    #[test]
    fn feature_flags_are_written_for_both_kinds_of_servers() {
        for (spec, one, list) in [
            (json!({"schema": {}, "featureFlag": "a"}), json!("a"), json!(["a"])),
            (json!({"schema": {}, "featureFlags": ["a"]}), json!("a"), json!(["a"])),
            // The open-source server cannot have both, and gets neither.
            (json!({"schema": {}, "featureFlags": ["b", "a"]}), Value::Null, json!(["a", "b"])),
        ] {
            let desired = desired(&spec);
            let created = event_type_in(&desired);
            let patched = event_type_patch(&desired, &[desired.feature_flags_field], false, None);

            for body in [&created, &patched] {
                assert_eq!((&body["featureFlag"], &body["featureFlags"]), (&one, &list), "{body}");
            }
            assert_eq!(patched.get("featureFlag").is_some(), !one.is_null(), "{patched}");
        }
        let reset = desired(&json!({"schema": {}}));
        let patched = event_type_patch(&reset, &[reset.feature_flags_field], false, None);
        assert_eq!(patched, json!({"featureFlag": null, "featureFlags": null}));
        assert_eq!(event_type_in(&reset).get("featureFlag"), None);
    }

    #[test]
    fn feature_flags_are_read_from_both_kinds_of_servers() {
        for (out, flags) in [
            (json!({"featureFlag": "a"}), &["a"][..]),
            (json!({"featureFlags": ["b", "a"]}), &["a", "b"]),
            (json!({"featureFlag": "a", "featureFlags": ["a", "b"]}), &["a", "b"]),
            (json!({"featureFlag": "a", "featureFlags": []}), &["a"]),
            (json!({"featureFlag": null, "featureFlags": null}), &[]),
            (json!({}), &[]),
        ] {
            let mut document = json!({"name": "a.b"});
            document.as_object_mut().unwrap().extend(out.as_object().unwrap().clone());
            let read: EventTypeOut = serde_json::from_value(document).unwrap();

            let observed = EventTypeDocument::from(read).observed;

            assert!(observed.feature_flags.iter().eq(flags), "{out}: {:?}", observed.feature_flags);
        }
    }
}
