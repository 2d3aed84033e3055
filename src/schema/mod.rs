//! JSON Schemas of payloads: compiles them within limits, and reports how a payload violates one.
//!
//! A schema is Draft 7 unless its `$schema` says otherwise (Svix itself compiles each as Draft 7). Nothing
//! leaves the document: a reference to another is an error, and no file or address is ever read.

mod breadth;
mod document;
pub mod draft7;
mod formats;
mod keywords;
mod limits;
mod messages;
mod patterns;
mod payload;
mod rewrite;
mod validator;
mod warnings;
mod work;

use jsonschema::{Draft, Validator};
use serde_json::Value;

use breadth::Breadth;
use document::Document;
pub use limits::{MAX_DEPTH, MAX_SCHEMA_BYTES, MAX_SUBSCHEMAS};
use patterns::Patterns;
pub use payload::{MAX_PAYLOAD_BYTES, parse, parts};
pub use warnings::{Warning, warnings};

/// Most violations that are reported of one payload: more do not help a person.
const MAX_VIOLATIONS: usize = 10;
/// Most violations that are counted in addition: a hostile payload has as many as it has bytes.
const MAX_COUNTED: usize = 990;
/// Deepest nesting of a payload; JSON parsers stop there, too.
pub const MAX_PAYLOAD_DEPTH: usize = 128;

/// A schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidSchema {
    /// Too large, too deep, too many parts, or too much work.
    Limit {
        /// Where, as a JSON Pointer; empty: the whole schema.
        pointer: String,
        /// What is beyond which bound.
        message: String,
    },
    /// A reference leaves the document.
    RemoteReference {
        /// Where it stands, as a JSON Pointer.
        pointer: String,
        /// The keyword that refers: `$ref`, `$dynamicRef` or `$recursiveRef`.
        keyword: String,
        /// What it refers to.
        target: String,
    },
    /// Not a valid JSON Schema.
    Invalid {
        /// Where, as a JSON Pointer; empty: the whole schema.
        pointer: String,
        /// What is wrong.
        message: String,
    },
}

impl InvalidSchema {
    /// The error as a place in the schema and the message about it. The pointer is empty for the whole schema.
    #[must_use]
    pub fn violation(&self) -> Violation {
        match self {
            Self::Limit { pointer, message } | Self::Invalid { pointer, message } => {
                Violation { pointer: pointer.clone(), message: message.clone() }
            }
            Self::RemoteReference { pointer, keyword, target } => Violation {
                pointer: format!("{pointer}/{keyword}"),
                message: format!(
                    "found {target}, which is not in this schema, and nothing outside is read; put the schema that \
                     it names under `$defs` or `definitions`, with that address as its `$id`"
                ),
            },
        }
    }
}

impl std::fmt::Display for InvalidSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let violation = self.violation();
        match self {
            Self::Limit { .. } if violation.pointer.is_empty() => f.write_str(&violation.message),
            _ => violation.fmt(f),
        }
    }
}

impl std::error::Error for InvalidSchema {}

/// A bound that the whole schema is beyond.
fn beyond(message: impl Into<String>) -> InvalidSchema {
    InvalidSchema::Limit { pointer: String::new(), message: message.into() }
}

/// One way in which a payload violates a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where in the payload, as a JSON Pointer; empty: the whole payload.
    pub pointer: String,
    /// What was found, and what was expected.
    pub message: String,
}

