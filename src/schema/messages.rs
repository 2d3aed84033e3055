//! The messages of violations: what was found and what was expected, short enough for a terminal.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
    types::JsonType,
};
use serde_json::Value;

use super::{
    patterns::Patterns,
    text::{beginning, quoted, short, shortened},
    violation::Violation,
};

/// Most allowed values, or unexpected keys, in a message.
const MAX_LISTED: usize = 8;

/// What messages are made of, besides the error.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// The patterns as their author wrote them.
    pub patterns: &'a Patterns,
    /// Returns the digits of the number at a place in the payload, if reading it rounded it.
    pub digits: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// Converts an error of the validator.
pub(super) fn violation(error: &ValidationError<'_>, sources: Sources<'_>) -> Violation {
    Violation::at(error.instance_path().as_str(), message(error, sources))
}

/// The message of an error in a schema.
pub(super) fn of_schema(error: &ValidationError<'_>, patterns: &Patterns) -> String {
    match error.kind() {
        // Its syntax is known to be right by now.
        Kind::Format { format } if format == "regex" => {
            let pattern = error.instance().as_str().map(|pattern| quoted(patterns.original(pattern)));
            let pattern = pattern.unwrap_or_else(|| short(error.instance()));
            format!(
                "found {pattern}, expected a regular expression that becomes a smaller program; repeat less"
            )
        }
        _ => message(error, Sources { patterns, digits: &|_| None }),
    }
}

fn message(error: &ValidationError<'_>, sources: Sources<'_>) -> String {
    let patterns = sources.patterns;
    let value: &Value = error.instance();
    let found = found(error, sources);
    match error.kind() {
        Kind::Type { kind } => format!("found {found}, expected {}", types(kind)),
        Kind::Required { property } => format!("found no {}, which is required", short(property)),
        Kind::Enum { options } => format!("found {found}, expected {}", one_of(options)),
        Kind::Constant { expected_value } => format!("found {found}, expected {}", short(expected_value)),
        Kind::Format { format } => format!("found {found}, expected {}", format_name(format)),
        Kind::Pattern { pattern } => {
            format!("found {found}, expected text that matches {}", quoted(patterns.original(pattern)))
        }
        Kind::Minimum { limit } => format!("found {found}, expected at least {limit}"),
        Kind::Maximum { limit } => format!("found {found}, expected at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("found {found}, expected more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("found {found}, expected less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("found {found}, expected a multiple of {multiple_of}"),
        Kind::MinLength { limit } => {
            format!("found {found}, expected at least {limit} characters, not {}", characters(value))
        }
        Kind::MaxLength { limit } => {
            format!("found {found}, expected at most {limit} characters, not {}", characters(value))
        }
        Kind::MinItems { limit } => format!("found {} items, expected at least {limit}", size(value)),
        Kind::MaxItems { limit } => format!("found {} items, expected at most {limit}", size(value)),
        Kind::MinProperties { limit } => format!("found {} keys, expected at least {limit}", size(value)),
        Kind::MaxProperties { limit } => format!("found {} keys, expected at most {limit}", size(value)),
        Kind::AdditionalItems { limit } => format!("found {} items, expected at most {limit}", size(value)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            format!(
                "found {}, which the schema does not know",
                listed(unexpected.iter().map(|key| quoted(key)))
            )
        }
        Kind::UnevaluatedItems { unexpected } => {
            format!("found {} items more than the schema knows", unexpected.len())
        }
        Kind::UniqueItems => format!("found {found}, expected items that all differ"),
        Kind::Contains => format!("found {found}, expected an item that the schema asks for (contains)"),
        Kind::FalseSchema => format!("found {found}, expected nothing here"),
        Kind::Not { schema } => {
            format!(
                "found {found}, expected anything but what matches {}",
                short(&patterns.original_schema(schema))
            )
        }
        Kind::PropertyNames { error } => format!("a key of this object: {}", message(error, sources)),
        Kind::AnyOf { context } => alternatives("at least one of", error, context, sources),
        Kind::OneOfNotValid { context } => alternatives("exactly one of", error, context, sources),
        Kind::OneOfMultipleValid { context } => format!(
            "found {found}, which matches several of {} alternatives (oneOf), expected exactly one",
            context.len()
        ),
        Kind::ContentEncoding { content_encoding } => {
            format!("found {found}, expected text in {content_encoding}")
        }
        Kind::ContentMediaType { content_media_type } => {
            format!("found {found}, expected text of type {content_media_type}")
        }
        Kind::FromUtf8 { .. } => format!("found {found}, expected encoded text that is UTF-8"),
        // Ours: `formats::values`.
        Kind::Custom { message, .. } => format!("found {found}, expected {message}"),
        // The rest is about the schema or the library; it quotes little of the payload.
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } | Kind::Referencing(_) => {
            shortened(&error.to_string())
        }
    }
}

/// What a message says was found: a number that reading rounded as it is written.
fn found(error: &ValidationError<'_>, sources: Sources<'_>) -> String {
    let value: &Value = error.instance();
    let digits = value.is_number().then(|| (sources.digits)(error.instance_path().as_str())).flatten();
    digits.map_or_else(|| short(value), beginning)
}

/// The errors of all alternatives are long; those of the nearest one help.
fn alternatives(
    expected: &str,
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    sources: Sources<'_>,
) -> String {
    let found = found(error, sources);
    let keyword = error.kind().keyword();
    let mut text = format!("found {found}, expected {expected} {} alternatives ({keyword})", context.len());
    // Errors of another type than the value's are further away than errors deeper inside.
    let distance = |errors: &Vec<ValidationError<'static>>| {
        let elsewhere = errors
            .iter()
            .filter(|inner| {
                matches!(
                    inner.kind(),
                    Kind::Type { .. } | Kind::FalseSchema | Kind::Constant { .. } | Kind::Enum { .. }
                ) && inner.instance_path() == error.instance_path()
            })
            .count();
        (elsewhere, errors.len())
    };
    let nearest = context.iter().enumerate().filter(|(_, errors)| !errors.is_empty());
    if let Some((index, errors)) = nearest.min_by_key(|(_, errors)| distance(errors))
        && let Some(first) = errors.first()
    {
        let inner = violation(first, sources);
        let place = match inner.pointer.strip_prefix(error.instance_path().as_str()) {
            Some("") | None => String::new(),
            Some(_) => format!("{}: ", inner.pointer),
        };
        // Alternatives nest; a person reads one level.
        let inner = match first.kind() {
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "matches none of its alternatives".to_owned(),
            _ => inner.message,
        };
        text.push_str(&format!("; the nearest is number {}: {place}{inner}", index + 1));
    }
    text
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => with_article(*one).to_owned(),
        TypeKind::Multiple(set) => {
            let names: Vec<_> = set.iter().map(with_article).collect();
            match names.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => names.concat(),
            }
        }
    }
}

