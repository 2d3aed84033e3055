//! The schemas of an event type: a map by version, each of which compiles as Draft 7.

use std::collections::BTreeMap;

use jsonschema::Draft;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::embedded::store::error::{StoreError, StoreResult};
use crate::embedded::store::jsonb::Json;

/// Schemas by version, each of which compiles as Draft 7.
#[derive(Debug)]
pub(super) struct Schemas(BTreeMap<String, Json>);

impl Schemas {
    /// Returns the schemas as the database of the real server gives them back, unless it cannot store them.
    pub(super) fn stored(self) -> StoreResult<BTreeMap<String, Box<RawValue>>> {
        let stored = |(version, schema): (String, Json)| {
            if version.contains('\0') {
                return Err(StoreError::NulInJson);
            }
            Ok((version, schema.stored()?))
        };
        self.0.into_iter().map(stored).collect()
    }
}

impl<'de> Deserialize<'de> for Schemas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let by_version = BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)?;
        let mut schemas = BTreeMap::new();
        for (version, text) in by_version {
            let schema = Json::parse(&text).map_err(de::Error::custom)?;
            let options = jsonschema::options().with_draft(Draft::Draft7);
            options.build(&schema.to_value()).map_err(de::Error::custom)?;
            schemas.insert(version, schema);
        }
        Ok(Self(schemas))
    }
}
