//! Decides whether a message may pass, from its body and the declared event types. Pure: no request, no clock, no log.

use crate::{
    api::{ChannelEncoding, PayloadPolicy},
    catalogue::{Catalogue, Judgement},
    plan,
    schema::{self, Effort, Place, Violation},
    telemetry::GatewayOutcome,
};

use super::{
    example,
    message::{self, MessageError, Rewrite},
    operations::Surface,
    options::Undeclared,
    rejection::{FieldError, Rejection},
    stream_events,
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
    /// The work that judging all payloads of a request may take.
    pub effort: &'a Effort,
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
    /// The places of all of them, without anything of the payload.
    pub places: Vec<Place>,
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
        Err(error) => return Decision::Reject(malformed(&error)),
    };
    let rewrite = || message.rewrite_channels(body, rules.channel_encoding);
    match delivered(&message.event_type, message.delivered.as_bytes(), rules) {
        Delivered::Passes(mismatch) => Decision::Forward { rewrite: rewrite(), mismatch },
        Delivered::Undeclared => Decision::Reject(undeclared(&["eventType"], &message.event_type, rules)),
        Delivered::TooLarge(rejection) => Decision::Reject(rejection),
        Delivered::Unknown => Decision::Reject(Rejection::overloaded(UNKNOWN_SCHEMA)),
        Delivered::Violates(violations, more) => {
            Decision::Reject(invalid_payload(message.delivered_from, &violations, more))
        }
    }
}

/// Judges the body of a request that adds events to a stream. All events have to pass. If several of them pass although
/// they do not match, the decision contains the first of them.
#[must_use]
pub fn events(body: &[u8], rules: &Rules<'_>) -> Decision {
    let events = match stream_events::read(body) {
        Ok(events) => events,
        Err(error) => {
            let field = FieldError::new(error.field(), error.to_string());
            return Decision::Reject(Rejection::fields(GatewayOutcome::Refused, vec![field]));
        }
    };
    let mut first_mismatch = None;
    for (index, event) in events.iter().enumerate() {
        let index = index.to_string();
        match delivered(&event.event_type, event.delivered.as_bytes(), rules) {
            Delivered::Passes(mismatch) => first_mismatch = first_mismatch.or(mismatch),
            Delivered::Undeclared => {
                let place = ["events", &index, "eventType"];
                return Decision::Reject(undeclared(&place, &event.event_type, rules));
            }
            Delivered::TooLarge(rejection) => return Decision::Reject(rejection),
            Delivered::Unknown => return Decision::Reject(Rejection::overloaded(UNKNOWN_SCHEMA)),
            Delivered::Violates(violations, more) => {
                let place = ["events", &index, "payload"];
                return Decision::Reject(invalid_payload(&place, &violations, more));
            }
        }
    }
    Decision::Forward { rewrite: None, mismatch: first_mismatch }
}

/// Judges what Svix delivers as an example of an event type, given the event type as Svix returns it. Every example that
/// Svix may choose has to pass.
#[must_use]
pub fn example(event_type: &str, document: &[u8], surface: Surface, rules: &Rules<'_>) -> Decision {
    let reject = |outcome, message: String| {
        let field = FieldError::new(keys(&["eventType"]), message);
        Decision::Reject(Rejection::fields(outcome, vec![field]))
    };
    let candidates = match example::candidates(document, surface) {
        Ok(candidates) => candidates,
        Err(error) => return reject(GatewayOutcome::Refused, error.to_string()),
    };
    let name = plan::quoted(event_type);
    if candidates.is_empty() {
        let message = format!(
            "found {name}, whose schema in Svix has no examples, expected at least one, so that what Svix sends can be \
             validated"
        );
        return reject(GatewayOutcome::Refused, message);
    }
    let mut first_mismatch = None;
    for (index, text) in candidates.iter().enumerate() {
        match delivered(event_type, text.get().as_bytes(), rules) {
            Delivered::Passes(mismatch) => first_mismatch = first_mismatch.or(mismatch),
            Delivered::Undeclared => {
                return Decision::Reject(undeclared(&["eventType"], event_type, rules));
            }
            Delivered::TooLarge(rejection) => return Decision::Reject(rejection),
            Delivered::Unknown => return Decision::Reject(Rejection::overloaded(UNKNOWN_SCHEMA)),
            Delivered::Violates(violations, more) => {
                let violations = schema::describe(&violations, more);
                let message = format!(
                    "found {name}, whose example {index} in Svix does not match its schema, expected examples that match: \
                     {violations}"
                );
                return reject(GatewayOutcome::Invalid, message);
            }
        }
    }
    Decision::Forward { rewrite: None, mismatch: first_mismatch }
}

