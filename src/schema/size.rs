//! The size of a payload: its depth, its text and the number of its values.

use serde_json::Value;

use super::pointer::push_part;

/// Largest payload that is judged, in bytes: Svix Cloud's own bound.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;
/// Deepest nesting of a payload; JSON parsers stop there, too.
pub const MAX_PAYLOAD_DEPTH: usize = 128;

/// Returns the JSON Pointer of a value that is nested deeper than so many levels, if there is one.
pub(super) fn deeper_than(payload: &Value, levels: usize) -> Option<String> {
    /// Nearly every payload is checked, and nearly none is deeper: the place is found only then.
    fn is_deeper(value: &Value, left: usize) -> bool {
        let below = |item: &Value| match item {
            Value::Object(_) | Value::Array(_) => left == 0 || is_deeper(item, left - 1),
            _ => left == 0,
        };
        match value {
            Value::Object(map) => map.values().any(below),
            Value::Array(items) => items.iter().any(below),
            _ => false,
        }
    }
    if !is_deeper(payload, levels) {
        return None;
    }
    let (mut pointer, mut value) = (String::new(), payload);
    for left in (0..=levels).rev() {
        let leads_there = |item: &Value| left == 0 || is_deeper(item, left - 1);
        let (part, next) = match value {
            Value::Object(map) => {
                map.iter().find(|(_, item)| leads_there(item)).map(|(key, item)| (key.clone(), item))?
            }
            Value::Array(items) => items
                .iter()
                .enumerate()
                .find(|(_, item)| leads_there(item))
                .map(|(i, item)| (i.to_string(), item))?,
            _ => break,
        };
        push_part(&mut pointer, &part);
        value = next;
    }
    Some(pointer)
}

/// Returns the number of bytes of text in keys and strings, counted only until it exceeds `most`; `None` if it does not.
/// The depth is bounded by then.
pub(super) fn text_beyond(payload: &Value, most: usize) -> Option<usize> {
    fn walk(value: &Value, found: &mut usize, most: usize) -> bool {
        match value {
            Value::String(text) => *found += text.len(),
            Value::Array(items) => return items.iter().any(|item| walk(item, found, most)),
            Value::Object(map) => {
                return map.iter().any(|(key, item)| {
                    *found += key.len();
                    walk(item, found, most)
                });
            }
            _ => {}
        }
        *found > most
    }
    let mut found = 0;
    walk(payload, &mut found, most).then_some(found)
}

/// Returns the number of values of a payload: itself and all within.
pub(super) fn values(payload: &Value) -> usize {
    match payload {
        Value::Object(map) => map.values().map(values).sum::<usize>() + 1,
        Value::Array(items) => items.iter().map(values).sum::<usize>() + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_counted_at_every_depth() {
        assert_eq!(values(&json!({"a": [1, {"b": null}], "c": "x"})), 6);
    }
}
