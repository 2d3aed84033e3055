//! JSON as the real server's database stores it: Postgres' `jsonb`.
//!
//! Numbers become Postgres' `numeric` and are printed as it prints them, of repeated keys the last one counts, and
//! U+0000 cannot be stored. Keys are in the order in which the server returns them: it reads `jsonb` into a sorted
//! map.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::embedded::store::error::{StoreError, StoreResult};

/// Deepest nesting that is read; serde_json has the same limit, so the real server does, too.
const MAX_DEPTH: usize = 128;
/// Most digits of a `numeric` before the decimal point.
const MAX_INTEGER_DIGITS: i64 = 131_072;
/// Most digits of a `numeric` behind the decimal point.
const MAX_FRACTION_DIGITS: i64 = 16_383;

/// Refuses metadata that `jsonb` cannot store.
pub(crate) fn check_metadata(metadata: &BTreeMap<String, String>) -> StoreResult<()> {
    let has_nul = |(key, value): (&String, &String)| key.contains('\0') || value.contains('\0');
    if metadata.iter().any(has_nul) { Err(StoreError::NulInJson) } else { Ok(()) }
}

/// A JSON value whose numbers are as they are written.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads JSON text. Of repeated keys the last one counts.
    pub(crate) fn parse(text: &RawValue) -> serde_json::Result<Self> {
        Self::parse_at(text.get(), MAX_DEPTH)
    }

    fn parse_at(text: &str, depth: usize) -> serde_json::Result<Self> {
        let inner = |raw: &RawValue| match depth.checked_sub(1) {
            Some(depth) => Self::parse_at(raw.get(), depth),
            None => Err(serde::de::Error::custom("recursion limit exceeded")),
        };
        let text = text.trim();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let fields = fields.into_iter().map(|(key, value)| Ok((key, inner(value)?)));
                Self::Object(fields.collect::<serde_json::Result<_>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(items.into_iter().map(inner).collect::<serde_json::Result<_>>()?)
            }
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => serde_json::from_str(text).map(|()| Self::Null)?,
            _ => Self::Number(serde_json::from_str::<&RawValue>(text)?.get().to_owned()),
        })
    }

    /// Returns the value for a reader whose numbers have 64 bits; a number beyond them is the largest of its sign.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| {
                let largest = if text.starts_with('-') { f64::MIN } else { f64::MAX };
                Number::from_f64(largest).map_or(Value::Null, Value::Number)
            }),
            Self::String(text) => Value::String(text.clone()),
            Self::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (key.clone(), value.to_value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Returns the text that the database gives back, unless it cannot store the value.
    pub(crate) fn stored(&self) -> StoreResult<Box<RawValue>> {
        let mut text = String::new();
        self.write(&mut text)?;
        RawValue::from_string(text).map_err(|_| StoreError::NotStorable)
    }

    fn write(&self, out: &mut String) -> StoreResult<()> {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(&numeric(text).ok_or(StoreError::NumberOutOfRange)?),
            Self::String(text) => write_string(text, out)?,
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out)?;
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(key, out)?;
                    out.push(':');
                    value.write(out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

fn write_string(text: &str, out: &mut String) -> StoreResult<()> {
    if text.contains('\0') {
        return Err(StoreError::NulInJson);
    }
    out.push_str(&serde_json::to_string(text).map_err(|_| StoreError::NotStorable)?);
    Ok(())
}

/// Returns a JSON number as Postgres prints it as a `numeric`: without an exponent, with as many digits behind the
/// decimal point as were written, and without a sign before zero. `None`: it is too large or too precise.
fn numeric(text: &str) -> Option<String> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_start_matches('0');
    let is_zero = significant.is_empty();
    // Where the decimal point stands, counted from the first significant digit.
    let leading_zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let point = i64::try_from(integer.len()).ok()?.checked_sub(leading_zeros)?.checked_add(exponent)?;
    let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?.max(0);
    if scale > MAX_FRACTION_DIGITS || (!is_zero && point > MAX_INTEGER_DIGITS) {
        return None;
    }
    let scale = usize::try_from(scale).ok()?;
    let mut all = significant.to_owned();
    // Trailing zeros that the exponent stands for.
    let missing = if is_zero { 0 } else { point.checked_sub(i64::try_from(all.len()).ok()?)?.max(0) };
    all.extend(std::iter::repeat_n('0', usize::try_from(missing).ok()?));
    // Leading zeros, so that there is a digit before the decimal point.
    let padding = (scale + 1).saturating_sub(all.len());
    all.insert_str(0, &"0".repeat(padding));
    if scale > 0 {
        all.insert(all.len() - scale, '.');
    }
    if negative && !is_zero {
        all.insert(0, '-');
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stored(text: &str) -> StoreResult<String> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        Json::parse(&raw).unwrap().stored().map(|stored| stored.get().to_owned())
    }

    #[test]
    fn numbers_are_printed_as_postgres_prints_them() {
        for (written, printed) in [
            ("1e16", "10000000000000000"),
            ("9.223372036854776E18", "9223372036854776000"),
            ("1E-7", "0.0000001"),
            ("-0.0", "0.0"),
            ("-0", "0"),
            ("0e5", "0"),
            ("0e-3", "0.000"),
            ("1.50", "1.50"),
            ("1.50e1", "15.0"),
            ("1.5e+3", "1500"),
            ("-12.5e-3", "-0.0125"),
            ("0.001e2", "0.1"),
            ("0.001e5", "100"),
            ("123456789012345678901234567890.5", "123456789012345678901234567890.5"),
        ] {
            assert_eq!(numeric(written).as_deref(), Some(printed), "{written}");
        }
        assert_eq!(numeric("1e400").unwrap().len(), 401);
    }

    #[test]
    fn numbers_beyond_numeric_are_refused() {
        assert_eq!(numeric("1e131071").unwrap().len(), 131_072);
        for text in ["1e131072", "1e-16384", "0e-16384", "1e99999999999999999999", "1e9223372036854775807"] {
            assert_eq!(numeric(text), None, "{text}");
        }
        assert!(matches!(stored("[1e131072]"), Err(StoreError::NumberOutOfRange)));
    }

    #[test]
    fn text_is_normalised_and_the_last_of_repeated_keys_counts() {
        let text =
            r#" { "bb" : [ 1.0 , "\u00e9\/\u0001" ], "a" : {"x": 1, "x": 2}, "c": null, "bb": [true] } "#;
        assert_eq!(stored(text).unwrap(), r#"{"a":{"x":2},"bb":[true],"c":null}"#);
        assert_eq!(stored(r#""\u00e9\/\u0001""#).unwrap(), r#""é/\u0001""#);
    }

    #[test]
    fn nul_cannot_be_stored_in_a_string_or_a_key() {
        for text in [r#"["\u0000"]"#, r#"{"\u0000": 1}"#] {
            assert!(matches!(stored(text), Err(StoreError::NulInJson)), "{text}");
        }
    }
}
