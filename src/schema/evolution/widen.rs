//! The smallest change of a schema that permits payloads which it refuses: a suggestion for a person, never written by itself.
//!
//! The rules that refuse a payload are those that a comparison with `{"const": payload}` names. Each is widened just enough, and
//! that is repeated until the payload passes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Level, Rule, Verdict, Version, compare};

/// More rounds than any payload takes whose rules can be widened.
const MAX_ROUNDS: usize = 64;

/// Why a schema cannot be widened.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotWiden {
    /// The schema cannot be used.
    #[error("the schema cannot be used: {0}")]
    Schema(String),
    /// The rule that refuses is not one that can be widened, or is not known.
    #[error("{0}")]
    Rule(String),
}

/// Returns the schema, changed so that it permits the payload.
///
/// # Errors
/// See [`CannotWiden`].
pub fn widen(schema: &Value, payload: &Value, format_assertion: bool) -> Result<Value, CannotWiden> {
    let mut widened = schema.clone();
    let exact = json!({ "const": payload });
    for _ in 0..MAX_ROUNDS {
        let rules = {
            let unusable = |error: crate::schema::InvalidSchema| CannotWiden::Schema(error.to_string());
            let old = Version::new(&widened, format_assertion).map_err(unusable)?;
            if old.permits(payload) {
                return Ok(widened);
            }
            let new = Version::new(&exact, format_assertion).map_err(unusable)?;
            match compare(&old, &new, Level::Strict) {
                Verdict::Breaking(breaking) => breaking
                    .changes
                    .into_iter()
                    .filter_map(|change| Some((change.payload, change.old?)))
                    .collect(),
                _ => Vec::new(),
            }
        };
        let before = widened.clone();
        for (place, rule) in &rules {
            let found = payload.pointer(place);
            widen_rule(&mut widened, rule, place, found, payload);
        }
        if widened == before {
            let names: BTreeSet<_> = rules.iter().map(|(_, rule)| rule.pointer.as_str()).collect();
            let names: Vec<_> = names.into_iter().collect();
            let message = match names.as_slice() {
                [] => "the rule that refuses the payload is not known".to_owned(),
                names => format!("{}: a rule that cannot be widened; change it by hand", names.join(", ")),
            };
            return Err(CannotWiden::Rule(message));
        }
    }
    Err(CannotWiden::Rule("the payload is refused by more rules than can be widened".to_owned()))
}

fn widen_rule(schema: &mut Value, rule: &Rule, place: &str, found: Option<&Value>, payload: &Value) {
    let Some((parent, _)) = rule.pointer.rsplit_once('/') else { return };
    let Some(Value::Object(subschema)) = schema.pointer_mut(parent) else { return };
    let Some(asserted) = subschema.get(&rule.keyword).cloned() else { return };
    let length = |found: &Value| found.as_str().map(|text| text.chars().count());
    let keyword = rule.keyword.as_str();
    let mut set = |value: Option<Value>| {
        match value {
            Some(value) => subschema.insert(keyword.to_owned(), value),
            None => subschema.remove(keyword),
        };
    };
    match keyword {
        "type" => {
            if let Some(found) = found {
                set(Some(with_type(&asserted, found)));
            }
        }
        "enum" => {
            if let (Value::Array(mut values), Some(found)) = (asserted, found) {
                values.push(found.clone());
                set(Some(values.into()));
            }
        }
        "const" => {
            if let Some(found) = found {
                set(None);
                subschema.insert("enum".to_owned(), json!([asserted, found]));
            }
        }
        "required" => {
            if let (Value::Array(names), Some(Value::Object(members))) = (asserted, found) {
                let names: Vec<_> = names
                    .into_iter()
                    .filter(|name| name.as_str().is_none_or(|name| members.contains_key(name)))
                    .collect();
                set((!names.is_empty()).then(|| names.into()));
            }
        }
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            if let Some(number @ Value::Number(_)) = found {
                set(None);
                let inclusive = if keyword.ends_with("inimum") { "minimum" } else { "maximum" };
                subschema.insert(inclusive.to_owned(), number.clone());
            }
        }
        "minLength" | "maxLength" => set(found.and_then(length).map(Value::from)),
        "minItems" | "maxItems" => set(found.and_then(Value::as_array).map(|items| items.len().into())),
        "minProperties" | "maxProperties" => {
            set(found.and_then(Value::as_object).map(|members| members.len().into()));
        }
        // Nobody can say which other text is meant.
        "pattern" | "format" | "multipleOf" | "uniqueItems" | "contentEncoding" | "contentMediaType"
        | "propertyNames" => {
            set(None);
        }
        "additionalProperties" | "unevaluatedProperties" if asserted == Value::Bool(false) => {
            // The rule may be named at the object or at the member.
            let (object, name) = match found {
                Some(Value::Object(_)) => (place, None),
                _ => place.rsplit_once('/').map_or((place, None), |(object, name)| (object, Some(name))),
            };
            let members = payload.pointer(object).and_then(Value::as_object);
            let properties = subschema.entry("properties").or_insert_with(|| json!({}));
            let Value::Object(properties) = properties else { return };
            for (key, value) in members.into_iter().flatten() {
                let is_named = name.is_none_or(|name| name.replace("~1", "/").replace("~0", "~") == *key);
                if is_named && !properties.contains_key(key) {
                    properties.insert(key.clone(), json!({ "type": type_of(value) }));
                }
            }
        }
        _ => {}
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn with_type(asserted: &Value, found: &Value) -> Value {
    let mut types: Vec<Value> = match asserted {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let name = type_of(found);
    if name == "number" {
        types.retain(|other| other != "integer");
    }
    types.push(name.into());
    types.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn widened(schema: Value, payload: Value) -> Value {
        widen(&schema, &payload, true).unwrap()
    }

    #[test]
    fn types_and_bounds() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"maximum": 5}}});

        let widened = widened(schema, json!({"a": 1, "b": 9}));

        let expected = json!({"type": "object", "properties": {"a": {"type": ["string", "integer"]}, "b": {"maximum": 9}}});
        assert_eq!(widened, expected);
    }

    #[test]
    fn members_that_are_missing_or_unknown() {
        let schema =
            json!({"required": ["a", "b"], "properties": {"a": true}, "additionalProperties": false});

        let widened = widened(schema, json!({"b": 1, "c": "x"}));

        assert_eq!(widened["required"], json!(["b"]));
        assert_eq!(widened["properties"]["b"], json!({"type": "integer"}));
        assert_eq!(widened["properties"]["c"], json!({"type": "string"}));
        assert_eq!(widened["additionalProperties"], json!(false));
    }

    #[test]
    fn values_and_texts() {
        let schema = json!({"properties": {
            "a": {"const": 1}, "b": {"enum": ["x"]}, "c": {"type": "string", "pattern": "^a", "minLength": 3},
        }});

        let widened = widened(schema, json!({"a": 2, "b": "y", "c": "b"}));

        let expected = json!({"a": {"enum": [1, 2]}, "b": {"enum": ["x", "y"]}, "c": {"type": "string", "minLength": 1}});
        assert_eq!(widened["properties"], expected);
    }

    #[test]
    fn what_cannot_be_widened_is_named() {
        let error = widen(&json!({"not": {"type": "object"}}), &json!({}), true).unwrap_err();

        assert!(matches!(&error, CannotWiden::Rule(_)), "{error}");
    }
}
