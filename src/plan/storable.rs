//! What Svix can never store: its database has no U+0000 in JSON, and each write with one fails with 500. Descriptions must not
//! have the control characters up to U+0008 either: the server refuses them with 422 (`validate_no_control_characters`).

use std::collections::BTreeMap;

use serde_json::Value;

/// The problem, for messages: what was found, and what to do.
pub const NUL: &str = "found the character U+0000, which Svix' database cannot store: remove it";

/// Returns the JSON Pointer of the first string or key in `value` that contains U+0000.
#[must_use]
pub fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => has_nul(text).then(String::new),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| Some(format!("/{index}{}", find_nul(item)?)))
        }
        Value::Object(map) => map.iter().find_map(|(key, item)| {
            let below = if has_nul(key) { Some(String::new()) } else { find_nul(item) };
            Some(format!("/{}{}", part(key), below?))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Returns the JSON Pointer of the first entry whose key or value contains U+0000.
#[must_use]
pub fn find_nul_in_metadata(metadata: &BTreeMap<String, String>) -> Option<String> {
    let (key, _) = metadata.iter().find(|(key, value)| has_nul(key) || has_nul(value))?;
    Some(format!("/{}", part(key)))
}

/// Whether a text contains U+0000.
#[must_use]
pub fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// A control character that Svix refuses in a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// U+0000.
    #[error("{NUL}")]
    Nul,
    /// U+0001 to U+0008.
    #[error("found the control character U+{:04X}, which Svix refuses in descriptions: remove it", u32::from(*.0))]
    ControlCharacter(char),
}

/// Checks the description of an event type or endpoint.
pub fn check_description(text: &str) -> Result<(), InvalidDescription> {
    match text.chars().find(|character| *character <= '\u{8}') {
        None => Ok(()),
        Some('\0') => Err(InvalidDescription::Nul),
        Some(character) => Err(InvalidDescription::ControlCharacter(character)),
    }
}

/// A key as a part of a pointer that can be shown.
fn part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1").replace('\0', "\\u0000")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_characters_in_descriptions() {
        assert_eq!(check_description("tab\there\r\n\u{1b}"), Ok(()));
        assert_eq!(check_description("a\0"), Err(InvalidDescription::Nul));
        let error = check_description("a\u{3}b").map_err(|error| error.to_string());
        let expected = "found the control character U+0003, which Svix refuses in descriptions: remove it";
        assert_eq!(error, Err(expected.to_owned()));
        assert_eq!(check_description("\u{8}"), Err(InvalidDescription::ControlCharacter('\u{8}')));
        assert_eq!(check_description("\u{9}"), Ok(()));
    }

    #[test]
    fn the_place_of_nul_is_a_pointer() {
        for (value, place) in [
            (json!("a\0"), Some("")),
            (json!({"a/b": [1, {"c": "\0"}]}), Some("/a~1b/1/c")),
            (json!({"a": {"x\0y": 1}}), Some("/a/x\\u0000y")),
            // An escape in a pattern is text that names the character, not the character.
            (json!({"pattern": "^[^\\u0000]*$"}), None),
            (json!([null, true, 0, "0", "\u{1}"]), None),
        ] {
            assert_eq!(find_nul(&value).as_deref(), place, "{value}");
        }
        let metadata = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(find_nul_in_metadata(&metadata("a", "\0")).as_deref(), Some("/a"));
        assert_eq!(find_nul_in_metadata(&metadata("\0", "")).as_deref(), Some("/\\u0000"));
        assert_eq!(find_nul_in_metadata(&metadata("a", "b")), None);
    }
}
