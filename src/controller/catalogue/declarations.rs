//! Which objects declare which event type, as the operator sees them.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::{Adoption, EventTypeDeletionPolicy, ManagementPolicy, WebhookEventType},
    controller::watch::NamespacedName,
    plan::claims::{self, Claimant},
};

/// An event type in Svix, through a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventTypeId {
    pub connection: String,
    pub name: String,
}

/// What an object declares, without its schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declaration {
    pub event_type: EventTypeId,
    /// Whether its status records that the event type in Svix is its own.
    pub is_recorded: bool,
    pub is_managed: bool,
    /// What `access` has to permit beside the name.
    pub adoption: Adoption,
    pub expunge: bool,
    pub created: i64,
    pub config_map: Option<String>,
}

impl Declaration {
    /// Returns what an object declares.
    pub fn of(object: &WebhookEventType) -> Self {
        let WebhookEventType { spec, status, metadata } = object;
        let event_type =
            EventTypeId { connection: object.connection_name().to_owned(), name: object.event_type_name() };
        let recorded = status.as_ref().and_then(|status| status.svix.as_ref());
        let created = metadata.creation_timestamp.as_ref();
        Self {
            // What an object that moved here had through another connection does not count.
            is_recorded: recorded.is_some_and(|recorded| recorded.connection == event_type.connection),
            // Suspension is temporary, so a suspended object counts as managed.
            is_managed: spec.suspend == Some(true)
                || spec.management_policy != Some(ManagementPolicy::Observe),
            adoption: spec.adoption(),
            expunge: spec.deletion_policy() == EventTypeDeletionPolicy::Expunge,
            created: created.map_or(0, |time| time.0.as_second()),
            config_map: spec.schema_from.as_ref().map(|from| from.config_map_key_ref.name.clone()),
            event_type,
        }
    }
}

/// All declarations, by object and by event type.
#[derive(Default)]
pub(super) struct Declarations {
    by_object: HashMap<NamespacedName, Declaration>,
    by_event_type: HashMap<EventTypeId, BTreeSet<NamespacedName>>,
}

impl Declarations {
    /// Sets what an object declares; `None`: nothing any more. Returns what it declared before.
    pub fn set(&mut self, object: &NamespacedName, declaration: Option<Declaration>) -> Option<Declaration> {
        let before = match declaration {
            Some(declaration) => {
                self.by_event_type.entry(declaration.event_type.clone()).or_default().insert(object.clone());
                self.by_object.insert(object.clone(), declaration)
            }
            None => self.by_object.remove(object),
        };
        if let Some(before) = &before
            && self.by_object.get(object).is_none_or(|now| now.event_type != before.event_type)
            && let Some(objects) = self.by_event_type.get_mut(&before.event_type)
        {
            objects.remove(object);
            if objects.is_empty() {
                self.by_event_type.remove(&before.event_type);
            }
        }
        before
    }

    /// Returns what an object declares.
    pub fn of(&self, object: &NamespacedName) -> Option<&Declaration> {
        self.by_object.get(object)
    }

    /// Returns the objects that declare something, and what.
    pub fn objects(&self) -> impl Iterator<Item = (&NamespacedName, &Declaration)> {
        self.by_object.iter()
    }

    /// Returns the event types that are declared.
    pub fn event_types(&self) -> impl Iterator<Item = &EventTypeId> {
        self.by_event_type.keys()
    }

    /// Whether an event type is declared.
    pub fn has(&self, event_type: &EventTypeId) -> bool {
        self.by_event_type.contains_key(event_type)
    }

