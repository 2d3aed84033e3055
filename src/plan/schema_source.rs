//! The schema of an event type, wherever it is kept, and its examples, which must match the schema. The operator
//! validates both before it writes to Svix, and admission before the object is stored.

use std::fmt;

use serde_json::Value;

use crate::{
    api::{
        ConfigMapKeyRef, DeclaredSchema, Example, ExamplePayload, InvalidJson, JsonObject, JsonPointer,
        Reason, SpecRule, WebhookEventType,
    },
    schema,
};

use super::{ReconcileError, storable};

/// Where a schema is kept.
#[derive(Debug)]
pub enum Source<'a> {
    /// Nowhere: the object declares no schema.
    None,
    /// In the object.
    Inline(JsonObject),
    /// In a ConfigMap of the object's namespace.
    ConfigMap(&'a ConfigMapKeyRef),
}

/// Returns the schema of an event type, or the ConfigMap that it is kept in, or that it has none.
pub fn schema_text(event_type: &WebhookEventType) -> Result<Source<'_>, ReconcileError> {
    check_examples_weight(event_type)?;
    match event_type.spec.schema().map_err(|rule| rule.at(JsonPointer::SPEC))? {
        DeclaredSchema::None if event_type.spec.examples.is_empty() => Ok(Source::None),
        DeclaredSchema::None => Err(SpecRule::ExamplesNeedSchema.at(JsonPointer::SPEC).into()),
        DeclaredSchema::Inline(schema) => {
            // Before a tree is built of it.
            schema::check_schema_text(schema.as_str()).map_err(|error| invalid_schema(event_type, &error))?;
            Ok(Source::Inline(schema.clone()))
        }
        DeclaredSchema::Text(text) => parse_schema(event_type, text).map(Source::Inline),
        DeclaredSchema::ConfigMap(reference) => Ok(Source::ConfigMap(reference)),
    }
}

/// The JSON texts of all examples that have one, with their numbers.
fn example_texts(event_type: &WebhookEventType) -> impl Iterator<Item = (usize, &str)> {
    event_type.spec.examples.iter().enumerate().filter_map(|(index, example)| {
        match example.payload().ok()? {
            ExamplePayload::Inline(value) => Some((index, value.as_str())),
            ExamplePayload::Text(text) => Some((index, text)),
        }
    })
}

/// Returns the size of all examples together, in bytes.
#[must_use]
pub fn examples_size(event_type: &WebhookEventType) -> usize {
    example_texts(event_type).map(|(_, text)| text.len()).sum()
}

/// Refuses examples whose trees together take more memory than one value may.
fn check_examples_weight(event_type: &WebhookEventType) -> Result<(), ReconcileError> {
    let mut left = schema::MAX_WEIGHT;
    for (index, text) in example_texts(event_type) {
        left -= schema::weigh(text, left).map_err(|violation| {
            let field = JsonPointer::from_static("/spec/examples").index(index);
            ReconcileError::at(Reason::InvalidSchema, field, within_text(&violation))
        })?;
    }
    Ok(())
}

/// Returns the memory that the trees and texts of a schema and its examples take while they are validated and written, in
/// bytes.
#[must_use]
pub fn memory(event_type: &WebhookEventType) -> usize {
    /// The text in the object, the tree, what is written to Svix and what Svix returns.
    const COPIES: usize = 4;
    /// For a schema in a ConfigMap, whose size is not known.
    const CONFIG_MAP: usize = 2 * 1024 * 1024;
    let size = |text: &str| text.len() + schema::weigh(text, schema::MAX_WEIGHT).unwrap_or(0);
    let schema = match event_type.spec.schema() {
        Ok(DeclaredSchema::Inline(schema)) => size(schema.as_str()),
        Ok(DeclaredSchema::Text(text)) => size(text),
        Ok(DeclaredSchema::ConfigMap(_)) => CONFIG_MAP,
        Ok(DeclaredSchema::None) | Err(_) => 0,
    };
    COPIES * (schema + example_texts(event_type).map(|(_, text)| size(text)).sum::<usize>())
}

