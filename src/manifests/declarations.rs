//! What the event types of a folder declare: their schemas, and which object owns an event type that several declare.

use std::collections::BTreeMap;

use crate::{
    api::{ConfigMapKeyRef, EventTypeNames, WebhookEventType},
    catalogue,
    plan::{
        ReconcileError,
        claims::{self, Declarer},
        ids::{self, InvalidEventTypeName},
        schema_source::{self, Source},
    },
};

use super::loaded::ConfigMapTexts;

/// Event types by connection and name, each with the objects that declare it.
pub type Declarers<'a> = BTreeMap<(&'a str, String), Vec<&'a WebhookEventType>>;

/// Namespace and name of an object.
pub(super) type ObjectName = (Option<String>, Option<String>);

pub(super) fn object_name(object: &WebhookEventType) -> ObjectName {
    (object.metadata.namespace.clone(), object.metadata.name.clone())
}

/// Why the schema of an event type cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSchema {
    /// The event type cannot have this name.
    #[error("/spec/name: {0}")]
    Name(#[from] InvalidEventTypeName),
    /// No file declares the ConfigMap.
    #[error("/spec/schemaFrom: no file declares ConfigMap {namespace}/{} with key {:?}", .reference.name, .reference.key)]
    NoConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name and key.
        reference: ConfigMapKeyRef,
    },
    /// The schema or an example is not valid.
    #[error(transparent)]
    Invalid(#[from] ReconcileError),
}

/// Groups event types by what they declare.
pub fn declarers<'a>(event_types: impl IntoIterator<Item = &'a WebhookEventType>) -> Declarers<'a> {
    let mut declarers = Declarers::new();
    for object in event_types {
        let event_type = (object.connection_name(), object.event_type_name());
        declarers.entry(event_type).or_default().push(object);
    }
    declarers
}

/// Returns the owner of an event type among the objects that declare it. `previous`: the one that was the owner until now.
/// `refused` is called only if there are several.
pub fn owner<'a>(
    objects: &[&'a WebhookEventType],
    previous: Option<&ObjectName>,
    permitted: impl Fn(&WebhookEventType) -> bool,
    refused: impl Fn(&WebhookEventType) -> bool,
) -> Option<&'a WebhookEventType> {
    let has_others = objects.len() > 1;
    let declarers: Vec<Declarer<'_>> = objects
        .iter()
        .map(|object| Declarer {
            // Manifests have no status: the owner is the previous one.
            is_owner: previous.is_some_and(|previous| *previous == object_name(object)),
            is_refused: has_others && refused(object),
            ..Declarer::of_event_type(object, permitted(object))
        })
        .collect();
    claims::owner(&declarers).and_then(|index| objects.get(index).copied())
}

/// Whether an event type cannot be carried out as its manifest is. One that waits for a ConfigMap can.
pub fn is_refused(
    object: &WebhookEventType,
    names: Option<EventTypeNames>,
    config_maps: &ConfigMapTexts,
) -> bool {
    claims::is_refused_event_type(object, names)
        || match checked(object, names, config_maps) {
            Ok(_) | Err(UnusableSchema::NoConfigMap { .. }) => false,
            Err(UnusableSchema::Name(_) | UnusableSchema::Invalid(_)) => true,
        }
}

/// Returns what an event type declares, if it can be used. `names`: those that its connection permits.
pub fn checked(
    object: &WebhookEventType,
    names: Option<EventTypeNames>,
    config_maps: &ConfigMapTexts,
) -> Result<catalogue::Declared, UnusableSchema> {
    ids::check_event_type_name(&object.event_type_name(), names.unwrap_or_default())?;
    let declared = declared(object, config_maps)?;
    // Svix gets only schemas that pass this, so no other one judges payloads here.
    if let Some(schema) = &declared.schema {
        schema_source::validate(object, schema.to_value())?;
    }
    Ok(declared)
}

/// Returns what an event type declares. That the schema and the examples are valid is not checked.
pub fn declared(
    object: &WebhookEventType,
    config_maps: &ConfigMapTexts,
) -> Result<catalogue::Declared, UnusableSchema> {
    let schema = match schema_source::schema_text(object)? {
        Source::None => None,
        Source::Inline(schema) => Some(schema),
        Source::ConfigMap(reference) => {
            let namespace = object.metadata.namespace.clone().unwrap_or_default();
            let entry = (namespace, reference.name.clone(), reference.key.clone());
            let Some(text) = config_maps.get(&entry) else {
                let (namespace, reference) = (entry.0, reference.clone());
                return Err(UnusableSchema::NoConfigMap { namespace, reference });
            };
            Some(schema_source::parse_schema(object, text)?)
        }
    };
    Ok(catalogue::Declared {
        schema,
        format_assertion: object.spec.format_assertion(),
        policy: object.spec.payload_policy(),
    })
}