fn with_article(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "an array",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    }
}

fn one_of(options: &Value) -> String {
    match options.as_array().map(Vec::as_slice) {
        Some([only]) => short(only),
        Some(all) => format!("one of {}", listed(all.iter().map(short))),
        None => short(options),
    }
}

fn listed(mut items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(MAX_LISTED);
    let mut text = items.by_ref().take(MAX_LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// A format, with an example where the name does not describe it.
fn format_name(format: &str) -> String {
    let example = match format {
        "date-time" => " such as 2026-01-31T12:00:00Z",
        "date" => " such as 2026-01-31",
        "time" => " such as 12:00:00Z",
        "duration" => " such as P1DT12H",
        _ => "",
    };
    format!("the format {format}{example}")
}

fn characters(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::super::{Compiled, describe};
    use super::*;

    fn said(schema: &Value, payload: &Value) -> String {
        let (violations, more) = Compiled::new(schema, true).unwrap().violations(payload);
        describe(&violations, more)
    }

    #[test]
    fn each_keyword_says_what_was_found_and_what_was_expected() {
        for (schema, payload, expected) in [
            (json!({"type": ["string", "null"]}), json!(1), "/: found 1, expected null or a string"),
            (json!({"enum": ["a", "b"]}), json!("c"), r#"/: found "c", expected one of "a", "b""#),
            (json!({"enum": ["a"]}), json!("c"), r#"/: found "c", expected "a""#),
            (json!({"const": {"a": 1}}), json!(null), r#"/: found null, expected {"a":1}"#),
            (
                json!({"format": "date-time"}),
                json!("yesterday"),
                r#"/: found "yesterday", expected the format date-time such as 2026-01-31T12:00:00Z"#,
            ),
            (json!({"pattern": "^a+$"}), json!("b"), r#"/: found "b", expected text that matches "^a+$""#),
            (json!({"minimum": 5}), json!(4), "/: found 4, expected at least 5"),
            (json!({"exclusiveMaximum": 5}), json!(5), "/: found 5, expected less than 5"),
            (json!({"multipleOf": 2}), json!(3), "/: found 3, expected a multiple of 2"),
            (json!({"minLength": 3}), json!("é"), r#"/: found "é", expected at least 3 characters, not 1"#),
            (json!({"maxItems": 1}), json!([1, 2]), "/: found 2 items, expected at most 1"),
            (json!({"minProperties": 1}), json!({}), "/: found 0 keys, expected at least 1"),
            (
                json!({"properties": {"a": {}}, "additionalProperties": false}),
                json!({"a": 1, "b": 2, "c": 3}),
                r#"/: found "b", "c", which the schema does not know"#,
            ),
            (json!({"uniqueItems": true}), json!([1, 1]), "/: found [1,1], expected items that all differ"),
            (json!({"properties": {"a": false}}), json!({"a": 1}), "/a: found 1, expected nothing here"),
            (
                json!({"not": {"type": "string"}}),
                json!("x"),
                r#"/: found "x", expected anything but what matches {"type":"string"}"#,
            ),
            (
                json!({"propertyNames": {"maxLength": 2}}),
                json!({"long": 1}),
                r#"/: a key of this object: found "long", expected at most 2 characters, not 4"#,
            ),
        ] {
            assert_eq!(said(&schema, &payload), expected);
        }
    }

    #[test]
    fn of_alternatives_the_nearest_is_reported() {
        let schema = json!({"oneOf": [
            {"type": "string"},
            {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
        ]});
        assert_eq!(
            said(&json!({"properties": {"x": schema}}), &json!({"x": {"id": "7"}})),
            "/x: found {\"id\":\"7\"}, expected exactly one of 2 alternatives (oneOf); the nearest is number 2: \
             /x/id: found \"7\", expected an integer"
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let options: Vec<_> = (0..100).collect();
        assert!(said(&json!({"enum": options}), &json!("x")).ends_with("5, 6, 7 and 92 more"));
    }
}
