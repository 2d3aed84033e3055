//! Whether schemas change as their compatibility levels permit, compared with earlier manifests.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;

use crate::{
    admission::Known,
    api::WebhookEventType,
    manifests::{ConfigMapTexts, Loaded, declarations},
    plan::{
        compatibility::{self, Assessment, KeptVersions, Policy},
        schema_source,
    },
};

use super::{
    finding::{Keyed, Rule, Severity, Unplaced},
    objects::on_all_processors,
};

/// Compares the event types of manifests with those of the same names in the base. What cannot be read on one side is not
/// compared.
///
/// Returns the number of schemas that were compared with the last version only although a policy names all, too: manifests have
/// no earlier versions.
pub(super) fn check(
    loaded: &Loaded,
    texts: &ConfigMapTexts,
    known: &Known,
    base: &Loaded,
) -> (Vec<Unplaced>, usize) {
    let base_texts = base.config_map_texts();
    let before: HashMap<(&str, String), &WebhookEventType> = base
        .event_types
        .iter()
        .map(|located| &located.object)
        .map(|object| ((object.connection_name(), object.event_type_name()), object))
        .collect();
    let last_only = AtomicUsize::new(0);
    let findings = on_all_processors(&loaded.event_types, |located| {
        let object = &located.object;
        let name = (object.connection_name(), object.event_type_name());
        let change = before.get(&name).and_then(|before| {
            let change = Declared::of(before, &base_texts, object, texts, known)?;
            last_only.fetch_add(usize::from(change.lacks_history()), Ordering::Relaxed);
            Some(change.assess())
        });
        let (severity, message) = match change {
            None | Some(Assessment::Compatible) => return Vec::new(),
            Some(Assessment::Warn(message)) => (Severity::Warning, message),
            Some(Assessment::Refuse(message)) => (Severity::Error, message),
        };
        let pointer = schema_source::field(object);
        vec![Unplaced { key: object.key(), severity, rule: Rule::Compatibility, pointer, message }]
    });
    (findings, last_only.into_inner())
}

/// A change from one declaration to another.
struct Declared<'a> {
    before: &'a WebhookEventType,
    old: Value,
    object: &'a WebhookEventType,
    new: Option<Value>,
    policies: Vec<Policy>,
}

impl<'a> Declared<'a> {
    /// `None`: there is nothing to compare, or one side cannot be read.
    fn of(
        before: &'a WebhookEventType,
        base_texts: &ConfigMapTexts,
        object: &'a WebhookEventType,
        texts: &ConfigMapTexts,
        known: &Known,
    ) -> Option<Self> {
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
        Some(Self { before, old, object, new, policies })
    }

    /// Whether the schema changes, and a policy asks for versions that are not here.
    fn lacks_history(&self) -> bool {
        self.new.as_ref() != Some(&self.old) && compatibility::needs_history(&self.policies)
    }

    fn assess(&self) -> Assessment {
        let (old, new) = ((self.before, &self.old), (self.object, self.new.as_ref()));
        compatibility::assess_declared(old, new, &KeptVersions::default(), &self.policies)
    }
}
