//! What patterns cost, and how they are shown. What they match is compared with JavaScript in `tests/it`.
#![allow(clippy::unwrap_used)]

use jsonschema::Draft;
use serde_json::json;

use super::*;
use crate::schema::{Compiled, MAX_PAYLOAD_BYTES, describe, effort::MAX_PATTERN_SIZE};

/// The refusal of a schema for its patterns.
fn refused(schema: &Value) -> bool {
    Document::read(schema, Draft::Draft7)
        .and_then(|document| Patterns::within(&document, MAX_PATTERN_SIZE))
        .is_err()
}

#[test]
fn patterns_as_people_write_them_bound_nothing() {
    let many: Vec<_> = (0..50).map(|i| json!({"pattern": format!("^[a-z]{{2,10}}-{i}$")})).collect();
    let schemas = [
        "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        r"^swh:1:snp:[0-9a-f]{40}$",
        r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$",
        r"^[\p{L} .'-]{1,100}$",
        r"^\w{1,200}$",
        "^[^\\s]{1,500}$",
    ]
    .map(|pattern| json!({ "pattern": pattern }));
    for schema in schemas.into_iter().chain([json!({"allOf": many})]) {
        let compiled = Compiled::new(&schema, true).unwrap();
        for text in ["a", "é", "0123456789abcdef-", "a@b.c", " "] {
            let text = text.repeat((MAX_PAYLOAD_BYTES - 10) / text.len());
            let (violations, _) = compiled.violations(&json!(text));
            assert!(violations[0].message.contains("text that matches"), "{schema}: {violations:?}");
        }
    }
}

#[test]
fn large_patterns_are_refused_before_compilation() {
    // Compiling them takes a gigabyte, and long.
    let many: Vec<_> = (0..200).map(|i| json!({"pattern": format!("^{i}\\p{{L}}{{100}}$")})).collect();
    let error = Compiled::new(&json!({"allOf": many}), true).unwrap_err().to_string();
    assert!(error.starts_with("/allOf/") && error.contains("become too large"), "{error}");
    let keys: serde_json::Map<_, _> =
        (0..200).map(|i| (format!("^{i}\\p{{L}}{{100}}$"), json!({}))).collect();
    assert!(refused(&json!({"patternProperties": keys})));
    assert!(refused(&json!({"pattern": "((a{1000}){1000}){1000}"})));
}

#[test]
fn expensive_texts_are_refused_before_matching() {
    // A text without a pattern in it, so that no two states fall together.
    let bit = |i: u32| if (i.wrapping_mul(2_654_435_761) >> 16) & 1 == 1 { 'a' } else { 'b' };
    let text: String = (0..900_000).map(bit).collect();
    let schema = json!({"properties": {"k": {"items": {"pattern": "a[ab]{5000}c"}}}});
    let compiled = Compiled::new(&schema, true).unwrap();
    let (violations, _) = compiled.violations(&json!({ "k": [1, text] }));
    assert!(violations[0].message.contains("more than 40000000 steps"), "{violations:?}");
    assert_eq!(violations[0].pointer, "/k/1");
    let (violations, _) = compiled.violations(&json!({"k": ["short"]}));
    assert!(violations[0].message.contains("text that matches"), "{violations:?}");
    // A text that no pattern is matched with costs nothing.
    assert_eq!(compiled.violations(&json!({ "other": text })).0, []);
}

fn said(schema: &Value, payload: &Value) -> String {
    let (violations, more) = Compiled::new(schema, true).unwrap().violations(payload);
    describe(&violations, more)
}

