//! Digests: what the mirror keeps of a schema in place of the schema.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, value::RawValue};
use sha2::{Digest as _, Sha256};

use crate::schema::{self, decimal};

/// Deepest nesting of JSON text that is compared by value.
const MAX_DEPTH: usize = 128;

/// The first 16 bytes of a SHA-256: enough that two schemas never share one by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Returns the digest of a JSON value. Equal values have the same digest: neither the order of keys counts nor the
    /// way in which a number is written, since Svix may store either in another form.
    #[must_use]
    pub fn of_json(value: &Value) -> Self {
        let mut hasher = Sha256::new();
        feed(&mut hasher, value);
        Self::finish(hasher)
    }

    /// Returns the digest of a list of texts and one JSON value, as [`Digest::of_json`] of that list.
    #[must_use]
    pub fn of_texts_and_json(texts: &[&str], value: &Value) -> Self {
        let mut hasher = Sha256::new();
        feed_length(&mut hasher, b"a", texts.len() + 1);
        texts.iter().for_each(|text| feed_part(&mut hasher, b"s", text));
        feed(&mut hasher, value);
        Self::finish(hasher)
    }

    /// Returns the digest of JSON text by its value, as [`Digest::of_json`], but with every digit of its numbers. Text
    /// that is not JSON, or that is nested too deep, is equal to itself alone.
    #[must_use]
    pub fn of_json_text(text: &str) -> Self {
        let mut hasher = Sha256::new();
        match feed_text(&mut hasher, text, MAX_DEPTH) {
            Ok(()) => Self::finish(hasher),
            Err(_) => Self::of_text(text),
        }
    }

    /// Returns the digest of a schema by its text, as [`Digest::of_json`]; `None`: it is null. A text that does not parse, or
    /// whose tree would take more memory than that of any schema that is written, is equal to itself alone.
    #[must_use]
    pub fn of_schema_text(text: &str) -> Option<Self> {
        if schema::check_weight(text).is_err() {
            return Some(Self::of_text(text));
        }
        match serde_json::from_str(text) {
            Ok(Value::Null) => None,
            Ok(schema) => Some(Self::of_json(&schema)),
            Err(_) => Some(Self::of_text(text)),
        }
    }

    /// Returns the digest of a text.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(text);
        Self::finish(hasher)
    }

    /// Returns the digest of a text that only those who know the key can compute (HMAC-SHA256, RFC 2104).
    #[must_use]
    pub fn keyed(key: &[u8], text: &str) -> Self {
        // HMAC takes a key of any length, so this does not fail; without a key there would be no digest that fits.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Self::of_text(text) };
        mac.update(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Self(bytes)
    }

    fn finish(hasher: Sha256) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize()[..16]);
        Self(bytes)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Hashes a tag and a length before each content, so that no two contents are the same bytes.
fn feed_part(hasher: &mut Sha256, tag: &[u8], text: &str) {
    feed_length(hasher, tag, text.len());
    hasher.update(text);
}

fn feed_length(hasher: &mut Sha256, tag: &[u8], length: usize) {
    hasher.update(tag);
    hasher.update((length as u64).to_le_bytes());
}

fn feed_bool(hasher: &mut Sha256, value: bool) {
    hasher.update(if value { b"t" } else { b"f" });
}

fn feed_number(hasher: &mut Sha256, text: &str) {
    feed_part(hasher, b"d", &decimal::canonical(text));
}

fn feed(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(value) => feed_bool(hasher, *value),
        Value::Number(number) => feed_number(hasher, &number.to_string()),
        Value::String(string) => feed_part(hasher, b"s", string),
        Value::Array(array) => {
            feed_length(hasher, b"a", array.len());
            array.iter().for_each(|item| feed(hasher, item));
        }
        Value::Object(map) => {
            feed_length(hasher, b"o", map.len());
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, item) in entries {
                feed_part(hasher, b"k", key);
                feed(hasher, item);
            }
        }
    }
}

