//! What an event type declares of its payloads: the schema, wherever it is kept, and the examples that must match
//! it. The operator judges by this before it writes to Svix, and admission before the object is stored.

use serde_json::Value;

use crate::{
    api::{ConfigMapKeyRef, Example, JsonObject, Reason, WebhookEventType},
    schema,
};

use super::{ReconcileError, storable};

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
    if let Some(pointer) = storable::find_nul(&schema) {
        let message = located(field(event_type), &pointer, storable::NUL);
        return Err((ReconcileError::new(Reason::InvalidSchema, message), Vec::new()));
    }
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

/// Refuses a schema that Svix will not accept, since it is not valid as Draft 7. It is used here by its own draft all the
/// same, so this matters only where it is written to Svix.
pub fn check_draft7(field: &str, schema: &Value) -> Result<(), ReconcileError> {
    schema::draft7::check(schema).map_err(|problem| {
        let message = located(field, &problem.pointer, &problem.to_string());
        ReconcileError::new(Reason::InvalidSchema, message)
    })
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
    if let Some(pointer) = storable::find_nul(&value) {
        return Err(format!("{place}: {pointer}: {}", storable::NUL));
    }
    let (violations, more) = compiled.violations(&value);
    if violations.is_empty() {
        return Ok(value);
    }
    Err(format!("{place} does not match the schema: {}", schema::describe(&violations, more)))
}

/// Returns the field that names the schema.
pub fn field(event_type: &WebhookEventType) -> &'static str {
    match &event_type.spec {
        spec if spec.schema.is_some() => "/spec/schema",
        spec if spec.schema_text.is_some() => "/spec/schemaText",
        _ => "/spec/schemaFrom/configMapKeyRef",
    }
}

/// An error in a schema, with the place of the whole in front of the place in it.
fn at(field: &str, error: &schema::InvalidSchema) -> String {
    let text = error.to_string();
    match text.strip_prefix("/: ") {
        Some(text) => format!("{field}: {text}"),
        // A pointer into the object goes on into the schema; one into a text does not.
        None if text.starts_with('/') && field == "/spec/schema" => format!("{field}{text}"),
        None => format!("{field}: {text}"),
    }
}

/// A problem at a place in a schema, with the field of the schema in front.
fn located(field: &str, pointer: &str, message: &str) -> String {
    match pointer {
        "" => format!("{field}: {message}"),
        // A pointer goes on into an object, but not into a text.
        _ if field == "/spec/schema" => format!("{field}{pointer}: {message}"),
        _ => format!("{field}: {pointer}: {message}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn problem(spec: &Value) -> String {
        let object: WebhookEventType = serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {"name": "a.b", "namespace": "ns"}, "spec": spec,
        }))
        .unwrap();
        let Source::Here(schema) = schema_text(&object).unwrap() else { unreachable!() };
        let problem = judged(&object, schema.to_value()).unwrap_err();
        assert_eq!(problem.reason, Reason::InvalidSchema);
        problem.message
    }

    #[test]
    fn what_svix_can_never_store_is_refused_with_its_place() {
        for (spec, place) in [
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
            assert_eq!(problem(&spec), format!("{place}{}", storable::NUL));
        }
    }
}
