//! Reading a payload as strictly as the strictest receiver would: what is judged must be what every reader of
//! the same bytes sees.
//!
//! Two readers of `{"a": 1, "a": "x"}` may see different payloads, so a second key of the same name is refused;
//! so is a number beyond the range of a 64-bit float, and text that is not UTF-8 or not one JSON value. A whole number
//! of more than 64 bits is judged as the float next to it, and passed on as it stands.
//!
//! Size and weight are checked before a tree is built.

use std::{collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, error::Category};

use crate::json_syntax::{self, JsonMistake, JsonMistakeKind};

use super::{
    pointer::push_part,
    size::{MAX_PAYLOAD_BYTES, MAX_PAYLOAD_DEPTH},
    text::quoted,
    violation::Violation,
    weight,
};

/// Parses a payload. An error says where (a JSON Pointer as far as the text could be read, and line and column
/// when it is no JSON), what was found and what was expected.
pub fn parse(text: &[u8]) -> Result<Value, Violation> {
    let whole = |message: String| Violation { pointer: String::new(), message };
    if text.len() > MAX_PAYLOAD_BYTES {
        return Err(whole(format!(
            "found {} bytes, expected at most {MAX_PAYLOAD_BYTES} in a payload",
            text.len()
        )));
    }
    let text = std::str::from_utf8(text)
        .map_err(|error| whole(format!("found bytes that are not UTF-8 at {}", error.valid_up_to())))?;
    if text.starts_with('\u{feff}') {
        return Err(whole("found a byte order mark, expected JSON from the first byte on".to_owned()));
    }
    // Before anything is built of it.
    weight::check(text)?;
    let mut place = Place::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let value =
        Strict { place: &mut place }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| Violation {
        message: match place.trouble.take() {
            Some(message) => message,
            // serde_json counts the levels, so that a hostile text does not reach the end of the stack.
            None => syntax(text, Some(MAX_PAYLOAD_DEPTH), &error),
        },
        pointer: place.path,
    })
}

/// Describes why a text is not JSON. It quotes nothing of the text.
fn syntax(text: &str, depth: Option<usize>, error: &serde_json::Error) -> String {
    let JsonMistake { line, column, kind } = json_syntax::explain(text, depth, error);
    match kind {
        JsonMistakeKind::TooDeep(_) => kind.to_string(),
        // The text may stand in a file that has lines of its own.
        kind => format!("found text that is not JSON: {kind} (line {line}, column {column} of that text)"),
    }
}

/// Where the reader is, and what it found wrong there.
#[derive(Default)]
struct Place {
    path: String,
    trouble: Option<String>,
}

struct Strict<'a> {
    place: &'a mut Place,
}

