//! Whether Svix accepts a schema: it compiles every schema as Draft 7, whatever `$schema` says.
//!
//! A schema that is valid in its own draft may not be one in Draft 7. Svix then refuses it with a message that names
//! neither the draft nor, for a reference, the place. Its compiler is an older version of ours, and the two read regular
//! expressions differently, so these are checked apart from the rest (`regex`).

mod brief;
mod regex;

use jsonschema::{Draft, ReferencingError, ValidationError, error::ValidationErrorKind};
use serde_json::Value;

use super::{
    Effort,
    document::Document,
    draft::draft,
    exclusive,
    keywords::DATA,
    limits, messages,
    patterns::Patterns,
    pointer::push_part,
    size,
    text::{quoted, shortened},
};

/// Why a schema is not valid as Draft 7.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid as Draft 7, as which Svix reads it: {found}; {advice}")]
pub struct NotDraft7 {
    /// Where, as a JSON Pointer into the schema; empty: the whole schema.
    pub pointer: String,
    /// What was found, and what was expected.
    pub found: String,
    /// The way out.
    pub advice: &'static str,
}

/// Checks a schema as Svix does. The schema is one that [`super::Compiled::new`] accepted, so its size is bounded.
///
/// # Errors
/// The schema is not valid as Draft 7, or a reference in it leads nowhere when it is read as Draft 7.
pub fn check(schema: &Value) -> Result<(), NotDraft7> {
    check_within(schema, &Effort::full())
}

/// As [`check`], if that takes no more than the effort. Otherwise it is exceeded, and the schema is not checked.
///
/// # Errors
/// As [`check`].
pub fn check_within(schema: &Value, effort: &Effort) -> Result<(), NotDraft7> {
    if effort.is_brief() && size::values(schema) > effort.schema_values() {
        effort.exceed();
        return Ok(());
    }
    // One beyond the limits does not come here.
    let size = limits::check(schema).ok();
    let is_brief = || size.is_some_and(|size| size.is_brief(effort)) && has_brief_patterns(schema, effort);
    if effort.is_brief() && !is_brief() {
        effort.exceed();
        return Ok(());
    }
    if let Some(regex::Refused { pointer, pattern }) = regex::refused(schema) {
        return Err(NotDraft7 {
            found: format!("found {}, expected a regular expression that Svix accepts", quoted(pattern)),
            pointer,
            advice: "write it in another way, such as [\\s\\S] for [^], \\x00 for \\0, and \\[ for [ in a class",
        });
    }
    let schema = &regex::without_patterns(schema);
    let _guard = size.is_none_or(limits::Size::is_exclusive).then(exclusive::enter);
    match jsonschema::options().with_draft(Draft::Draft7).offline().build(schema) {
        Ok(_) => Ok(()),
        Err(error) => Err(problem(schema, &error)),
    }
}

fn has_brief_patterns(schema: &Value, effort: &Effort) -> bool {
    let document = draft(schema).and_then(|draft| Document::read(schema, draft));
    document.and_then(|document| Patterns::within(&document, effort.pattern_size())).is_ok()
}

fn problem(schema: &Value, error: &ValidationError<'_>) -> NotDraft7 {
    if let ValidationErrorKind::Referencing(error) = error.kind() {
        return reference_problem(schema, error);
    }
    let pointer = error.instance_path().as_str().to_owned();
    let keyword = pointer.rsplit('/').next().unwrap_or_default();
    let advice = match (keyword, error.instance().as_ref()) {
        ("exclusiveMaximum", Value::Bool(_)) => {
            "write the bound itself as exclusiveMaximum, in place of maximum"
        }
        ("exclusiveMinimum", Value::Bool(_)) => {
            "write the bound itself as exclusiveMinimum, in place of minimum"
        }
        _ => "write it so that it is valid in Draft 7 as well, or remove it",
    };
    let found = messages::of_schema(error, &Patterns::default());
    NotDraft7 { found: shortened(&found), pointer, advice }
}

