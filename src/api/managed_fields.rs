//! Takes `managedFields` out of the text of an object. Nothing here needs them, and they are read as a tree, which can take
//! a hundred times the memory of their text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Returns the JSON text of an object without its `metadata.managedFields`. Text that is not an object is returned as it is.
#[must_use]
pub fn without_managed_fields(text: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        metadata: Option<Entries<'a>>,
    }
    // Most texts have none.
    if !text.contains("\"managedFields\"") && !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let Ok(Named { metadata: Some(Entries(values)) }) = serde_json::from_str(text) else {
        return Cow::Borrowed(text);
    };
    if values.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut short = String::with_capacity(text.len());
    let mut end = 0;
    for value in values {
        let start = value.get().as_ptr() as usize - text.as_ptr() as usize;
        short.push_str(&text[end..start]);
        short.push_str("null");
        end = start + value.get().len();
    }
    short.push_str(&text[end..]);
    Cow::Owned(short)
}

/// The values of all entries of an object that are called `managedFields`.
struct Entries<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        Key::ManagedFields => found.push(map.next_value()?),
                        Key::Other => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Visitor).map(Self)
    }
}

#[derive(Deserialize)]
enum Key {
    #[serde(rename = "managedFields")]
    ManagedFields,
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_fields_are_taken_out() {
        for (text, expected) in [
            (
                r#"{"metadata": {"name": "a", "managedFields": [{"fieldsV1": {"f:a": {}}}], "uid": "u"}, "spec": {}}"#,
                r#"{"metadata": {"name": "a", "managedFields": null, "uid": "u"}, "spec": {}}"#,
            ),
            (
                r#"{"metadata": {"managedFields": [], "managed\u0046ields": [1]}}"#,
                r#"{"metadata": {"managedFields": null, "managed\u0046ields": null}}"#,
            ),
            (
                r#"{"metadata": {"name": "\""}, "spec": {"managedFields": [1]}}"#,
                r#"{"metadata": {"name": "\""}, "spec": {"managedFields": [1]}}"#,
            ),
            (r#"{"metadata": 5, "managedFields": 1}"#, r#"{"metadata": 5, "managedFields": 1}"#),
            ("managedFields", "managedFields"),
        ] {
            assert_eq!(without_managed_fields(text), expected);
        }
    }

    #[test]
    fn deep_managed_fields_are_no_recursion() {
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        let text = format!(r#"{{"metadata": {{"managedFields": {deep}}}}}"#);

        assert_eq!(without_managed_fields(&text), r#"{"metadata": {"managedFields": null}}"#);
    }
}
