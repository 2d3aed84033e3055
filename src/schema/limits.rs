//! What a schema may ask for: bounds on its size, its pointers and its addresses.

mod addresses;
pub(super) mod pointers;

use serde_json::Value;

use super::{
    effort::{Effort, SMALL_BYTES},
    error::{InvalidSchema, beyond},
    weight,
};

/// Largest schema, in bytes of compact JSON.
pub const MAX_SCHEMA_BYTES: usize = 512 * 1024;
/// Deepest nesting of objects and arrays.
pub const MAX_DEPTH: usize = 64;
/// Most objects in a schema: each may be a subschema.
pub const MAX_SUBSCHEMAS: usize = 10_000;

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

/// The size of a schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    objects: usize,
    /// The bytes of its compact JSON.
    bytes: usize,
    /// Whether its pointers or addresses take megabytes.
    has_long_pointers: bool,
}

impl Size {
    /// Whether compiling the schema takes megabytes.
    pub fn is_large(self) -> bool {
        self.objects > LARGE_OBJECTS || self.bytes > LARGE_BYTES || self.has_long_pointers
    }

    /// Whether compiling it takes too many megabytes to be done beside other compilations.
    pub fn is_exclusive(self) -> bool {
        self.bytes > SMALL_BYTES || self.has_long_pointers
    }

    /// Whether a schema of this size may be compiled within an effort that is not full.
    pub fn is_brief(self, effort: &Effort) -> bool {
        !self.is_exclusive() && effort.allows_schema(self.bytes)
    }
}

/// Refuses a schema beyond the bounds.
pub(super) fn check(schema: &Value) -> Result<Size, InvalidSchema> {
    if !schema.is_object() && !schema.is_boolean() {
        return Err(beyond("expected a JSON Schema: an object"));
    }
    let mut objects = 0;
    walk(schema, 0, &mut objects)?;
    // After the walk: the others recurse, and the depth is bounded by now.
    let bytes = schema.to_string().len();
    check_bytes(bytes)?;
    let pointers = pointers::check(schema, &|key| key)?;
    let are_addresses_large = addresses::check(schema)?;
    Ok(Size { objects, bytes, has_long_pointers: pointers.is_large() || are_addresses_large })
}

fn walk(value: &Value, depth: usize, objects: &mut usize) -> Result<(), InvalidSchema> {
    if depth > MAX_DEPTH {
        return Err(beyond(format!("the schema is nested deeper than {MAX_DEPTH} levels")));
    }
    match value {
        Value::Object(map) => {
            *objects += 1;
            if *objects > MAX_SUBSCHEMAS {
                return Err(beyond(format!("the schema has more than {MAX_SUBSCHEMAS} parts")));
            }
            map.values().try_for_each(|item| walk(item, depth + 1, objects))
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, depth + 1, objects)),
        _ => Ok(()),
    }
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
        let long = json!({"properties": {"x".repeat(200_000): {"properties": &inner}}});
        assert!(check(&long).unwrap_err().to_string().contains("use shorter keys"));
        let long = json!({"$id": "x".repeat(200_000), "properties": inner});
        assert!(check(&long).unwrap_err().to_string().contains("use a shorter identifier"));
        assert!(check(&json!({"type": "object"})).is_ok());
    }
}
