//! Digests: what the mirror keeps of a schema in place of the schema.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The first 16 bytes of a SHA-256: enough that two schemas never share one by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of a JSON value. Values that mean the same have the same digest: the order of keys does
    /// not count, nor whether a whole number is written `1` or `1.0`, since Svix may store either.
    #[must_use]
    pub fn of_json(value: &Value) -> Self {
        let mut hasher = Sha256::new();
        feed(&mut hasher, value);
        Self::finish(hasher)
    }

    /// The digest of a text.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(text);
        Self::finish(hasher)
    }

    /// The digest of a text that only who knows the key can make (HMAC-SHA256, RFC 2104).
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

/// Feeds a value in a form without ambiguity: a tag and a length before each content.
fn feed(hasher: &mut Sha256, value: &Value) {
    let text = |hasher: &mut Sha256, tag: &[u8], text: &str| {
        hasher.update(tag);
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(true) => hasher.update(b"t"),
        Value::Bool(false) => hasher.update(b"f"),
        Value::Number(number) => match number.as_f64().filter(|_| !number.is_i64() && !number.is_u64()) {
            // Within 2^53 a float holds every whole number exactly, so the cast loses nothing.
            #[allow(clippy::cast_possible_truncation)]
            Some(float) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => {
                text(hasher, b"d", &(float as i64).to_string());
            }
            _ => text(hasher, b"d", &number.to_string()),
        },
        Value::String(string) => text(hasher, b"s", string),
        Value::Array(array) => {
            hasher.update(b"a");
            hasher.update((array.len() as u64).to_le_bytes());
            array.iter().for_each(|item| feed(hasher, item));
        }
        Value::Object(map) => {
            hasher.update(b"o");
            hasher.update((map.len() as u64).to_le_bytes());
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, item) in entries {
                text(hasher, b"k", key);
                feed(hasher, item);
            }
        }
    }
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
