//! The regular expressions of a schema, as Svix reads them.
//!
//! Svix checks a schema by the meta-schema of Draft 7 before it compiles it. That asserts `pattern` and the keys of
//! `patternProperties` in each part that the meta-schema describes: beside a `$ref` and under `definitions`, too, where
//! nothing is compiled. `$defs` is no keyword of Draft 7: what is there counts only where a reference leads to it.

use std::collections::HashSet;

use jsonschema::Draft;
use regex_syntax::ast::ErrorKind;
use serde_json::{Map, Value, json};

use super::super::{
    document::percent_decoded,
    keywords::{self, Child, DATA, Part},
    pointer::push_part,
};
use super::brief::brief;

/// A regular expression that Svix refuses.
pub(super) struct Refused<'a> {
    /// Where, as a JSON Pointer into the schema.
    pub pointer: String,
    /// What is there.
    pub pattern: &'a str,
}

/// A part of a schema that is still to be checked.
struct Open<'a> {
    value: &'a Value,
    pointer: String,
    /// Whether Svix compiles it, and follows its reference.
    is_compiled: bool,
}

/// Returns the first regular expression of a schema that Svix refuses.
pub(super) fn refused(schema: &Value) -> Option<Refused<'_>> {
    let mut seen: HashSet<(String, bool)> = HashSet::new();
    let mut open = vec![Open { value: schema, pointer: String::new(), is_compiled: true }];
    let mut first: Option<Refused<'_>> = None;
    while let Some(Open { value, pointer, is_compiled }) = open.pop() {
        let Value::Object(map) = value else { continue };
        if !seen.insert((pointer.clone(), is_compiled)) {
            continue;
        }
        if let Some(found) = refused_here(map, &pointer, is_compiled) {
            // The least pointer is the first place for a reader, whatever the order of the walk.
            if first.as_ref().is_none_or(|first| found.pointer < first.pointer) {
                first = Some(found);
            }
        }
        let reference = map.get("$ref").and_then(Value::as_str);
        if is_compiled
            && let Some(target) = reference.and_then(|reference| reference.strip_prefix('#'))
            && let target = percent_decoded(target)
            && let Some(value) = schema.pointer(&target)
        {
            open.push(Open { value, pointer: target, is_compiled });
        }
        keywords::children(Draft::Draft7, map, |child| {
            let Child { keyword, part, value, .. } = child;
            if keyword == "$defs" {
                return;
            }
            let mut pointer = pointer.clone();
            push_part(&mut pointer, keyword);
            match part {
                Some(Part::Key(key)) => push_part(&mut pointer, key),
                Some(Part::Index(index)) => push_part(&mut pointer, &index.to_string()),
                None => {}
            }
            let is_compiled = is_compiled && reference.is_none() && keyword != "definitions";
            open.push(Open { value, pointer, is_compiled });
        });
    }
    first
}

fn refused_here<'a>(map: &'a Map<String, Value>, pointer: &str, is_compiled: bool) -> Option<Refused<'a>> {
    let pattern =
        map.get("pattern").and_then(Value::as_str).filter(|pattern| !is_accepted(pattern, is_compiled));
    if let Some(pattern) = pattern {
        return Some(Refused { pointer: format!("{pointer}/pattern"), pattern });
    }
    let keys = map.get("patternProperties").and_then(Value::as_object)?.keys();
    let pattern = keys.into_iter().find(|pattern| !is_accepted(pattern, is_compiled))?;
    let mut pointer = format!("{pointer}/patternProperties");
    push_part(&mut pointer, pattern);
    Some(Refused { pointer, pattern })
}

/// Whether Svix takes a text for a regular expression. What is not compiled is only translated.
fn is_accepted(pattern: &str, is_compiled: bool) -> bool {
    let brief = brief(pattern);
    let Ok(translated) = jsonschema_regex_svix::to_rust_regex(&brief) else { return false };
    if !is_compiled {
        return true;
    }
    match regex_syntax::parse(&translated) {
        Ok(_) => true,
        // Svix compiles look-around, too.
        Err(regex_syntax::Error::Parse(error)) => *error.kind() == ErrorKind::UnsupportedLookAround,
        Err(_) => false,
    }
}

/// Returns the schema without its regular expressions, which our version of the compiler would read differently: without
/// `pattern`, and with keys of `patternProperties` that it takes for text.
pub(super) fn without_patterns(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| *key != "pattern" || !value.is_string());
            kept.map(|(key, value)| {
                let value = match value {
                    value if DATA.contains(&key.as_str()) => value.clone(),
                    Value::Object(patterns) if key == "patternProperties" => {
                        let entries = patterns.iter();
                        entries.map(|(key, value)| (as_text(key), without_patterns(value))).collect()
                    }
                    value => without_patterns(value),
                };
                (key.clone(), value)
            })
            .collect()
        }
        Value::Array(items) => items.iter().map(without_patterns).collect(),
        other => other.clone(),
    }
}

