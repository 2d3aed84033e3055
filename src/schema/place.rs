//! Where payloads violate a schema, without anything of a payload: every name comes from the schema.

use std::collections::VecDeque;

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};

use super::formats;

/// Most places of one payload that are distinguished.
const MAX_PLACES: usize = 32;
/// Most bytes of paths that are read for one payload: a path is as long as the references and names on it.
const MAX_PATHS: usize = 1024 * 1024;
/// Longest place, in characters.
const MAX_LENGTH: usize = 512;
/// Stands for an index, and for the name of a member that the schema does not declare.
const ANY: &str = "*";

/// A place where a payload violates its schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The place in the payload, as a JSON Pointer in which `*` stands for any index, and for any name that the schema does not
    /// declare; `/`: the payload itself.
    pub payload: String,
    /// The keyword of the schema that is violated.
    pub keyword: String,
}

impl Place {
    /// The place of a payload whose validation was given up.
    pub(super) fn given_up() -> Self {
        Self { payload: "/".to_owned(), keyword: "validationLimit".to_owned() }
    }
}

/// The places of errors, each once.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    /// The length of the paths that were read.
    bytes: usize,
}

impl Places {
    /// Adds the place of an error, unless it is there already.
    pub fn add(&mut self, error: &ValidationError<'_>) {
        if self.places.len() < MAX_PLACES && self.bytes < MAX_PATHS {
            let path = error.evaluation_path().as_str();
            self.bytes += path.len();
            let place = place(error, path);
            if !self.places.contains(&place) {
                self.places.push(place);
            }
        }
    }

    pub fn into_vec(self) -> Vec<Place> {
        self.places
    }
}

/// Returns the place of an error, read from the path through the schema that led to it.
fn place(error: &ValidationError<'_>, path: &str) -> Place {
    let mut parts: VecDeque<&str> =
        path.strip_prefix('/').into_iter().flat_map(|path| path.split('/')).collect();
    let mut payload = String::new();
    let mut push = |part: &str| {
        payload.push('/');
        payload.push_str(part);
    };
    // A path that ends within a subschema ends at one that is `false`.
    let mut keyword = "false".to_owned();
    while let Some(part) = parts.pop_front() {
        let is_last = parts.is_empty();
        match part {
            _ if is_last => keyword = part.to_owned(),
            // The name of a member as the schema has it.
            "properties" => push(parts.pop_front().unwrap_or(ANY)),
            // The part is the pattern.
            "patternProperties" => {
                parts.pop_front();
                push(ANY);
            }
            "additionalProperties" | "unevaluatedProperties" => push(ANY),
            "items" | "prefixItems" | "additionalItems" | "unevaluatedItems" | "contains" => {
                skip_index(&mut parts);
                push(ANY);
            }
            "allOf" | "anyOf" | "oneOf" => skip_index(&mut parts),
            // The part is the name of a member on which the subschema depends.
            "dependentSchemas" | "dependencies" => {
                parts.pop_front();
            }
            "if" | "then" | "else" | "not" | "$ref" | "$dynamicRef" | "$recursiveRef" => {}
            // What is below is about a name, or not known.
            _ => {
                keyword = part.to_owned();
                break;
            }
        }
    }
    match error.kind() {
        Kind::Required { property } => {
            keyword = "required".to_owned();
            if let Some(name) = property.as_str() {
                push(&name.replace('~', "~0").replace('/', "~1"));
            }
        }
        _ if keyword == formats::INTEGER_KEYWORD => keyword = "format".to_owned(),
        _ => {}
    }
    if payload.is_empty() {
        payload.push('/');
    }
    Place { payload: bounded(payload), keyword: bounded(keyword) }
}

fn skip_index(parts: &mut VecDeque<&str>) {
    if parts.front().is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit())) {
        parts.pop_front();
    }
}

fn bounded(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_LENGTH - 1) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::super::Compiled;

    fn places(schema: &Value, payload: &Value) -> Vec<String> {
        let findings = Compiled::new(schema, true).unwrap().judge_value(payload);
        findings.places.iter().map(|place| format!("{} {}", place.payload, place.keyword)).collect()
    }

    #[test]
    fn indices_and_unknown_names_are_any() {
        let schema = json!({
            "properties": {
                "items": {"items": {"properties": {"price": {"type": "number"}}, "required": ["id"]}},
                "by name": {"additionalProperties": {"type": "integer"}},
                "x": {"patternProperties": {"^secret": {"maxLength": 1}}},
                "closed": {"additionalProperties": false},
                "123": {"minimum": 5},
                "a/b": false,
                "pair": {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]},
            },
        });
        for (payload, expected) in [
            (json!({"items": [{"id": 1, "price": "s3cret"}]}), "/items/*/price type"),
            (json!({"items": [{}, {}]}), "/items/*/id required"),
            (json!({"by name": {"s3cret": "x"}}), "/by name/* type"),
            (json!({"x": {"secret": "s3cret"}}), "/x/* maxLength"),
            (json!({"closed": {"s3cret": 1}}), "/closed additionalProperties"),
            (json!({"123": 1}), "/123 minimum"),
            (json!({"a/b": 1}), "/a~1b false"),
            (json!({"pair": [1]}), "/pair/* type"),
        ] {
            assert_eq!(places(&schema, &payload), [expected], "{payload}");
        }
    }

    #[test]
    fn a_place_is_one_however_it_is_reached() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": "#/$defs/node",
            "properties": {"closed": {"properties": {"known": true}, "unevaluatedProperties": false}},
            "$defs": {"node": {
                "$dynamicAnchor": "node",
                "allOf": [{"properties": {"n": {"$ref": "#/$defs/n"}}}],
                "properties": {"next": {"$dynamicRef": "#node"}, "pair": {"prefixItems": [{"$ref": "#/$defs/n"}]}},
                "dependentSchemas": {"n": {"required": ["next"]}},
                "if": {"required": ["n"]}, "then": {"properties": {"m": {"const": 1}}},
                "propertyNames": {"maxLength": 6},
            }, "n": {"type": "integer"}},
        });
        for (payload, expected) in [
            (json!({"n": "x", "next": {}}), &["/n type"][..]),
            (json!({"next": {"next": {"n": "x", "next": {}}}}), &["/next/next/n type"]),
            (json!({"n": 1}), &["/next required"]),
            (json!({"n": 1, "next": {}, "m": 2}), &["/m const"]),
            (json!({"pair": ["x"]}), &["/pair/* type"]),
            (json!({"closed": {"known": 1, "s3cret": 1}}), &["/closed unevaluatedProperties"]),
            (json!({"longer-than-six": 1}), &["/ propertyNames"]),
        ] {
            assert_eq!(places(&schema, &payload), expected, "{payload}");
        }
    }

    #[test]
    fn many_errors_of_one_kind_are_one_place() {
        let schema = json!({"properties": {"a": {"items": {"type": "integer"}}, "b": {"type": "string"}}});
        let many: Vec<_> = (0..500).map(|_| json!("x")).collect();

        let found = places(&schema, &json!({"a": many, "b": 1}));

        assert_eq!(found, ["/a/* type", "/b type"]);
    }

    #[test]
    fn no_text_of_a_payload_is_in_a_place() {
        let schema =
            json!({"anyOf": [{"enum": [1]}, {"not": {}}], "additionalProperties": {"format": "int32"}});

        let found = places(&schema, &json!({"s3cret": 3_000_000_000_u64}));

        assert_eq!(found, ["/* format", "/ anyOf"]);
    }
}
