//! References to each kind of name that a part of a schema can have.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Value, json};

use crate::schema::{Compiled, InvalidSchema};

const DRAFT_2019: &str = "https://json-schema.org/draft/2019-09/schema";
const DRAFT_2020: &str = "https://json-schema.org/draft/2020-12/schema";

fn is_valid(schema: &Value, payload: &Value) -> bool {
    match Compiled::new(schema, true) {
        Ok(compiled) => compiled.violations(payload).0.is_empty(),
        Err(error) => panic!("{schema}: {error}"),
    }
}

/// A schema whose property `a` refers to `target`, which is to be an integer.
fn assert_leads_to_integer(schema: &Value) {
    assert!(is_valid(schema, &json!({"a": 1})), "{schema}");
    assert!(!is_valid(schema, &json!({"a": "x"})), "{schema}");
}

/// The same in each draft that has `$id`, with the definitions under `definitions` and under `$defs`.
fn in_each_draft(root: Option<&str>, definition: &Value, target: &str) {
    let drafts = [None, Some("http://json-schema.org/draft-06/schema#"), Some(DRAFT_2019), Some(DRAFT_2020)];
    for draft in drafts {
        for container in ["definitions", "$defs"] {
            let mut schema =
                json!({"properties": {"a": {"$ref": target}}, container: {"other": {}, "money": definition}});
            if let Some(draft) = draft {
                schema["$schema"] = draft.into();
            }
            if let Some(root) = root {
                schema["$id"] = root.into();
            }
            assert_leads_to_integer(&schema);
        }
    }
}

#[test]
fn identifiers_are_found_as_addresses_resolve() {
    let root = Some("https://schemas.example.org/order/created.json");
    for (root, id, target) in [
        (None, "https://schemas.example.org/money", "https://schemas.example.org/money"),
        (None, "https://schemas.example.org/money", "HTTPS://schemas.example.org/a/../money"),
        (None, "https://schemas.example.org/money", "https://schemas.example.org/money#"),
        (None, "money.schema.json", "money.schema.json"),
        (None, "money.schema.json", "./money.schema.json"),
        (None, "/money", "/money"),
        (None, "urn:example:money", "urn:example:money"),
        (
            None,
            "urn:uuid:deadbeef-1234-ffff-ffff-4321feebdaed",
            "urn:uuid:deadbeef-1234-ffff-ffff-4321feebdaed",
        ),
        (None, "tag:example.com,2026:money", "tag:example.com,2026:money"),
        (root, "https://schemas.example.org/money", "/money"),
        (root, "/money", "https://schemas.example.org/money"),
        (root, "/money", "../money"),
        (root, "money.json", "money.json"),
        (root, "money.json", "/order/money.json"),
        (root, "money.json", "https://schemas.example.org/order/money.json"),
        (root, "//schemas.example.org/money", "//schemas.example.org/money"),
        (root, "?money", "?money"),
        (Some("urn:example:order"), "urn:example:money", "urn:example:money"),
        (Some("urn:example:order"), "money.json", "money.json"),
    ] {
        in_each_draft(root, &json!({"$id": id, "type": "integer"}), target);
    }
}

#[test]
fn parts_are_found_from_each_resource() {
    let root = "https://schemas.example.org/order";
    for target in [
        "#/definitions/money",
        "https://schemas.example.org/order#/definitions/money",
        "order#/definitions/money",
        "/order#/definitions/money",
    ] {
        let schema = json!({
            "$id": root, "properties": {"a": {"$ref": target}}, "definitions": {"money": {"type": "integer"}},
        });
        assert_leads_to_integer(&schema);
    }
    // Within a resource, `#` is its own root.
    let schema = json!({
        "properties": {"a": {"$ref": "https://x.example/money"}},
        "definitions": {
            "amount": {"type": "string"},
            "money": {
                "$id": "https://x.example/money", "$ref": "#/definitions/amount",
                "definitions": {"amount": {"type": "integer"}},
            },
        },
    });
    // In Draft 7, an `$id` beside `$ref` names the part but is no base.
    assert!(is_valid(&schema, &json!({"a": "x"})));
    let mut schema = schema;
    schema["$schema"] = DRAFT_2020.into();
    assert_leads_to_integer(&schema);
    // A pointer may cross into a resource.
    schema["properties"]["a"]["$ref"] = "#/definitions/money/definitions/amount".into();
    assert_leads_to_integer(&schema);
    schema["properties"]["a"]["$ref"] = "https://x.example/money#/definitions/amount".into();
    assert_leads_to_integer(&schema);
}

