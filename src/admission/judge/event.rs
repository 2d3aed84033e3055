//! WebhookEvents: the payload against the schema of its event type, and the fields that Svix is strict about.

use std::time::Duration;

use serde_json::Value;

use crate::{
    admission::{Known, messages::Problem},
    api::{PayloadPolicy, WebhookEvent},
    catalogue::Judgement,
    plan::ids,
    schema,
};

use super::Findings;

/// Most channels of one event.
const MAX_CHANNELS: usize = 5;
/// Longest time that a finished event is kept.
const MAX_TTL: Duration = Duration::from_secs(8760 * 3600);

/// Judges an event that is about to be made.
pub(in crate::admission) fn event(object: &WebhookEvent, known: &Known) -> Findings {
    let mut findings = Findings::default();
    let spec = &object.spec;
    if !ids::is_name(&spec.event_type) {
        findings.problem("/spec/eventType", "expected the name of an event type, such as origin.create");
    }
    for (field, uid) in [("/spec/application", &spec.application), ("/spec/eventId", &spec.event_id)] {
        if uid.as_ref().is_some_and(|uid| !ids::is_uid(uid)) {
            findings.problem(
                field,
                "expected letters, digits, `-`, `_` and `.`, not starting with app_, ep_ or msg_",
            );
        }
    }
    if spec.ttl_after_finished.is_some() && spec.ttl_after_finished().is_none_or(|ttl| ttl > MAX_TTL) {
        findings.problem("/spec/ttlAfterFinished", "expected 0s to 8760h, such as 24h");
    }
    super::channels(spec.channels.as_deref(), MAX_CHANNELS, &mut findings);
    let namespace = object.metadata.namespace.as_deref();
    let refused = super::not_permitted(known, object.connection_name(), namespace, |grants, settings| {
        grants.event(spec.application(settings), &spec.event_type)
    });
    let Some(payload) = payload(object, &mut findings) else { return findings };
    match refused {
        // It is never sent, and a judgement would tell of the schema of an event type that is another's.
        Some(refused) => findings.warnings.push(refused),
        None => judge(object, &payload, known, &mut findings),
    }
    findings
}

fn payload_field(object: &WebhookEvent) -> &'static str {
    if object.spec.payload.is_some() { "/spec/payload" } else { "/spec/payloadText" }
}

/// The payload, when it is one at all.
fn payload(object: &WebhookEvent, findings: &mut Findings) -> Option<Value> {
    let spec = &object.spec;
    let field = payload_field(object);
    let Some(text) = spec.payload() else {
        findings.problem("/spec", "exactly one of payload and payloadText must be given");
        return None;
    };
    match schema::parse(text.as_bytes()) {
        Ok(payload) if payload.is_object() => return Some(payload),
        Ok(_) => findings.problem(field, "expected a JSON object"),
        Err(violation) => findings.problems.push(Problem::of_payload(field, &violation)),
    }
    None
}

fn judge(object: &WebhookEvent, payload: &Value, known: &Known, findings: &mut Findings) {
    let field = payload_field(object);
    let (connection, name) = (object.connection_name(), &object.spec.event_type);
    match known.catalogue.judge(connection, name, payload) {
        Judgement::Valid => {}
        // Of the connection, that is told already.
        Judgement::Undeclared if known.directory.connection(connection).is_none() => {}
        Judgement::Undeclared => {
            let then = "the event waits, and is judged before it is sent";
            findings.warnings.push(match known.directory.holder(connection, name) {
                None => format!(
                    "/spec/eventType: no WebhookEventType declares {name:?} through connection {connection:?}; {then}"
                ),
                Some(holder) => format!(
                    "/spec/eventType: {name:?} is declared by {holder}, but its schema cannot be used; {then}"
                ),
            });
        }
        Judgement::Invalid { policy, violations, more } => {
            findings.violated = Some(policy);
            let mut problems: Vec<_> =
                violations.iter().map(|violation| Problem::of_payload(field, violation)).collect();
            // The counting of violations ends somewhere, so this is no exact number.
            let rest =
                (more > 0).then(|| Problem::new(field, format!("and {more} or more other violations")));
            match policy {
                PayloadPolicy::Enforce => {
                    findings.problems.append(&mut problems);
                    findings.more = rest;
                }
                PayloadPolicy::Warn => {
                    let all = problems.iter().chain(&rest).map(ToString::to_string);
                    findings.warnings.extend(all);
                }
                PayloadPolicy::Audit => {}
            }
        }
    }
}
