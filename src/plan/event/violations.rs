//! The violations of a payload, for messages.

use crate::{
    api::{JsonPointer, WebhookEvent},
    schema,
};

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