#[test]
fn the_address_of_the_root_is_the_root() {
    for draft in [None, Some(DRAFT_2019), Some(DRAFT_2020)] {
        for target in ["#", "", "https://x.example/tree", "tree", "https://x.example/tree#"] {
            let mut schema = json!({
                "$id": "https://x.example/tree", "type": "object",
                "properties": {"value": {"type": "integer"}, "next": {"$ref": target}},
            });
            if let Some(draft) = draft {
                schema["$schema"] = draft.into();
            }
            assert!(is_valid(&schema, &json!({"value": 1, "next": {"value": 2}})), "{schema}");
            assert!(!is_valid(&schema, &json!({"value": 1, "next": {"value": "x"}})), "{schema}");
        }
    }
}

#[test]
fn anchors_are_found_in_their_resource() {
    let money = |keyword: &str, name: &str| json!({keyword: name, "type": "integer"});
    for (schema, money, target) in [
        (None, money("$id", "#money"), "#money"),
        (None, money("$id", "https://x.example/m#money"), "https://x.example/m#money"),
        (None, money("$id", "https://x.example/m#money"), "https://x.example/m"),
        // Draft 7 does not know it, but it names nothing else.
        (None, money("$anchor", "money"), "#money"),
        (Some("http://json-schema.org/draft-04/schema#"), money("id", "#money"), "#money"),
        (Some("http://json-schema.org/draft-04/schema#"), money("id", "money.json"), "money.json"),
        (Some(DRAFT_2019), money("$anchor", "money"), "#money"),
        (Some(DRAFT_2019), money("$anchor", "money"), "https://x.example/root#money"),
        (Some(DRAFT_2020), money("$anchor", "money"), "#money"),
        (Some(DRAFT_2020), money("$dynamicAnchor", "money"), "#money"),
    ] {
        let mut schema = match schema {
            Some(draft) => json!({ "$schema": draft }),
            None => json!({}),
        };
        let id = if target == "money.json" || money.get("id").is_some() { "id" } else { "$id" };
        schema[id] = "https://x.example/root".into();
        schema["properties"] = json!({"a": {"$ref": target}});
        schema["definitions"] = json!({"money": money});
        assert_leads_to_integer(&schema);
    }
    // The same name in two resources.
    let schema = json!({
        "$schema": DRAFT_2020, "$id": "https://x.example/root",
        "properties": {"a": {"$ref": "money#value"}, "b": {"$ref": "#value"}},
        "$defs": {
            "value": {"$anchor": "value", "type": "string"},
            "money": {"$id": "money", "$defs": {"value": {"$anchor": "value", "type": "integer"}}},
        },
    });
    assert_leads_to_integer(&schema);
    assert!(is_valid(&schema, &json!({"b": "x"})) && !is_valid(&schema, &json!({"b": 1})));
}

#[test]
fn identifiers_in_data_name_nothing() {
    for holder in ["enum", "examples"] {
        let schema = json!({
            "properties": {"a": {"$ref": "https://x.example/money"}},
            "definitions": {"d": {holder: [{"$id": "https://x.example/money", "type": "integer"}]}},
        });
        let error = Compiled::new(&schema, true).unwrap_err();
        assert!(matches!(error, InvalidSchema::RemoteReference { .. }), "{error}");
    }
    // A property may be called so.
    let schema = json!({"properties": {"$id": {"type": "integer"}, "$ref": {"type": "integer"}, "id": {}}});
    assert!(is_valid(&schema, &json!({"$id": 1, "$ref": 2})) && !is_valid(&schema, &json!({"$ref": "x"})));
}