fn reference_problem(schema: &Value, error: &ReferencingError) -> NotDraft7 {
    let leads_nowhere: Box<dyn Fn(&str) -> bool> = match error {
        ReferencingError::NoSuchAnchor { anchor } => {
            Box::new(move |target| target.split_once('#').is_some_and(|(_, fragment)| fragment == anchor))
        }
        ReferencingError::PointerToNowhere { pointer } => {
            Box::new(move |target| target.split_once('#').is_some_and(|(_, fragment)| fragment == pointer))
        }
        ReferencingError::Unretrievable { uri, .. } => Box::new(move |target| {
            let target = target.split('#').next().unwrap_or_default();
            !target.is_empty() && uri.trim_end_matches('#').ends_with(target.trim_start_matches(['.', '/']))
        }),
        _ => Box::new(|_| false),
    };
    let mut references = Vec::new();
    collect_references(schema, &mut String::new(), &mut references);
    let place = references.into_iter().find(|(_, target)| leads_nowhere(target));
    let (pointer, found) = match place {
        Some((pointer, target)) => {
            let target = serde_json::to_string(target).unwrap_or_default();
            (pointer, format!("found a reference to {target}, which leads nowhere"))
        }
        None => (String::new(), "found a reference that leads nowhere".to_owned()),
    };
    let advice = "refer by place (#/$defs/name): Draft 7 has no $anchor and no $id under $defs";
    NotDraft7 { pointer, found: shortened(&found), advice }
}

/// Collects each `$ref` with its place, in the order of the document.
fn collect_references<'a>(value: &'a Value, pointer: &mut String, found: &mut Vec<(String, &'a str)>) {
    let length = pointer.len();
    match value {
        Value::Object(map) => {
            for (key, item) in map.iter().filter(|(key, _)| !DATA.contains(&key.as_str())) {
                push_part(pointer, key);
                match item {
                    Value::String(target) if key == "$ref" => found.push((pointer.clone(), target)),
                    _ => collect_references(item, pointer, found),
                }
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                push_part(pointer, &index.to_string());
                collect_references(item, pointer, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_valid_in_its_own_draft_alone_has_its_place() {
        let draft = |draft: &str, mut schema: Value| {
            schema["$schema"] = json!(draft);
            schema
        };
        let (draft4, draft2020) =
            ("http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft/2020-12/schema");
        for (schema, pointer, found) in [
            (
                draft(draft4, json!({"properties": {"a": {"maximum": 5, "exclusiveMaximum": true}}})),
                "/properties/a/exclusiveMaximum",
                "found true, expected a number",
            ),
            (
                draft(draft4, json!({"examples": {"one": {}}})),
                "/examples",
                "found {\"one\":{}}, expected an array",
            ),
            (
                draft(
                    draft2020,
                    json!({"properties": {"a/b": {"$ref": "#money"}}, "$defs": {"m": {"$anchor": "money"}}}),
                ),
                "/properties/a~1b/$ref",
                "found a reference to \"#money\", which leads nowhere",
            ),
            (
                draft(
                    draft2020,
                    json!({
                        "$id": "https://a.example/root.json",
                        "allOf": [{"default": {"$ref": "money.json"}, "$ref": "money.json"}],
                        "$defs": {"m": {"$id": "money.json"}},
                    }),
                ),
                "/allOf/0/$ref",
                "found a reference to \"money.json\", which leads nowhere",
            ),
        ] {
            let problem = check(&schema).unwrap_err();
            assert_eq!((problem.pointer.as_str(), problem.found.as_str()), (pointer, found));
        }
    }

    #[test]
    fn what_is_valid_as_draft_7_as_well_is_accepted() {
        for schema in [
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{"type": "string"}]}),
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5}),
            json!({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}),
            json!({"definitions": {"a": {"$id": "https://a.example/a"}}, "allOf": [{"$ref": "https://a.example/a"}]}),
            json!({"properties": {"a": {"pattern": "(?=a)\\w"}}}),
            // The place of a reference may be in the key of a pattern.
            json!({
                "patternProperties": {"^[a]$": {"type": "string"}},
                "properties": {"a": {"$ref": "#/patternProperties/%5E%5Ba%5D$"}},
            }),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn the_message_names_the_draft_and_the_way_out() {
        let text = check(&json!({"exclusiveMinimum": false})).unwrap_err().to_string();
        assert_eq!(
            text,
            "not valid as Draft 7, as which Svix reads it: found false, expected a number; write the bound itself as \
             exclusiveMinimum, in place of minimum"
        );
    }
}