/// Parses a schema that is kept as text. Strictly: we and Svix may read a duplicate key differently.
pub fn parse_schema(event_type: &WebhookEventType, text: &str) -> Result<JsonObject, ReconcileError> {
    let invalid =
        |detail: &dyn fmt::Display| ReconcileError::at(Reason::InvalidSchema, field(event_type), detail);
    let value = schema::parse(text.as_bytes()).map_err(|violation| invalid(&within_text(&violation)))?;
    JsonObject::from_value(&value).map_err(|error| invalid(&error))
}

/// A violation in a text, which is a document of its own: the pointer starts again in it.
fn within_text(violation: &schema::Violation) -> String {
    if violation.pointer.is_empty() { violation.message.clone() } else { violation.to_string() }
}

/// Validates the schema and the examples, and returns both; else the first error.
pub fn validate(event_type: &WebhookEventType, schema: Value) -> Result<(Value, Vec<Value>), ReconcileError> {
    validate_within(event_type, schema, &schema::Effort::full())
}

/// As [`validate`], within an effort. Where it is exceeded, what is returned says nothing.
pub fn validate_within(
    event_type: &WebhookEventType,
    schema: Value,
    effort: &schema::Effort,
) -> Result<(Value, Vec<Value>), ReconcileError> {
    validate_all(event_type, schema, effort).map_err(|(first, _)| first)
}

/// As [`validate_within`], but returns every error: the first and the others.
pub fn validate_all(
    event_type: &WebhookEventType,
    schema: Value,
    effort: &schema::Effort,
) -> Result<(Value, Vec<Value>), (ReconcileError, Vec<ReconcileError>)> {
    if let Some(pointer) = storable::find_nul(&schema) {
        return Err((in_schema(&field(event_type), &pointer, storable::NUL), Vec::new()));
    }
    let compiled = schema::Compiled::new_within(&schema, event_type.spec.format_assertion(), effort)
        .map_err(|error| (invalid_schema(event_type, &error), Vec::new()))?;
    let mut examples = Vec::with_capacity(event_type.spec.examples.len());
    let mut errors = Vec::new();
    for (index, example) in event_type.spec.examples.iter().enumerate() {
        match validate_example(&compiled, example, effort) {
            Ok(value) => examples.push(value),
            Err(error) => {
                let field = JsonPointer::from_static("/spec/examples").index(index);
                let separator = if matches!(error, InvalidExample::Mismatch(_)) { "" } else { ":" };
                let detail = format_args!("({:?}){separator} {error}", example.name);
                errors.push(ReconcileError::in_sentence(Reason::InvalidSchema, field, detail));
            }
        }
    }
    if errors.is_empty() {
        return Ok((schema, examples));
    }
    let others = errors.split_off(1);
    Err((errors.remove(0), others))
}

/// Refuses a schema that Svix will not accept, since it is not valid as Draft 7. `field` is the field that contains it.
/// Payloads are validated by the draft that the schema names all the same, so this matters only for a write to Svix. If it takes
/// more than the effort, that is exceeded, and the schema is not checked.
pub fn check_draft7(
    field: &JsonPointer,
    schema: &Value,
    effort: &schema::Effort,
) -> Result<(), ReconcileError> {
    schema::draft7::check_within(schema, effort).map_err(|error| in_schema(field, &error.pointer, &error))
}

