//! Which version of OpenAPI a document is of, and in which dialect its schemas are written.

use jsonschema::Draft;
use serde_json::Value;

use crate::api::JsonPointer;

use super::{super::bundle::Dialect, operations::described};

/// A document that is not one of OpenAPI 3.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// It names no version.
    #[error("/openapi: found nothing, expected an OpenAPI document of version 3.0 or 3.1")]
    NoVersion,
    /// It is of another version.
    #[error("/openapi: found {0}, expected version 3.0 or 3.1")]
    Version(String),
    /// The version is a number.
    #[error(
        "/openapi: found the number {0}, expected text such as \"3.1.0\": write it in quotes, with three parts"
    )]
    NumberVersion(String),
    /// The schemas are in a dialect that is not JSON Schema.
    #[error("/jsonSchemaDialect: found {0}, expected a draft of JSON Schema, or the dialect of OpenAPI 3.1")]
    Dialect(String),
}

impl InvalidDocument {
    /// The member that is wrong.
    #[must_use]
    pub fn pointer(&self) -> JsonPointer {
        match self {
            Self::NoVersion => JsonPointer::ROOT,
            Self::Version(_) | Self::NumberVersion(_) => JsonPointer::from_static("/openapi"),
            Self::Dialect(_) => JsonPointer::from_static("/jsonSchemaDialect"),
        }
    }
}

/// OpenAPI 3.1's own dialect: 2020-12 with members that say nothing about which values are valid.
const OAS_DIALECT: &str = "https://spec.openapis.org/oas/3.1/dialect/";

/// Returns the dialect of the schemas in a document.
pub(super) fn dialect(document: &Value) -> Result<Dialect, InvalidDocument> {
    let version = match (document.get("openapi"), document.get("swagger")) {
        (Some(Value::String(version)), _) => version,
        (Some(Value::Number(number)), _) => return Err(InvalidDocument::NumberVersion(number.to_string())),
        (Some(other), _) | (None, Some(other)) => return Err(InvalidDocument::Version(other.to_string())),
        (None, None) => return Err(InvalidDocument::NoVersion),
    };
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some("3"), Some("0")) => return Ok(Dialect::OpenApi30),
        (Some("3"), Some("1")) => {}
        _ => return Err(InvalidDocument::Version(version.clone())),
    }
    let Some(found) = document.get("jsonSchemaDialect").filter(|found| !found.is_null()) else {
        return Ok(Dialect::OpenApi31(Draft::Draft202012));
    };
    let draft = match found.as_str() {
        Some(uri) if uri.starts_with(OAS_DIALECT) => Draft::Draft202012,
        Some(uri) => Draft::from_schema_uri(uri),
        None => Draft::Unknown,
    };
    match draft {
        Draft::Unknown => Err(InvalidDocument::Dialect(described(found))),
        draft => Ok(Dialect::OpenApi31(draft)),
    }
}
