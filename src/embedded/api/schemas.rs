//! The schemas of an event type: a map by version, each of which compiles as Draft 7.
//!
//! They are kept as text, because numbers of any size must be preserved.

use std::collections::BTreeMap;

use jsonschema::Draft;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::embedded::store::error::{StoreError, StoreResult};
use crate::embedded::store::jsonb;

/// Schemas by version, each of which compiles as Draft 7.
#[derive(Debug)]
pub(super) struct Schemas {
    by_version: BTreeMap<String, Box<RawValue>>,
    has_nul: bool,
}

impl Schemas {
    /// Returns the schemas, unless the database of the real server cannot store them.
    pub(super) fn storable(self) -> StoreResult<BTreeMap<String, Box<RawValue>>> {
        if self.has_nul { Err(StoreError::NulInJson) } else { Ok(self.by_version) }
    }
}

impl<'de> Deserialize<'de> for Schemas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_version = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
        let mut nul = by_version.keys().any(|version| version.contains('\0'));
        for schema in by_version.values() {
            let schema = serde_json::from_str(schema.get()).map_err(de::Error::custom)?;
            jsonschema::options().with_draft(Draft::Draft7).build(&schema).map_err(de::Error::custom)?;
            nul |= jsonb::has_nul(&schema);
        }
        Ok(Self { by_version, has_nul: nul })
    }
}
