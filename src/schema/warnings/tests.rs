//! What is warned of, and what is not.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::json;

use super::*;
use crate::schema::Compiled;

const DRAFT_2019: &str = "https://json-schema.org/draft/2019-09/schema";
const DRAFT_2020: &str = "https://json-schema.org/draft/2020-12/schema";

/// The warnings about a schema, which has to be valid, each in one line.
fn said(schema: &Value) -> Vec<String> {
    Compiled::new(schema, true).unwrap_or_else(|error| panic!("{schema}: {error}"));
    warnings(schema, true).iter().map(|it| format!("{}: {}", it.pointer, it.message)).collect()
}

fn assert_one(schema: &Value, parts: &[&str]) {
    let said = said(schema);
    assert!(
        said.len() == 1 && parts.iter().all(|part| said[0].contains(part)),
        "{schema}: {said:?}, {parts:?}"
    );
    assert!(said[0].chars().count() <= 240, "{said:?}");
}

#[test]
fn keywords_of_a_newer_draft() {
    for (keyword, value, draft) in [
        ("unevaluatedProperties", json!(false), "2019-09"),
        ("unevaluatedItems", json!(false), "2019-09"),
        ("dependentRequired", json!({"a": ["b"]}), "2019-09"),
        ("dependentSchemas", json!({"a": {}}), "2019-09"),
        ("minContains", json!(1), "2019-09"),
        ("maxContains", json!(1), "2019-09"),
        ("$recursiveRef", json!("#"), "2019-09"),
        ("prefixItems", json!([{}]), "2020-12"),
        ("$dynamicRef", json!("#node"), "2020-12"),
        ("$dynamicAnchor", json!("node"), "2020-12"),
    ] {
        let schema = json!({"properties": {"a": {keyword: value}}});
        let place = format!("/properties/a/{keyword}: a keyword of {draft}, ignored in Draft 7");
        assert_one(&schema, &[&place, "a schema without $schema", "name the draft with \"$schema\""]);
    }
    for (draft, keyword, value) in [
        ("http://json-schema.org/draft-04/schema#", "const", json!(1)),
        ("http://json-schema.org/draft-04/schema#", "contains", json!({})),
        ("http://json-schema.org/draft-04/schema#", "propertyNames", json!({})),
        ("http://json-schema.org/draft-04/schema#", "contentEncoding", json!("base64")),
        ("http://json-schema.org/draft-06/schema#", "if", json!({})),
        (DRAFT_2019, "prefixItems", json!([{}])),
        (DRAFT_2019, "$dynamicRef", json!("#a")),
    ] {
        let schema = json!({"$schema": draft, "items": {keyword: value}});
        assert_one(&schema, &[&format!("/items/{keyword}: a keyword of "), "ignored in"]);
    }
    assert_one(&json!({"prefixItems": [{}]}), &["write items with a list, or name"]);
}

#[test]
fn keywords_of_an_older_draft() {
    assert_one(
        &json!({"$schema": DRAFT_2020, "prefixItems": [{}], "additionalItems": false}),
        &[
            "/additionalItems: a keyword up to 2019-09, ignored in 2020-12; write items together with prefixItems",
        ],
    );
    assert_one(
        &json!({"$schema": DRAFT_2020, "$recursiveRef": "#"}),
        &["/$recursiveRef: ", "write $dynamicRef"],
    );
    assert_one(
        &json!({"id": "https://x.example/s"}),
        &["/id: a keyword of Draft 4, ignored in Draft 7; write $id"],
    );
    assert_one(&json!({"divisibleBy": 2}), &["/divisibleBy: a keyword of Draft 3", "write multipleOf"]);
}

