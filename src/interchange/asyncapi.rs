//! Writes event types as an AsyncAPI 3.0 document: a channel, a message and an operation for each.

use serde_json::{Map, Value, json};

use super::{
    EventType,
    openapi::{FEATURE_FLAGS, GROUP_NAME, Info, component},
};

/// The places that a document has for event types.
struct Sections {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

/// Returns the document.
#[must_use]
pub fn write(info: &Info, event_types: &[EventType]) -> Value {
    let mut sections = Sections { channels: Map::new(), operations: Map::new(), messages: Map::new() };
    for event_type in event_types {
        let name = &event_type.name;
        let message = json!({ "$ref": format!("#/components/messages/{name}") });
        // The address is the endpoint of each receiver, so it is not known.
        sections.channels.insert(name.clone(), json!({ "address": null, "messages": { name: message } }));
        let channel = format!("#/channels/{name}");
        let operation = json!({
            "action": "send",
            "channel": { "$ref": channel },
            "messages": [{ "$ref": format!("{channel}/messages/{name}") }],
        });
        sections.operations.insert(name.clone(), operation);
        sections.messages.insert(name.clone(), message_of(event_type));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": info.title, "version": info.version },
        "defaultContentType": "application/json",
        "channels": sections.channels,
        "operations": sections.operations,
        "components": { "messages": sections.messages },
    })
}

fn message_of(event_type: &EventType) -> Value {
    let mut message = Map::new();
    message.insert("name".to_owned(), event_type.name.clone().into());
    message.insert("contentType".to_owned(), "application/json".into());
    if let Some(description) = &event_type.description {
        message.insert("description".to_owned(), description.clone().into());
    }
    if event_type.deprecated {
        // A message has no such member of its own.
        message.insert("x-deprecated".to_owned(), true.into());
    }
    if let Some(group) = &event_type.group_name {
        message.insert("tags".to_owned(), json!([{ "name": group }]));
        message.insert(GROUP_NAME.to_owned(), group.clone().into());
    }
    if !event_type.feature_flags.is_empty() {
        message.insert(FEATURE_FLAGS.to_owned(), event_type.feature_flags.clone().into());
    }
    if let Some(schema) = &event_type.schema {
        let section = ["components", "messages"];
        let schema_at = component(schema, &event_type.name, &section, &["payload", "schema"]);
        let payload = json!({ "schemaFormat": schema_format(schema), "schema": schema_at });
        message.insert("payload".to_owned(), payload);
    }
    if !event_type.examples.is_empty() {
        let examples = event_type.examples.iter();
        let examples: Vec<_> =
            examples.map(|example| json!({ "name": example.name, "payload": example.value })).collect();
        message.insert("examples".to_owned(), examples.into());
    }
    message.into()
}

/// The media type of a schema in its draft.
fn schema_format(schema: &Value) -> String {
    let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    let draft = match jsonschema::Draft::from_schema_uri(named) {
        jsonschema::Draft::Draft4 => "draft-04",
        jsonschema::Draft::Draft6 => "draft-06",
        jsonschema::Draft::Draft201909 => "2019-09",
        jsonschema::Draft::Draft202012 => "2020-12",
        _ => "draft-07",
    };
    format!("application/schema+json;version={draft}")
}
