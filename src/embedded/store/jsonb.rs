//! JSON as the real server's database can store it: Postgres' `jsonb`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::embedded::store::error::{StoreError, StoreResult};

/// Refuses metadata that `jsonb` cannot store.
pub(crate) fn check_metadata(metadata: &BTreeMap<String, String>) -> StoreResult<()> {
    let has_nul = |(key, value): (&String, &String)| key.contains('\0') || value.contains('\0');
    if metadata.iter().any(has_nul) { Err(StoreError::NulInJson) } else { Ok(()) }
}

/// Whether a string or a key anywhere in `json` contains U+0000, which `jsonb` cannot store.
pub(crate) fn has_nul(json: &Value) -> bool {
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
