//! Writes event types as an OpenAPI 3.1 document.

use serde_json::{Map, Value, json};

use super::{
    super::{
        EventType,
        component::{anchors, relocate},
    },
    FEATURE_FLAGS, GROUP_NAME,
    examples::ONLY,
};

/// The head of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: String,
}

/// Schemas are Draft 7 unless they say otherwise, here and in Svix.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// Returns the document.
#[must_use]
pub fn write(info: &Info, event_types: &[EventType]) -> Value {
    let webhooks: Map<_, _> =
        event_types.iter().map(|event_type| (event_type.name.clone(), item(event_type))).collect();
    let schemas = event_types.iter().filter_map(|event_type| {
        let schema = event_type.schema.as_ref()?;
        Some((event_type.name.clone(), component(schema, &event_type.name, &["components", "schemas"], &[])))
    });
    let schemas: Map<_, _> = schemas.collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": info.title, "version": info.version },
        "jsonSchemaDialect": DIALECT,
        "webhooks": webhooks,
    });
    if !schemas.is_empty() {
        document["components"] = json!({ "schemas": schemas });
    }
    document
}

fn item(event_type: &EventType) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), event_type.name.clone().into());
    if let Some(description) = &event_type.description {
        operation.insert("description".to_owned(), description.clone().into());
    }
    if event_type.deprecated {
        operation.insert("deprecated".to_owned(), true.into());
    }
    if let Some(group) = &event_type.group_name {
        operation.insert(GROUP_NAME.to_owned(), group.clone().into());
    }
    if !event_type.feature_flags.is_empty() {
        operation.insert(FEATURE_FLAGS.to_owned(), event_type.feature_flags.clone().into());
    }
    let mut media_type = Map::new();
    if event_type.schema.is_some() {
        let reference = format!("#/components/schemas/{}", event_type.name);
        media_type.insert("schema".to_owned(), json!({ "$ref": reference }));
    }
    match event_type.examples.as_slice() {
        [] => {}
        [only] if only.name == ONLY => {
            media_type.insert(ONLY.to_owned(), only.value.clone());
        }
        examples => {
            let examples = examples.iter();
            let examples: Map<_, _> =
                examples.map(|example| (example.name.clone(), json!({ "value": example.value }))).collect();
            media_type.insert("examples".to_owned(), examples.into());
        }
    }
    let body = json!({ "required": true, "content": { "application/json": media_type } });
    operation.insert("requestBody".to_owned(), body);
    let responses = json!({ "2XX": { "description": "The event was received." } });
    operation.insert("responses".to_owned(), responses);
    json!({ "post": operation })
}

/// The schema of an event type at its place in a document: `section`, the name of the event type, `rest`. References into
/// the schema are written from the root of the document. A schema with anchors gets an identifier, so that references to
/// them, and those of the other schemas, stay apart.
pub(in super::super) fn component(schema: &Value, name: &str, section: &[&str], rest: &[&str]) -> Value {
    let mut schema = schema.clone();
    if schema.get("$id").is_some() {
        return schema;
    }
    if anchors(&schema) {
        if let Value::Object(members) = &mut schema {
            members.insert("$id".to_owned(), format!("{OUR_ID}{name}").into());
        }
        return schema;
    }
    let prefix: String = section.iter().chain([&name]).chain(rest).map(|part| format!("/{part}")).collect();
    relocate(schema, &prefix)
}

/// The identifier of a schema that has none, before the name of the event type.
const OUR_ID: &str = "urn:svix-operator:event-type:";

/// Whether an identifier is the one that is written for an event type that has none.
pub(super) fn is_our_id(id: &str, name: &str) -> bool {
    id.strip_prefix(OUR_ID) == Some(name)
}
