//! Resolves unquoted scalars by the core schema of YAML 1.2 (section 10.3 of its specification).
//!
//! One rule is stricter: a number with a leading zero, such as `012`, is text. Readers of YAML 1.1 take it for an octal number.

use serde_json::{Number, Value};

use super::scalar::{ScalarError, is_float};

/// Returns the value of a scalar without quotes and without a tag.
pub(super) fn resolve(text: &str) -> Result<Value, ScalarError> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Err(ScalarError::NotFinite(text.to_owned())),
        _ => match number(text) {
            None => Value::from(text),
            Some(number) => Value::Number(number.ok_or_else(|| ScalarError::NotFinite(text.to_owned()))?),
        },
    })
}

/// The key of an object that a scalar becomes: numbers, booleans and null as they are written.
pub(super) fn key(text: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ if !text.is_empty() => text.to_owned(),
        other => other.to_string(),
    }
}

/// Returns the number that a text is; `Some(None)`: one that JSON does not have.
fn number(text: &str) -> Option<Option<Number>> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let is_padded = unsigned.len() > 1
        && unsigned.starts_with('0')
        && unsigned.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if is_padded || !is_float(text) {
        return None;
    }
    let plain = text.strip_prefix('+').unwrap_or(text);
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(number) = plain.parse::<i64>() {
            return Some(Some(number.into()));
        }
        if let Ok(number) = plain.parse::<u64>() {
            return Some(Some(number.into()));
        }
    }
    Some(plain.parse::<f64>().ok().and_then(Number::from_f64))
}

fn based(digits: &str, base: u32) -> Option<Option<Number>> {
    // from_str_radix would take a sign.
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base));
    is_number.then(|| u64::from_str_radix(digits, base).ok().map(Number::from))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_are_those_of_yaml_1_2() {
        for (text, expected) in [
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("y", json!("y")),
            ("True", json!(true)),
            ("~", json!(null)),
            ("017", json!("017")),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b11", json!("0b11")),
            ("1_000", json!("1_000")),
            ("+1", json!(1)),
            ("-0", json!(0)),
            ("1.0", json!(1.0)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("99999999999999999999", json!(1e20)),
            ("3.1.0", json!("3.1.0")),
            ("2001-12-14", json!("2001-12-14")),
            ("-", json!("-")),
        ] {
            assert_eq!(resolve(text).unwrap(), expected, "{text}");
        }
        for text in [".inf", "-.INF", ".nan", "1e400"] {
            assert_eq!(resolve(text), Err(ScalarError::NotFinite(text.to_owned())));
        }
    }

    #[test]
    fn keys_are_as_they_are_written() {
        for text in ["200", "1.0", "on", "null", "0x10", "true"] {
            assert_eq!(key(text, &resolve(text).unwrap()), text);
        }
        assert_eq!(key("", &Value::Null), "null");
    }
}
