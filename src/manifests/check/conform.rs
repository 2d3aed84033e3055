//! Makes the spec of a wrong object readable, so that the CRD's rules are checked although other parts of it are wrong.

use serde_json::{Map, Value};

/// Returns a value that has the types that a structural schema asks for: a value of another type becomes text, or the
/// smallest value of its type; a required field that is missing is added; unknown fields are left out.
pub(super) fn conform(schema: &Value, value: &Value) -> Value {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => object(schema, value.as_object()),
        Some("array") => {
            let items = value.as_array().into_iter().flatten();
            let item_schema = schema.get("items").unwrap_or(&Value::Null);
            items.map(|item| conform(item_schema, item)).collect()
        }
        Some("string") => string(schema, value),
        Some("integer") => value.as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or(0).into(),
        Some("boolean") => value.as_bool().unwrap_or(false).into(),
        _ => value.clone(),
    }
}

fn object(schema: &Value, object: Option<&Map<String, Value>>) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties").filter(|schema| schema.is_object());
    let entries = object.into_iter().flatten();
    if properties.is_none() && additional.is_none() {
        return Value::Object(entries.map(|(key, value)| (key.clone(), value.clone())).collect());
    }
    let mut conformed: Map<String, Value> = entries
        .filter(|(_, value)| !value.is_null())
        .filter_map(|(key, value)| {
            let schema = properties.and_then(|properties| properties.get(key)).or(additional)?;
            Some((key.clone(), conform(schema, value)))
        })
        .collect();
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if let (false, Some(schema)) =
            (conformed.contains_key(name), properties.and_then(|all| all.get(name)))
        {
            conformed.insert(name.to_owned(), conform(schema, &Value::Null));
        }
    }
    Value::Object(conformed)
}

fn string(schema: &Value, value: &Value) -> Value {
    let text = match value {
        Value::String(_) => value.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string().into(),
        Value::Null | Value::Array(_) | Value::Object(_) => Value::String(String::new()),
    };
    match schema.get("enum").and_then(Value::as_array) {
        Some(options) if !options.contains(&text) => options.first().cloned().unwrap_or(text),
        _ => text,
    }
}