#[test]
fn parts_under_unknown_keywords_are_found() {
    let money = json!({
        "$id": "https://x.example/money", "properties": {"amount": {"$ref": "amount"}},
        "definitions": {"amount": {"$id": "amount", "type": "integer"}},
    });
    for (container, target) in [
        ("components", "https://x.example/money"),
        ("components", "#/components/schemas/Money"),
        ("x-shared", "https://x.example/money#"),
        ("x-shared", "#/x-shared/schemas/Money"),
    ] {
        for draft in [None, Some(DRAFT_2020)] {
            let mut schema =
                json!({"properties": {"m": {"$ref": target}}, container: {"schemas": {"Money": money}}});
            if let Some(draft) = draft {
                schema["$schema"] = draft.into();
            }
            assert!(is_valid(&schema, &json!({"m": {"amount": 1}})), "{schema}");
            assert!(!is_valid(&schema, &json!({"m": {"amount": "x"}})), "{schema}");
        }
    }
    // What a draft declares has the name.
    let schema = json!({
        "properties": {"a": {"$ref": "https://x.example/m"}},
        "definitions": {"m": {"$id": "https://x.example/m", "type": "integer"}},
        "components": {"m": {"$id": "https://x.example/m", "type": "string"}},
    });
    assert_leads_to_integer(&schema);
}

/// As bundlers write them: each source under the address that it was read from, in its own draft.
#[test]
fn compound_documents_are_read_whole() {
    let schema = json!({
        "$schema": DRAFT_2020, "$id": "https://x.example/schemas/order",
        "properties": {"customer": {"$ref": "customer"}, "a": {"$ref": "/schemas/legacy"}},
        "$defs": {
            "https://x.example/schemas/customer": {
                "$schema": DRAFT_2020, "$id": "https://x.example/schemas/customer",
                "properties": {"address": {"$ref": "address#/$defs/line"}},
            },
            "https://x.example/schemas/address": {
                "$schema": DRAFT_2020, "$id": "https://x.example/schemas/address",
                "$defs": {"line": {"type": "string"}},
            },
            "https://x.example/schemas/legacy": {
                "$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://x.example/schemas/legacy",
                "$ref": "#/definitions/amount",
                // Beside `$ref`, Draft 7 heeds nothing.
                "type": "string",
                "definitions": {"amount": {"type": "integer", "dependentRequired": {"x": ["y"]}}},
            },
        },
    });
    assert_leads_to_integer(&schema);
    assert!(is_valid(&schema, &json!({"customer": {"address": "x"}})));
    assert!(!is_valid(&schema, &json!({"customer": {"address": 1}})));
    // Each part is checked by the meta-schema of its own draft.
    let mut wrong = schema.clone();
    wrong["$defs"]["https://x.example/schemas/legacy"]["definitions"]["amount"]["type"] = "strin".into();
    let error = Compiled::new(&wrong, true).unwrap_err().to_string();
    let place = "/$defs/https:~1~1x.example~1schemas~1legacy/definitions/amount/type: found \"strin\"";
    assert!(error.starts_with(place), "{error}");
}

