//! JSON Schemas of payloads: compiling them within limits, and saying how a payload breaks one.
//!
//! A schema is Draft 7 unless its `$schema` says otherwise (Svix itself compiles each as Draft 7). Nothing
//! leaves the document: a reference to another is an error, and no file or address is ever read.

mod limits;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

pub use limits::{MAX_DEPTH, MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS};

/// Most violations that are told of one payload: more do not help a person.
const MAX_VIOLATIONS: usize = 10;

/// A schema that cannot be used. The message says where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// Too large, too deep or too many parts.
    #[error("{0}")]
    Limit(String),
    /// A reference leaves the document.
    #[error(
        "{pointer}/$ref: found {target}, expected a reference within the schema (`#…`): nothing outside is read"
    )]
    RemoteReference {
        /// Where it stands, as a JSON Pointer.
        pointer: String,
        /// What it refers to.
        target: String,
    },
    /// Not a valid JSON Schema.
    #[error("{pointer}: {message}")]
    Invalid {
        /// Where, as a JSON Pointer.
        pointer: String,
        /// What is wrong.
        message: String,
    },
}

/// One way in which a payload breaks a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where in the payload, as a JSON Pointer; empty: the whole payload.
    pub pointer: String,
    /// What was expected.
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.message)
    }
}

/// A schema ready to judge payloads.
#[derive(Debug)]
pub struct Compiled {
    validator: Validator,
}

impl Compiled {
    /// Compiles a schema. `format_assertion`: whether a `format` must match, or is only a remark.
    pub fn new(schema: &Value, format_assertion: bool) -> Result<Self, InvalidSchema> {
        limits::check(schema)?;
        let draft = match schema.get("$schema") {
            Some(Value::String(_)) => Draft::default().detect(schema),
            _ => Draft::Draft7,
        };
        let validator = jsonschema::options()
            .with_draft(draft)
            .should_validate_formats(format_assertion)
            // Linear time: a payload cannot make a pattern backtrack for ever.
            .with_pattern_options(PatternOptions::regex())
            .offline()
            .build(schema)
            .map_err(|error| InvalidSchema::Invalid {
                pointer: match error.instance_path().as_str() {
                    "" => "/".to_owned(),
                    pointer => pointer.to_owned(),
                },
                message: match error.instance_path().as_str().rsplit('/').next() {
                    // The meta-schema's own words name no type.
                    Some("type") => shortened(&format!(
                        "found {}, expected array, boolean, integer, null, number, object or string, or a list of these",
                        error.instance()
                    )),
                    _ => shortened(&error.to_string()),
                },
            })?;
        Ok(Self { validator })
    }

    /// How a payload breaks the schema: the first violations, and how many there are beyond them. Empty: it
    /// matches.
    #[must_use]
    pub fn violations(&self, payload: &Value) -> (Vec<Violation>, usize) {
        let mut errors = self.validator.iter_errors(payload);
        let told = errors
            .by_ref()
            .take(MAX_VIOLATIONS)
            .map(|error| Violation {
                pointer: error.instance_path().as_str().to_owned(),
                message: shortened(&error.to_string()),
            })
            .collect();
        (told, errors.count())
    }
}

/// Violations in one line.
#[must_use]
pub fn describe(violations: &[Violation], more: usize) -> String {
    let mut text = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(200) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}…", &message[..end]),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn violations(schema: &Value, payload: &Value) -> String {
        let (told, more) = Compiled::new(schema, true).unwrap().violations(payload);
        describe(&told, more)
    }

    #[test]
    fn violations_say_where_and_what_was_expected_all_at_once() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {"b": {"type": "integer"}}});
        let text = violations(&schema, &json!({"b": "x"}));
        assert!(text.contains(r#"/b: "x" is not of type "integer""#), "{text}");
        assert!(text.contains(r#"/: "a" is a required property"#), "{text}");
        assert_eq!(violations(&schema, &json!({"a": 1, "b": 2})), "");
    }

    #[test]
    fn a_thousand_violations_give_a_readable_answer() {
        let schema = json!({"additionalProperties": {"type": "integer"}});
        let payload: serde_json::Map<_, _> = (0..1000).map(|i| (format!("k{i}"), json!("x"))).collect();
        let text = violations(&schema, &Value::Object(payload));
        assert!(text.ends_with("; and 990 more") && text.len() < 1000, "{text}");
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
