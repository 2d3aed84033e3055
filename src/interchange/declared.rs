//! Event types as manifests or Svix have them.

use serde_json::Value;

use crate::{
    api::{ExamplePayload, WebhookEventType},
    manifests::{ConfigMapTexts, UnusableSchema, declarations},
    plan::{event_type::Observed, event_type::SCHEMA_VERSION},
    schema,
};

use super::{EventType, Example};

/// Returns the event type that an object declares.
pub fn of_object(
    object: &WebhookEventType,
    config_maps: &ConfigMapTexts,
) -> Result<EventType, UnusableSchema> {
    let declared = declarations::declared(object, config_maps)?;
    let spec = &object.spec;
    let examples = spec.examples.iter().filter_map(|example| {
        let value = match example.payload().ok()? {
            ExamplePayload::Inline(value) => value.to_value(),
            ExamplePayload::Text(text) => schema::parse(text.as_bytes()).ok()?,
        };
        Some(Example { name: example.name.clone(), value })
    });
    let flags = spec.feature_flags.iter().flatten().chain(&spec.feature_flag);
    Ok(EventType {
        name: object.event_type_name(),
        description: spec.description.clone().filter(|description| !description.is_empty()),
        group_name: spec.group_name.clone(),
        feature_flags: flags.cloned().collect(),
        deprecated: spec.deprecated.unwrap_or(false),
        schema: declared.schema.map(|schema| schema.to_value()),
        examples: examples.collect(),
    })
}

/// Returns the event type that Svix has, with version `"1"` of its schema, as everywhere in this program.
#[must_use]
pub fn of_svix(observed: Observed, schemas: Option<&Value>) -> EventType {
    let schema = schemas.and_then(|schemas| schemas.get(SCHEMA_VERSION)).filter(|schema| schema.is_object());
    EventType {
        name: observed.name,
        description: Some(observed.description).filter(|description| !description.is_empty()),
        group_name: observed.group_name,
        feature_flags: observed.feature_flags.into_iter().collect(),
        deprecated: observed.deprecated,
        schema: schema.cloned(),
        examples: Vec::new(),
    }
}
