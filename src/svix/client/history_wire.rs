//! Messages, their attempts and their destinations, as Svix lists them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    plan::{digest::Digest, event::Delivery},
    svix::errors::redact_urls,
};

/// A message that Svix stores.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// `msg_…`.
    pub id: String,
    /// The id that its sender gave it.
    pub event_id: Option<String>,
    /// Its event type.
    pub event_type: String,
    /// Its channels, as Svix has them.
    pub channels: BTreeSet<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its payload, with every digit; `None`: it was not asked for, or Svix does not store it any more.
    pub payload: Option<Box<RawValue>>,
    /// How its delivery to the endpoint stands, in a listing of an endpoint.
    pub delivery: Option<DeliveryState>,
}

/// How the delivery of a message to one endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryState {
    /// The state.
    pub state: Delivery,
    /// When Svix tries again.
    pub next_attempt: Option<Timestamp>,
}

/// An attempt to deliver a message to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `atmpt_…`.
    pub id: String,
    /// The message, `msg_…`.
    pub message: String,
    /// The endpoint, `ep_…`.
    pub endpoint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Status of the receiver's response; `None`: there was no response.
    pub status: Option<u16>,
    /// The body of the response, or why there was none, without the path of any URL.
    pub response: String,
    /// How long it took.
    pub duration_ms: i64,
    /// Whether the receiver accepted the message.
    pub succeeded: bool,
    /// Whether somebody asked for it, rather than the retry schedule.
    pub is_manual: bool,
}

/// An endpoint that a message was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `ep_…`.
    pub id: String,
    /// Its uid.
    pub uid: Option<String>,
    /// Its address.
    pub url: String,
    /// Whether it is disabled.
    pub is_disabled: bool,
    /// How the delivery stands.
    pub delivery: DeliveryState,
}

/// `MessageOut`, and `EndpointMessageOut` with the state of the delivery.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredMessageOut {
    id: String,
    event_id: Option<String>,
    event_type: String,
    channels: Option<BTreeSet<String>>,
    timestamp: Timestamp,
    payload: Option<Box<RawValue>>,
    status: Option<u8>,
    next_attempt: Option<Timestamp>,
}

impl StoredMessageOut {
    /// Without `with_payload`, Svix returns an empty object in its place.
    pub(super) fn into_message(self, with_payload: bool) -> StoredMessage {
        // What Svix returns for a payload that it does not store any more.
        let expired = Digest::of_json(&serde_json::json!({"expired": true}));
        let is_stored = |payload: &RawValue| Digest::of_json_text(payload.get()) != expired;
        StoredMessage {
            id: self.id,
            event_id: self.event_id,
            event_type: self.event_type,
            channels: self.channels.unwrap_or_default(),
            created_at: self.timestamp,
            payload: self.payload.filter(|payload| with_payload && is_stored(payload)),
            delivery: self.status.map(|status| delivery_state(status, self.next_attempt)),
        }
    }
}

/// Returns the state that `MessageStatus` stands for. The open-source server returns the latest attempt: one that failed is
/// repeated if it has a time for that. Cloud says so in the status.
fn delivery_state(status: u8, next_attempt: Option<Timestamp>) -> DeliveryState {
    let state = match (status, next_attempt) {
        (0, _) => Delivery::Succeeded,
        (2, None) => Delivery::Failed,
        (1..=3, Some(_)) => Delivery::Retrying,
        _ => Delivery::Pending,
    };
    DeliveryState { state, next_attempt }
}

/// `MessageEndpointOut`, of which only the outcome is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutcomeOut {
    status: u8,
    next_attempt: Option<Timestamp>,
}

impl From<OutcomeOut> for Delivery {
    fn from(out: OutcomeOut) -> Self {
        delivery_state(out.status, out.next_attempt).state
    }
}

/// `MessageEndpointOut`.
#[derive(Deserialize)]
pub(super) struct DestinationOut {
    id: String,
    uid: Option<String>,
    url: String,
    #[serde(default)]
    disabled: bool,
    #[serde(flatten)]
    outcome: OutcomeOut,
}

impl From<DestinationOut> for Destination {
    fn from(out: DestinationOut) -> Self {
        Self {
            id: out.id,
            uid: out.uid,
            url: out.url,
            is_disabled: out.disabled,
            delivery: delivery_state(out.outcome.status, out.outcome.next_attempt),
        }
    }
}

/// `MessageAttemptOut`. Without a response its status is 0 and its text is the error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageAttemptOut {
    id: String,
    msg_id: String,
    endpoint_id: String,
    timestamp: Timestamp,
    pub response: String,
    pub response_status_code: i32,
    #[serde(default)]
    response_duration_ms: i64,
    status: u8,
    #[serde(default)]
    trigger_type: u8,
}

impl From<MessageAttemptOut> for Attempt {
    fn from(out: MessageAttemptOut) -> Self {
        let status = u16::try_from(out.response_status_code).ok().filter(|status| *status > 0);
        Self {
            id: out.id,
            message: out.msg_id,
            endpoint: out.endpoint_id,
            created_at: out.timestamp,
            // The error of an attempt may quote the whole URL of the endpoint.
            response: if status.is_some() { out.response } else { redact_urls(&out.response) },
            status,
            duration_ms: out.response_duration_ms,
            succeeded: out.status == 0,
            is_manual: out.trigger_type == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_error_of_an_attempt_shows_no_path_of_a_url() {
        let attempt = |status: i32| {
            let out: MessageAttemptOut = serde_json::from_value(json!({
                "id": "atmpt_1", "msgId": "msg_1", "endpointId": "ep_1", "timestamp": "2026-01-02T03:04:05Z",
                "response": "error for https://hooks.example.org/hunter2", "responseStatusCode": status, "status": 2,
            }))
            .unwrap();
            Attempt::from(out)
        };

        assert_eq!(attempt(0).response, "error for https://hooks.example.org/…");
        assert_eq!((attempt(0).status, attempt(502).status), (None, Some(502)));
    }

    #[test]
    fn an_expired_payload_is_none() {
        let message = |payload: serde_json::Value| {
            let out: StoredMessageOut = serde_json::from_value(json!({
                "id": "msg_1", "eventType": "a.b", "timestamp": "2026-01-02T03:04:05Z", "payload": payload,
            }))
            .unwrap();
            out.into_message(true).payload.map(|payload| payload.get().to_owned())
        };

        assert_eq!(message(json!({"expired": true})), None);
        assert_eq!(message(json!({"id": 1})), Some(r#"{"id":1}"#.to_owned()));
    }
}