#[test]
fn messages_show_patterns_as_they_were_written() {
    let pattern = r"^\d+\s\<\b$";
    for (schema, payload) in [
        (json!({ "pattern": pattern }), json!("x")),
        (json!({"propertyNames": {"pattern": pattern}}), json!({"x": 1})),
        (json!({"anyOf": [{"pattern": pattern}, {"type": "null"}]}), json!("x")),
        (json!({"not": {"not": {"pattern": pattern}}}), json!("x")),
        (json!({"not": {"type": "object", "patternProperties": {pattern: false}}}), json!({})),
    ] {
        let text = said(&schema, &payload);
        assert!(text.contains(&format!("{pattern:?}")), "{text}");
    }
    // Two patterns that mean the same are shown each as it is.
    let schema = json!({"allOf": [{"pattern": r"^\-$"}, {"pattern": "^[-]$"}, {"pattern": r"^[\u{2d}]$"}, {"pattern": "^-$"}]});
    let text = said(&schema, &json!("x"));
    for pattern in [r#""^\\-$""#, r#""^[-]$""#, r#""^[\\u{2d}]$""#, r#""^-$""#] {
        assert!(text.contains(pattern), "{text}");
    }
    // And no key of `patternProperties` is lost.
    let schema = json!({"patternProperties": {r"^\-$": {"minimum": 1}, "^-$": {"maximum": 5}, r"^\x2d$": {"multipleOf": 2}}});
    assert!(said(&schema, &json!({"-": 0})).contains("at least 1"));
    assert!(said(&schema, &json!({"-": 6})).contains("at most 5"));
    assert!(said(&schema, &json!({"-": 3})).contains("a multiple of 2"));
    assert_eq!(said(&schema, &json!({"-": 4})), "");
}

#[test]
fn what_is_refused_is_named_with_its_place_and_a_way_out() {
    for (schema, expected) in [
        (
            json!({"properties": {"a": {"pattern": "^(?!x)"}}}),
            "/properties/a/pattern: found \"^(?!x)\", expected a regular expression that takes linear time, without the \
             negative look-ahead (?!…) at character 2; put a pattern for what must not match under not",
        ),
        (
            json!({"patternProperties": {r"(a/b)\1": {}}}),
            "/patternProperties/(a~1b)\\1: found \"(a/b)\\\\1\", expected a regular expression that takes linear time, \
             without the back reference at character 6; write out the alternatives",
        ),
        (
            json!({"items": {"pattern": "[a-"}}),
            "/items/pattern: found \"[a-\", expected a regular expression; it has a class that is not closed at character 1",
        ),
    ] {
        for draft in
            ["http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft/2020-12/schema"]
        {
            let mut schema = schema.clone();
            schema["$schema"] = draft.into();
            assert_eq!(Compiled::new(&schema, true).unwrap_err().to_string(), expected);
        }
    }
    // In data it is no pattern, and a property may be called so.
    let schema = json!({"enum": [{"pattern": "("}], "properties": {"pattern": {"const": "("}}, "default": {"pattern": "("}});
    assert!(Compiled::new(&schema, true).is_ok());
}

#[test]
fn patterns_are_read_the_same_under_each_keyword_and_draft() {
    for draft in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        for (pattern, matches, other) in [
            (r"^caf\b", "caf é", "cafe"),
            (r"^\<a\>$", "<a>", "a"),
            ("^[^]$", "\n", ""),
            (r"^\0$", "\0", "0"),
        ] {
            let schema = json!({"$schema": draft, "items": {"pattern": pattern}});
            assert_eq!(said(&schema, &json!([matches])), "", "{draft} {pattern}");
            assert_ne!(said(&schema, &json!([other])), "", "{draft} {pattern}");
            for schema in [
                json!({"$schema": draft, "patternProperties": {pattern: {"type": "null"}}}),
                json!({"$schema": draft, "properties": {"x": {}}, "patternProperties": {pattern: {"type": "null"}},
                    "additionalProperties": {"type": "boolean"}}),
            ] {
                assert_ne!(said(&schema, &json!({ matches: true })), "", "{draft} {pattern}");
                assert_eq!(said(&schema, &json!({ other: true })), "", "{draft} {pattern}");
            }
        }
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "patternProperties": {r"^\<": {}}, "unevaluatedProperties": false,
    });
    assert_eq!(said(&schema, &json!({"<a": 1})), "");
    assert_ne!(said(&schema, &json!({"a": 1})), "");
}

#[test]
fn patterns_of_names_have_a_bound_of_their_own() {
    let of = |count: usize| {
        let patterns = (0..count).map(|index| (format!("^{index}$"), json!(true)));
        json!({"patternProperties": patterns.collect::<serde_json::Map<_, _>>()})
    };

    assert!(Compiled::new(&of(320), true).is_ok());
    let error = Compiled::new(&of(321), true).unwrap_err();
    assert!(error.to_string().contains("use fewer different patterns"), "{error}");
}
