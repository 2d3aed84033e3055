//! What OpenAPI's schema objects have that JSON Schema does not.

use serde_json::{Map, Value, json};

/// Whether the value of the member `key` of an object is data, in which nothing is a reference or a schema. `parent` is the
/// key of the object: the keys of some objects are names.
pub(super) fn is_data(parent: Option<&str>, key: &str) -> bool {
    const NAMES: [&str; 7] = [
        "properties",
        "patternProperties",
        "definitions",
        "$defs",
        "dependentSchemas",
        "dependencies",
        "schemas",
    ];
    matches!(key, "enum" | "const" | "default" | "example" | "examples")
        && !parent.is_some_and(|parent| NAMES.contains(&parent))
}

/// Members of schema objects that only OpenAPI knows. None of them says which values are valid, and the mapping of a
/// discriminator has references to the document.
const OPENAPI_ONLY: [&str; 3] = ["discriminator", "xml", "externalDocs"];

/// Removes what only OpenAPI knows.
pub(super) fn remove_openapi_only(schema: &mut Map<String, Value>) {
    for key in OPENAPI_ONLY {
        schema.remove(key);
    }
}

/// Translates a schema object of OpenAPI 3.0, whose subschemas are translated already, to Draft 7.
///
/// 3.0 has `nullable` in place of the type `null`, and `exclusiveMinimum` and `exclusiveMaximum` are booleans. Beside
/// `$ref`, every member is ignored.
pub(super) fn translate_3_0(mut schema: Map<String, Value>) -> Value {
    remove_openapi_only(&mut schema);
    if let Some(reference) = schema.remove("$ref") {
        return json!({ "$ref": reference });
    }
    exclusive(&mut schema, "exclusiveMinimum", "minimum");
    exclusive(&mut schema, "exclusiveMaximum", "maximum");
    if let Some(example) = schema.remove("example") {
        schema.entry("examples").or_insert_with(|| json!([example]));
    }
    match schema.remove("nullable") {
        Some(Value::Bool(true)) => nullable(schema),
        _ => Value::Object(schema),
    }
}

fn exclusive(schema: &mut Map<String, Value>, keyword: &str, bound: &str) {
    match schema.get(keyword) {
        Some(Value::Bool(true)) => {
            schema.remove(keyword);
            if let Some(value) = schema.remove(bound) {
                schema.insert(keyword.to_owned(), value);
            }
        }
        Some(Value::Bool(false)) => {
            schema.remove(keyword);
        }
        _ => {}
    }
}

/// Permits null. The specification has `nullable` count only beside `type`, and lets `enum` exclude null all the same; but
/// documents say it of `allOf` with a reference, and of enumerations without null, and mean it.
fn nullable(mut schema: Map<String, Value>) -> Value {
    let combines = ["allOf", "anyOf", "oneOf", "not"].iter().any(|keyword| schema.contains_key(*keyword));
    if combines {
        let annotations =
            ["title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples"];
        let mut outer = Map::new();
        for key in annotations {
            outer.extend(schema.remove_entry(key));
        }
        outer.insert("anyOf".to_owned(), json!([{"type": "null"}, schema]));
        return Value::Object(outer);
    }
    if let Some(Value::String(name)) = schema.get("type") {
        let types = json!([name, "null"]);
        schema.insert("type".to_owned(), types);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    Value::Object(schema)
}

/// Whether a schema has anchors or dynamic references outside of schema resources with an identifier.
pub(super) fn anchors(schema: &Value) -> bool {
    const ANCHORS: [&str; 5] =
        ["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];
    let mut found = false;
    walk(schema, None, &mut |members| {
        let old = members.get("$id").and_then(Value::as_str).is_some_and(|id| id.starts_with('#'));
        let reference = members.get("$ref").and_then(Value::as_str);
        let named = reference.and_then(|reference| reference.strip_prefix('#'));
        let named = named.is_some_and(|fragment| !fragment.is_empty() && !fragment.starts_with('/'));
        found |= old || named || ANCHORS.iter().any(|keyword| members.contains_key(*keyword));
    });
    found
}

/// Writes the references of a schema into itself as references into a document that has the schema at `prefix`, a JSON
/// Pointer.
pub(super) fn relocate(mut schema: Value, prefix: &str) -> Value {
    walk_mut(&mut schema, None, &mut |members| {
        if let Some(Value::String(reference)) = members.get_mut("$ref")
            && let Some(fragment) = reference.strip_prefix('#')
        {
            *reference = format!("#{prefix}{fragment}");
        }
    });
    schema
}

fn is_resource(members: &Map<String, Value>) -> bool {
    members.get("$id").and_then(Value::as_str).is_some_and(|id| !id.starts_with('#'))
}

fn walk(value: &Value, parent: Option<&str>, each: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(members) if !is_resource(members) => {
            each(members);
            let members = members.iter().filter(|(key, _)| !is_data(parent, key));
            members.for_each(|(key, member)| walk(member, Some(key), each));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, None, each)),
        _ => {}
    }
}

fn walk_mut(value: &mut Value, parent: Option<&str>, each: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) if !is_resource(members) => {
            each(members);
            let members = members.iter_mut().filter(|(key, _)| !is_data(parent, key));
            members.for_each(|(key, member)| walk_mut(member, Some(key), each));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk_mut(item, None, each)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    fn translated(schema: Value) -> Value {
        let Value::Object(schema) = schema else { panic!("not an object") };
        translate_3_0(schema)
    }

    #[test]
    fn nullable_types() {
        let schema = translated(json!({"type": "string", "nullable": true, "enum": ["a"]}));

        assert_eq!(schema, json!({"type": ["string", "null"], "enum": ["a", null]}));
    }

    #[test]
    fn nullable_references() {
        let reference = json!({"$ref": "#/definitions/User"});
        let schema = translated(json!({"nullable": true, "allOf": [reference], "description": "who"}));

        let expected = json!({"description": "who", "anyOf": [{"type": "null"}, {"allOf": [reference]}]});
        assert_eq!(schema, expected);
    }

    #[test]
    fn bounds_that_are_booleans() {
        let schema = translated(
            json!({"minimum": 1, "exclusiveMinimum": true, "exclusiveMaximum": false, "maximum": 9}),
        );

        assert_eq!(schema, json!({"exclusiveMinimum": 1, "maximum": 9}));
    }

    #[test]
    fn members_beside_a_reference_are_ignored() {
        let schema =
            translated(json!({"$ref": "#/definitions/User", "nullable": true, "description": "who"}));

        assert_eq!(schema, json!({"$ref": "#/definitions/User"}));
    }
}
