//! Reads a schema, or the manifest of an event type that has one.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    cli::payload_file,
    manifests::{
        self, ReadError,
        yaml::{self, YamlError},
    },
    schema,
};

/// A schema, and whether its formats are enforced.
#[derive(Debug)]
pub struct Document {
    /// The schema.
    pub schema: Value,
    /// `formatAssertion` of the manifest, if it is one.
    pub format_assertion: Option<bool>,
}

/// Why a file has no schema.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It cannot be read.
    #[error("{}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not text.
    #[error("{}: {source}", .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// It is not JSON.
    #[error("{}: {violation}", .path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        violation: schema::Violation,
    },
    /// It is not YAML.
    #[error("{}: {source}", .path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: YamlError,
    },
    /// It has not one document.
    #[error("{}: found {found} documents, expected one: a JSON Schema, or the manifest of a WebhookEventType", .path.display())]
    Documents {
        /// The file.
        path: PathBuf,
        /// How many it has.
        found: usize,
    },
    /// It is a manifest without a schema.
    #[error("{}: /spec: found neither schema nor schemaText, expected one of them", .0.display())]
    NoSchema(PathBuf),
}

/// Reads a file; `-`: standard input.
pub fn read(path: &Path) -> Result<Document, DocumentError> {
    let bytes =
        payload_file::read(path).map_err(|source| DocumentError::Read { path: path.to_owned(), source })?;
    let text = manifests::decode(bytes)
        .map_err(|source| DocumentError::NotText { path: path.to_owned(), source })?;
    let value = value(path, text.trim_start_matches('\u{feff}'))?;
    if value.get("kind").and_then(Value::as_str) != Some("WebhookEventType") || value.get("spec").is_none() {
        return Ok(Document { schema: value, format_assertion: None });
    }
    let spec = value.get("spec").cloned().unwrap_or_default();
    let schema = match (spec.get("schema"), spec.get("schemaText").and_then(Value::as_str)) {
        (Some(schema), _) => schema.clone(),
        (None, Some(text)) => json(path, text)?,
        (None, None) => return Err(DocumentError::NoSchema(path.to_owned())),
    };
    Ok(Document { schema, format_assertion: spec.get("formatAssertion").and_then(Value::as_bool) })
}

fn json(path: &Path, text: &str) -> Result<Value, DocumentError> {
    schema::parse(text.as_bytes())
        .map_err(|violation| DocumentError::Json { path: path.to_owned(), violation })
}

fn value(path: &Path, text: &str) -> Result<Value, DocumentError> {
    if text.trim_start().starts_with('{') {
        return json(path, text);
    }
    let mut documents = yaml::documents(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| DocumentError::Yaml { path: path.to_owned(), source })?;
    match (documents.pop(), documents.len()) {
        (Some(document), 0) => Ok(document.value),
        (last, others) => Err(DocumentError::Documents {
            path: path.to_owned(),
            found: others + usize::from(last.is_some()),
        }),
    }
}