#[test]
fn names_that_are_nearly_keywords() {
    for (name, meant) in [
        ("requried", "required"),
        ("require", "required"),
        ("Required", "required"),
        ("propertys", "properties"),
        ("property", "properties"),
        ("proprties", "properties"),
        ("additionalproperties", "additionalProperties"),
        ("additional_properties", "additionalProperties"),
        ("additionalProperty", "additionalProperties"),
        ("patternProperty", "patternProperties"),
        ("minLenght", "minLength"),
        ("min_length", "minLength"),
        ("maxlength", "maxLength"),
        ("mininum", "minimum"),
        ("any_of", "anyOf"),
        ("allof", "allOf"),
        ("oneof", "oneOf"),
        ("typ", "type"),
        ("types", "type"),
        ("enums", "enum"),
        ("item", "items"),
        ("fromat", "format"),
        ("patern", "pattern"),
        ("uniqueItem", "uniqueItems"),
        ("ref", "$ref"),
        ("Const", "const"),
        ("multipleof", "multipleOf"),
        ("exclusive_minimum", "exclusiveMinimum"),
        ("definition", "definitions"),
        ("IF", "if"),
    ] {
        let schema = json!({"properties": {"a": {name: true}}});
        let expected =
            format!("/properties/a/{name}: no keyword of JSON Schema, and ignored; did you mean {meant}?");
        assert_eq!(said(&schema), [expected]);
    }
}

#[test]
fn other_keywords_are_annotations() {
    for name in [
        "title",
        "description",
        "examples",
        "example",
        "$comment",
        "deprecated",
        "readOnly",
        "writeOnly",
        "default",
        "xml",
        "discriminator",
        "externalDocs",
        "x-order",
        "x-requried",
        "note",
        "notes",
        "name",
        "names",
        "label",
        "unit",
        "order",
        "enumNames",
        "propertyOrder",
        "options",
        "cost",
        "form",
        "text",
        "date",
        "time",
        "id",
        "tsType",
        "javaType",
        "existingJavaType",
        "markdownDescription",
        "errorMessage",
        "sensitive",
        "pii",
        "since",
        "owner",
        "tags",
        "group",
        "http://x.example/typ",
        "@type",
        "container",
        "content",
        "links",
        "base",
        "media",
        "in",
        "of",
        "is",
        "nothing",
    ] {
        let value = if name == "examples" {
            json!([])
        } else if name == "id" {
            json!(1)
        } else {
            json!("x")
        };
        let value = if ["deprecated", "readOnly", "writeOnly"].contains(&name) { json!(true) } else { value };
        for draft in [None, Some(DRAFT_2020)] {
            let mut schema = json!({ name: value });
            if let Some(draft) = draft {
                schema["$schema"] = draft.into();
            }
            assert_eq!(said(&schema), [""; 0], "{name}");
        }
    }
    // Every keyword of a draft is silent in it, and what is data or a name is no keyword.
    let schema = json!({
        "$schema": DRAFT_2020, "$id": "https://x.example/s", "$defs": {"requried": {"$anchor": "a"}},
        "properties": {"requried": {"const": {"requried": 1}}, "typ": {"enum": [{"typ": 1}]}},
        "dependentRequired": {"typ": ["a"]}, "patternProperties": {"typ": {}}, "default": {"typ": 1},
        "prefixItems": [{}], "items": {}, "unevaluatedItems": false, "unevaluatedProperties": false, "contains": {},
        "minContains": 1, "if": {}, "then": {}, "contentEncoding": "base64", "format": "uuid",
    });
    assert_eq!(said(&schema), [""; 0]);
    let schema = json!({"$schema": "http://json-schema.org/draft-04/schema#", "id": "s", "minimum": 1, "exclusiveMinimum": true});
    assert_eq!(said(&schema), [""; 0]);
    let schema =
        json!({"definitions": {"a": {}}, "$defs": {"a": {"$anchor": "a"}}, "dependencies": {"a": ["b"]}});
    assert_eq!(said(&schema), [""; 0]);
}

#[test]
fn unknown_formats() {
    for (format, meant) in [
        ("date_time", Some("date-time")),
        ("datetime", Some("date-time")),
        ("Date-Time", Some("date-time")),
        ("e-mail", Some("email")),
        ("UUID", Some("uuid")),
        ("guid", None),
        ("uint32", None),
        ("phone", None),
    ] {
        let schema = json!({"items": {"format": format}});
        let said = said(&schema);
        let expected = format!("/items/format: the format {format:?} is not known and not enforced");
        match meant {
            Some(meant) => assert_eq!(said, [format!("{expected}; did you mean {meant}?")]),
            None => assert!(said.len() == 1 && said[0].starts_with(&expected), "{said:?}"),
        }
        // Where no format is enforced, this is no surprise.
        assert_eq!(warnings(&schema, false), []);
    }
    for known in formats::FORMATS {
        assert_eq!(said(&json!({"format": known.name})), [""; 0]);
    }
    assert_one(
        &json!({"contentEncoding": "base_64"}),
        &["the content encoding \"base_64\"", "did you mean base64?"],
    );
    assert_eq!(
        said(&json!({"contentEncoding": "quoted-printable", "contentMediaType": "image/png"})),
        [""; 0]
    );
}

