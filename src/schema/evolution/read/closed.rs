//! Closed objects: those that refuse members which they do not name.

use serde_json::{Value, json};

use crate::schema::document::Document;

/// Whether a schema has closed objects that can be opened.
pub(in crate::schema::evolution) fn has_closed(document: &Document<'_>) -> bool {
    document.subschemas.iter().any(|subschema| {
        let keywords = ["additionalProperties", "unevaluatedProperties"];
        keywords.iter().any(|keyword| subschema.value.get(keyword).is_some_and(is_never))
    })
}

/// Whether a schema refuses everything, as it is written to close an object.
pub(super) fn is_never(schema: &Value) -> bool {
    let Value::Object(map) = schema else { return *schema == Value::Bool(false) };
    map.len() == 1 && map.get("not").is_some_and(|not| *not == Value::Bool(true) || *not == json!({}))
}