    /// Returns the object that an event type belongs to, of those that are permitted to have it.
    pub fn owner(
        &self,
        event_type: &EventTypeId,
        is_permitted: impl Fn(&NamespacedName, &Declaration) -> bool,
    ) -> Option<NamespacedName> {
        let objects: Vec<_> = self.by_event_type.get(event_type)?.iter().collect();
        let declarers: Vec<_> = objects
            .iter()
            .filter_map(|object| {
                let declaration = self.by_object.get(*object)?;
                Some(Claimant {
                    permitted: is_permitted(object, declaration),
                    managed: declaration.is_managed,
                    holds: declaration.is_recorded,
                    created: declaration.created,
                    namespace: &object.namespace,
                    name: &object.name,
                })
            })
            .collect();
        objects.get(claims::holder(&declarers)?).map(|object| (*object).clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn object(name: &str) -> NamespacedName {
        NamespacedName { namespace: "ns".into(), name: name.into() }
    }

    fn event_type(name: &str) -> EventTypeId {
        EventTypeId { connection: "default".to_owned(), name: name.to_owned() }
    }

    fn declaration(name: &str, is_recorded: bool, created: i64) -> Option<Declaration> {
        Some(Declaration {
            event_type: event_type(name),
            is_recorded,
            is_managed: true,
            adoption: Adoption::Match,
            expunge: false,
            created,
            config_map: None,
        })
    }

    fn everybody(_: &NamespacedName, _: &Declaration) -> bool {
        true
    }

    #[test]
    fn a_declaration_is_what_the_operator_sees() {
        let declares = |spec: serde_json::Value, connection: &str| {
            serde_json::from_value::<WebhookEventType>(serde_json::json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
                "metadata": {"name": "a.b", "namespace": "ns"}, "spec": spec,
                "status": {"svix": {"connection": connection, "name": "a.b"}},
            }))
            .map(|object| Declaration::of(&object))
            .unwrap()
        };

        let declared = declares(serde_json::json!({"schema": {}}), "default");

        assert!(declared.is_recorded && declared.is_managed && !declared.expunge);
        assert!(!declares(serde_json::json!({"schema": {}}), "another").is_recorded, "it was moved");
        assert!(!declares(serde_json::json!({"managementPolicy": "Observe"}), "default").is_managed);
        let suspended = serde_json::json!({"managementPolicy": "Observe", "suspend": true});
        assert!(declares(suspended, "default").is_managed);
    }

    #[test]
    fn objects_without_permission_own_nothing_and_observers_come_last() {
        let mut declarations = Declarations::default();
        let is_permitted = |object: &NamespacedName, _: &Declaration| &*object.name != "thief";
        declarations.set(&object("thief"), declaration("a.b", true, 1));
        assert_eq!(declarations.owner(&event_type("a.b"), is_permitted), None);

        let observed = Declaration { is_managed: false, ..declaration("a.b", true, 2).unwrap() };
        declarations.set(&object("observer"), Some(observed));
        assert_eq!(declarations.owner(&event_type("a.b"), is_permitted), Some(object("observer")));

        declarations.set(&object("team"), declaration("a.b", false, 3));
        assert_eq!(declarations.owner(&event_type("a.b"), is_permitted), Some(object("team")));
    }

    #[test]
    fn the_owner_is_the_one_that_the_operator_takes() {
        let mut declarations = Declarations::default();
        let owner = |declarations: &Declarations, name: &str| {
            declarations.owner(&event_type(name), everybody).map(|object| object.name.to_string())
        };
        declarations.set(&object("old"), declaration("a.b", false, 1));
        declarations.set(&object("new"), declaration("a.b", false, 2));
        assert_eq!(owner(&declarations, "a.b").as_deref(), Some("old"));

        declarations.set(&object("new"), declaration("a.b", true, 2));
        assert_eq!(owner(&declarations, "a.b").as_deref(), Some("new"));

        declarations.set(&object("new"), declaration("a.c", true, 2));
        assert_eq!(owner(&declarations, "a.b").as_deref(), Some("old"));
        assert_eq!(owner(&declarations, "a.c").as_deref(), Some("new"));

        declarations.set(&object("old"), None);
        assert_eq!(owner(&declarations, "a.b"), None);
        assert_eq!(declarations.event_types().count(), 1);
    }
}
