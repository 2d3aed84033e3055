//! The documents that the validator gets mean what the schema means: random schemas are judged as jsonschema alone judges
//! them.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::schema::{Compiled, draft::DRAFTS};

/// A reference, to a part that may be there.
fn reference() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "#",
        "#/definitions/a",
        "#/definitions/b",
        "#/definitions/a/properties/x",
        "#/properties/x",
        "#/allOf/0",
        "#anchor",
        "a",
        "b",
        "https://x.example/a",
        "https://x.example/root",
        "b#/allOf/0",
        "c",
        "c/d",
        "e",
        "http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger",
    ])
}

/// A keyword with subschemas. One that negates gets no references: a schema that is valid exactly where it is not has no
/// meaning.
fn positive(keyword: &str, inner: Value) -> Value {
    match keyword {
        "not" | "oneOf" if inner.to_string().contains("$ref") => json!({ "allOf": inner }),
        "not" => json!({ "not": inner[0] }),
        _ => json!({ keyword: inner }),
    }
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "integer"})),
        Just(json!({"type": "string"})),
        Just(json!({"minimum": 2})),
        Just(json!({"maxLength": 1})),
        Just(json!({"enum": [1, "x", null]})),
        Just(json!({"required": ["x"]})),
        Just(json!({})),
        reference().prop_map(|target| json!({ "$ref": target })),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(x, y)| json!({"properties": {"x": x, "y/z": y}})),
            inner.clone().prop_map(|inner| json!({"additionalProperties": inner})),
            inner.clone().prop_map(|inner| json!({"patternProperties": {"^\\-?x": inner}})),
            inner.clone().prop_map(|inner| json!({"items": inner})),
            inner.clone().prop_map(|inner| positive("not", json!([inner]))),
            (
                prop::sample::select(vec!["allOf", "anyOf", "oneOf"]),
                prop::collection::vec(inner.clone(), 1..3)
            )
                .prop_map(|(keyword, inner)| positive(keyword, inner.into())),
            (inner.clone(), reference())
                .prop_map(|(inner, target)| json!({"$ref": target, "allOf": [inner]})),
            (inner.clone(), prop::sample::select(vec!["c", "c/d", "e"]))
                .prop_map(|(inner, id)| json!({"$id": id, "id": id, "anyOf": [inner]})),
            inner.prop_map(|inner| json!({"$anchor": "anchor", "allOf": [inner]})),
        ]
    })
}

fn document() -> impl Strategy<Value = Value> {
    (schema(), schema(), schema(), 0..DRAFTS.len()).prop_map(|(root, a, b, draft)| {
        let mut document = Map::new();
        document.insert("$schema".to_owned(), DRAFTS[draft].into());
        let id = if draft == 0 { "id" } else { "$id" };
        document.insert(id.to_owned(), "https://x.example/root".into());
        document.insert("allOf".to_owned(), json!([root]));
        let named = |name: &str, schema: Value| json!({id: name, "allOf": [schema]});
        document.insert("definitions".to_owned(), json!({"a": named("a", a), "b": named("b", b)}));
        document.into()
    })
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!(1),
        json!(3),
        json!(-1),
        json!("x"),
        json!("long"),
        json!(null),
        json!([]),
    ]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(vec!["x", "-x", "y/z", "q"]), inner), 0..3).prop_map(
                |members| {
                    members
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect::<Map<_, _>>()
                        .into()
                }
            ),
        ]
    })
}

/// How often each identifier is declared.
fn identifiers(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            found.extend(map.get("$id").or_else(|| map.get("id")).and_then(Value::as_str).map(str::to_owned));
            found.extend(map.get("$anchor").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| identifiers(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| identifiers(item, found)),
        _ => {}
    }
}

/// Whether no identifier is declared twice: no specification says which one a reference to it means.
fn is_unambiguous(schema: &Value) -> bool {
    let mut found = Vec::new();
    identifiers(schema, &mut found);
    let all = found.len();
    found.sort();
    found.dedup();
    found.len() == all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_schemas_are_judged_as_the_library_judges_them(
        schema in document(),
        payloads in prop::collection::vec(payload(), 8),
    ) {
        if !is_unambiguous(&schema) {
            return Ok(());
        }
        let bare = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex()).offline().build(&schema);
        let compiled = Compiled::new(&schema, false);
        // What the library takes, we take: names that it does not know are found here as well.
        if let (Ok(_), Err(error)) = (&bare, &compiled) {
            return Err(TestCaseError::fail(format!("{error}: {schema}")));
        }
        let (Ok(bare), Ok(compiled)) = (bare, compiled) else { return Ok(()) };
        for payload in payloads {
            let valid = compiled.violations(&payload).0.is_empty();
            prop_assert_eq!(valid, bare.is_valid(&payload), "{} on {}", schema, payload);
        }
    }
}
