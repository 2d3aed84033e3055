//! Reads what `send-example` makes Svix deliver: an example of an event type, which is in its schema in Svix and not in the
//! request. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::plan;

use super::{
    message::{self, MessageError},
    operations::Surface,
};

/// An event type that every Svix server has, without a schema.
const PING: &str = "svix.ping";
/// It as a document, with the one payload that Svix sends for it.
const PING_DOCUMENT: &[u8] = br#"{"schemas": {"1": {"examples": [{"success": true}]}}}"#;

/// A document of an event type that Svix returned and that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the event type that Svix returned cannot be read (line {}, column {})", .0.line(), .0.column())]
pub struct InvalidDocument(#[from] serde_json::Error);

/// Returns the event type of which a request asks for an example.
pub fn event_type(body: &[u8]) -> Result<String, MessageError> {
    let parts = message::object(body)?;
    message::event_type(parts.iter().find(|(key, _)| key == "eventType").map(|(_, value)| *value))
}

/// Returns the document of an event type that needs no reading from Svix.
#[must_use]
pub fn known_document(event_type: &str) -> Option<&'static [u8]> {
    (event_type == PING).then_some(PING_DOCUMENT)
}

/// Returns every text that Svix may deliver as the example of an event type, given the event type as Svix returns it.
///
/// The open-source server sends the first example of version "1". Svix Cloud sends the example that the request asks for,
/// and does not say of which version, so the examples of all versions are returned.
pub fn candidates(document: &[u8], surface: Surface) -> Result<Vec<&RawValue>, InvalidDocument> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        schemas: Option<BTreeMap<String, &'a RawValue>>,
    }
    #[derive(Deserialize)]
    struct Schema<'a> {
        #[serde(borrow)]
        examples: Option<&'a RawValue>,
    }
    let document: Document = serde_json::from_slice(document)?;
    let mut found = Vec::new();
    for (version, schema) in document.schemas.unwrap_or_default() {
        // A schema can be a boolean, and `examples` any value: Svix sends nothing of these.
        let is_sent = surface == Surface::Cloud || version == plan::event_type::SCHEMA_VERSION;
        if !is_sent || !schema.get().starts_with('{') {
            continue;
        }
        if let Some(examples) = serde_json::from_str::<Schema>(schema.get())?.examples
            && examples.get().starts_with('[')
        {
            found.extend(serde_json::from_str::<Vec<&RawValue>>(examples.get())?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts(document: &str, surface: Surface) -> Vec<String> {
        let found = candidates(document.as_bytes(), surface).unwrap();
        found.into_iter().map(|example| example.get().to_owned()).collect()
    }

    #[test]
    fn examples_are_those_that_the_server_may_send() {
        let document = r#"{"name": "a.b", "schemas": {
            "1": {"type": "object", "examples": [{"n": 1.00}, {"n": 2}]}, "2": {"examples": [3]}, "3": true,
            "4": {"examples": {"n": 4}}}}"#;

        assert_eq!(texts(document, Surface::OpenSource), [r#"{"n": 1.00}"#, r#"{"n": 2}"#]);
        assert_eq!(texts(document, Surface::Cloud), [r#"{"n": 1.00}"#, r#"{"n": 2}"#, "3"]);
        for none in [r#"{"schemas": null}"#, "{}", r#"{"schemas": {"1": {"type": "object"}}}"#] {
            assert_eq!(texts(none, Surface::Cloud), [""; 0], "{none}");
        }
    }

    #[test]
    fn a_document_that_two_readers_could_read_differently_is_refused() {
        for document in [
            r#"{"schemas": {}, "schemas": {}}"#,
            r#"{"schemas": {"1": {"examples": [1], "examples": [2]}}}"#,
            r#"{"schemas": []}"#,
            "<html>",
        ] {
            assert!(candidates(document.as_bytes(), Surface::OpenSource).is_err(), "{document}");
        }
    }

    #[test]
    fn the_event_type_of_a_request_is_read_strictly() {
        assert_eq!(event_type(br#"{"eventType": "a.b", "exampleIndex": 1}"#).unwrap(), "a.b");
        for body in [r#"["a.b"]"#, r#"{"eventType": "a.b", "eventType": "a.c"}"#, r#"{"eventType": 1}"#, "{}"]
        {
            assert!(event_type(body.as_bytes()).is_err(), "{body}");
        }
    }
}