impl Strict<'_> {
    /// Reads what is at a part of the present place; an error leaves the place where it happened.
    fn inner<T, E>(&mut self, part: &str, read: impl FnOnce(Strict<'_>) -> Result<T, E>) -> Result<T, E> {
        let length = self.place.path.len();
        push_part(&mut self.place.path, part);
        let value = read(Strict { place: self.place })?;
        self.place.path.truncate(length);
        Ok(value)
    }
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

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        loop {
            let part = array.len().to_string();
            match self.inner(&part, |seed| items.next_element_seed(seed))? {
                Some(item) => array.push(item),
                None => return Ok(Value::Array(array)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                self.place.trouble =
                    Some(format!("found the key {} twice, expected each key once", quoted(&key)));
                return Err(A::Error::custom("duplicate key"));
            }
            let value = self.inner(&key, |seed| entries.next_value_seed(seed))?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// The keys of an object in JSON text, each with its value as it stands in the text; or why it is none. For a
/// reader that must pass on the bytes that it judged.
pub fn parts(text: &[u8]) -> Result<Vec<(String, &serde_json::value::RawValue)>, Violation> {
    struct Parts;
    impl<'de> Visitor<'de> for Parts {
        type Value = Vec<(String, &'de serde_json::value::RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut parts = Vec::new();
            while let Some(entry) = entries.next_entry()? {
                parts.push(entry);
            }
            Ok(parts)
        }
    }
    let whole = |message: String| Violation { pointer: String::new(), message };
    let text = std::str::from_utf8(text)
        .map_err(|error| whole(format!("found bytes that are not UTF-8 at {}", error.valid_up_to())))?;
    weight::check(text)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let parts =
        reader.deserialize_map(Parts).and_then(|parts| reader.end().map(|()| parts)).map_err(|error| {
            match error.classify() {
                Category::Data => {
                    whole("found a JSON value that is no object, expected an object".to_owned())
                }
                _ => whole(syntax(text, None, &error)),
            }
        })?;
    let mut seen: HashSet<&str> = HashSet::new();
    match parts.iter().find(|(key, _)| !seen.insert(key)) {
        Some((key, _)) => Err(whole(format!("found the key {} twice, expected each key once", quoted(key)))),
        None => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn trouble(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_where_it_stands() {
        assert_eq!(
            trouble(r#"{"a": [{"b": 1, "c": 2, "\u0062": "x"}]}"#),
            r#"/a/0: found the key "b" twice, expected each key once"#
        );
        assert_eq!(
            trouble(r#"{"a/b": {"x": 1, "x": 1}}"#),
            r#"/a~1b: found the key "x" twice, expected each key once"#
        );
        // The same key in different objects is none of that.
        assert_eq!(parse(br#"[{"a": 1}, {"a": {"a": 2}}]"#).unwrap(), json!([{"a": 1}, {"a": {"a": 2}}]));
    }

    #[test]
    fn what_readers_could_see_differently_is_refused() {
        assert!(trouble("\u{feff}{}").contains("byte order mark"));
        assert!(trouble("{} {}").contains("found { behind the end of the value"));
        assert!(
            trouble("{\"a\": 1e400}")
                .starts_with("/a: found text that is not JSON: found a number beyond the range")
        );
        assert!(trouble(r#"{"a": "\ud800"}"#).contains("not JSON"));
        assert!(trouble("{\"a\": NaN}").starts_with("/a: found text that is not JSON"));
        assert!(trouble("").contains("found no value"));
        assert!(parse(b"{\"a\": \"\xff\"}").unwrap_err().to_string().contains("not UTF-8 at 7"));
        assert!(trouble(&format!("\"{}\"", "x".repeat(MAX_PAYLOAD_BYTES))).contains("at most 1048576"));
    }

    #[test]
    fn nesting_has_a_bound_that_is_not_the_stack() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(MAX_PAYLOAD_DEPTH - 1).as_bytes()).is_ok());
        let error = parse(nested(100_000).as_bytes()).unwrap_err();
        assert!(error.pointer.starts_with("/0/0/0") && error.message.contains("128 levels"), "{error}");
    }

    #[test]
    fn the_parts_of_an_object_are_as_they_stand_in_the_text() {
        let parts = parts(br#"{"a": {"x" : 1.0}, "b":[ ]}"#).unwrap();
        let parts: Vec<_> = parts.iter().map(|(key, raw)| (key.as_str(), raw.get())).collect();
        assert_eq!(parts, [("a", r#"{"x" : 1.0}"#), ("b", "[ ]")]);
        assert!(super::parts(b"[]").unwrap_err().to_string().contains("expected an object"));
        assert!(super::parts(br#"{"a": 1, "a": 2}"#).unwrap_err().to_string().contains("twice"));
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(text in r#"([\[\]{}:, ]|"[ab]"|[0-9]{1,3}|-|\.5|e9|null|true|\\|"){0,30}"#) {
            let theirs = serde_json::from_str::<Value>(&text);
            match parse(text.as_bytes()) {
                Ok(value) => prop_assert_eq!(value, theirs.unwrap()),
                Err(error) => prop_assert!(theirs.is_err() || error.message.contains("twice"), "{error} in {text:?}"),
            }
        }
    }
}