#[test]
fn a_part_in_another_draft_is_judged_in_it() {
    let schema = json!({
        "properties": {
            "a": {"$ref": "#/definitions/new/items/0"},
            "tuple": {"$ref": "#/definitions/new"},
        },
        "definitions": {
            "new": {
                "$schema": "http://json-schema.org/draft-04/schema#", "id": "https://x.example/new",
                "items": [{"type": "integer", "minimum": 0, "exclusiveMinimum": true}],
            },
        },
    });
    assert_leads_to_integer(&schema);
    assert!(!is_valid(&schema, &json!({"a": 0})) && !is_valid(&schema, &json!({"tuple": [0]})));
    let schema = json!({
        "properties": {"p": {"$ref": "https://x.example/pair"}},
        "definitions": {"pair": {
            "$schema": DRAFT_2020, "$id": "https://x.example/pair",
            "prefixItems": [{"type": "integer"}], "items": false,
        }},
    });
    assert!(is_valid(&schema, &json!({"p": [1]})));
    assert!(!is_valid(&schema, &json!({"p": ["x"]})) && !is_valid(&schema, &json!({"p": [1, 2]})));
}

#[test]
fn dynamic_references_lead_to_the_outermost_anchor() {
    let schema = json!({
        "$schema": DRAFT_2020, "$id": "https://x.example/strict", "$ref": "tree", "$dynamicAnchor": "node",
        "unevaluatedProperties": false,
        "$defs": {"tree": {
            "$id": "tree", "$dynamicAnchor": "node", "type": "object",
            "properties": {"children": {"items": {"$dynamicRef": "#node"}}},
        }},
    });
    assert!(is_valid(&schema, &json!({"children": [{"children": []}]})));
    assert!(!is_valid(&schema, &json!({"children": [{"typo": []}]})));
    // A resource counts as entered where it stands inside another, too.
    let schema = json!({
        "$schema": DRAFT_2020, "$id": "https://x.example/outer",
        "properties": {"list": {
            "$id": "inner", "$defs": {"item": {"$dynamicAnchor": "item", "type": "integer"}},
            "properties": {"of": {
                "$id": "list", "items": {"$dynamicRef": "#item"},
                "$defs": {"item": {"$dynamicAnchor": "item"}},
            }},
        }},
    });
    assert!(is_valid(&schema, &json!({"list": {"of": [1]}})));
    assert!(!is_valid(&schema, &json!({"list": {"of": ["x"]}})));
    let schema = json!({
        "$schema": DRAFT_2019, "$id": "https://x.example/strict", "$recursiveAnchor": true, "$ref": "tree",
        "unevaluatedProperties": false,
        "$defs": {"tree": {
            "$id": "tree", "$recursiveAnchor": true, "type": "object",
            "properties": {"children": {"items": {"$recursiveRef": "#"}}},
        }},
    });
    assert!(is_valid(&schema, &json!({"children": [{"children": []}]})));
    assert!(!is_valid(&schema, &json!({"children": [{"typo": []}]})));
}

#[test]
fn meta_schemas_are_inside() {
    for address in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft-07/schema#",
        DRAFT_2019,
        DRAFT_2020,
        "https://json-schema.org/draft/2020-12/meta/validation",
    ] {
        for draft in ["http://json-schema.org/draft-07/schema#", DRAFT_2019, DRAFT_2020] {
            let schema = json!({"$schema": draft, "properties": {"schema": {"$ref": address}}});
            assert!(is_valid(&schema, &json!({"schema": {"type": "string", "maxLength": 1}})), "{schema}");
            assert!(!is_valid(&schema, &json!({"schema": {"maxLength": -1}})), "{schema}");
        }
    }
    let part = "http://json-schema.org/draft-07/schema#/definitions/nonNegativeInteger";
    let schema = json!({"properties": {"a": {"$ref": part}}});
    assert!(is_valid(&schema, &json!({"a": 0})) && !is_valid(&schema, &json!({"a": -1})));
    // They bound no payload that people send.
    let deep = (0..40).fold(json!({}), |inner, _| json!({"properties": {"a": inner}}));
    for address in ["http://json-schema.org/draft-07/schema", DRAFT_2020] {
        assert!(is_valid(&json!({ "$ref": address }), &deep), "{address}");
    }
}

