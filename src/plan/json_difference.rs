//! Where two JSON values differ.

use serde_json::Value;

use super::quoted;
use crate::schema::decimal;

/// The first place at which two JSON values differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonDifference {
    /// JSON Pointer of the place; empty: the whole value.
    pub pointer: String,
    /// The value found there, shortened.
    pub found: String,
    /// The value expected there, shortened.
    pub expected: String,
}

/// Returns the first difference, in the order of keys and items; `None`: the values are equal. Numbers are equal when
/// their values are, however they are written.
#[must_use]
pub fn first(found: &Value, expected: &Value) -> Option<JsonDifference> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let keys: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            keys.into_iter().find_map(|key| {
                let difference = at(found.get(key), expected.get(key))?;
                Some(difference.below(&key.replace('~', "~0").replace('/', "~1")))
            })
        }
        (Value::Array(found), Value::Array(expected)) => (0..found.len().max(expected.len()))
            .find_map(|index| Some(at(found.get(index), expected.get(index))?.below(&index.to_string()))),
        (Value::Number(found), Value::Number(expected))
            if decimal::canonical(&found.to_string()) == decimal::canonical(&expected.to_string()) =>
        {
            None
        }
        _ if found == expected => None,
        _ => Some(JsonDifference { pointer: String::new(), found: short(found), expected: short(expected) }),
    }
}

fn at(found: Option<&Value>, expected: Option<&Value>) -> Option<JsonDifference> {
    if let (Some(found), Some(expected)) = (found, expected) {
        return first(found, expected);
    }
    let text = |value: Option<&Value>| value.map_or_else(|| "missing".to_owned(), short);
    Some(JsonDifference { pointer: String::new(), found: text(found), expected: text(expected) })
}

impl JsonDifference {
    fn below(mut self, part: &str) -> Self {
        self.pointer.insert_str(0, part);
        self.pointer.insert(0, '/');
        self
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_in_other_notations_do_not_differ() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (a, b) = (r#"{"a": [1e16, -0.0], "b": null}"#, r#"{"b": null, "a": [10000000000000000, 0]}"#);
        assert_eq!(first(&value(a), &value(b)), None);
    }

    #[test]
    fn the_first_difference_has_its_place() {
        for (found, expected, pointer, texts) in [
            (json!({"a": {"b/c": [1, 2]}}), json!({"a": {"b/c": [1, 3]}}), "/a/b~1c/1", ("2", "3")),
            (json!({"a": 1}), json!({}), "/a", ("1", "missing")),
            (json!({}), json!({"a": {}}), "/a", ("missing", "an object")),
            (json!([1]), json!([1, "x"]), "/1", ("missing", "\"x\"")),
            (json!(1), json!("1"), "", ("1", "\"1\"")),
            (json!([[]]), json!({}), "", ("an array of 1", "an object")),
        ] {
            let (found_text, expected_text) = texts;
            let difference = JsonDifference {
                pointer: pointer.into(),
                found: found_text.into(),
                expected: expected_text.into(),
            };
            assert_eq!(first(&found, &expected), Some(difference));
        }
    }
}
