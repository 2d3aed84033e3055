//! JSON Schemas of payloads: compiles them within limits, and reports how a payload violates one.
//!
//! A schema is Draft 7 unless its `$schema` says otherwise (Svix itself compiles each as Draft 7). Nothing
//! leaves the document: a reference to another is an error, and no file or address is ever read.

mod bounds;
pub mod decimal;
mod document;
mod draft;
pub mod draft7;
mod effort;
mod error;
pub mod evolution;
mod exact;
mod exclusive;
mod formats;
mod instance;
pub(crate) mod keywords;
mod limits;
mod messages;
mod patterns;
mod payload;
mod pointer;
mod rewrite;
mod rounded;
mod size;
mod text;
mod validator;
mod violation;
mod warnings;
mod weight;
mod work;

use jsonschema::Validator;
use serde_json::Value;

use document::Document;
use draft::draft;
use effort::{FEW_FINDING_STEPS, MAX_FINDING_STEPS, MAX_STEPS};
pub use error::InvalidSchema;
pub use exact::Payload;
use instance::{Instance, Meter, Metered, Weights};
pub use limits::{MAX_DEPTH, MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS, check_text as check_schema_text};
use patterns::Patterns;
pub use payload::{parse, parts};
pub use size::{MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH};
use violation::{MAX_COUNTED, MAX_VIOLATIONS};
pub use violation::{Violation, describe};
pub use warnings::{Warning, warnings};
pub use weight::{MAX_WEIGHT, check as check_weight, compiled_size, weigh};

/// A schema ready to judge payloads.
pub struct Compiled {
    validator: Validator<Metered>,
    /// Patterns as their author wrote them, for messages.
    patterns: Patterns,
    /// Payloads that are nested deeper would be too much work.
    deepest: usize,
    /// What the schema does with text.
    weights: Weights,
}

/// How a payload violates a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first violations. None: the payload matches.
    pub violations: Vec<Violation>,
    /// How many there are beyond them.
    pub more: usize,
    /// The steps that were counted.
    pub steps: u64,
}

impl Compiled {
    /// Compiles a schema. `format_assertion`: whether formats and content encodings are enforced, or annotations.
    pub fn new(schema: &Value, format_assertion: bool) -> Result<Self, InvalidSchema> {
        let is_large = limits::check(schema)?;
        let _guard = is_large.then(exclusive::enter);
        let document = Document::read(schema, draft(schema)?)?;
        let deepest = work::deepest_payload(&document)?;
        let patterns = Patterns::of(&document)?;
        let validator = validator::build(&document, &patterns, format_assertion)?;
        let weights = Weights {
            text: if format_assertion { formats::weight(&document) } else { 0 },
            name: patterns.states_of_names() as u64,
        };
        Ok(Self { validator, patterns, deepest, weights })
    }

    /// Whether a payload matches the schema. Cheaper than [`Compiled::violations`] for one that does not.
    fn permits(&self, payload: &Value) -> bool {
        let meter = Meter::new(MAX_STEPS, self.weights);
        size::deeper_than(payload, self.deepest).is_none()
            && self.validator.is_valid(Instance { value: payload, meter: &meter })
            && meter.stopped().is_none()
    }

    /// Returns how a payload violates the schema: the first violations, and the number of further ones. Empty: it
    /// matches. The payload is one that a parser read: nested no deeper than [`MAX_PAYLOAD_DEPTH`].
    #[must_use]
    pub fn violations(&self, payload: &Value) -> (Vec<Violation>, usize) {
        let findings = self.judged(payload, std::iter::empty());
        (findings.violations, findings.more)
    }

    /// Judges a payload, with its numbers as they are written. One that takes too much work violates the schema.
    #[must_use]
    pub fn judge(&self, payload: &Payload) -> Findings {
        self.judged(payload.value(), payload.rounded())
    }

