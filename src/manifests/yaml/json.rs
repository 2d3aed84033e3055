//! Reads JSON text that a YAML parser does not accept (surrogate pairs, keys of more than 1024 characters, documents
//! one after the other) with the same rules: no duplicate keys and, by kubectl's rules, numbers as the API server keeps them.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{rules::Rules, scalar::normal};

/// A key that is given twice; the position is that of the second, both numbers from 1.
#[derive(Debug)]
pub(super) struct DuplicateKey {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) key: String,
}

/// Reads all documents of a text. `Ok(None)`: it is not JSON, so the YAML parser's error is the better one.
pub(super) fn read(text: &str, rules: Rules) -> Result<Option<Vec<Value>>, DuplicateKey> {
    let duplicate = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut documents = Vec::new();
    while reader.end().is_err() {
        match (Strict { duplicate: &duplicate, rules }).deserialize(&mut reader) {
            Ok(value) => documents.push(value),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                return duplicate.take().map_or(Ok(None), |key| Err(DuplicateKey { line, column, key }));
            }
        }
    }
    Ok(Some(documents))
}

/// Reads one value; leaves a key that is given twice in `duplicate`, since an error of serde_json is only text.
#[derive(Clone, Copy)]
struct Strict<'a> {
    duplicate: &'a Cell<Option<String>>,
    rules: Rules,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        if self.rules == Rules::Standard {
            return Ok(value.into());
        }
        #[expect(clippy::cast_precision_loss, reason = "what the API server does to it")]
        Ok(i64::try_from(value).map_or_else(|_| Value::from(value as f64), Value::from))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        if self.rules == Rules::Standard {
            return Ok(value.into());
        }
        Ok(normal(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if map.contains_key(&key) {
                self.duplicate.set(Some(key));
                return Err(A::Error::custom("duplicate key"));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
