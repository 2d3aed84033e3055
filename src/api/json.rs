//! A JSON object inside a resource, kept as text.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// A JSON object, kept as compact text with sorted keys: a parsed tree takes about six times the memory,
/// and thousands of schemas are in memory at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonObject(Box<str>);

/// A text that is not a JSON object.
#[derive(Debug, thiserror::Error)]
pub enum InvalidJson {
    /// It does not parse.
    #[error("not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It parses to something else than an object.
    #[error("found a JSON {0}, expected an object")]
    NotAnObject(&'static str),
}

impl JsonObject {
    /// Parses JSON text; an error names the place where it is not JSON, or the type of a value that is not an object.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        Self::from_value(&serde_json::from_str::<Tree>(text)?.0)
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
        Self::from_value(&Tree::deserialize(deserializer)?.0).map_err(serde::de::Error::custom)
    }
}

/// A JSON value in which every key is a key. serde_json's own `Value` takes an object whose first key is
/// `$serde_json::private::RawValue` for the JSON in its text.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Tree(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Tree(value))) = entries.next_entry::<String, Tree>()? {
            map.insert(key, value);
        }
        Ok(Value::Object(map))
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
    fn other_types_than_objects_are_refused() {
        for (text, found) in
            [("[]", "array"), ("null", "null"), ("1", "number"), ("\"a\"", "string"), ("true", "boolean")]
        {
            let message = JsonObject::parse(text).unwrap_err().to_string();
            assert_eq!(message, format!("found a JSON {found}, expected an object"));
        }
        assert!(JsonObject::parse("{").unwrap_err().to_string().starts_with("not valid JSON: EOF"));
    }
}