impl Violation {
    /// The same for a text that has a name of its own: the whole is not called `/`.
    #[must_use]
    pub fn within(&self, name: &str) -> String {
        if self.pointer.is_empty() { format!("{name}: {}", self.message) } else { format!("{name}: {self}") }
    }
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
        limits::check(schema)?;
        let document = Document::read(schema, draft(schema)?)?;
        let deepest = work::deepest_payload(&document)?;
        let patterns = Patterns::of(&document)?;
        let validator = validator::build(&document, &patterns, format_assertion)?;
        let longest = patterns.longest_payload();
        Ok(Self { validator, patterns, deepest, longest, breadth: Breadth::of(&document) })
    }

    /// Returns how a payload violates the schema: the first violations, and the number of further ones. Empty: it
    /// matches. The payload is one that a parser read: nested no deeper than [`MAX_PAYLOAD_DEPTH`].
    #[must_use]
    pub fn violations(&self, payload: &Value) -> (Vec<Violation>, usize) {
        // No parser lets a payload through that is nested deeper, so most schemas need no check.
        if self.deepest < MAX_PAYLOAD_DEPTH
            && let Some(pointer) = deeper_than(payload, self.deepest)
        {
            let message = format!(
                "nested deeper than {} levels, which is all that this schema can judge in bounded time",
                self.deepest
            );
            return (vec![Violation { pointer, message }], 0);
        }
        if self.longest < MAX_PAYLOAD_BYTES
            && let Some(found) = text_beyond(payload, self.longest)
        {
            let message = format!(
                "found {found} bytes of text or more, expected at most {}, which is all that the patterns of this schema \
                 can judge in bounded time",
                self.longest
            );
            return (vec![Violation { pointer: String::new(), message }], 0);
        }
        let most = self.breadth.most_values();
        if most < MAX_PAYLOAD_BYTES && breadth::values(payload) > most {
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
        if breadth::values(payload) > self.breadth.most_collected() {
            let cheap = self.breadth.first_is_cheap();
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
        let mut errors = self.validator.iter_errors(payload);
        let reported = errors
            .by_ref()
            .take(MAX_VIOLATIONS)
            .map(|error| messages::violation(&error, &self.patterns))
            .collect();
        (reported, errors.take(MAX_COUNTED).count())
    }
}

/// The draft that a whole schema is written in.
fn draft(schema: &Value) -> Result<Draft, InvalidSchema> {
    match (schema.get("$schema"), draft_of(schema)) {
        (None, _) => Ok(Draft::Draft7),
        (Some(_), Some(draft)) => Ok(draft),
        (Some(named), None) => Err(InvalidSchema::Invalid {
            pointer: "/$schema".to_owned(),
            message: format!(
                "found {}, expected JSON Schema draft 4, 6, 7, 2019-09 or 2020-12, such as \
                 http://json-schema.org/draft-07/schema#",
                shortened(&named.to_string())
            ),
        }),
    }
}

/// The draft that a schema names, if it is one that is known.
fn draft_of(schema: &Value) -> Option<Draft> {
    let named = schema.get("$schema")?.as_str()?;
    Some(Draft::from_schema_uri(named)).filter(|draft| *draft != Draft::Unknown)
}

/// Where a payload is nested deeper than so many levels, if it is.
fn deeper_than(payload: &Value, levels: usize) -> Option<String> {
    /// Nearly every payload is checked, and nearly none is deeper: the place is found only then.
    fn is_deeper(value: &Value, left: usize) -> bool {
        let below = |item: &Value| match item {
            Value::Object(_) | Value::Array(_) => left == 0 || is_deeper(item, left - 1),
            _ => left == 0,
        };
        match value {
            Value::Object(map) => map.values().any(below),
            Value::Array(items) => items.iter().any(below),
            _ => false,
        }
    }
    if !is_deeper(payload, levels) {
        return None;
    }
    let (mut pointer, mut value) = (String::new(), payload);
    for left in (0..=levels).rev() {
        let leads_there = |item: &Value| left == 0 || is_deeper(item, left - 1);
        let (part, next) = match value {
            Value::Object(map) => {
                map.iter().find(|(_, item)| leads_there(item)).map(|(key, item)| (key.clone(), item))?
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .find(|(_, item)| leads_there(item))
                .map(|(i, item)| (i.to_string(), item))?,
            _ => break,
        };
        push_part(&mut pointer, &part);
        value = next;
    }
    Some(pointer)
}

/// How much text a payload has, in keys and strings, as soon as that is more than so many bytes. The depth is
/// bounded by then.
fn text_beyond(payload: &Value, most: usize) -> Option<usize> {
    fn walk(value: &Value, found: &mut usize, most: usize) -> bool {
        match value {
            Value::String(text) => *found += text.len(),
            Value::Array(items) => return items.iter().any(|item| walk(item, found, most)),
            Value::Object(map) => {
                return map.iter().any(|(key, item)| {
                    *found += key.len();
                    walk(item, found, most)
                });
            }
            _ => {}
        }
        *found > most
    }
    let mut found = 0;
    walk(payload, &mut found, most).then_some(found)
}

/// Violations in one line; `more`: how many there are beyond them.
#[must_use]
pub fn describe(violations: &[Violation], more: usize) -> String {
    let mut text = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match more {
        0 => {}
        MAX_COUNTED.. => text.push_str(&format!("; and at least {more} more")),
        _ => text.push_str(&format!("; and {more} more")),
    }
    text
}

/// Appends a part to a JSON Pointer.
fn push_part(pointer: &mut String, part: &str) {
    pointer.push('/');
    if part.contains(['~', '/']) {
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(part);
    }
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
