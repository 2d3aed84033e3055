#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;

mod numbers;

fn violations(schema: &Value, payload: &Value) -> String {
    let (violations, more) = Compiled::new(schema, true).unwrap().violations(payload);
    describe(&violations, more)
}

#[test]
fn violations_say_where_and_what_was_expected_all_at_once() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {"b": {"type": "integer"}}});
    let text = violations(&schema, &json!({"b": "x"}));
    assert!(text.contains(r#"/b: found "x", expected an integer"#), "{text}");
    assert!(text.contains(r#"/: found no "a", which is required"#), "{text}");
    assert_eq!(violations(&schema, &json!({"a": 1, "b": 2})), "");
}

#[test]
fn a_thousand_violations_give_a_readable_answer() {
    let schema = json!({"additionalProperties": {"type": "integer"}});
    let payload: serde_json::Map<_, _> = (0..1000).map(|i| (format!("k{i}"), json!("x"))).collect();
    let text = violations(&schema, &Value::Object(payload));
    assert!(text.ends_with("; and at least 990 more") && text.len() < 1000, "{text}");
}

#[test]
fn numbers_are_judged_by_their_digits() {
    for (schema, text, expected) in [
        (
            json!({"maximum": 100}),
            "100.0000000000000000000001",
            Some("found 100.0000000000000000000001, expected at most 100"),
        ),
        (json!({"maximum": 100}), "100.0000000000000000000000", None),
        (json!({"exclusiveMinimum": 99.99}), "99.990000000000000000001", None),
        (json!({"minimum": -1}), "-1.0000000000000000000001", Some("at least -1")),
        (json!({"exclusiveMaximum": 1}), "0.99999999999999999999999", None),
        (json!({"multipleOf": 3}), "12345678901234567890123", None),
        (json!({"multipleOf": 3}), "12345678901234567890124", Some("a multiple of 3")),
        (json!({"type": "integer"}), "12345678901234567890123", None),
        (
            json!({"type": "integer"}),
            "1.0000000000000000000001",
            Some("found 1.0000000000000000000001, expected an integer"),
        ),
        (
            json!({"const": 100}),
            "100.0000000000000000000001",
            Some("found 100.0000000000000000000001, expected 100"),
        ),
        (
            json!({"anyOf": [{"const": 100}, {"type": "null"}]}),
            "100.0000000000000000000001",
            Some("found 100.0000000000000000000001, expected at least one of 2 alternatives"),
        ),
        (json!({"enum": [100, 1]}), "1e2", None),
        (json!({"enum": [100.0, 1]}), "100.0000000000000000000001", Some("one of")),
        (json!({"format": "int64"}), "9007199254740993.0", None),
        (json!({"format": "int32"}), "2147483647.00000000000000000001", Some("32 bits")),
        (json!({"type": "number"}), "100.0000000000000000000001", None),
    ] {
        let payload = Payload::parse(format!(r#"{{"a": [{text}]}}"#).as_bytes()).unwrap();
        let schema = json!({"properties": {"a": {"items": schema}}});
        let found = Compiled::new(&schema, true).unwrap().judge(&payload).violations;
        match expected {
            None => assert_eq!(found, [], "{schema} {text}"),
            Some(expected) => {
                assert!(found[0].message.contains(expected), "{schema} {text}: {found:?}");
                assert_eq!(found[0].pointer, "/a/0");
            }
        }
    }
    let unique = Compiled::new(&json!({"uniqueItems": true}), true).unwrap();
    let payload = |text: &str| Payload::parse(text.as_bytes()).unwrap();
    assert_eq!(unique.judge(&payload("[100, 100.0000000000000000000001, 3]")).violations, []);
    assert_eq!(unique.judge(&payload("[1e-400, 3, 0.1e-399]")).violations.len(), 1);
    assert_eq!(unique.judge(&payload("[9007199254740993.0, 3, 9007199254740993]")).violations.len(), 1);
}

/// Draft 4: an integer is a number without a fraction or exponent part.
#[test]
fn integers_of_draft_4_are_those_written_so() {
    let schema =
        json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "minimum": 1});
    let compiled = Compiled::new(&schema, true).unwrap();
    for (text, is_integer) in [
        ("1", true),
        ("9223372036854775808", true),
        ("18446744073709551616", true),
        ("20000000000000000000", true),
        ("123456789012345678901234567890", true),
        ("1.0", false),
        ("2e19", false),
        ("20000000000000000000.0", false),
        ("-20000000000000000000", false),
    ] {
        let found = compiled.judge(&Payload::parse(text.as_bytes()).unwrap()).violations;
        assert_eq!(found.is_empty(), is_integer, "{text}: {found:?}");
    }
    let negative = compiled.judge(&Payload::parse(b"-20000000000000000000").unwrap()).violations;
    assert_eq!(negative[0].message, "found -20000000000000000000, expected at least 1");
}

#[test]
fn formats_are_asserted_only_when_asked() {
    let schema = json!({"properties": {"d": {"format": "date-time"}}});
    let payload = json!({"d": "yesterday"});
    assert_eq!(Compiled::new(&schema, true).unwrap().violations(&payload).0.len(), 1);
    assert_eq!(Compiled::new(&schema, false).unwrap().violations(&payload).0.len(), 0);
}

#[test]
fn a_schema_without_a_version_is_draft_7() {
    // `prefixItems` came later: Draft 7 does not know it.
    let schema = json!({"prefixItems": [{"type": "integer"}]});
    assert_eq!(violations(&schema, &json!(["x"])), "");
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{"type": "integer"}],
    });
    assert!(violations(&schema, &json!(["x"])).starts_with("/0: "));
}

