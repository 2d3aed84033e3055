//! Schemas that are meant to hang a validator, and ordinary ones that must not be taken for such.
#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value, json};

use super::*;

const DRAFT_2020: &str = "https://json-schema.org/draft/2020-12/schema";

fn deepest_payload(schema: &Value) -> Result<usize, InvalidSchema> {
    let draft = crate::schema::draft::draft_of(schema).unwrap_or(jsonschema::Draft::Draft7);
    super::deepest_payload(&Document::read(schema, draft)?, 5_000_000)
}

fn definitions(of: impl Fn(usize) -> Value, count: usize) -> Map<String, Value> {
    (0..count).map(|i| (format!("d{i}"), if i == 0 { json!({}) } else { of(i - 1) })).collect()
}

#[test]
fn a_doubling_chain_of_references_is_refused() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let twice = |i: usize| {
            let target = format!("#/definitions/d{i}");
            json!({ keyword: [{"$ref": target}, {"$ref": target}] })
        };
        let schema = json!({"definitions": definitions(twice, 30), "$ref": "#/definitions/d29"});
        let error = deepest_payload(&schema).unwrap_err().to_string();
        assert!(error.contains("again and again"), "{error}");
    }
    let mixed = |i: usize| {
        let target = format!("#/definitions/d{i}");
        json!({"if": {"$ref": target}, "then": {"$ref": target}, "else": {"not": {"$ref": target}}})
    };
    assert!(
        deepest_payload(&json!({"definitions": definitions(mixed, 30), "$ref": "#/definitions/d29"}))
            .is_err()
    );
}

/// References one after the other, each through a list.
fn chain(length: usize) -> Value {
    let once = |i: usize| json!({"allOf": [{"$ref": format!("#/definitions/d{i}")}]});
    json!({"definitions": definitions(once, length), "$ref": format!("#/definitions/d{}", length - 1)})
}

#[test]
fn a_chain_without_doubling_is_bounded_by_the_stack() {
    assert_eq!(deepest_payload(&chain(190)).unwrap(), MAX_PAYLOAD_DEPTH);
    let error = deepest_payload(&chain(600)).unwrap_err().to_string();
    assert!(error.contains("a chain of more than 400 parts"), "{error}");
    assert!(deepest_payload(&chain(5000)).is_err());
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

#[test]
fn a_validator_survives_all_that_is_let_through() {
    let through = |levels: usize| {
        let step = |i: usize| json!({"allOf": [{"$ref": format!("#/definitions/d{i}")}]});
        let mut definitions = definitions(step, levels);
        definitions.insert(
            "d0".to_owned(),
            json!({"properties": {"a": {"$ref": format!("#/definitions/d{}", levels - 1)}}}),
        );
        json!({"definitions": definitions, "$ref": format!("#/definitions/d{}", levels - 1)})
    };
    for schema in [
        chain(190),
        json!({"properties": {"a": {"$ref": "#"}}}),
        json!({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}),
        json!({"properties": {"a": {"not": {"not": {"anyOf": [{"$ref": "#"}]}}}}}),
        through(10),
        through(60),
    ] {
        // Half the stack of the threads that work: what is let through must fit with room to spare.
        let judge = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
            let compiled = crate::schema::Compiled::new(&schema, true).unwrap();
            let deepest = deepest_payload(&schema).unwrap();
            let begun = std::time::Instant::now();
            assert!(compiled.violations(&nested(deepest)).0.is_empty(), "{schema}");
            assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{schema}");
            if deepest < MAX_PAYLOAD_DEPTH {
                let reported = compiled.violations(&nested(deepest + 1)).0;
                assert!(reported[0].message.starts_with("found more than"), "{reported:?}");
            }
        });
        judge.unwrap().join().unwrap();
    }
}

