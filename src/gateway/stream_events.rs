//! Reads the events that are added to a stream of Svix Cloud: `{"events": [{"eventType", "payload"}]}`, with each payload
//! as text. Pure.

use serde_json::value::RawValue;

use crate::schema;

use super::message::{self, MessageError, type_name};

/// An event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its event type.
    pub event_type: String,
    /// The text that receivers get.
    pub delivered: String,
}

/// Why a body does not contain events that can be judged. The text says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The body is not a JSON object.
    #[error(transparent)]
    Body(#[from] MessageError),
    /// There are no events.
    #[error("found none, expected a list of events")]
    NoEvents,
    /// The events are not a list.
    #[error("found {0}, expected a list of events")]
    NotAList(&'static str),
    /// One of the events cannot be read.
    #[error("{error}")]
    Event {
        /// Its place in the list.
        index: usize,
        /// Why not.
        error: MessageError,
    },
}

impl StreamError {
    /// Returns the keys of the body that lead to the field that is wrong.
    #[must_use]
    pub fn field(&self) -> Vec<String> {
        match self {
            Self::Body(error) => error.field().iter().map(|key| (*key).to_owned()).collect(),
            Self::NoEvents | Self::NotAList(_) => vec!["events".to_owned()],
            Self::Event { index, error } => {
                let event = ["events".to_owned(), index.to_string()];
                event.into_iter().chain(error.field().iter().map(|key| (*key).to_owned())).collect()
            }
        }
    }
}

/// Reads the body of a request that adds events to a stream.
pub fn read(body: &[u8]) -> Result<Vec<StreamEvent>, StreamError> {
    let events = message::object(body)?.into_iter().find(|(key, _)| key == "events");
    let (_, events) = events.ok_or(StreamError::NoEvents)?;
    let events: Vec<&RawValue> =
        serde_json::from_str(events.get()).map_err(|_| StreamError::NotAList(type_name(events)))?;
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(index, event)| read_event(event).map_err(|error| StreamError::Event { index, error }))
        .collect()
}

fn read_event(event: &RawValue) -> Result<StreamEvent, MessageError> {
    // A reader that fills a structure would take a list for it.
    if !event.get().starts_with('{') {
        return Err(MessageError::NotAnObject(type_name(event)));
    }
    let parts = schema::parts(event.get().as_bytes());
    let parts = parts.map_err(|violation| MessageError::Json { field: &[], violation })?;
    let value = |name: &str| parts.iter().find(|(key, _)| key == name).map(|(_, value)| *value);
    let payload = value("payload").ok_or(MessageError::NoPayload)?;
    Ok(StreamEvent {
        event_type: message::event_type(value("eventType"))?,
        delivered: serde_json::from_str(payload.get())
            .map_err(|_| MessageError::PayloadNotAString(type_name(payload)))?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_event_is_read_as_it_is_delivered() {
        let body = br#"{"events": [{"eventType": "a.b", "payload": "{\"n\": 1.0}"}, {"payload": "", "eventType": "c"}]}"#;

        let events = read(body).unwrap();

        let event = |event_type: &str, delivered: &str| StreamEvent {
            event_type: event_type.to_owned(),
            delivered: delivered.to_owned(),
        };
        assert_eq!(events, [event("a.b", r#"{"n": 1.0}"#), event("c", "")]);
    }

    #[test]
    fn what_is_ambiguous_has_its_place() {
        for (body, place, message) in [
            ("{}", "events", "found none"),
            (r#"{"events": {}}"#, "events", "found an object"),
            (r#"{"events": [], "events": []}"#, "", "twice"),
            (r#"{"events": [["a.b", "{}"]]}"#, "events/0", "found an array"),
            (r#"{"events": [{"eventType": "a.b"}]}"#, "events/0/payload", "found none"),
            (r#"{"events": [{"payload": "{}"}]}"#, "events/0/eventType", "found none"),
            (r#"{"events": [{"eventType": "a.b", "payload": {}}]}"#, "events/0/payload", "found an object"),
            (r#"{"events": [{"eventType": 1, "payload": "{}"}]}"#, "events/0/eventType", "found a number"),
            (r#"{"events": [{"payload": "{}", "payload": "[]", "eventType": "a"}]}"#, "events/0", "twice"),
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert_eq!(error.field().join("/"), place, "{body}");
            assert!(error.to_string().contains(message), "{body}: {error}");
        }
    }
}
