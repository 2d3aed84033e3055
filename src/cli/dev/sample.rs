//! A message for the `curl` command that `dev` prints: one that is accepted, if the folder has an example.

use crate::{api::WebhookEventType, engine::Object};

/// Maximum length of a payload that is printed, in bytes: people read the line.
const MAX_PAYLOAD: usize = 1000;

/// A message to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// The application it goes to.
    pub(super) application: String,
    /// The body of the request, as text in the single quotes of a shell.
    pub(super) body: String,
}

/// Returns the smallest first example of the event types that are in sync, for an application that exists.
pub(super) fn sample(objects: &[Object], connection: &str, default_application: &str) -> Sample {
    let first_example = |event_type: &WebhookEventType| {
        let example = event_type.spec.examples.first()?;
        let payload = match (&example.value, &example.text) {
            (Some(value), _) => value.to_value().to_string(),
            (None, Some(text)) => text.trim().to_owned(),
            (None, None) => return None,
        };
        Some((event_type.event_type_name(), payload))
    };
    let examples = objects.iter().filter_map(|object| match object {
        Object::EventType(event_type) if object.ready() == Some(true) => {
            first_example(event_type).filter(|_| object.connection_name() == connection)
        }
        _ => None,
    });
    let smallest =
        examples.filter(|(_, payload)| payload.len() <= MAX_PAYLOAD).min_by_key(|(_, payload)| payload.len());
    let body = match smallest {
        Some((name, payload)) => {
            format!("{{\"eventType\": \"{name}\", \"payload\": {payload}}}").replace('\'', r"'\''")
        }
        None => "{\"eventType\": \"…\", \"payload\": {}}".to_owned(),
    };
    let mut applications: Vec<_> = objects
        .iter()
        .filter_map(|object| match object {
            Object::Endpoint(endpoint) if object.connection_name() == connection => {
                Some(endpoint.status.as_ref()?.svix.as_ref()?.application.as_str())
            }
            _ => None,
        })
        .collect();
    applications.sort_unstable();
    let application = match applications.first() {
        Some(first) if !applications.contains(&default_application) => (*first).to_owned(),
        _ => default_application.to_owned(),
    };
    Sample { application, body }
}
