//! What is to happen to a message, from its body and what is declared. Pure: no request, no clock, no log.

use hyper::StatusCode;

use crate::{
    api::{ChannelEncoding, PayloadPolicy},
    catalogue::{Catalogue, Judgement},
    plan,
    schema::Violation,
    telemetry::Outcome,
};

use super::{
    Undeclared,
    message::{self, Rewrite},
};

/// What messages are judged by.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The schemas.
    pub catalogue: &'a Catalogue,
    /// The connection whose event types count.
    pub connection: &'a str,
    /// How that connection writes channels.
    pub channel_encoding: ChannelEncoding,
    /// What happens to an event whose type nobody declares.
    pub undeclared: Undeclared,
    /// What the answer advises beside declaring it.
    pub undeclared_advice: &'static str,
    /// Most bytes of a payload.
    pub max_payload: usize,
}

/// What is to happen to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to Svix.
    Forward {
        /// What changes in its body.
        rewrite: Option<Rewrite>,
        /// How its payload breaks the schema, where the policy lets it pass all the same.
        broken: Option<Broken>,
    },
    /// It does not.
    Refuse(Refusal),
}

/// A payload that does not match its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its event type.
    pub event_type: String,
    /// What the event type says of such payloads.
    pub policy: PayloadPolicy,
    /// The first violations.
    pub violations: Vec<Violation>,
    /// How many there are beyond them.
    pub more: usize,
}

/// Why a request is not carried out: an answer in Svix's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How it counts.
    pub outcome: Outcome,
    /// The status of the answer.
    pub status: StatusCode,
    /// What is said.
    pub detail: Detail,
}

/// What an answer says, in one of Svix's two shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// `{"code", "detail"}`.
    Code(&'static str, String),
    /// `{"detail": [{"loc", "msg", "type"}]}`: each place and what is wrong there.
    Places(Vec<(Vec<String>, String)>),
}

impl Refusal {
    /// A refusal with a code.
    #[must_use]
    pub fn code(outcome: Outcome, status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { outcome, status, detail: Detail::Code(code, detail.into()) }
    }

    /// A refusal of one place in the body.
    fn place(outcome: Outcome, place: &[&str], message: String) -> Self {
        let place = std::iter::once("body").chain(place.iter().copied()).map(str::to_owned).collect();
        let detail = Detail::Places(vec![(place, message)]);
        Self { outcome, status: StatusCode::UNPROCESSABLE_ENTITY, detail }
    }

    /// Too many bytes.
    pub(super) fn too_large(most: usize) -> Self {
        let detail = format!("Request payload is too large: expected at most {most} bytes.");
        Self::code(Outcome::Refused, StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    }
}

/// Judges the body of a message's creation.
#[must_use]
pub fn message(body: &[u8], rules: &Rules<'_>) -> Verdict {
    let message = match message::read(body) {
        Ok(message) => message,
        Err(problem) => {
            return Verdict::Refuse(Refusal::place(Outcome::Refused, &problem.place, problem.message));
        }
    };
    if message.delivered.len() > rules.max_payload {
        return Verdict::Refuse(Refusal::too_large(rules.max_payload));
    }
    let rewrite = || message.rewrite_channels(body, rules.channel_encoding);
    match rules.catalogue.judge_text(rules.connection, &message.event_type, message.delivered.as_bytes()) {
        Judgement::Valid => Verdict::Forward { rewrite: rewrite(), broken: None },
        Judgement::Undeclared if rules.undeclared == Undeclared::Pass => {
            Verdict::Forward { rewrite: rewrite(), broken: None }
        }
        Judgement::Undeclared => Verdict::Refuse(undeclared(&message.event_type, rules.undeclared_advice)),
        Judgement::Invalid { policy: PayloadPolicy::Enforce, violations, more } => {
            Verdict::Refuse(broken(message.said_in, &violations, more))
        }
        Judgement::Invalid { policy, violations, more } => {
            let event_type = message.event_type.clone();
            Verdict::Forward {
                rewrite: rewrite(),
                broken: Some(Broken { event_type, policy, violations, more }),
            }
        }
    }
}

fn undeclared(event_type: &str, advice: &str) -> Refusal {
    let message = format!(
        "found {}, which nobody declares, expected a declared event type; declare it as a WebhookEventType{advice}",
        plan::quoted(event_type)
    );
    Refusal::place(Outcome::Undeclared, &["eventType"], message)
}

/// The refusal of a payload that stands at a place in the body.
#[must_use]
pub fn broken(place: &[&str], violations: &[Violation], more: usize) -> Refusal {
    let start = || std::iter::once("body").chain(place.iter().copied()).map(str::to_owned);
    let mut places: Vec<(Vec<String>, String)> = violations
        .iter()
        .map(|violation| (start().chain(parts(&violation.pointer)).collect(), violation.message.clone()))
        .collect();
    if more > 0 {
        places.push((start().collect(), format!("and {more} more violations of the schema")));
    }
    let detail = Detail::Places(places);
    Refusal { outcome: Outcome::Invalid, status: StatusCode::UNPROCESSABLE_ENTITY, detail }
}

/// The parts of a JSON Pointer.
fn parts(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::json;

    use super::*;
    use crate::{api::JsonObject, catalogue::Declared};

    fn judged(policy: PayloadPolicy, body: &str) -> Verdict {
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
    fn a_bad_payload_is_refused_with_every_place() {
        let Verdict::Refuse(refusal) = judged(PayloadPolicy::Enforce, BAD) else { panic!("forwarded") };
        assert_eq!((refusal.outcome, refusal.status.as_u16()), (Outcome::Invalid, 422));
        let Detail::Places(mut places) = refusal.detail else { panic!("no places") };
        places.sort();
        assert_eq!(places[0].0, ["body", "payload"]);
        assert_eq!(places[1].0, ["body", "payload", "a/b"]);
        assert!(places[1].1.contains(r#"found "x", expected an integer"#), "{places:?}");
    }

    #[test]
    fn other_policies_let_it_pass_and_say_so() {
        for policy in [PayloadPolicy::Warn, PayloadPolicy::Audit] {
            let Verdict::Forward { broken: Some(broken), .. } = judged(policy, BAD) else {
                panic!("{policy:?}")
            };
            assert_eq!((broken.policy, broken.violations.len()), (policy, 2));
            // A payload that cannot be read for certain passes under no policy.
            let twice = r#"{"eventType":"a.b","payload":{"id":1,"id":2}}"#;
            assert!(matches!(judged(policy, twice), Verdict::Refuse(_)));
        }
    }

    #[test]
    fn what_is_delivered_has_a_bound() {
        let large = format!(r#"{{"eventType":"a.b","payload":{{"id":"{}"}}}}"#, "x".repeat(100));
        let Verdict::Refuse(refusal) = judged(PayloadPolicy::Audit, &large) else { panic!("forwarded") };
        assert_eq!(refusal.status.as_u16(), 413);
    }
}
