//! Reads a file into a JSON value with positions: JSON, or YAML as OpenAPI prescribes it.
//!
//! OpenAPI documents are YAML 1.2 (`yes` and `on` are text), so they are not read as manifests are, which kubectl reads as
//! YAML 1.1.

use crate::manifests::{
    self, ReadError,
    yaml::{self, Document, YamlError},
};

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidText {
    /// It is not text.
    #[error(": {0}")]
    NotText(#[from] ReadError),
    /// It is neither YAML nor JSON. It begins with line and column.
    #[error(":{0}")]
    Syntax(#[from] YamlError),
}

/// Reads a text.
pub fn read(bytes: Vec<u8>) -> Result<Document, InvalidText> {
    let text = manifests::decode(bytes)?;
    Ok(yaml::standard(&text)?)
}