#[test]
fn remote_references_are_refused_with_advice() {
    for (target, base) in [
        ("https://y.example/s", None),
        ("other.json", None),
        ("other.json", Some("https://x.example/a/b")),
        ("//y.example", None),
        ("file:///etc/passwd", None),
        ("urn:example:none", None),
        ("https://x.example/a/B", Some("https://x.example/a/b")),
        ("https://json-schema.org/draft/2020-12/none", None),
    ] {
        for draft in ["http://json-schema.org/draft-07/schema#", DRAFT_2019, DRAFT_2020] {
            let mut schema = json!({"$schema": draft, "properties": {"a/b": {"items": {"$ref": target}}}});
            if let Some(base) = base {
                schema["$id"] = base.into();
            }
            let error = Compiled::new(&schema, true).unwrap_err();
            assert!(matches!(error, InvalidSchema::RemoteReference { .. }), "{error}");
            let error = error.to_string();
            let begin = format!("/properties/a~1b/items/$ref: found {target}, which is not in this schema");
            assert!(error.starts_with(&begin) && error.contains("`$id`"), "{error}");
        }
    }
}

#[test]
fn dangling_references_are_refused_with_their_place() {
    for target in [
        "#/definitions/none",
        "#none",
        "#/definitions/money/0",
        "#/definitions/list/1",
        "#/definitions/money/type",
        "https://x.example/root#/none",
        "http://json-schema.org/draft-07/schema#/definitions/none",
    ] {
        let schema = json!({
            "$id": "https://x.example/root", "items": {"$ref": target},
            "definitions": {"money": {"type": "integer"}, "list": {"allOf": [{}]}},
        });
        let error = Compiled::new(&schema, true).unwrap_err().to_string();
        let expected =
            format!("/items/$ref: found {target:?}, expected a reference to a part that this schema has");
        assert_eq!(error, expected);
    }
    let error = Compiled::new(&json!({"items": {"$ref": "a b"}}), true).unwrap_err().to_string();
    assert!(error.starts_with("/items/$ref: found \"a b\", expected an address"), "{error}");
    let error = Compiled::new(&json!({"items": {"$id": "http://[x"}}), true).unwrap_err().to_string();
    assert!(error.starts_with("/items/$id: found \"http://[x\", expected an address"), "{error}");
}

#[test]
fn what_is_not_used_may_be_broken() {
    let schema = json!({
        "properties": {"a": {"$ref": "#/definitions/money"}},
        "definitions": {
            "money": {"type": "integer"}, "unused": {"$ref": "#/definitions/none"}, "more": {"pattern": "(?=a)"},
            "never": {"$ref": "#/definitions/unused", "properties": {"x": {"$ref": "#none"}}},
        },
    });
    assert_leads_to_integer(&schema);
    let mut used = schema.clone();
    used["properties"]["b"] = json!({"$ref": "#/definitions/never"});
    let error = Compiled::new(&used, true).unwrap_err().to_string();
    assert!(error.starts_with("/definitions/unused/$ref: found"), "{error}");
}

#[test]
fn short_names_of_parts_with_long_pointers_are_bounded() {
    let references: Vec<_> = (0..200).map(|_| json!({"$ref": "#short"})).collect();
    let schema = json!({"allOf": references, "definitions": {"x".repeat(100_000): {"$id": "#short"}}});
    let error = Compiled::new(&schema, true).unwrap_err().to_string();
    assert!(error.contains("use shorter keys, or fewer references"), "{error}");
}

#[test]
fn fragments_are_decoded() {
    for (key, target) in [
        ("a b/c", "#/definitions/a%20b~1c"),
        ("~1", "#/definitions/~01"),
        ("100%", "#/definitions/100%25"),
        ("é", "#/definitions/%C3%A9"),
        ("a\"^{|}`", "#/definitions/a%22%5E%7B%7C%7D%60"),
        ("", "#/definitions/"),
    ] {
        let schema =
            json!({"properties": {"a": {"$ref": target}}, "definitions": {key: {"type": "integer"}}});
        assert_leads_to_integer(&schema);
    }
}