/// An example that cannot be used.
#[derive(Debug, thiserror::Error)]
enum InvalidExample {
    /// It has both or neither of `value` and `text`.
    #[error(transparent)]
    Source(#[from] SpecRule),
    /// Its text is not JSON.
    #[error("{0}")]
    Text(String),
    /// Its text is not a JSON object.
    #[error(transparent)]
    NotAnObject(#[from] InvalidJson),
    /// Svix can never store it.
    #[error("{pointer}: {}", storable::NUL)]
    NotStorable { pointer: String },
    /// It does not match the schema.
    #[error("does not match the schema: {0}")]
    Mismatch(String),
}

/// Returns the value of an example that matches the schema.
fn validate_example(
    compiled: &schema::Compiled,
    example: &Example,
    effort: &schema::Effort,
) -> Result<Value, InvalidExample> {
    let payload = match example.payload()? {
        ExamplePayload::Inline(value) => schema::Payload::from(value.to_value()),
        ExamplePayload::Text(text) => {
            let payload = schema::Payload::parse(text.as_bytes())
                .map_err(|violation| InvalidExample::Text(within_text(&violation)))?;
            // Svix's payloads are objects.
            JsonObject::from_value(payload.value())?;
            payload
        }
    };
    if let Some(pointer) = storable::find_nul(payload.value()) {
        return Err(InvalidExample::NotStorable { pointer });
    }
    let found = compiled.judge_within(&payload, effort);
    if found.violations.is_empty() {
        return Ok(payload.into_value());
    }
    Err(InvalidExample::Mismatch(schema::describe(&found.violations, found.more)))
}

/// The field of a schema that is part of the object.
const INLINE: &str = "/spec/schema";

/// Returns the field that contains the schema.
#[must_use]
pub fn field(event_type: &WebhookEventType) -> JsonPointer {
    JsonPointer::from_static(match &event_type.spec {
        spec if spec.schema.is_some() => INLINE,
        spec if spec.schema_text.is_some() => "/spec/schemaText",
        _ => "/spec/schemaFrom/configMapKeyRef",
    })
}

/// Parts of a valid schema that have no effect, or another one than their author probably thinks, each with the field that
/// contains the schema.
#[must_use]
pub fn warnings(event_type: &WebhookEventType, schema: &Value) -> Vec<schema::Warning> {
    let field = field(event_type);
    let warnings = schema::warnings(schema, event_type.spec.format_assertion()).into_iter();
    let placed = warnings.map(|schema::Warning { pointer, message }| match &event_type.spec.schema {
        Some(_) => schema::Warning { pointer: format!("{field}{pointer}"), message },
        None => schema::Warning { pointer: field.to_string(), message: format!("{pointer}: {message}") },
    });
    placed.chain(rounded_numbers(event_type)).collect()
}

/// The numbers in a schema that is text which a 64-bit number cannot represent. Of an inline schema they are rounded before
/// anybody can find them.
fn rounded_numbers(event_type: &WebhookEventType) -> Vec<schema::Warning> {
    /// As many are listed; each is the same mistake.
    const MOST: usize = 3;
    let text = event_type.spec.schema_text.as_deref().unwrap_or_default();
    let Ok(schema) = schema::Payload::parse(text.as_bytes()) else { return Vec::new() };
    let numbers = schema.rounded_numbers().take(MOST).map(|(pointer, digits, number)| {
        let message = format!(
            "{pointer}: found {digits}, which is read as {number}, since numbers of a schema are 64-bit numbers; write a number \
             that is one"
        );
        schema::Warning { pointer: field(event_type).to_string(), message }
    });
    numbers.collect()
}

/// An error in a schema, with the field that contains it in front of the place in it.
fn invalid_schema(event_type: &WebhookEventType, error: &schema::InvalidSchema) -> ReconcileError {
    let schema::Violation { pointer, message } = error.violation();
    in_schema(&field(event_type), &pointer, message)
}

fn in_schema(field: &JsonPointer, pointer: &str, detail: impl fmt::Display) -> ReconcileError {
    if field.as_str() == INLINE {
        // The schema is part of the object, so its places are places of the object.
        return ReconcileError::at(Reason::InvalidSchema, field.join(pointer), detail);
    }
    // A text is a document of its own: the pointer starts again in it.
    let separator = if pointer.is_empty() { "" } else { ": " };
    let detail = format_args!("{pointer}{separator}{detail}");
    ReconcileError::at(Reason::InvalidSchema, field.clone(), detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn event_type(spec: Value) -> WebhookEventType {
        serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {"name": "a.b", "namespace": "ns"}, "spec": spec,
        }))
        .unwrap()
    }

    /// The field and the message of the first error.
    fn error(spec: Value, schema: Value) -> (String, String) {
        let error = validate(&event_type(spec), schema).unwrap_err();
        (error.field.clone().unwrap().to_string(), error.message)
    }

    #[test]
    fn the_field_goes_on_into_an_inline_schema() {
        let schema = json!({"properties": {"a": {"type": "strin"}}});

        let (field, message) = error(json!({"schema": schema}), schema.clone());

        assert_eq!(field, "/spec/schema/properties/a/type");
        assert!(message.starts_with("/spec/schema/properties/a/type: found \"strin\""), "{message}");
    }

