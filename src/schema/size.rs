//! The size of a payload: its depth and the number of its values.

use serde_json::Value;

use super::pointer::{part_length, push_part};

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

/// Returns the JSON Pointer of the value at an address; that of the payload, if it has no such value.
pub(super) fn place_of(payload: &Value, address: usize) -> String {
    fn find(value: &Value, address: usize, pointer: &mut String) -> bool {
        if std::ptr::from_ref(value) as usize == address {
            return true;
        }
        let length = pointer.len();
        let mut within = |part: &str, inner: &Value| {
            pointer.truncate(length);
            push_part(pointer, part);
            find(inner, address, pointer)
        };
        let is_found = match value {
            Value::Object(map) => map.iter().any(|(key, inner)| within(key, inner)),
            Value::Array(items) => {
                items.iter().enumerate().any(|(index, inner)| within(&index.to_string(), inner))
            }
            _ => false,
        };
        if !is_found {
            pointer.truncate(length);
        }
        is_found
    }
    let mut pointer = String::new();
    find(payload, address, &mut pointer);
    pointer
}

/// Returns the length of the longest JSON Pointer of a value within a payload, in bytes.
pub(super) fn longest_pointer(payload: &Value) -> usize {
    let longest = match payload {
        Value::Object(map) => {
            map.iter().map(|(key, value)| 1 + part_length(key) + longest_pointer(value)).max()
        }
        Value::Array(items) => {
            let digits = items.len().checked_ilog10().unwrap_or(0) as usize + 1;
            items.iter().map(longest_pointer).max().map(|below| 1 + digits + below)
        }
        _ => None,
    };
    longest.unwrap_or(0)
}

/// Returns the memory that a copy of a value takes, in bytes, about.
pub(super) fn memory(value: &Value) -> usize {
    const VALUE: usize = 32;
    /// A node of a B-tree, and what each member of a large object adds.
    const NODE: usize = 640;
    const MEMBER: usize = 124;
    match value {
        Value::String(text) => VALUE + 32 + text.len(),
        Value::Array(items) => VALUE + 32 + items.iter().map(memory).sum::<usize>(),
        Value::Object(map) => {
            let members = map.iter().map(|(key, value)| MEMBER + key.len() + memory(value));
            VALUE + NODE + members.sum::<usize>()
        }
        _ => VALUE,
    }
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

    #[test]
    fn no_pointer_is_longer_than_the_longest() {
        let payload = json!({"a": [1, {"b/c~": null}], "d": "x"});

        assert_eq!(longest_pointer(&payload), "/a/1/b~1c~0".len());
        assert_eq!(longest_pointer(&json!([[], {}, 5])), "/2".len());
        assert_eq!(longest_pointer(&json!(5)), 0);
    }

    #[test]
    fn values_are_found_by_their_address() {
        let payload = json!({"a": [1, {"b/c": null}], "d": "x"});
        for pointer in ["", "/a", "/a/1", "/a/1/b~1c", "/d"] {
            let address = payload.pointer(pointer).map_or(0, |value| std::ptr::from_ref(value) as usize);
            assert_eq!(place_of(&payload, address), pointer);
        }
        assert_eq!(place_of(&payload, 1), "");
    }
}
