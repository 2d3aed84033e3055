//! What became of a message, in words: at the gateway, and on its way from the embedded Svix to receivers.

use crate::{
    api::{ConditionType, Reason},
    embedded::{DeliveryReport, EmbeddedSvix},
    engine::Object,
    gateway::{MessageOutcome, MessageReport},
    manifests::table::Row,
    plan,
};

use super::lines::Lines;

/// Most endpoints that a row tells of.
const MOST_TOLD: usize = 3;

/// Tells of a message that came to the gateway.
pub(super) fn passed(lines: &Lines, report: &MessageReport) {
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
            lines.message("accepted", &format!("  Accepted {what}: {id}{}", mismatch.unwrap_or_default()));
        }
        MessageOutcome::RejectedBySvix { status: 404 } => {
            let advice = "the application in the path is not there; an endpoint that names it makes it";
            lines.message("refused by Svix", &format!("  Refused {what}: Svix answered 404: {advice}"));
        }
        MessageOutcome::RejectedBySvix { status: 409 } => {
            let advice = "an event of this eventId was sent before";
            lines.message("refused by Svix", &format!("  Refused {what}: Svix answered 409: {advice}"));
        }
        MessageOutcome::RejectedBySvix { status } => {
            lines.message("refused by Svix", &format!("  Refused {what}: Svix answered {status}"));
        }
        MessageOutcome::Rejected { reason } => {
            lines.message("refused", &format!("  Refused {what}: {reason}"))
        }
        MessageOutcome::Failed { reason } => lines.message("failed", &format!("  Failed {what}: {reason}")),
    }
}

/// Tells of a delivery that failed.
pub(super) fn tried(lines: &Lines, tried: &DeliveryReport) {
    if !tried.succeeded {
        let line = format!("  NotDelivered {}, message {}: {}", tried.event_type, tried.message, told(tried));
        lines.message("not delivered", &line);
    }
}

/// To which endpoint, the receiver's answer or why there is none, and when it is tried again. Not the URL.
fn told(tried: &DeliveryReport) -> String {
    let answer = match &tried.error {
        Some(error) => error.clone(),
        None => format!("the receiver answered {}", tried.status),
    };
    let next = match tried.next {
        Some(next) => format!("tried next at {}", next.strftime("%H:%M:%SZ")),
        None => "not tried again".to_owned(),
    };
    let number = tried.number;
    format!("endpoint {}/{}: {answer}; attempt {number}, {next}", tried.application, tried.endpoint)
}

/// The row of an event whose deliveries have not all ended well says how they stand.
pub(super) fn with_deliveries(row: Row, object: &Object, embedded: Option<&EmbeddedSvix>) -> Row {
    let Object::Event(event) = object else { return row };
    let Some(status) = &event.status else { return row };
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready);
    let Some(ready) = ready.filter(|ready| ready.reason != Reason::Delivered.as_str()) else { return row };
    let (Some(message), true) = (&status.message_id, row.message.is_empty()) else { return row };
    let mut text = ready.message.clone();
    let tries = embedded.map(|svix| svix.last_deliveries(message)).unwrap_or_default();
    let failed: Vec<_> = tries.iter().filter(|tried| !tried.succeeded).collect();
    for failed in failed.iter().take(MOST_TOLD) {
        text.push_str("; ");
        text.push_str(&told(failed));
    }
    if failed.len() > MOST_TOLD {
        text.push_str(&format!("; and {} endpoints more", failed.len() - MOST_TOLD));
    }
    Row { message: text, ..row }
}