#[test]
fn a_doubling_recursion_bounds_the_depth() {
    let twice = json!({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
    let deepest = deepest_payload(&twice).unwrap();
    assert!((10..20).contains(&deepest), "{deepest}");
    for schema in [
        json!({"additionalProperties": {"$ref": "#"}, "patternProperties": {"a": {"$ref": "#"}}}),
        json!({"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}),
        json!({"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]}),
        json!({"definitions": {"x": {"$id": "#x", "properties": {"a": {"oneOf": [{"$ref": "#x"}, {"$ref": "#x"}]}}}}, "$ref": "#x"}),
        json!({"$schema": DRAFT_2020, "$dynamicAnchor": "n", "properties": {"a": {"anyOf": [{"$dynamicRef": "#n"}, {"$dynamicRef": "#n"}]}}}),
    ] {
        assert!(deepest_payload(&schema).unwrap() < 40, "{schema}");
    }
}

#[test]
fn a_doubling_chain_without_recursion_is_bounded() {
    let level = |i: usize| {
        let target = format!("#/definitions/d{i}");
        json!({"properties": {"a": {"allOf": [{"$ref": target}, {"$ref": target}]}}})
    };
    let schema = json!({"definitions": definitions(level, 60), "$ref": "#/definitions/d59"});
    assert!(deepest_payload(&schema).unwrap() < 20);
}

#[test]
fn parts_that_ask_for_themselves_end() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"definitions": {"a": {"not": {"$ref": "#/definitions/b"}}, "b": {"anyOf": [{"$ref": "#/definitions/a"}]}}, "$ref": "#/definitions/a"}),
    ] {
        assert!(deepest_payload(&schema).is_ok(), "{schema}");
    }
}

#[test]
fn ordinary_recursive_schemas_have_no_bound() {
    for schema in [
        json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "children": {"items": {"$ref": "#"}}}}),
        json!({"definitions": {"value": {"anyOf": [
            {"type": "string"}, {"type": "array", "items": {"$ref": "#/definitions/value"}},
            {"type": "object", "additionalProperties": {"$ref": "#/definitions/value"}},
        ]}}, "$ref": "#/definitions/value"}),
    ] {
        assert_eq!(deepest_payload(&schema).unwrap(), MAX_PAYLOAD_DEPTH, "{schema}");
    }
}

#[test]
fn recursive_alternatives_allow_usual_depths() {
    let branch =
        |kind: &str| json!({"properties": {"kind": {"const": kind}, "of": {"$ref": "#/definitions/e"}}});
    let schema =
        json!({"definitions": {"e": {"oneOf": [branch("a"), branch("b")]}}, "$ref": "#/definitions/e"});
    assert!(deepest_payload(&schema).unwrap() >= 14);
}

#[test]
fn remote_references_are_refused_everywhere() {
    for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
        let error = deepest_payload(&json!({"items": {keyword: "https://a.example/s"}})).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("/items/{keyword}: found https://a.example/s")),
            "{error}"
        );
    }
    // In data it is no reference, and a property may be called so.
    for schema in [
        json!({"enum": [{"$ref": "https://a.example/s"}]}),
        json!({"default": {"$ref": "https://a.example/s"}}),
        json!({"properties": {"$ref": {"type": "string"}}}),
    ] {
        assert!(deepest_payload(&schema).is_ok(), "{schema}");
    }
}

#[test]
fn a_web_of_references_is_given_up_in_bounded_time() {
    let all: Vec<_> = (0..3000).map(|i| json!({"properties": {format!("p{i}"): {"$ref": "#"}}})).collect();
    let schema = json!({"allOf": all, "additionalProperties": {"$ref": "#"}});
    // Whatever it says, it says it.
    let _ = deepest_payload(&schema);
}

#[test]
fn references_by_name_double_as_those_by_pointer_do() {
    let level = |i: usize| {
        let target = format!("https://x.example/d{i}");
        json!({"$id": format!("https://x.example/d{}", i + 1), "allOf": [{"$ref": target}, {"$ref": format!("d{i}")}]})
    };
    let mut all = definitions(level, 30);
    all.insert("d0".to_owned(), json!({"$id": "https://x.example/d0"}));
    for container in ["definitions", "$defs", "components"] {
        let schema = json!({container: all, "$ref": "https://x.example/d29"});
        let error = deepest_payload(&schema).unwrap_err().to_string();
        let place = format!("/{container}/d");
        assert!(error.starts_with(&place) && error.contains("again and again"), "{error}");
    }
    // A dynamic reference that doubles in the outer tree alone.
    let twice = json!({"anyOf": [{"$ref": "tree"}, {"$ref": "tree"}]});
    let schema = json!({
        "$schema": DRAFT_2020, "$id": "https://x.example/outer", "$dynamicAnchor": "node", "allOf": [twice, twice],
        "$defs": {"tree": {
            "$id": "tree", "$dynamicAnchor": "node", "properties": {"next": {"$dynamicRef": "#node"}},
        }},
    });
    assert!((3..12).contains(&deepest_payload(&schema).unwrap()), "{:?}", deepest_payload(&schema));
}
