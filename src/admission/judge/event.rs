//! WebhookEvents: the payload against the schema of its event type, and the fields that Svix validates.

use crate::{
    admission::{Known, messages::Problem},
    api::{JsonPointer, PayloadPolicy, WebhookEvent},
    catalogue::Judgement,
    plan::{event::MAX_CHANNELS, ids},
    schema::{Effort, Payload, Violation},
};

use super::Findings;

/// Validates an event before it is stored. Where the effort is exceeded, the findings say nothing.
#[must_use]
pub fn event(object: &WebhookEvent, known: &Known, effort: &Effort) -> Findings {
    let mut findings = Findings::default();
    let spec = &object.spec;
    findings.violations(spec.validate());
    if !ids::is_name(&spec.event_type) {
        findings.problem("/spec/eventType", "expected the name of an event type, such as origin.create");
    }
    findings.uid("/spec/application", spec.application.as_ref());
    findings.uid("/spec/eventId", spec.event_id.as_ref());
    if let Some(Err(error)) = spec.event_id.as_deref().map(ids::check_event_id) {
        findings.problem("/spec/eventId", error.to_string());
    }
    super::channels(spec.channels.as_deref(), MAX_CHANNELS, &mut findings);
    let namespace = object.metadata.namespace.as_deref();
    let not_permitted = super::not_permitted(known, object.connection_name(), namespace, object);
    let Some(payload) = payload(object, &mut findings) else { return findings };
    match not_permitted {
        // It is never sent, and the violations would show the schema of an event type that is another team's.
        Some(warning) => findings.warnings.push(warning),
        None => validate_payload(object, &payload, known, effort, &mut findings),
    }
    findings
}

/// The place of the payload, and the error for a violation by it.
fn payload_field(object: &WebhookEvent) -> (JsonPointer, fn(&JsonPointer, &Violation) -> Problem) {
    if object.spec.payload.is_some() {
        ("/spec/payload".into(), Problem::of_payload)
    } else {
        ("/spec/payloadText".into(), Problem::of_payload_text)
    }
}

/// The payload, if it is a JSON object.
fn payload(object: &WebhookEvent, findings: &mut Findings) -> Option<Payload> {
    let spec = &object.spec;
    let (field, problem) = payload_field(object);
    // That there is one is a rule of the CRD.
    let text = spec.payload().ok()?;
    match Payload::parse(text.as_bytes()) {
        Ok(payload) if payload.value().is_object() => return Some(payload),
        Ok(_) => findings.problem(field, "expected a JSON object"),
        Err(violation) => findings.problems.push(problem(&field, &violation)),
    }
    None
}

fn validate_payload(
    object: &WebhookEvent,
    payload: &Payload,
    known: &Known,
    effort: &Effort,
    findings: &mut Findings,
) {
    let (field, problem) = payload_field(object);
    let (connection, name) = (object.connection_name(), &object.spec.event_type);
    match known.catalogue.judge_payload(connection, name, payload, effort) {
        Judgement::Valid | Judgement::NotValidated => {}
        // There is a warning about the connection already.
        Judgement::Undeclared if known.directory.connection(connection).is_none() => {}
        Judgement::Undeclared => {
            let then = "the event waits, and is validated before it is sent";
            let message = match known.directory.holder(connection, name) {
                None => {
                    format!("no WebhookEventType declares {name:?} through connection {connection:?}; {then}")
                }
                Some(holder) => {
                    format!("{name:?} is declared by {holder}, but its schema cannot be used; {then}")
                }
            };
            findings.warnings.push(Problem::new("/spec/eventType", message));
        }
        Judgement::Invalid { policy, violations, more, .. } => {
            findings.violated = Some(policy);
            let problems = violations.iter().map(|violation| problem(&field, violation));
            // Violations are counted up to a bound, so this is not an exact number.
            let rest = (more > 0)
                .then(|| Problem::new(field.clone(), format!("and {more} or more other violations")));
            match policy {
                PayloadPolicy::Enforce => {
                    findings.problems.extend(problems);
                    findings.more = rest;
                }
                PayloadPolicy::Warn => findings.warnings.extend(problems.chain(rest)),
                PayloadPolicy::Audit => {}
            }
        }
    }
}
