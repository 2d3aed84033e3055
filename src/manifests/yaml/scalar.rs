//! Resolves unquoted YAML scalars by the rules of go-yaml v2, with which kubectl reads.
//!
//! Source: `resolve.go` of go.yaml.in/yaml/v2 (YAML 1.1 without base 60), and `yaml.go` of sigs.k8s.io/yaml
//! for keys. Numbers come out as the API server keeps them: a whole number that fits 64 bits is an integer
//! however it was written (`1.0`, `1e3`), anything larger is a float.

use serde_json::{Number, Value};

/// A scalar that has no JSON value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalarError {
    /// Infinity, or not a number.
    #[error("{0} is not a number that JSON has: write a number, or put the text in quotes")]
    NotFinite(String),
    /// Text that does not fit its tag.
    #[error("a text tagged !!{0} that is no {0}")]
    NotOfTag(String),
    /// `!!binary` text that cannot be decoded.
    #[error("a text tagged !!binary that is not base64 of UTF-8 text")]
    NotBinary,
}

/// Returns the value of a scalar without quotes and without a tag.
pub(super) fn resolve(text: &str) -> Result<Value, ScalarError> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => {
            return Err(ScalarError::NotFinite(text.to_owned()));
        }
        _ => {}
    }
    let number = match text.as_bytes().first() {
        // Go's ParseFloat: here an underscore must stand between digits.
        Some(b'.') if !text.contains("__") && !text.starts_with("._") && !text.ends_with('_') => {
            let plain = text.replace('_', "");
            is_float(&plain).then(|| float(&plain)).flatten()
        }
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let plain: String = text.chars().filter(|c| *c != '_').collect();
            integer(&plain).or_else(|| is_float(&plain).then(|| float(&plain)).flatten())
        }
        _ => None,
    };
    Ok(number.map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

/// Whether YAML 1.2 and most readers take the text as a word where kubectl reads a boolean.
pub(super) fn is_ambiguous(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
    )
}

/// The key of an object that a scalar key becomes; `None` for null, which kubectl refuses.
pub(super) fn key(text: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        // Whole numbers written as floats are floats to go-yaml, and keys keep its spelling of them.
        Value::Number(number) => match integer(&text.replace('_', "")) {
            Some(integer) => Some(integer.to_string()),
            None => Some(float_key(number.as_f64().unwrap_or_default())),
        },
        _ => None,
    }
}

/// A float as the API server keeps it: as an integer when it is whole and fits.
pub(super) fn normal(float: f64) -> Option<Number> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float.fract() == 0.0 && (-LIMIT..LIMIT).contains(&float) {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Some(Number::from(float as i64));
    }
    Number::from_f64(float)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
pub(super) fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits(rest);
    rest = &rest[whole..];
    if let Some(after) = rest.strip_prefix('.') {
        let fraction = digits(after);
        if whole + fraction == 0 {
            return false;
        }
        rest = &after[fraction..];
    } else if whole == 0 {
        return false;
    }
    match rest.strip_prefix(['e', 'E']) {
        None => rest.is_empty(),
        Some(exponent) => {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
    }
}

/// The float; `None` past the range of one, which go-yaml reads as text.
fn float(text: &str) -> Option<Number> {
    text.parse::<f64>().ok().filter(|float| float.is_finite()).and_then(normal)
}

/// Go's `strconv.ParseInt(text, 0, 64)`: `0x`, `0o`, `0b` and a leading zero choose the base.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // from_str_radix would take another sign.
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, base).ok()?);
    let value = if negative { -magnitude } else { magnitude };
    match i64::try_from(value) {
        Ok(value) => Some(Number::from(value)),
        #[expect(clippy::cast_precision_loss, reason = "what the API server does to it")]
        Err(_) => Number::from_f64(value as f64),
    }
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`.
fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "go-yaml prints keys with 32 bits")]
    let value = value as f32;
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            // `%e` needs two digits of exponent.
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    // The right-hand sides are what kubectl 1.37 printed for the same document.
    #[test]
    fn scalars_mean_what_they_mean_to_kubectl() {
        for (text, value) in [
            ("y", json!(true)),
            ("N", json!(false)),
            ("yes", json!(true)),
            ("on", json!(true)),
            ("yEs", json!("yEs")),
            ("tRue", json!("tRue")),
            ("~", json!(null)),
            ("017", json!(15)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0x_1f", json!(31)),
            ("1_000", json!(1000)),
            ("1__0", json!(10)),
            ("0b11", json!(3)),
            ("-0b11", json!(-3)),
            ("0b102", json!("0b102")),
            ("+1", json!(1)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            (".7_39", json!(0.739)),
            ("._5", json!("._5")),
            ("1e3", json!(1000)),
            ("1.50", json!(1.5)),
            ("190:20:30", json!("190:20:30")),
            ("08", json!(8)),
            ("0_7", json!(7)),
            ("18446744073709551615", json!(18446744073709551615.0)),
            ("99999999999999999999", json!(1e20)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("1e21", json!(1e21)),
            ("-0", json!(0)),
            ("2001-12-14", json!("2001-12-14")),
            ("2001-12-14T21:59:43Z", json!("2001-12-14T21:59:43Z")),
            ("=", json!("=")),
            ("1e400", json!("1e400")),
            ("0x", json!("0x")),
            ("--1", json!("--1")),
            ("-", json!("-")),
            (".", json!(".")),
            ("0x1p4", json!("0x1p4")),
        ] {
            assert_eq!(resolve(text).unwrap(), value, "{text}");
        }
        assert_eq!(resolve("-.inf"), Err(ScalarError::NotFinite("-.inf".to_owned())));
    }

    #[test]
    fn keys_are_spelled_as_kubectl_spells_them() {
        for (text, expected) in [
            ("on", "true"),
            ("017", "15"),
            ("1.5", "1.5"),
            ("1e3", "1000"),
            ("123456789.5", "1.2345679e+08"),
            ("1e30", "1e+30"),
            ("1e70", ".inf"),
            ("-.5", "-0.5"),
            ("0.1", "0.1"),
            ("2001-12-14", "2001-12-14"),
        ] {
            assert_eq!(key(text, &resolve(text).unwrap()).unwrap(), expected, "{text}");
        }
        assert_eq!(key("~", &Value::Null), None);
    }
}
