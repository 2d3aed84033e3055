#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::schema::{Compiled, compiled_size};

fn bytes(schema: &Value) -> usize {
    check(schema, &|key| key).unwrap().bytes
}

#[test]
fn each_subschema_and_keyword_has_a_pointer() {
    for (schema, pointers) in [
        (json!({"type": "object"}), vec!["/type"]),
        (json!({"not": {"minimum": 1}}), vec!["/not", "/not/minimum"]),
        (json!({"required": ["a", "b"]}), vec!["/required"]),
        (json!({"properties": {"a/~": true}}), vec!["/properties", "/properties/a~1~0"]),
        (json!({"allOf": [true, {}, [], 1, "a"]}), vec!["/allOf", "/allOf/0", "/allOf/1", "/allOf/2"]),
        (json!({"dependencies": {"a": ["b"]}}), vec!["/dependencies", "/dependencies/a"]),
    ] {
        assert_eq!(bytes(&schema), pointers.concat().len(), "{schema}");
    }
}

#[test]
fn keys_that_are_patterns_count_as_translated() {
    let schema = json!({"patternProperties": {"\\s": {"type": "string"}}, "properties": {"\\s": true}});

    let bytes = check(&schema, &|key| if key == "\\s" { "[ \\t]" } else { key }).unwrap().bytes;

    let below = ["/patternProperties", "/patternProperties/[ \\t]", "/patternProperties/[ \\t]/type"];
    assert_eq!(bytes, below.concat().len() + "/properties/properties/\\s".len());
}

/// What a key of so many bytes is repeated for, each as often as a schema of the largest size has room for.
fn repeated(key: &str) -> Vec<(&'static str, Value)> {
    let many = |value: Value, n: usize| -> Value { (0..n).map(|i| (i.to_string(), value.clone())).collect() };
    let below = |inner: Value| json!({"properties": {key: inner}});
    vec![
        ("objects", below(json!({"properties": many(json!({}), 9_000)}))),
        ("booleans", below(json!({"properties": many(json!(true), 20_000)}))),
        ("a list of booleans", below(json!({"allOf": vec![true; 40_000]}))),
        ("lists of names", below(json!({"dependencies": many(json!(["a"]), 20_000)}))),
        ("unknown keywords", below(many(json!([]), 20_000))),
        ("lists under unknown keywords", below(json!({"x": vec![json!([]); 40_000]}))),
        (
            "keywords",
            below(json!({"allOf": vec![json!({"minimum": 1, "maximum": 2, "type": "array"}); 5_000]})),
        ),
    ]
}

#[test]
fn repeated_keys_are_refused_where_they_are() {
    for (name, schema) in repeated(&"k".repeat(200_000)) {
        let mut refused = None;

        let memory = allocation_counter::measure(|| refused = Compiled::new(&schema, true).err());

        let refused = refused.unwrap().violation();
        assert_eq!(refused.pointer, "/properties", "{name}");
        let found = format!("found the key \"{}\"… of 200000 bytes, with which", "k".repeat(60));
        assert!(refused.message.starts_with(&found), "{name}: {}", refused.message);
        // The text of the schema is one of them.
        assert!(memory.bytes_max < 4 * 1024 * 1024, "{name}: {memory:?}");
    }
}

#[test]
fn patterns_that_become_longer_are_refused() {
    let members: Value = (0..2_000).map(|i| (i.to_string(), json!({"type": "string"}))).collect();
    let schema = json!({"patternProperties": {"\\s".repeat(200): {"properties": members}}});
    let mut refused = None;

    let memory = allocation_counter::measure(|| refused = Compiled::new(&schema, true).err());

    let refused = refused.unwrap().violation();
    assert_eq!(refused.pointer, "/patternProperties");
    assert!(refused.message.contains("use shorter keys"), "{refused:?}");
    assert!(memory.bytes_max < 20 * 1024 * 1024, "{memory:?}");
}

#[test]
fn what_is_kept_of_a_schema_is_counted() {
    for (name, schema) in [
        ("booleans", json!({"properties": (0..35).map(|i| (i.to_string(), json!(true))).collect::<Value>()})),
        ("keywords", json!({"allOf": vec![json!({"minimum": 1, "maximum": 2, "type": "array"}); 9]})),
        ("objects", json!({"allOf": vec![json!({}); 36]})),
        ("lists", json!({"dependencies": (0..35).map(|i| (i.to_string(), json!(["a"]))).collect::<Value>()})),
        ("items", json!({"items": (0..18).map(|_| json!({"type": "string"})).collect::<Value>()})),
    ] {
        let schema = json!({"properties": {"k".repeat(200_000): schema}});
        assert!(bytes(&schema) > MAX_POINTERS * 4 / 5, "{name}: {}", bytes(&schema));
        let mut compiled = None;

        let memory = allocation_counter::measure(|| compiled = Some(Compiled::new(&schema, true).unwrap()));

        assert!(memory.bytes_max < 40 * 1024 * 1024, "{name}: {memory:?}");
        let counted = compiled_size(&schema.to_string()) + compiled.unwrap().further_memory();
        let kept = usize::try_from(memory.bytes_current).unwrap();
        assert!(kept <= counted, "{name}: {counted} {memory:?}");
    }
}