/// Returns the rejection of a body that is not a message.
#[must_use]
pub fn malformed(error: &MessageError) -> Rejection {
    let field = FieldError::new(keys(error.field()), error.to_string());
    Rejection::fields(GatewayOutcome::Refused, vec![field])
}

/// Whether a text may be delivered as a payload of an event type.
enum Delivered {
    /// It may; possibly although it does not match.
    Passes(Option<Mismatch>),
    /// Its event type is not declared.
    Undeclared,
    /// It is not known whether its event type is declared.
    Unknown,
    /// It is larger than the limit.
    TooLarge(Rejection),
    /// It violates its schema: the first violations, and how many further ones there are.
    Violates(Vec<Violation>, usize),
}

fn delivered(event_type: &str, text: &[u8], rules: &Rules<'_>) -> Delivered {
    if text.len() > rules.max_payload {
        return Delivered::TooLarge(Rejection::payload_too_large(text.len(), rules.max_payload));
    }
    match rules.catalogue.judge_text(rules.connection, event_type, text, rules.effort) {
        Judgement::Valid | Judgement::NotValidated => Delivered::Passes(None),
        Judgement::Undeclared
            if rules.undeclared == Undeclared::Pass
                && rules.catalogue.may_be_declared(rules.connection, event_type) =>
        {
            Delivered::Unknown
        }
        Judgement::Undeclared if rules.undeclared == Undeclared::Pass => Delivered::Passes(None),
        Judgement::Undeclared => Delivered::Undeclared,
        Judgement::Invalid { policy: PayloadPolicy::Enforce, violations, more, .. } => {
            Delivered::Violates(violations, more)
        }
        Judgement::Invalid { policy, violations, more, places, .. } => {
            let event_type = event_type.to_owned();
            Delivered::Passes(Some(Mismatch { event_type, policy, violations, more, places }))
        }
    }
}

