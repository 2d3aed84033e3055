//! A JSON object inside a resource, kept as text. It is read without building a tree.

mod compact;
mod tree;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::json_syntax::{self, JsonMistake};

use compact::Compact;
use tree::Tree;

/// How many levels of nesting `serde_json` does not read any more.
const MAX_DEPTH: usize = 128;

/// A JSON object, kept as compact text with sorted keys: a parsed tree takes about six times the memory,
/// and thousands of schemas are in memory at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonObject(Box<str>);

/// A text that is not a JSON object.
#[derive(Debug, thiserror::Error)]
pub enum InvalidJson {
    /// It does not parse.
    #[error(transparent)]
    Syntax(#[from] JsonMistake),
    /// It parses to something else than an object.
    #[error("found a JSON {0}, expected an object")]
    NotAnObject(&'static str),
}

impl JsonObject {
    /// Parses JSON text; an error names the place where it is not JSON, or the type of a value that is not an object.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        Self::from_compact(
            serde_json::from_str(text)
                .map_err(|error| json_syntax::explain(text, Some(MAX_DEPTH), &error))?,
        )
    }

    /// Takes a parsed value, which must be an object.
    pub fn from_value(value: &Value) -> Result<Self, InvalidJson> {
        match value {
            Value::Object(_) => Ok(Self(value.to_string().into())),
            Value::Null => Err(InvalidJson::NotAnObject("null")),
            Value::Bool(_) => Err(InvalidJson::NotAnObject("boolean")),
            Value::Number(_) => Err(InvalidJson::NotAnObject("number")),
            Value::String(_) => Err(InvalidJson::NotAnObject("string")),
            Value::Array(_) => Err(InvalidJson::NotAnObject("array")),
        }
    }

    fn from_compact(Compact(text): Compact) -> Result<Self, InvalidJson> {
        match text.as_bytes().first() {
            Some(b'{') => Ok(Self(text.into())),
            Some(b'[') => Err(InvalidJson::NotAnObject("array")),
            Some(b'"') => Err(InvalidJson::NotAnObject("string")),
            Some(b'n') | None => Err(InvalidJson::NotAnObject("null")),
            Some(b't' | b'f') => Err(InvalidJson::NotAnObject("boolean")),
            Some(_) => Err(InvalidJson::NotAnObject("number")),
        }
    }

    /// The compact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parsed object.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // The text was made by serde_json from an object, so it parses; an empty object stands for the
        // case that cannot occur.
        serde_json::from_str::<Tree>(&self.0).map_or_else(|_| Value::Object(Map::new()), |tree| tree.0)
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_compact(Compact::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for JsonObject {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonObject".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // One value, not a map that several managers share: server-side apply would merge two schemas into one, and
        // makes a null of a part that becomes empty.
        json_schema!({
            "type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_and_tree_with_the_same_content_are_equal() {
        let text = JsonObject::parse(r#"{ "b": [1, 2.5, null], "a": "é" }"#).unwrap();
        let tree: JsonObject = serde_json::from_str(r#"{"a":"é","b":[1,2.5,null]}"#).unwrap();
        assert_eq!(text, tree);
        assert_eq!(text.as_str(), r#"{"a":"é","b":[1,2.5,null]}"#);
    }

    #[test]
    fn no_key_is_read_as_anything_but_a_key() {
        for inner in [r#"{\"a\":1}"#, "5", "no JSON"] {
            let text = format!(r#"{{"$serde_json::private::RawValue":"{inner}"}}"#);
            let read = serde_json::from_str::<JsonObject>(&text);
            assert_eq!(read.as_ref().map(JsonObject::as_str).ok(), Some(&*text));
            assert_eq!(read.unwrap().to_value().to_string(), text);
        }
    }

    #[test]
    fn reading_builds_no_tree() {
        let text = format!(r#"{{"b": 1, "a": [{}]}}"#, vec![r#"{"":0}"#; 100_000].join(","));

        let mut read = None;
        let allocations =
            allocation_counter::measure(|| read = serde_json::from_str::<JsonObject>(&text).ok());

        let most = usize::try_from(allocations.bytes_max).unwrap();
        assert!(most < 4 * text.len(), "{most} bytes for a text of {}", text.len());
        assert!(read.unwrap().as_str().starts_with(r#"{"a":[{"":0},"#));
    }

    #[test]
    fn keys_are_sorted_and_the_last_of_equal_ones_counts() {
        let read = JsonObject::parse(
            r#"{"b": {"\u0064": 1, "c": 2, "d": 3}, "a\"": [], "B": {}, "b": {"d": 4, "c": 2, "\n": 0}}"#,
        );

        assert_eq!(read.unwrap().as_str(), r#"{"B":{},"a\"":[],"b":{"\n":0,"c":2,"d":4}}"#);
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_the_tree(text in r#"\{(("[ab]"|"\\u00e9"|"é\\n\\""):(-?[1-9][0-9]{0,3}(\.[0-9]{1,3})?(e-?[0-9]{1,2})?|null|true|"é\\t"|\[(1,)*2\]|\{("[cab]":\{\},)*"a":0\}),){0,6}"z":0\}"#) {
            let tree: Tree = serde_json::from_str(&text).unwrap();

            let read = JsonObject::parse(&text).unwrap();

            prop_assert_eq!(read.as_str(), tree.0.to_string());
        }
    }

    #[test]
    fn other_types_than_objects_are_refused() {
        for (text, found) in
            [("[]", "array"), ("null", "null"), ("1", "number"), ("\"a\"", "string"), ("true", "boolean")]
        {
            let message = JsonObject::parse(text).unwrap_err().to_string();
            assert_eq!(message, format!("found a JSON {found}, expected an object"));
        }
        assert!(
            JsonObject::parse("{")
                .unwrap_err()
                .to_string()
                .ends_with("not valid JSON: found the end of the text, expected } for the { at 1:1")
        );
    }
}