/// The same for JSON text. serde_json reads numbers as 64 bits, so they are taken as they are written.
fn feed_text(hasher: &mut Sha256, text: &str, depth: usize) -> serde_json::Result<()> {
    let deeper = || {
        let too_deep = || serde::de::Error::custom("nested too deep");
        depth.checked_sub(1).ok_or_else(too_deep)
    };
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    match text.as_bytes().first() {
        Some(b'{') => {
            let depth = deeper()?;
            let map: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            feed_length(hasher, b"o", map.len());
            for (key, item) in map {
                feed_part(hasher, b"k", &key);
                feed_text(hasher, item.get(), depth)?;
            }
        }
        Some(b'[') => {
            let depth = deeper()?;
            let array: Vec<&RawValue> = serde_json::from_str(text)?;
            feed_length(hasher, b"a", array.len());
            array.into_iter().try_for_each(|item| feed_text(hasher, item.get(), depth))?;
        }
        Some(b'"') => feed_part(hasher, b"s", &serde_json::from_str::<String>(text)?),
        Some(b't' | b'f') => feed_bool(hasher, serde_json::from_str(text)?),
        Some(b'n') => {
            serde_json::from_str::<()>(text)?;
            hasher.update(b"n");
        }
        _ => feed_number(hasher, serde_json::from_str::<&RawValue>(text)?.get()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> Digest {
        Digest::of_json(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn equal_content_has_the_same_digest() {
        assert_eq!(of(r#"{"a":1,"b":[2.0,"x"]}"#), of(r#"{"b":[2,"x"],"a":1.0}"#));
    }

    #[test]
    fn numbers_are_compared_by_value_as_a_database_prints_them() {
        for (sent, returned) in [
            ("1e16", "10000000000000000"),
            ("9.223372036854776E18", "9223372036854776000"),
            ("1E-7", "0.0000001"),
            ("-0.0", "0.0"),
            ("1.50", "1.5"),
            ("1e300", &format!("1{}", "0".repeat(300))),
        ] {
            assert_eq!(of(sent), of(returned), "{sent}");
            assert_eq!(Digest::of_json_text(sent), Digest::of_json_text(returned), "{sent}");
            assert_eq!(of(sent), Digest::of_json_text(returned), "{sent}");
        }
    }

    #[test]
    fn text_has_the_digest_of_its_value_with_every_digit() {
        for text in
            [r#" {"b": [2, "x\u00e9", null, true], "a": {"c": false, "d": -1.5}} "#, "[]", "3", "\"\""]
        {
            assert_eq!(Digest::of_json_text(text), of(text), "{text}");
        }
        assert_ne!(
            Digest::of_json_text("[1.00000000000000000001]"),
            Digest::of_json_text("[1.00000000000000000002]")
        );
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(Digest::of_json_text(&deep), Digest::of_text(&deep));
        assert_eq!(Digest::of_json_text("{\"a\": }"), Digest::of_text("{\"a\": }"));
    }

    #[test]
    fn a_list_is_digested_without_a_copy() {
        let value = serde_json::json!({"b": [1.0], "a": "x"});

        let digest = Digest::of_texts_and_json(&["c", "d"], &value);

        assert_eq!(digest, Digest::of_json(&serde_json::json!(["c", "d", value])));
    }

    #[test]
    fn different_content_has_another_digest() {
        let all = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "1.5",
            "1e300",
            r#""1""#,
            r#""""#,
            "[]",
            "{}",
            "[1]",
            "[[1]]",
            "[1,2]",
            "[2,1]",
            "[12]",
            r#"["a","b"]"#,
            r#"["ab"]"#,
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":{}}"#,
            r#"{"a":[]}"#,
            "18446744073709551615",
            "9007199254740993",
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(of(a), of(b), "{a} and {b}");
            }
        }
    }
}
