//! JSON Schemas of payloads: compiles them within limits, and reports how a payload violates one.
//!
//! A schema is Draft 7 unless its `$schema` says otherwise (Svix itself compiles each as Draft 7). Nothing
//! leaves the document: a reference to another is an error, and no file or address is ever read.

mod breadth;
mod document;
mod draft;
pub mod draft7;
mod error;
pub mod evolution;
mod exclusive;
mod formats;
pub(crate) mod keywords;
mod limits;
mod messages;
mod patterns;
mod payload;
mod pointer;
mod rewrite;
mod size;
mod text;
mod validator;
mod violation;
mod warnings;
mod weight;
mod work;

use jsonschema::Validator;
use serde_json::Value;

use breadth::Breadth;
use document::Document;
use draft::draft;
pub use error::InvalidSchema;
pub use limits::{MAX_DEPTH, MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS, check_text as check_schema_text};
use patterns::Patterns;
pub use payload::{parse, parts};
pub use size::{MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH};
use violation::{MAX_COUNTED, MAX_VIOLATIONS};
pub use violation::{Violation, describe};
pub use warnings::{Warning, warnings};
pub use weight::{MAX_WEIGHT, check as check_weight, compiled_size, weigh};

/// A schema ready to judge payloads.
#[derive(Debug)]
pub struct Compiled {
    validator: Validator,
    /// Patterns as their author wrote them, for messages.
    patterns: Patterns,
    /// Payloads that are nested deeper would be too much work.
    deepest: usize,
    /// Payloads with more text would be too much work for the patterns.
    longest: usize,
    /// What each value of a payload may cost.
    breadth: Breadth,
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
        let longest = patterns.longest_payload();
        Ok(Self { validator, patterns, deepest, longest, breadth: Breadth::of(&document) })
    }

    /// Whether a payload matches the schema. Cheaper than [`Compiled::violations`] for one that does not.
    fn permits(&self, payload: &Value) -> bool {
        self.is_within_bounds(payload) && self.validator.is_valid(payload)
    }

    fn is_within_bounds(&self, payload: &Value) -> bool {
        let most = self.breadth.most_values();
        size::deeper_than(payload, self.deepest).is_none()
            && (self.longest >= MAX_PAYLOAD_BYTES || size::text_beyond(payload, self.longest).is_none())
            && (most >= MAX_PAYLOAD_BYTES || size::values(payload) <= most)
    }

    /// Returns how a payload violates the schema: the first violations, and the number of further ones. Empty: it
    /// matches. The payload is one that a parser read: nested no deeper than [`MAX_PAYLOAD_DEPTH`].
    #[must_use]
    pub fn violations(&self, payload: &Value) -> (Vec<Violation>, usize) {
        // No parser lets a payload through that is nested deeper, so most schemas need no check.
        if self.deepest < MAX_PAYLOAD_DEPTH
            && let Some(pointer) = size::deeper_than(payload, self.deepest)
        {
            let message = format!(
                "nested deeper than {} levels, which is all that this schema can judge in bounded time",
                self.deepest
            );
            return (vec![Violation { pointer, message }], 0);
        }
        if self.longest < MAX_PAYLOAD_BYTES
            && let Some(found) = size::text_beyond(payload, self.longest)
        {
            let message = format!(
                "found {found} bytes of text or more, expected at most {}, which is all that the patterns of this schema \
                 can judge in bounded time",
                self.longest
            );
            return (vec![Violation { pointer: String::new(), message }], 0);
        }
        let most = self.breadth.most_values();
        if most < MAX_PAYLOAD_BYTES && size::values(payload) > most {
            let message = format!(
                "found more than {most} values, expected fewer, which is all that the enums of this schema can judge in \
                 bounded time"
            );
            return (vec![Violation { pointer: String::new(), message }], 0);
        }
        // Most payloads match, and the way to one bit is shorter than the way to all errors.
        if self.validator.is_valid(payload) {
            return (Vec::new(), 0);
        }
        if size::values(payload) > self.breadth.most_collected() {
            let cheap = self.breadth.first_is_cheap();
            let _guard = exclusive::enter();
            let first = if cheap { self.validator.validate(payload).err() } else { None };
            let message = match &first {
                Some(_) => "found too large a payload to say what else is wrong with it; fix the first",
                None => "found a payload that does not match, and is too large to say where",
            };
            let rest = Violation { pointer: String::new(), message: message.to_owned() };
            return (
                first.iter().map(|error| messages::violation(error, &self.patterns)).chain([rest]).collect(),
                0,
            );
        }
        let _guard = (size::values(payload) > self.breadth.few_collected()).then(exclusive::enter);
        let mut errors = self.validator.iter_errors(payload);
        let reported = errors
            .by_ref()
            .take(MAX_VIOLATIONS)
            .map(|error| messages::violation(&error, &self.patterns))
            .collect();
        (reported, errors.take(MAX_COUNTED).count())
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
