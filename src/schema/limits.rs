//! What a schema may ask for: bounds on its size, and no reference out of it.

use serde_json::Value;

use super::{
    error::{InvalidSchema, beyond},
    weight,
};

/// Largest schema, in bytes of compact JSON.
pub const MAX_SCHEMA_BYTES: usize = 512 * 1024;
/// Deepest nesting of objects and arrays.
pub const MAX_DEPTH: usize = 64;
/// Most objects in a schema: each may be a subschema.
pub const MAX_SUBSCHEMAS: usize = 10_000;
/// Most bytes of the JSON Pointers to all objects: the validator keeps one for each of its parts.
const MAX_POINTERS: usize = 8 * 1024 * 1024;

/// Schemas with more objects or text are large: compiling one takes megabytes.
const LARGE_OBJECTS: usize = 500;
const LARGE_BYTES: usize = 32 * 1024;

/// Refuses the text of a schema beyond the bounds, before anything is built of it.
pub fn check_text(schema: &str) -> Result<(), InvalidSchema> {
    check_bytes(schema.len())?;
    match weight::check(schema) {
        Ok(()) => Ok(()),
        Err(violation) => {
            Err(InvalidSchema::Invalid { pointer: violation.pointer, message: violation.message })
        }
    }
}

fn check_bytes(bytes: usize) -> Result<(), InvalidSchema> {
    if bytes > MAX_SCHEMA_BYTES {
        return Err(beyond(format!("the schema has {bytes} bytes, at most {MAX_SCHEMA_BYTES} are allowed")));
    }
    Ok(())
}

/// Refuses a schema beyond the bounds. Returns whether it is large.
pub(super) fn check(schema: &Value) -> Result<bool, InvalidSchema> {
    if !schema.is_object() && !schema.is_boolean() {
        return Err(beyond("expected a JSON Schema: an object"));
    }
    let mut found = Found::default();
    walk(schema, &mut String::new(), 0, &mut found)?;
    // After the walk: printing recurses, and the depth is bounded by now.
    let bytes = schema.to_string().len();
    check_bytes(bytes)?;
    Ok(found.objects > LARGE_OBJECTS || bytes > LARGE_BYTES)
}

#[derive(Default)]
struct Found {
    objects: usize,
    pointers: usize,
}

fn walk(value: &Value, pointer: &mut String, depth: usize, found: &mut Found) -> Result<(), InvalidSchema> {
    if depth > MAX_DEPTH {
        return Err(beyond(format!("the schema is nested deeper than {MAX_DEPTH} levels")));
    }
    match value {
        Value::Object(map) => {
            found.objects += 1;
            found.pointers += pointer.len();
            if found.objects > MAX_SUBSCHEMAS {
                return Err(beyond(format!("the schema has more than {MAX_SUBSCHEMAS} parts")));
            }
            if found.pointers > MAX_POINTERS {
                return Err(beyond(format!(
                    "the JSON Pointers to the parts of the schema have more than {MAX_POINTERS} bytes; use shorter keys"
                )));
            }
            for (key, item) in map {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                walk(item, pointer, depth + 1, found)?;
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let length = pointer.len();
                pointer.push_str(&format!("/{index}"));
                walk(item, pointer, depth + 1, found)?;
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn each_bound_refuses_what_is_beyond_it() {
        let deep = (0..MAX_DEPTH + 1).fold(json!({}), |inner, _| json!({ "not": inner }));
        assert!(check(&deep).unwrap_err().to_string().contains("deeper than 64"));
        let many = json!({"anyOf": vec![json!({}); MAX_SUBSCHEMAS]});
        assert!(check(&many).unwrap_err().to_string().contains("more than 10000 parts"));
        let large = json!({"description": "x".repeat(MAX_SCHEMA_BYTES)});
        assert!(check(&large).unwrap_err().to_string().contains("at most 524288"));
        let inner: serde_json::Map<_, _> = (0..9_000).map(|i| (i.to_string(), json!({}))).collect();
        let long = json!({"properties": {"x".repeat(200_000): {"properties": inner}}});
        assert!(check(&long).unwrap_err().to_string().contains("use shorter keys"));
        assert!(check(&json!({"type": "object"})).is_ok());
    }
}
