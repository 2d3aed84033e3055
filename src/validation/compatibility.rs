//! Whether schemas change as their compatibility levels permit, compared with earlier manifests.

use std::collections::HashMap;

use crate::{
    admission::Known,
    api::WebhookEventType,
    manifests::{ConfigMapTexts, Loaded, declarations},
    plan::{
        compatibility::{self, Assessment, KeptVersions},
        schema_source,
    },
};

use super::{
    finding::{Keyed, Rule, Severity, Unplaced},
    objects::on_all_processors,
};

/// Compares the event types of manifests with those of the same names in the base. What cannot be read on one side is not
/// compared.
pub(super) fn check(loaded: &Loaded, texts: &ConfigMapTexts, known: &Known, base: &Loaded) -> Vec<Unplaced> {
    let base_texts = base.config_map_texts();
    let before: HashMap<(&str, String), &WebhookEventType> = base
        .event_types
        .iter()
        .map(|located| &located.object)
        .map(|object| ((object.connection_name(), object.event_type_name()), object))
        .collect();
    on_all_processors(&loaded.event_types, |located| {
        let object = &located.object;
        let name = (object.connection_name(), object.event_type_name());
        let change = before.get(&name).and_then(|before| assess(before, &base_texts, object, texts, known));
        let (severity, message) = match change {
            None | Some(Assessment::Compatible) => return Vec::new(),
            Some(Assessment::Warn(message)) => (Severity::Warning, message),
            Some(Assessment::Refuse(message)) => (Severity::Error, message),
        };
        let pointer = schema_source::field(object);
        vec![Unplaced { key: object.key(), severity, rule: Rule::Compatibility, pointer, message }]
    })
}

fn assess(
    before: &WebhookEventType,
    base_texts: &ConfigMapTexts,
    object: &WebhookEventType,
    texts: &ConfigMapTexts,
    known: &Known,
) -> Option<Assessment> {
    let connection = known.directory.connection(object.connection_name());
    let policies = compatibility::policies(object, connection.as_deref());
    if policies.is_empty() {
        return None;
    }
    let schema = |object: &WebhookEventType, texts| {
        let declared = declarations::declared(object, texts).ok()?;
        Some(declared.schema.map(|schema| schema.to_value()))
    };
    // Without a schema before, receivers could rely on nothing.
    let old = schema(before, base_texts)??;
    let new = schema(object, texts)?;
    let kept = KeptVersions::default();
    Some(compatibility::assess_declared((before, &old), (object, new.as_ref()), &kept, &policies))
}
