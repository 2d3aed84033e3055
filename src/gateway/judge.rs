//! Decides whether a message may pass, from its body and the declared event types. Pure: no request, no clock, no log.

use crate::{
    api::{ChannelEncoding, PayloadPolicy},
    catalogue::{Catalogue, Judgement},
    plan,
    schema::Violation,
    telemetry::GatewayOutcome,
};

use super::{
    message::{self, Rewrite},
    options::Undeclared,
    rejection::{FieldError, Rejection},
};

/// Size from which on no further JSON Pointers are listed, in bytes.
const MAX_POINTERS: usize = 1000;

/// The response to a message that passes if its event type is not declared, which is not known.
const UNKNOWN_SCHEMA: &str = "The schema of this event type cannot be read now; try again later.";

/// What messages are judged by.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The schemas.
    pub catalogue: &'a Catalogue,
    /// The connection whose event types are used.
    pub connection: &'a str,
    /// How that connection writes channels.
    pub channel_encoding: ChannelEncoding,
    /// Policy for messages whose event type is not declared.
    pub undeclared: Undeclared,
    /// What the response advises besides declaring the event type.
    pub undeclared_advice: &'static str,
    /// Maximum size of a payload in bytes.
    pub max_payload: usize,
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Forward it to Svix.
    Forward {
        /// What to change in its body.
        rewrite: Option<Rewrite>,
        /// How its payload violates the schema, if the policy lets it pass nevertheless.
        mismatch: Option<Mismatch>,
    },
    /// Reject it.
    Reject(Rejection),
}

/// A payload that does not match its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The event type.
    pub event_type: String,
    /// The event type's policy for such payloads.
    pub policy: PayloadPolicy,
    /// The first violations.
    pub violations: Vec<Violation>,
    /// How many further violations there are.
    pub more: usize,
}

impl Mismatch {
    /// Returns the JSON Pointers of the violations, without the values found there.
    pub(super) fn pointers(&self) -> String {
        let mut text = String::new();
        for violation in &self.violations {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(if violation.pointer.is_empty() { "/" } else { &violation.pointer });
            if text.len() > MAX_POINTERS {
                break;
            }
        }
        text
    }
}

/// Judges the body of a request that creates a message.
#[must_use]
pub fn message(body: &[u8], rules: &Rules<'_>) -> Decision {
    let message = match message::read(body) {
        Ok(message) => message,
        Err(error) => {
            let field = FieldError::new(keys(error.field()), error.to_string());
            return Decision::Reject(Rejection::fields(GatewayOutcome::Refused, vec![field]));
        }
    };
    if message.delivered.len() > rules.max_payload {
        return Decision::Reject(Rejection::too_large(rules.max_payload));
    }
    let rewrite = || message.rewrite_channels(body, rules.channel_encoding);
    match rules.catalogue.judge_text(rules.connection, &message.event_type, message.delivered.as_bytes()) {
        Judgement::Valid => Decision::Forward { rewrite: rewrite(), mismatch: None },
        Judgement::Undeclared
            if rules.undeclared == Undeclared::Pass
                && rules.catalogue.may_be_declared(rules.connection, &message.event_type) =>
        {
            Decision::Reject(Rejection::overloaded(UNKNOWN_SCHEMA))
        }
        Judgement::Undeclared if rules.undeclared == Undeclared::Pass => {
            Decision::Forward { rewrite: rewrite(), mismatch: None }
        }
        Judgement::Undeclared => Decision::Reject(undeclared(&message.event_type, rules.undeclared_advice)),
        Judgement::Invalid { policy: PayloadPolicy::Enforce, violations, more } => {
            Decision::Reject(invalid_payload(message.delivered_from, &violations, more))
        }
        Judgement::Invalid { policy, violations, more } => {
            let event_type = message.event_type.clone();
            Decision::Forward {
                rewrite: rewrite(),
                mismatch: Some(Mismatch { event_type, policy, violations, more }),
            }
        }
    }
}

fn undeclared(event_type: &str, advice: &str) -> Rejection {
    let message = format!(
        "found {}, which is not declared, expected a declared event type; declare it as a WebhookEventType{advice}",
        plan::quoted(event_type)
    );
    let field = FieldError::new(keys(&["eventType"]), message);
    Rejection::fields(GatewayOutcome::Undeclared, vec![field])
}

