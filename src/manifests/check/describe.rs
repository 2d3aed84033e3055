//! Describes errors of a CRD's schema for people.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

use crate::{
    api::JsonPointer,
    manifests::{messages, problem::Violation},
    plan::endpoint::{InvalidUrl, pattern_mistake},
};

/// Orders the errors about one value: the first says most about what to write instead.
pub(super) fn rank(error: &ValidationError<'_>) -> u8 {
    match error.kind() {
        ValidationErrorKind::Type { .. } => 0,
        ValidationErrorKind::Enum { .. } => 1,
        ValidationErrorKind::MinLength { limit: 1 } => 2,
        ValidationErrorKind::Pattern { .. } => 3,
        ValidationErrorKind::Format { .. } => 4,
        _ => 5,
    }
}

/// Describes an error of the schema: the field, what was found, what is expected, and what to do.
pub(super) fn violations(error: &ValidationError<'_>, schema: &Value) -> Vec<Violation> {
    let pointer = JsonPointer::ROOT.join(error.instance_path().as_str());
    let found = match (error.instance().as_ref(), shown(&pointer)) {
        (Value::String(text), Shown::Host) => messages::host_only(text),
        (Value::String(_) | Value::Number(_), Shown::Nothing) => "a value (not shown)".to_owned(),
        // A whole header line or a variable in place of a name.
        (Value::String(text), Shown::Name) if text.contains([':', '=']) => "a value (not shown)".to_owned(),
        (value, _) => messages::found(value),
    };
    let message = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known =
                part_of(schema, &pointer).and_then(|part| part.get("properties")).and_then(Value::as_object);
            let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let unknown = |field: &String| {
                let message = match messages::closest(field, known.iter().copied()) {
                    Some(meant) => format!("there is no such field; did you mean {meant}?"),
                    None => format!("there is no such field; known here: {}", known.join(", ")),
                };
                Violation::new(pointer.child(field), message)
            };
            return unexpected.iter().map(unknown).collect();
        }
        ValidationErrorKind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            let pointer = pointer.child(field);
            let part = part_of(schema, &pointer);
            let kind = part.and_then(|part| part.get("type")).and_then(Value::as_str).unwrap_or("a value");
            let message = format!("missing, expected {}: add it", messages::kind(kind));
            return vec![Violation::new(pointer, message)];
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(kind) => messages::kind(&kind.to_string()).to_owned(),
                TypeKind::Multiple(kinds) => {
                    let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
                    let names = names.iter().filter(|name| *name != "null").map(|name| messages::kind(name));
                    names.collect::<Vec<_>>().join(" or ")
                }
            };
            let scalar = !error.instance().is_array() && !error.instance().is_object();
            let hint = if expected == "text" && scalar { ": put it in quotes" } else { "" };
            format!("found {found}, expected {expected}{hint}")
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array().into_iter().flatten().filter_map(Value::as_str);
            format!("found {found}, expected one of {}", options.collect::<Vec<_>>().join(", "))
        }
        ValidationErrorKind::Pattern { pattern } => {
            let address = error.instance().as_str().filter(|_| matches!(shown(&pointer), Shown::Host));
            // A scheme is shown together with the host.
            let mistake = address.and_then(pattern_mistake).filter(|it| !matches!(it, InvalidUrl::Scheme(_)));
            if let Some(mistake) = mistake {
                return vec![Violation::new(pointer, mistake.to_string())];
            }
            let expected = messages::pattern(pattern)
                .map_or_else(|| format!("text that matches {pattern}"), ToOwned::to_owned);
            format!("found {found}, expected {expected}")
        }
        ValidationErrorKind::Format { format } => format!("found {found}, expected a {format}"),
        ValidationErrorKind::MinLength { limit: 1 } => {
            "found an empty text, expected one character or more".into()
        }
        ValidationErrorKind::MinLength { limit } => {
            format!("found {found}, expected at least {limit} characters")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("found {found}, expected at most {limit} characters")
        }
        ValidationErrorKind::MinItems { limit } => format!("found {found}, expected {limit} or more"),
        ValidationErrorKind::MaxItems { limit } => format!("found {found}, expected at most {limit}"),
        ValidationErrorKind::MaxProperties { limit } => {
            format!("found {found}, expected at most {limit} keys")
        }
        ValidationErrorKind::Minimum { limit } => format!("found {found}, expected {} or more", plain(limit)),
        ValidationErrorKind::Maximum { limit } => format!("found {found}, expected {} or less", plain(limit)),
        other => format!("found {found}, which the rule `{}` refuses", other.keyword()),
    };
    vec![Violation::new(pointer, message)]
}

/// How much of a field's value messages may contain.
enum Shown {
    Value,
    Host,
    Name,
    Nothing,
}

/// Addresses can contain credentials, and the value of a header can be one. So can a text in place of a reference to a
/// Secret.
fn shown(pointer: &JsonPointer) -> Shown {
    let parts: Vec<_> = pointer.parts().collect();
    match parts.as_slice() {
        ["spec", "url" | "serverUrl"] => Shown::Host,
        ["spec", "headers", _, "name"] => Shown::Name,
        ["spec", "headers" | "urlFrom" | "signingSecret" | "tokenSecretRef"]
        | ["spec", "headers", _]
        | ["spec", "headers", _, "value" | "valueFrom"]
        | ["spec", "headers", _, "valueFrom", "secretKeyRef"]
        | ["spec", "urlFrom", "secretKeyRef"]
        | ["spec", "signingSecret", "fromSecret"] => Shown::Nothing,
        _ => Shown::Value,
    }
}

/// A limit without the `.0` that the CRD's number type adds.
fn plain(limit: &Value) -> String {
    limit.to_string().trim_end_matches(".0").to_owned()
}

/// Returns the part of a structural schema that describes a field.
fn part_of<'a>(schema: &'a Value, pointer: &JsonPointer) -> Option<&'a Value> {
    pointer.parts().try_fold(schema, |schema, part| {
        schema
            .get("items")
            .or_else(|| schema.get("properties")?.get(part))
            .or_else(|| schema.get("additionalProperties"))
    })
}
