//! Finds nulls that do not survive `kubectl apply`.

use serde_json::Value;

use crate::api::JsonPointer;

/// Returns the places of nulls in a value that a JSON merge patch cannot set. Lists are replaced as a whole, with the nulls
/// in them.
pub(super) fn dropped(value: &Value, pointer: &JsonPointer) -> Vec<JsonPointer> {
    match value {
        Value::Null => vec![pointer.clone()],
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| dropped(value, &pointer.child(key))).collect()
        }
        _ => Vec::new(),
    }
}