#[test]
fn a_schema_that_is_none_is_refused_with_its_place() {
    let error = Compiled::new(&json!({"properties": {"a": {"type": "strin"}}}), true).unwrap_err();
    assert!(error.to_string().starts_with("/properties/a/type: "), "{error}");
    let error = Compiled::new(&json!({"pattern": "("}), true).unwrap_err();
    assert!(error.to_string().starts_with("/pattern: "), "{error}");
    let error =
        Compiled::new(&json!({"properties": {"a": {"$ref": "#/definitions/none"}}}), true).unwrap_err();
    assert!(matches!(error, InvalidSchema::Invalid { .. }), "{error}");
    for (schema, said) in [
        (json!({"required": true}), "/required: found true, expected an array"),
        (
            json!({"pattern": "[a-"}),
            r#"/pattern: found "[a-", expected a regular expression; it has a class that is not closed at character 1"#,
        ),
        (json!({"minLength": -1}), "/minLength: found -1, expected at least 0"),
    ] {
        assert_eq!(Compiled::new(&schema, true).unwrap_err().to_string(), said);
    }
}

#[test]
fn a_schema_of_an_unknown_draft_is_refused() {
    for named in [json!("https://nobody.example/schema"), json!("draft-07"), json!("")] {
        let error = Compiled::new(&json!({"$schema": named}), true).unwrap_err().to_string();
        assert!(error.starts_with("/$schema: found ") && error.contains("2020-12"), "{error}");
    }
    for known in ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema"] {
        assert!(Compiled::new(&json!({"$schema": known}), true).is_ok(), "{known}");
    }
    // Nobody is asked what it means deeper down either.
    let inner = json!({"properties": {"a": {"$schema": "https://nobody.example/schema"}}});
    let _ = Compiled::new(&inner, true);
    let inner =
        json!({"properties": {"a": {"$id": "https://x.example/", "$schema": "https://nobody.example/s"}}});
    let _ = Compiled::new(&inner, true);
}

#[test]
fn references_never_leave_the_document() {
    for target in
        ["http://a.example/s.json", "https://a.example/s", "file:///etc/passwd", "other.json", "//a.example"]
    {
        let error = Compiled::new(&json!({"items": {"$ref": target}}), true).unwrap_err();
        assert!(
            matches!(&error, InvalidSchema::RemoteReference { pointer, .. } if pointer == "/items"),
            "{error}"
        );
    }
    assert!(Compiled::new(&json!({"$ref": "#/definitions/a", "definitions": {"a": {}}}), true).is_ok());
}
