//! Lines about messages: their outcome at the gateway, and the deliveries of the embedded Svix.

use crate::{
    api::{ConditionType, Reason},
    embedded::{DeliveryReport, EmbeddedSvix},
    engine::Object,
    gateway::{MessageOutcome, MessageReport},
    manifests::report::Row,
    plan,
};

use super::lines::Lines;

/// Maximum number of endpoints in the message of a row.
const MAX_ENDPOINTS: usize = 3;

/// Adds a line about a message that the gateway received.
pub(super) fn add_message(lines: &Lines, report: &MessageReport) {
    let what = match &report.event_type {
        Some(name) if plan::ids::is_name(name) => name.clone(),
        Some(name) => plan::quoted(name),
        None => "a message".to_owned(),
    };
    match &report.outcome {
        MessageOutcome::Accepted { id, mismatch } => {
            let id = id.as_ref().filter(|id| plan::ids::is_name(id));
            let id = id.map_or_else(|| "Svix took it".to_owned(), |id| format!("message {id}"));
            let mismatch = mismatch.as_ref().map(|text| format!("; its payload does not match: {text}"));
            lines
                .add_message("accepted", &format!("  Accepted {what}: {id}{}", mismatch.unwrap_or_default()));
        }
        MessageOutcome::RejectedBySvix { status: 404 } => {
            let advice = "the application in the path does not exist; an endpoint that names it creates it";
            lines.add_message("refused by Svix", &format!("  Refused {what}: Svix answered 404: {advice}"));
        }
        MessageOutcome::RejectedBySvix { status: 409 } => {
            let advice = "an event of this eventId was sent before";
            lines.add_message("refused by Svix", &format!("  Refused {what}: Svix answered 409: {advice}"));
        }
        MessageOutcome::RejectedBySvix { status } => {
            lines.add_message("refused by Svix", &format!("  Refused {what}: Svix answered {status}"));
        }
        MessageOutcome::Rejected { reason } => {
            lines.add_message("refused", &format!("  Refused {what}: {reason}"))
        }
        MessageOutcome::Failed { reason } => {
            lines.add_message("failed", &format!("  Failed {what}: {reason}"))
        }
    }
}

/// Adds a line about a delivery attempt that failed.
pub(super) fn add_attempt(lines: &Lines, attempt: &DeliveryReport) {
    if !attempt.succeeded {
        let text = describe(attempt);
        let line = format!("  NotDelivered {}, message {}: {text}", attempt.event_type, attempt.message);
        lines.add_message("not delivered", &line);
    }
}

/// Describes a delivery attempt: the endpoint without its URL, the response or why there is none, and the next attempt.
fn describe(attempt: &DeliveryReport) -> String {
    let response = match &attempt.error {
        Some(error) => error.clone(),
        None => format!("the receiver answered {}", attempt.status),
    };
    let next = match attempt.next {
        Some(next) => format!("tried next at {}", next.strftime("%H:%M:%SZ")),
        None => "not tried again".to_owned(),
    };
    let DeliveryReport { application, endpoint, number, .. } = attempt;
    format!("endpoint {application}/{endpoint}: {response}; attempt {number}, {next}")
}

/// Adds the state of the deliveries to the row of an event, unless all of them succeeded.
pub(super) fn with_deliveries(row: Row, object: &Object, embedded: Option<&EmbeddedSvix>) -> Row {
    let Object::Event(event) = object else { return row };
    let Some(status) = &event.status else { return row };
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready);
    let Some(ready) = ready.filter(|ready| ready.reason != Reason::Delivered.as_str()) else { return row };
    let (Some(message), true) = (&status.message_id, row.message.is_empty()) else { return row };
    let mut text = ready.message.to_string();
    let attempts = embedded.map(|svix| svix.last_deliveries(message)).unwrap_or_default();
    let failed: Vec<_> = attempts.iter().filter(|attempt| !attempt.succeeded).collect();
    for attempt in failed.iter().take(MAX_ENDPOINTS) {
        text.push_str("; ");
        text.push_str(&describe(attempt));
    }
    if failed.len() > MAX_ENDPOINTS {
        text.push_str(&format!("; and {} endpoints more", failed.len() - MAX_ENDPOINTS));
    }
    Row { message: text.into(), ..row }
}