    fn judged<'p>(
        &self,
        payload: &'p Value,
        rounded: impl Iterator<Item = (&'p Value, &'p str)>,
    ) -> Findings {
        // No parser lets a payload through that is nested deeper, so most schemas need no check.
        if self.deepest < MAX_PAYLOAD_DEPTH
            && let Some(pointer) = size::deeper_than(payload, self.deepest)
        {
            let message = format!(
                "nested deeper than {} levels, which is all that this schema can judge in bounded time",
                self.deepest
            );
            return Findings { violations: vec![Violation { pointer, message }], ..Findings::default() };
        }
        let mut meter = Meter::new(MAX_STEPS, self.weights);
        for (number, digits) in rounded {
            meter = meter.with_digits(number, digits);
        }
        // Most payloads match, and the way to one bit is shorter than the way to all errors.
        let is_valid = self.validator.is_valid(Instance { value: payload, meter: &meter });
        let steps = meter.spent();
        match meter.stopped() {
            Some(address) => {
                let message = format!(
                    "judging this payload by its schema takes more than {MAX_STEPS} steps, and was given up here; make the \
                     payload smaller, or the schema simpler"
                );
                let violation = Violation { pointer: size::place_of(payload, address), message };
                Findings { violations: vec![violation], more: 0, steps }
            }
            None if is_valid => Findings { steps, ..Findings::default() },
            None => self.found(payload, meter, steps),
        }
    }

    /// Returns what is wrong with a payload that does not match.
    fn found(&self, payload: &Value, meter: Meter, mut steps: u64) -> Findings {
        // Few violations take little memory. Many are collected for one payload at a time.
        let meter = meter.restarted(FEW_FINDING_STEPS);
        if let Some(findings) = self.collected(payload, &meter, &mut steps) {
            return findings;
        }
        let _guard = exclusive::enter();
        let meter = meter.restarted(MAX_FINDING_STEPS);
        if let Some(findings) = self.collected(payload, &meter, &mut steps) {
            return findings;
        }
        let meter = meter.restarted(MAX_FINDING_STEPS);
        let first = self.validator.validate(Instance { value: payload, meter: &meter }).err();
        let first = first.filter(|_| meter.stopped().is_none());
        let message = match &first {
            Some(_) => "found too large a payload to say what else is wrong with it; fix the first",
            None => "found a payload that does not match, and is too large to say where",
        };
        let rest = Violation { pointer: String::new(), message: message.to_owned() };
        let violations =
            first.iter().map(|error| messages::violation(error, &self.patterns)).chain([rest]).collect();
        Findings { violations, more: 0, steps: steps + meter.spent() }
    }

    /// Collects all violations, unless that takes more steps than are left.
    fn collected(&self, payload: &Value, meter: &Meter, steps: &mut u64) -> Option<Findings> {
        let mut errors = self.validator.iter_errors(Instance { value: payload, meter });
        *steps += meter.spent();
        if meter.stopped().is_some() {
            return None;
        }
        let first = errors.by_ref().take(MAX_VIOLATIONS);
        let violations = first.map(|error| messages::violation(&error, &self.patterns)).collect();
        Some(Findings { violations, more: errors.take(MAX_COUNTED).count(), steps: *steps })
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("deepest", &self.deepest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn violations(schema: &Value, payload: &Value) -> String {
        let (violations, more) = Compiled::new(schema, true).unwrap().violations(payload);
        describe(&violations, more)
    }

    #[test]
    fn violations_say_where_and_what_was_expected_all_at_once() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {"b": {"type": "integer"}}});
        let text = violations(&schema, &json!({"b": "x"}));
        assert!(text.contains(r#"/b: found "x", expected an integer"#), "{text}");
        assert!(text.contains(r#"/: found no "a", which is required"#), "{text}");
        assert_eq!(violations(&schema, &json!({"a": 1, "b": 2})), "");
    }

    #[test]
    fn a_thousand_violations_give_a_readable_answer() {
        let schema = json!({"additionalProperties": {"type": "integer"}});
        let payload: serde_json::Map<_, _> = (0..1000).map(|i| (format!("k{i}"), json!("x"))).collect();
        let text = violations(&schema, &Value::Object(payload));
        assert!(text.ends_with("; and at least 990 more") && text.len() < 1000, "{text}");
    }

    #[test]
    fn numbers_are_judged_by_their_digits() {
        for (schema, text, expected) in [
            (
                json!({"maximum": 100}),
                "100.0000000000000000000001",
                Some("at most 100, not 100.0000000000000000000001"),
            ),
            (json!({"maximum": 100}), "100.0000000000000000000000", None),
            (json!({"exclusiveMinimum": 99.99}), "99.990000000000000000001", None),
            (json!({"minimum": -1}), "-1.0000000000000000000001", Some("at least -1")),
            (json!({"exclusiveMaximum": 1}), "0.99999999999999999999999", None),
            (json!({"multipleOf": 3}), "12345678901234567890123", None),
            (json!({"multipleOf": 3}), "12345678901234567890124", Some("a multiple of 3")),
            (json!({"type": "integer"}), "12345678901234567890123", None),
            (json!({"type": "integer"}), "1.0000000000000000000001", Some("an integer")),
            (json!({"const": 100}), "100.0000000000000000000001", Some("100")),
            (json!({"enum": [100, 1]}), "1e2", None),
            (json!({"enum": [100.0, 1]}), "100.0000000000000000000001", Some("one of")),
            (json!({"format": "int64"}), "9007199254740993.0", None),
            (json!({"format": "int32"}), "2147483647.00000000000000000001", Some("32 bits")),
            (json!({"type": "number"}), "100.0000000000000000000001", None),
        ] {
            let payload = Payload::parse(format!(r#"{{"a": [{text}]}}"#).as_bytes()).unwrap();
            let schema = json!({"properties": {"a": {"items": schema}}});
            let found = Compiled::new(&schema, true).unwrap().judge(&payload).violations;
            match expected {
                None => assert_eq!(found, [], "{schema} {text}"),
                Some(expected) => {
                    assert!(found[0].message.contains(expected), "{schema} {text}: {found:?}");
                    assert_eq!(found[0].pointer, "/a/0");
                }
            }
        }
        let unique = Compiled::new(&json!({"uniqueItems": true}), true).unwrap();
        let payload = |text: &str| Payload::parse(text.as_bytes()).unwrap();
        assert_eq!(unique.judge(&payload("[100, 100.0000000000000000000001, 3]")).violations, []);
        assert_eq!(unique.judge(&payload("[1e-400, 3, 0.1e-399]")).violations.len(), 1);
        assert_eq!(unique.judge(&payload("[9007199254740993.0, 3, 9007199254740993]")).violations.len(), 1);
    }

    #[test]
    fn formats_are_asserted_only_when_asked() {
        let schema = json!({"properties": {"d": {"format": "date-time"}}});
        let payload = json!({"d": "yesterday"});
        assert_eq!(Compiled::new(&schema, true).unwrap().violations(&payload).0.len(), 1);
        assert_eq!(Compiled::new(&schema, false).unwrap().violations(&payload).0.len(), 0);
    }

    #[test]
    fn a_schema_without_a_version_is_draft_7() {
        // `prefixItems` came later: Draft 7 does not know it.
        let schema = json!({"prefixItems": [{"type": "integer"}]});
        assert_eq!(violations(&schema, &json!(["x"])), "");
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{"type": "integer"}],
        });
        assert!(violations(&schema, &json!(["x"])).starts_with("/0: "));
    }

    #[test]
    fn a_schema_that_is_none_is_refused_with_its_place() {
        let error = Compiled::new(&json!({"properties": {"a": {"type": "strin"}}}), true).unwrap_err();
        assert!(error.to_string().starts_with("/properties/a/type: "), "{error}");
        let error = Compiled::new(&json!({"pattern": "("}), true).unwrap_err();
        assert!(error.to_string().starts_with("/pattern: "), "{error}");
        let error =
            Compiled::new(&json!({"properties": {"a": {"$ref": "#/definitions/none"}}}), true).unwrap_err();
        assert!(matches!(error, InvalidSchema::Invalid { .. }), "{error}");
        for (schema, said) in [
            (json!({"required": true}), "/required: found true, expected an array"),
            (
                json!({"pattern": "[a-"}),
                r#"/pattern: found "[a-", expected a regular expression; it has a class that is not closed at character 1"#,
            ),
            (json!({"minLength": -1}), "/minLength: found -1, expected at least 0"),
        ] {
            assert_eq!(Compiled::new(&schema, true).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn a_schema_of_an_unknown_draft_is_refused() {
        for named in [json!("https://nobody.example/schema"), json!("draft-07"), json!("")] {
            let error = Compiled::new(&json!({"$schema": named}), true).unwrap_err().to_string();
            assert!(error.starts_with("/$schema: found ") && error.contains("2020-12"), "{error}");
        }
        for known in ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema"] {
            assert!(Compiled::new(&json!({"$schema": known}), true).is_ok(), "{known}");
        }
        // Nobody is asked what it means deeper down either.
        let inner = json!({"properties": {"a": {"$schema": "https://nobody.example/schema"}}});
        let _ = Compiled::new(&inner, true);
        let inner = json!({"properties": {"a": {"$id": "https://x.example/", "$schema": "https://nobody.example/s"}}});
        let _ = Compiled::new(&inner, true);
    }

    #[test]
    fn references_never_leave_the_document() {
        for target in [
            "http://a.example/s.json",
            "https://a.example/s",
            "file:///etc/passwd",
            "other.json",
            "//a.example",
        ] {
            let error = Compiled::new(&json!({"items": {"$ref": target}}), true).unwrap_err();
            assert!(
                matches!(&error, InvalidSchema::RemoteReference { pointer, .. } if pointer == "/items"),
                "{error}"
            );
        }
        assert!(Compiled::new(&json!({"$ref": "#/definitions/a", "definitions": {"a": {}}}), true).is_ok());
    }
}
