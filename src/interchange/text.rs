//! Reads a file into a JSON value: JSON, or YAML as OpenAPI prescribes it.
//!
//! OpenAPI documents are YAML 1.2 (`yes` and `on` are text), so they are not read as manifests are, which kubectl reads as
//! YAML 1.1.

use serde_json::{Map, Value};

use crate::manifests::{self, ReadError};

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidText {
    /// It is not text.
    #[error(transparent)]
    NotText(#[from] ReadError),
    /// It begins like JSON and is not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// It is not YAML.
    #[error("not valid YAML: {0}")]
    Yaml(#[source] serde_yaml::Error),
    /// It has a YAML key that is a list or an object.
    #[error("found a key that is a list, an object or a tagged value, expected text")]
    Key,
    /// It has a YAML number that JSON does not have.
    #[error("found {0}, which is not a number in JSON")]
    Number(String),
}

/// Reads a text.
pub fn read(bytes: Vec<u8>) -> Result<Value, InvalidText> {
    let text = manifests::decode(bytes)?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) {
        return serde_json::from_str(text).map_err(InvalidText::Json);
    }
    json(serde_yaml::from_str(text).map_err(InvalidText::Yaml)?)
}

fn json(value: serde_yaml::Value) -> Result<Value, InvalidText> {
    Ok(match value {
        serde_yaml::Value::Null => Value::Null,
        serde_yaml::Value::Bool(value) => Value::Bool(value),
        serde_yaml::Value::String(text) => Value::String(text),
        serde_yaml::Value::Number(number) => number_of(&number)?,
        serde_yaml::Value::Sequence(items) => {
            Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?)
        }
        serde_yaml::Value::Mapping(entries) => {
            let entries = entries.into_iter().map(|(key, value)| Ok((key_of(key)?, json(value)?)));
            Value::Object(entries.collect::<Result<Map<_, _>, InvalidText>>()?)
        }
        serde_yaml::Value::Tagged(tagged) => json(tagged.value)?,
    })
}

/// The keys of OpenAPI's `responses` are numbers unless they are quoted.
fn key_of(key: serde_yaml::Value) -> Result<String, InvalidText> {
    match key {
        serde_yaml::Value::String(text) => Ok(text),
        serde_yaml::Value::Number(number) => Ok(number.to_string()),
        serde_yaml::Value::Bool(value) => Ok(value.to_string()),
        serde_yaml::Value::Null => Ok("null".to_owned()),
        _ => Err(InvalidText::Key),
    }
}

fn number_of(number: &serde_yaml::Number) -> Result<Value, InvalidText> {
    if let Some(number) = number.as_i64() {
        return Ok(number.into());
    }
    if let Some(number) = number.as_u64() {
        return Ok(number.into());
    }
    let number = number.as_f64().and_then(serde_json::Number::from_f64).ok_or(number);
    number.map(Value::Number).map_err(|number| InvalidText::Number(number.to_string()))
}