/// The key itself where our version of the compiler takes it, so that references to what is under it lead there; else a
/// pattern for the same text.
fn as_text(key: &str) -> String {
    let is_plain = !key.contains(['[', ']', '{', '}', '(', '\\']);
    let is_read = || {
        let schema = json!({ "pattern": brief(key) });
        jsonschema::options().with_draft(Draft::Draft7).offline().build(&schema).is_ok()
    };
    if is_plain || is_read() { key.to_owned() } else { regex_syntax::escape(key) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn place(schema: &Value) -> Option<String> {
        refused(schema).map(|refused| refused.pointer)
    }

    #[test]
    fn patterns_are_read_as_svix_reads_them() {
        // The lists are what the compiler of the server says, version 0.49.9.
        for pattern in [
            "[^]",
            "[]",
            r"\0",
            r"[\b]",
            r"\ud83d\ude00",
            "[[a]",
            "[a[b]",
            "[[]",
            r"\u12",
            r"\x4",
            "{",
            "a{",
            "a{,3}",
            r"\k",
            r"\p{IsGreek",
            "(",
        ] {
            assert_eq!(place(&json!({ "pattern": pattern })).as_deref(), Some("/pattern"), "{pattern}");
        }
        for pattern in [
            "]",
            "}",
            "a]",
            "a}",
            "[]a]",
            "[^]a]",
            "[a]]",
            "[[a]]",
            r"\{2}",
            r"\<",
            r"\cA",
            r"\/",
            r"\-",
            r"\p{L}",
            r"\p{Script=Greek}",
            r"[\s\S]",
            r"\x00",
            r"[a\[b]",
            "(?<name>a)",
            "a{2}",
            "^$",
        ] {
            assert_eq!(place(&json!({ "pattern": pattern })), None, "{pattern}");
        }
    }

    #[test]
    fn every_part_that_svix_checks_is_found() {
        let bad = || json!({"pattern": "[^]"});
        for (schema, expected) in [
            (json!({"definitions": {"a": bad()}}), "/definitions/a/pattern"),
            (json!({"if": bad()}), "/if/pattern"),
            (json!({"additionalItems": bad()}), "/additionalItems/pattern"),
            (json!({"dependencies": {"a": bad()}}), "/dependencies/a/pattern"),
            (json!({"allOf": [{}, bad()]}), "/allOf/1/pattern"),
            (json!({"$ref": "#/definitions/a", "definitions": {"a": {}}, "pattern": "[^]"}), "/pattern"),
            (
                json!({"$ref": "#/definitions/a", "definitions": {"a": {}}, "properties": {"x/y": bad()}}),
                "/properties/x~1y/pattern",
            ),
            (json!({"patternProperties": {"[^]": {}}}), "/patternProperties/[^]"),
            (json!({"patternProperties": {"a": bad()}}), "/patternProperties/a/pattern"),
            (json!({"properties": {"b": {"$ref": "#/$defs/a"}}, "$defs": {"a": bad()}}), "/$defs/a/pattern"),
            (json!({"$ref": "#/x/a%20b", "x": {"a b": {"not": bad()}}}), "/x/a b/not/pattern"),
        ] {
            assert_eq!(place(&schema).as_deref(), Some(expected), "{schema}");
        }
    }

    #[test]
    fn parts_that_svix_does_not_read_are_not_found() {
        let bad = || json!({"pattern": "[^]"});
        for schema in [
            json!({"$defs": {"a": bad()}}),
            json!({"unevaluatedProperties": bad()}),
            json!({"dependentSchemas": {"a": bad()}}),
            json!({"prefixItems": [bad()]}),
            json!({"enum": [bad()], "const": bad(), "default": bad(), "examples": [bad()], "x": bad()}),
            json!({
                "$ref": "#/definitions/a", "definitions": {"a": {}},
                "properties": {"b": {"$ref": "#/$defs/a"}}, "$defs": {"a": bad()},
            }),
            json!({"definitions": {"b": {"$ref": "#/$defs/a"}}, "$defs": {"a": bad()}}),
            json!({"properties": {"pattern": {"type": "string"}}}),
        ] {
            assert_eq!(place(&schema), None, "{schema}");
        }
    }

    #[test]
    fn what_is_left_without_patterns_is_the_same_schema() {
        let schema = json!({
            "pattern": "a", "properties": {"pattern": {"pattern": "["}}, "enum": [{"pattern": "a"}],
            "patternProperties": {"^a": {"pattern": "]"}, "a]": {}},
        });

        assert_eq!(
            without_patterns(&schema),
            json!({
                "properties": {"pattern": {}}, "enum": [{"pattern": "a"}],
                "patternProperties": {"^a": {}, "a\\]": {}},
            })
        );
    }
}