#[test]
fn what_other_dialects_have() {
    assert_one(
        &json!({"properties": {"a": {"type": "integer", "nullable": true}}}),
        &["/properties/a/nullable: a keyword of OpenAPI", r#"write "type": ["integer", "null"]"#],
    );
    assert_eq!(said(&json!({"nullable": false})), [""; 0]);
    for address in
        ["http://json-schema.org/schema#", "http://json-schema.org/schema", "https://json-schema.org/schema#"]
    {
        assert_one(
            &json!({ "$schema": address }),
            &["/$schema: names no draft and is read as 2020-12", "draft-07"],
        );
    }
    // A boolean bound is refused: Svix refuses it, too.
    for keyword in ["exclusiveMaximum", "exclusiveMinimum"] {
        let error =
            Compiled::new(&json!({"items": {"maximum": 5, keyword: true}}), true).unwrap_err().to_string();
        let begin = format!("/items/{keyword}: found true, expected a number; ");
        assert!(error.starts_with(&begin) && error.contains("OpenAPI 3.0"), "{error}");
    }
}

#[test]
fn keywords_without_effect() {
    for (schema, expected) in [
        (
            json!({"$ref": "#/definitions/a", "maxLength": 5, "definitions": {"a": {}}}),
            "/maxLength: ignored as a sibling of $ref in Draft 7",
        ),
        (json!({"then": {}}), "/then: ignored without if"),
        (json!({"else": {}}), "/else: ignored without if"),
        (json!({"if": {}}), "/if: ignored without then or else"),
        (json!({"additionalItems": false}), "/additionalItems: ignored without items that is a list"),
        (json!({"$schema": DRAFT_2020, "minContains": 2}), "/minContains: ignored without contains"),
    ] {
        assert_one(&schema, &[expected]);
    }
    for schema in [
        json!({"$ref": "#/definitions/a", "description": "x", "title": "y", "definitions": {"a": {}}}),
        json!({"$schema": DRAFT_2020, "$ref": "#/$defs/a", "maxLength": 5, "$defs": {"a": {}}}),
        json!({"if": {}, "else": {}}),
        json!({"items": [{}], "additionalItems": false}),
    ] {
        assert_eq!(said(&schema), [""; 0], "{schema}");
    }
}

#[test]
fn patterns_that_mean_something_else() {
    assert_one(&json!({"pattern": r"\Aa"}), &[r"/pattern: \A at character 1 is the letter A", "write ^"]);
    assert_one(&json!({"pattern": r"a\Z"}), &[r"\Z at character 2", "write $"]);
    assert_one(
        &json!({"patternProperties": {"^a/{,3}$": {}}}),
        &["/patternProperties/^a~1{,3}$: {,3} at character 4 is text"],
    );
    assert_eq!(said(&json!({"pattern": r"^\<\-\@\w{2,3}{}$"})), [""; 0]);
}

#[test]
fn the_same_is_said_once_and_few_things_in_all() {
    let properties: Map<_, _> =
        (0..50).map(|i| (format!("p{i}"), json!({"nullable": true, "type": "string"}))).collect();
    let said_once = said(&json!({ "properties": properties }));
    assert!(said_once.len() == 1 && said_once[0].ends_with("(and in 49 more places)"), "{said_once:?}");
    let properties: Map<_, _> =
        (0..50).map(|i| (format!("p{i}"), json!({"format": format!("unknown-{i}")}))).collect();
    assert_eq!(said(&json!({ "properties": properties })).len(), MAX_WARNINGS);
    assert_eq!(warnings(&json!({"type": "nothing"}), true), []);
    assert_eq!(warnings(&json!({"$ref": "https://elsewhere.example"}), true), []);
}
