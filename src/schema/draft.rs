//! The draft that a schema is written in.

use jsonschema::Draft;
use serde_json::Value;

use super::{error::InvalidSchema, text::shortened};

/// Every draft, as `$schema` names it.
#[cfg(test)]
pub(super) const DRAFTS: [&str; 5] = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

/// Returns the draft that a whole schema is written in: Draft 7 unless `$schema` names another.
pub(super) fn draft(schema: &Value) -> Result<Draft, InvalidSchema> {
    match (schema.get("$schema"), draft_of(schema)) {
        (None, _) => Ok(Draft::Draft7),
        (Some(_), Some(draft)) => Ok(draft),
        (Some(named), None) => Err(InvalidSchema::Invalid {
            pointer: "/$schema".to_owned(),
            message: format!(
                "found {}, expected JSON Schema draft 4, 6, 7, 2019-09 or 2020-12, such as \
                 http://json-schema.org/draft-07/schema#",
                shortened(&named.to_string())
            ),
        }),
    }
}

/// Returns the draft that the `$schema` of a schema names, if it is a known one.
pub(super) fn draft_of(schema: &Value) -> Option<Draft> {
    let named = schema.get("$schema")?.as_str()?;
    Some(Draft::from_schema_uri(named)).filter(|draft| *draft != Draft::Unknown)
}