    #[test]
    fn the_field_ends_at_a_schema_that_is_text() {
        let schema = json!({"properties": {"a": {"type": "strin"}}});

        let (field, message) = error(json!({"schemaText": schema.to_string()}), schema);

        assert_eq!(field, "/spec/schemaText");
        assert!(message.starts_with("/spec/schemaText: /properties/a/type: found "), "{message}");
    }

    #[test]
    fn an_error_about_the_whole_schema_has_its_field() {
        let (field, message) = error(json!({"schema": {}}), json!(1));
        assert_eq!(field, "/spec/schema");
        assert_eq!(message, "/spec/schema: expected a JSON Schema: an object");

        let patterns = json!({"pattern": "(\\p{L}{100}){100}"});
        let (field, message) = error(json!({"schema": {}}), patterns);
        assert_eq!(field, "/spec/schema/pattern");
        assert!(message.starts_with("/spec/schema/pattern: "), "{message}");
    }

    #[test]
    fn the_field_of_a_wrong_example_is_its_place() {
        for (example, expected) in [
            (
                json!({"name": "x", "value": {"a": 1}}),
                "/spec/examples/0 (\"x\") does not match the schema: /a: found 1",
            ),
            (
                json!({"name": "x", "text": "[]"}),
                "/spec/examples/0 (\"x\"): found a JSON array, expected an object",
            ),
            (json!({"name": "x"}), "/spec/examples/0 (\"x\"): exactly one of value and text must be given"),
            (
                json!({"name": "x", "text": "{\"b\":{\"a\":1,\"a\":1}}"}),
                "/spec/examples/0 (\"x\"): /b: found the key \"a\" twice",
            ),
        ] {
            let schema = json!({"properties": {"a": {"type": "string"}}});

            let (field, message) = error(json!({"schema": schema, "examples": [example]}), schema.clone());

            assert_eq!(field, "/spec/examples/0");
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn unstorable_characters_are_refused_with_their_place() {
        for (spec, expected) in [
            (json!({"schema": {"properties": {"a": {"const": "\0"}}}}), "/spec/schema/properties/a/const: "),
            (json!({"schemaText": r#"{"title": "\u0000"}"#}), "/spec/schemaText: /title: "),
            (
                json!({"schema": {}, "examples": [{"name": "one", "value": {"a": ["\0"]}}]}),
                "/spec/examples/0 (\"one\"): /a/0: ",
            ),
            (
                json!({"schema": {}, "examples": [{"name": "one", "text": r#"{"\u0000": 1}"#}]}),
                "/spec/examples/0 (\"one\"): /\\u0000: ",
            ),
        ] {
            let Source::Inline(schema) = schema_text(&event_type(spec.clone())).unwrap() else {
                unreachable!()
            };

            let (_, message) = error(spec, schema.to_value());

            assert_eq!(message, format!("{expected}{}", storable::NUL));
        }
    }

    #[test]
    fn a_number_that_is_rounded_causes_a_warning() {
        let text = r#"{"maximum": 100.0000000000000000000001, "minimum": 1.0}"#;
        let event_type = event_type(json!({"schemaText": text}));
        let schema = serde_json::from_str(text).unwrap();

        let warnings = warnings(&event_type, &schema);

        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(warnings[0].pointer, "/spec/schemaText");
        let expected = "/maximum: found 100.0000000000000000000001, which is read as 100.0, ";
        assert!(warnings[0].message.starts_with(expected), "{warnings:?}");
    }

    #[test]
    fn a_schema_that_is_not_valid_as_draft_7_has_its_place() {
        let schema = json!({"properties": {"a": {"exclusiveMinimum": true}}});

        let inline = check_draft7(&"/spec/schema".into(), &schema, &schema::Effort::full()).unwrap_err();
        let text = check_draft7(&"/spec/schemaText".into(), &schema, &schema::Effort::full()).unwrap_err();

        let place = "/properties/a/exclusiveMinimum: not valid as Draft 7";
        assert!(inline.message.starts_with(&format!("/spec/schema{place}")), "{inline}");
        assert!(text.message.starts_with(&format!("/spec/schemaText: {place}")), "{text}");
    }
}