/// Returns the rejection of a payload that is at this place in the body.
#[must_use]
pub fn invalid_payload(place: &[&str], violations: &[Violation], more: usize) -> Rejection {
    let mut errors: Vec<FieldError> = violations
        .iter()
        .map(|violation| {
            FieldError::new(keys(place).chain(parts(&violation.pointer)), violation.message.clone())
        })
        .collect();
    if more > 0 {
        errors.push(FieldError::new(keys(place), format!("and {more} more violations of the schema")));
    }
    Rejection::fields(GatewayOutcome::Invalid, errors)
}

fn keys<'a>(place: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    place.iter().map(|key| (*key).to_owned())
}

/// Returns the parts of a JSON Pointer.
fn parts(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;
    use crate::{api::JsonObject, catalogue::Declared, gateway::rejection::RejectionBody};

    fn decide(policy: PayloadPolicy, body: &str) -> Decision {
        let catalogue = Catalogue::default();
        let schema =
            json!({"type": "object", "required": ["id"], "properties": {"a/b": {"type": "integer"}}});
        let schema = JsonObject::from_value(&schema).unwrap();
        catalogue.put("c", "a.b", Declared { schema, format_assertion: true, policy }).unwrap();
        let rules = Rules {
            catalogue: &catalogue,
            connection: "c",
            channel_encoding: ChannelEncoding::WhenNeeded,
            undeclared: Undeclared::Refuse,
            undeclared_advice: "",
            max_payload: 100,
        };
        message(body.as_bytes(), &rules)
    }

    const BAD: &str = r#"{"eventType":"a.b","payload":{"a/b":"x"}}"#;

    #[test]
    fn an_invalid_payload_is_rejected_with_every_field() {
        let Decision::Reject(rejection) = decide(PayloadPolicy::Enforce, BAD) else { panic!("forwarded") };
        assert_eq!((rejection.outcome, rejection.status.as_u16()), (GatewayOutcome::Invalid, 422));
        let RejectionBody::Fields(mut fields) = rejection.body else { panic!("no fields") };
        fields.sort_by(|a, b| a.location.cmp(&b.location));
        assert_eq!(fields[0].location, ["body", "payload"]);
        assert_eq!(fields[1].location, ["body", "payload", "a/b"]);
        assert!(fields[1].message.contains(r#"found "x", expected an integer"#), "{fields:?}");
    }

    #[test]
    fn other_policies_forward_it_with_the_mismatch() {
        for policy in [PayloadPolicy::Warn, PayloadPolicy::Audit] {
            let Decision::Forward { mismatch: Some(mismatch), .. } = decide(policy, BAD) else {
                panic!("{policy:?}")
            };
            assert_eq!((mismatch.policy, mismatch.violations.len()), (policy, 2));
            // A payload that readers may read differently passes under no policy.
            let twice = r#"{"eventType":"a.b","payload":{"id":1,"id":2}}"#;
            assert!(matches!(decide(policy, twice), Decision::Reject(_)));
        }
    }

    #[test]
    fn the_delivered_payload_has_a_maximum_size() {
        let large = format!(r#"{{"eventType":"a.b","payload":{{"id":"{}"}}}}"#, "x".repeat(100));
        let Decision::Reject(rejection) = decide(PayloadPolicy::Audit, &large) else { panic!("forwarded") };
        assert_eq!(rejection.status.as_u16(), 413);
    }

    #[test]
    fn an_event_type_that_may_be_declared_does_not_pass() {
        let catalogue = Catalogue::default();
        let rules = Rules {
            catalogue: &catalogue,
            connection: "c",
            channel_encoding: ChannelEncoding::WhenNeeded,
            undeclared: Undeclared::Pass,
            undeclared_advice: "",
            max_payload: 100,
        };
        let forwards = || matches!(message(BAD.as_bytes(), &rules), Decision::Forward { .. });
        assert!(forwards());

        catalogue.update_unknown(|unknown| {
            unknown.event_types.insert(("c".to_owned(), "a.b".to_owned()));
        });
        let Decision::Reject(rejection) = message(BAD.as_bytes(), &rules) else { panic!("forwarded") };
        assert_eq!(rejection.status.as_u16(), 503);

        catalogue.set_unknown(crate::catalogue::Unknown { has_unreadable: true, ..Default::default() });
        assert!(!forwards());
    }
}
