//! Has each visit of a subschema look at the payload, since that is what is counted (`instance`).
//!
//! A subschema that only combines others, or allows everything, can be visited a million times without one look.
//! `minProperties: 0` is one look, and never fails.

use jsonschema::Draft;
use serde_json::{Map, Value, json};

use crate::schema::document::{Document, Node};

/// Keywords that look at every value.
const LOOKING: [&str; 13] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "pattern",
];
/// Most booleans in a list of subschemas that are not counted.
const MAX_BOOLEANS: usize = 4;

/// Adds a keyword that looks at the payload to a subschema that may have none.
pub(super) fn add_look(draft: Draft, original: &Value, rewritten: &mut Map<String, Value>) {
    let is_looking = LOOKING.iter().any(|keyword| rewritten.contains_key(*keyword))
        || rewritten.get("properties").and_then(Value::as_object).is_some_and(|it| !it.is_empty());
    if !is_looking && !Document::is_only_a_reference(draft, original) {
        rewritten.insert("minProperties".to_owned(), 0.into());
    }
}

/// Writes the booleans of a list of subschemas as subschemas that look at the payload, if there are many.
pub(super) fn add_looks_to_list(list: &mut Value) {
    let Value::Array(items) = list else { return };
    if items.iter().filter(|item| item.is_boolean()).count() > MAX_BOOLEANS {
        for item in items {
            match item {
                Value::Bool(true) => *item = json!({"minProperties": 0}),
                Value::Bool(false) => *item = json!({"enum": []}),
                _ => {}
            }
        }
    }
}

/// Returns where a chain of references ends that are all that their subschemas have: validators follow each of them in
/// every visit.
pub(super) fn end_of_chain(document: &Document<'_>, mut node: Node) -> Node {
    // One that leads into itself has no end.
    for _ in 0..document.subschemas.len() {
        let subschema = &document.subschemas[node];
        let is_alone = match subschema.value {
            Value::Object(map) => {
                map.len() == 1 || Document::is_only_a_reference(subschema.draft, subschema.value)
            }
            _ => false,
        };
        match subschema.references.as_slice() {
            [only] if is_alone && only.dynamic.is_none() && only.keyword.as_str() == "$ref" => node = only.to,
            _ => break,
        }
    }
    node
}
