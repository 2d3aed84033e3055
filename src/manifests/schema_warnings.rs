//! Warnings about parts of schemas that are not enforced.

use tokio_util::sync::CancellationToken;

use crate::{
    api::{JsonPointer, WebhookEventType},
    plan::schema_source::{self, Source},
    schema,
};

use super::{
    loaded::Loaded,
    problem::{Located, ObjectId, Position, Problem},
};

/// A warning about a field of an event type.
pub(super) struct SchemaWarning {
    /// The field: a place in an inline schema, or the field that contains the text.
    pub pointer: JsonPointer,
    /// What has no effect, and what to do.
    pub message: String,
}

fn converted(warning: schema::Warning) -> SchemaWarning {
    SchemaWarning { pointer: JsonPointer::ROOT.join(&warning.pointer), message: warning.message }
}

/// Returns the warnings about a schema in the manifest of the event type.
pub(super) fn inline(object: &WebhookEventType) -> Vec<SchemaWarning> {
    let Ok(Source::Inline(schema)) = schema_source::schema_text(object) else { return Vec::new() };
    schema_source::warnings(object, &schema.to_value()).into_iter().map(converted).collect()
}

/// Returns the warnings about schemas in ConfigMaps, which may be in another file than the event type; when `stop` is cancelled,
/// only some.
pub(super) fn referenced(loaded: &Loaded, stop: &CancellationToken) -> Vec<Problem> {
    if loaded.event_types.iter().all(|located| located.object.spec.schema_from.is_none()) {
        return Vec::new();
    }
    let texts = loaded.config_map_texts();
    let mut problems = Vec::new();
    for Located { object, origin } in &loaded.event_types {
        if stop.is_cancelled() {
            break;
        }
        let Ok(Source::ConfigMap(reference)) = schema_source::schema_text(object) else { continue };
        let namespace = object.metadata.namespace.clone();
        let key = (namespace.clone().unwrap_or_default(), reference.name.clone(), reference.key.clone());
        let Some(text) = texts.get(&key) else { continue };
        let Ok(schema) = schema_source::parse_schema(object, text) else { continue };
        let id = ObjectId {
            kind: "WebhookEventType".to_owned(),
            namespace,
            name: object.metadata.name.clone().unwrap_or_default(),
        };
        let warnings = schema_source::warnings(object, &schema.to_value()).into_iter().map(converted);
        problems.extend(warnings.map(|SchemaWarning { pointer, message }| Problem {
            position: Position { file: origin.file.to_string(), line: Some(origin.line), column: None },
            object: Some(id.clone()),
            pointer,
            message,
        }));
    }
    problems
}