fn undeclared(place: &[&str], event_type: &str, rules: &Rules<'_>) -> Rejection {
    let (name, advice) = (plan::quoted(event_type), rules.undeclared_advice);
    let message = if rules.catalogue.may_be_declared(rules.connection, event_type) {
        format!(
            "found {name}, which has no declaration that can be used, since there are declarations with mistakes; correct \
             these, or declare it as a WebhookEventType{advice}"
        )
    } else {
        format!(
            "found {name}, which is not declared, expected a declared event type; declare it as a WebhookEventType{advice}"
        )
    };
    let field = FieldError::new(keys(place), message);
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

    fn catalogue(policy: PayloadPolicy) -> Catalogue {
        let catalogue = Catalogue::default();
        let schema =
            json!({"type": "object", "required": ["id"], "properties": {"a/b": {"type": "integer"}}});
        let schema = Some(JsonObject::from_value(&schema).unwrap());
        catalogue.put("c", "a.b", Declared { schema, format_assertion: true, policy }).unwrap();
        catalogue
    }

    fn rules<'a>(catalogue: &'a Catalogue, effort: &'a Effort) -> Rules<'a> {
        Rules {
            catalogue,
            connection: "c",
            channel_encoding: ChannelEncoding::WhenNeeded,
            undeclared: Undeclared::Refuse,
            undeclared_advice: "",
            max_payload: 100,
            effort,
        }
    }

    fn decide(policy: PayloadPolicy, body: &str) -> Decision {
        message(body.as_bytes(), &rules(&catalogue(policy), &Effort::full()))
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
    fn without_a_schema_any_payload_is_forwarded() {
        let catalogue = Catalogue::default();
        let declared = Declared { schema: None, format_assertion: true, policy: PayloadPolicy::Enforce };
        catalogue.put("c", "a.b", declared).unwrap();
        let effort = Effort::full();
        let rules = rules(&catalogue, &effort);

        let raw = r#"{"eventType":"a.b","payload":{},"transformationsParams":{"rawPayload":"<xml/>"}}"#;
        for body in [BAD, raw] {
            assert_eq!(message(body.as_bytes(), &rules), Decision::Forward { rewrite: None, mismatch: None });
        }
    }

    #[test]
    fn every_event_of_a_stream_has_to_match() {
        let events = |payload: &str| {
            format!(
                r#"{{"events":[{{"eventType":"a.b","payload":"{{\"id\":1}}"}},{{"eventType":"a.b","payload":"{payload}"}}]}}"#
            )
        };
        let decide =
            |policy, body: &str| super::events(body.as_bytes(), &rules(&catalogue(policy), &Effort::full()));

        let good = decide(PayloadPolicy::Enforce, &events(r#"{\"id\":2}"#));
        let bad = decide(PayloadPolicy::Enforce, &events("{}"));
        let warned = decide(PayloadPolicy::Warn, &events("{}"));

        assert_eq!(good, Decision::Forward { rewrite: None, mismatch: None });
        let Decision::Reject(Rejection { body: RejectionBody::Fields(fields), .. }) = bad else {
            panic!("{bad:?}")
        };
        assert_eq!(fields[0].location, ["body", "events", "1", "payload"]);
        assert!(matches!(warned, Decision::Forward { mismatch: Some(_), .. }), "{warned:?}");
    }

    #[test]
    fn all_payloads_of_a_request_share_its_effort() {
        let event = r#"{"eventType":"a.b","payload":"{\"id\":1}"}"#;
        let body = format!(r#"{{"events":[{event},{event},{event}]}}"#);
        let catalogue = catalogue(PayloadPolicy::Enforce);
        let decide = |steps| {
            let effort = Effort::of(steps);
            events(body.as_bytes(), &rules(&catalogue, &effort))
        };

        let enough = (1..1000).find(|steps| matches!(decide(*steps), Decision::Forward { .. })).unwrap();
        let Decision::Reject(Rejection { body: RejectionBody::Fields(fields), .. }) = decide(enough - 1)
        else {
            panic!("forwarded")
        };

        assert_eq!(fields[0].location[..4], ["body", "events", "2", "payload"], "{fields:?}");
    }

    #[test]
    fn every_example_that_svix_may_send_has_to_match() {
        let decide = |policy, examples: &str| {
            let document = format!(r#"{{"schemas":{{"1":{{"examples":{examples}}}}}}}"#);
            example(
                "a.b",
                document.as_bytes(),
                Surface::OpenSource,
                &rules(&catalogue(policy), &Effort::full()),
            )
        };

        let good = decide(PayloadPolicy::Enforce, r#"[{"id":1}]"#);
        let bad = decide(PayloadPolicy::Enforce, r#"[{"id":1},{"a/b":1}]"#);
        let warned = decide(PayloadPolicy::Warn, r#"[{}]"#);
        let none = decide(PayloadPolicy::Audit, "[]");

        assert_eq!(good, Decision::Forward { rewrite: None, mismatch: None });
        let Decision::Reject(Rejection { body: RejectionBody::Fields(fields), .. }) = bad else {
            panic!("{bad:?}")
        };
        assert_eq!(fields[0].location, ["body", "eventType"]);
        assert!(
            fields[0].message.contains("example 1") && fields[0].message.contains("\"id\""),
            "{fields:?}"
        );
        assert!(matches!(warned, Decision::Forward { mismatch: Some(_), .. }), "{warned:?}");
        assert!(matches!(none, Decision::Reject(_)), "{none:?}");
    }

    #[test]
    fn the_delivered_payload_has_a_maximum_size() {
        let large = format!(r#"{{"eventType":"a.b","payload":{{"id":"{}"}}}}"#, "x".repeat(100));
        let Decision::Reject(rejection) = decide(PayloadPolicy::Audit, &large) else { panic!("forwarded") };
        assert_eq!(rejection.status.as_u16(), 413);
    }

    #[test]
    fn an_event_type_that_may_be_declared_does_not_pass() {
        let (catalogue, effort) = (Catalogue::default(), Effort::full());
        let rules = Rules {
            catalogue: &catalogue,
            connection: "c",
            channel_encoding: ChannelEncoding::WhenNeeded,
            undeclared: Undeclared::Pass,
            undeclared_advice: "",
            max_payload: 100,
            effort: &effort,
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

        let rules = Rules { undeclared: Undeclared::Refuse, ..rules };
        let Decision::Reject(rejection) = message(BAD.as_bytes(), &rules) else { panic!("forwarded") };
        let said = format!("{rejection:?}");
        assert!(said.contains("since there are declarations with mistakes; correct these"), "{said}");
    }
}
