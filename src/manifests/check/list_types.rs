//! Checks `x-kubernetes-list-type`: a set has no equal items, a map no items with equal keys.

use serde_json::Value;

use crate::{
    api::JsonPointer,
    manifests::{messages, problem::Violation},
};

/// Checks the lists in a value, all levels of it.
pub(super) fn check(schema: &Value, value: &Value, pointer: &JsonPointer, out: &mut Vec<Violation>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let part = schema.get("properties").and_then(|properties| properties.get(key));
                if let Some(part) = part.or_else(|| schema.get("additionalProperties")) {
                    check(part, value, &pointer.child(key), out);
                }
            }
        }
        Value::Array(items) => {
            let keys: Option<Vec<&str>> = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
                Some("set") => Some(Vec::new()),
                Some("map") => schema
                    .get("x-kubernetes-list-map-keys")
                    .and_then(Value::as_array)
                    .map(|keys| keys.iter().filter_map(Value::as_str).collect()),
                _ => None,
            };
            let identity = |item: &Value| match &keys {
                Some(keys) if !keys.is_empty() => keys.iter().map(|key| item.get(key).cloned()).collect(),
                _ => vec![Some(item.clone())],
            };
            let mut seen = std::collections::HashMap::new();
            for (index, item) in items.iter().enumerate() {
                let here = pointer.index(index);
                if keys.is_some() {
                    let identity = identity(item);
                    let text = serde_json::to_string(&identity).unwrap_or_default();
                    if let Some(first) = seen.insert(text, index) {
                        let what = match identity.as_slice() {
                            [Some(value)] => messages::found(value),
                            _ => "the same keys".into(),
                        };
                        let message =
                            format!("found {what} again, as in item {first}: each may be there once");
                        out.push(Violation::new(here.clone(), message));
                    }
                }
                if let Some(part) = schema.get("items") {
                    check(part, item, &here, out);
                }
            }
        }
        _ => {}
    }
}
