//! What an event type declares of its payloads: the schema, wherever it is kept, and the examples that must match
//! it. The operator judges by this before it writes to Svix, and admission before the object is stored.

use serde_json::Value;

use crate::{
    api::{ConfigMapKeyRef, Example, JsonObject, Reason, WebhookEventType},
    schema,
};

use super::ReconcileError;

/// Where a schema is kept.
#[derive(Debug)]
pub enum Source<'a> {
    /// In the object.
    Here(JsonObject),
    /// In a ConfigMap of the object's namespace.
    ConfigMap(&'a ConfigMapKeyRef),
}

/// The schema that an event type names, or where it is.
pub fn schema_text(event_type: &WebhookEventType) -> Result<Source<'_>, ReconcileError> {
    let spec = &event_type.spec;
    match (&spec.schema, &spec.schema_text, &spec.schema_from) {
        (Some(schema), None, None) => Ok(Source::Here(schema.clone())),
        (None, Some(text), None) => parse_schema(event_type, text).map(Source::Here),
        (None, None, Some(source)) => Ok(Source::ConfigMap(&source.config_map_key_ref)),
        _ => Err(ReconcileError::new(
            Reason::InvalidSpec,
            "/spec: exactly one of schema, schemaText and schemaFrom must be given",
        )),
    }
}

/// Reads a schema that is kept as text. Strictly: a key that stands twice means one thing to us and another to
/// Svix.
pub fn parse_schema(event_type: &WebhookEventType, text: &str) -> Result<JsonObject, ReconcileError> {
    let field = field(event_type);
    schema::parse(text.as_bytes())
        .map_err(|problem| problem.within(field))
        .and_then(|value| JsonObject::from_value(&value).map_err(|error| format!("{field}: {error}")))
        .map_err(|message| ReconcileError::new(Reason::InvalidSchema, message))
}

/// The schema and the examples, once the schema is found valid and the examples to match it. Else the first thing
/// that is wrong.
pub fn judged(event_type: &WebhookEventType, schema: Value) -> Result<(Value, Vec<Value>), ReconcileError> {
    all_judged(event_type, schema).map_err(|(first, _)| first)
}

/// As [`judged`], but says everything that is wrong: the first and the others.
pub fn all_judged(
    event_type: &WebhookEventType,
    schema: Value,
) -> Result<(Value, Vec<Value>), (ReconcileError, Vec<ReconcileError>)> {
    let compiled = schema::Compiled::new(&schema, event_type.spec.format_assertion()).map_err(|error| {
        (ReconcileError::new(Reason::InvalidSchema, at(field(event_type), &error)), Vec::new())
    })?;
    let mut examples = Vec::with_capacity(event_type.spec.examples.len());
    let mut wrong = Vec::new();
    for (index, example) in event_type.spec.examples.iter().enumerate() {
        match matching(&compiled, example, &format!("/spec/examples/{index} ({:?})", example.name)) {
            Ok(value) => examples.push(value),
            Err(message) => wrong.push(ReconcileError::new(Reason::InvalidSchema, message)),
        }
    }
    if wrong.is_empty() {
        return Ok((schema, examples));
    }
    let others = wrong.split_off(1);
    Err((wrong.remove(0), others))
}

/// An example, once it is found to match the schema; `place` is what it is called if it does not.
fn matching(compiled: &schema::Compiled, example: &Example, place: &str) -> Result<Value, String> {
    let value = match (&example.value, &example.text) {
        (Some(value), None) => value.to_value(),
        (None, Some(text)) => {
            let value = schema::parse(text.as_bytes()).map_err(|error| error.within(place))?;
            // Svix's payloads are objects.
            JsonObject::from_value(&value).map_err(|error| format!("{place}: {error}"))?;
            value
        }
        _ => return Err(format!("{place}: exactly one of value and text must be given")),
    };
    let (violations, more) = compiled.violations(&value);
    if violations.is_empty() {
        return Ok(value);
    }
    Err(format!("{place} does not match the schema: {}", schema::describe(&violations, more)))
}

/// The field that names the schema.
fn field(event_type: &WebhookEventType) -> &'static str {
    match &event_type.spec {
        spec if spec.schema.is_some() => "/spec/schema",
        spec if spec.schema_text.is_some() => "/spec/schemaText",
        _ => "/spec/schemaFrom/configMapKeyRef",
    }
}

/// What in a valid schema has no effect, or another one than its author probably thinks, with its place in the object.
#[must_use]
pub fn warnings(event_type: &WebhookEventType, schema: &Value) -> Vec<schema::Warning> {
    let field = field(event_type);
    let mut warnings = schema::warnings(schema, event_type.spec.format_assertion());
    for warning in &mut warnings {
        let (pointer, message) = placed(field, &warning.pointer, &warning.message);
        *warning = schema::Warning { pointer, message };
    }
    warnings
}

/// An error in a schema, with its place in the object.
fn at(field: &str, error: &schema::InvalidSchema) -> String {
    let (pointer, message) = placed(field, &error.pointer(), &error.message());
    format!("{pointer}: {message}")
}

/// A place in a schema as one in the object. A pointer into the object goes on into the schema; one into a text does not.
fn placed(field: &str, pointer: &str, message: &str) -> (String, String) {
    match field {
        "/spec/schema" => (format!("{field}{pointer}"), message.to_owned()),
        _ if pointer.is_empty() => (field.to_owned(), message.to_owned()),
        _ => (field.to_owned(), format!("{pointer}: {message}")),
    }
}
