//! The schemas of an event type: a map by version, each of which compiles as Draft 7.
//!
//! They are kept as text, because numbers must survive whatever their size.

use std::collections::BTreeMap;

use jsonschema::Draft;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use serde_json::value::RawValue;

use super::errors::{ApiError, ApiResult};

/// Schemas by version, each of which compiles as Draft 7.
#[derive(Debug)]
pub(super) struct Schemas {
    by_version: BTreeMap<String, Box<RawValue>>,
    has_nul: bool,
}

impl Schemas {
    /// Fails for what the real server fails to store.
    pub(super) fn storable(self) -> ApiResult<BTreeMap<String, Box<RawValue>>> {
        ApiError::unless_storable(self.has_nul.then_some("\0"))?;
        Ok(self.by_version)
    }
}

fn has_nul(json: &Value) -> bool {
    match json {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl<'de> Deserialize<'de> for Schemas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_version = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
        let mut nul = by_version.keys().any(|version| version.contains('\0'));
        for schema in by_version.values() {
            let schema = serde_json::from_str(schema.get()).map_err(de::Error::custom)?;
            jsonschema::options().with_draft(Draft::Draft7).build(&schema).map_err(de::Error::custom)?;
            nul |= has_nul(&schema);
        }
        Ok(Self { by_version, has_nul: nul })
    }
}
