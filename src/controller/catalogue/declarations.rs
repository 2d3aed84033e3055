//! Which objects declare which event types, as the operator sees it.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::WebhookEventType,
    plan::claims::{self, Declaration},
};

/// Namespace and name.
pub(super) type ObjectName = (String, String);
/// Connection and event type.
pub(super) type EventTypeName = (String, String);

/// An object that declares an event type, without its schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub declaration: Declaration,
    /// The name of the ConfigMap that its schema is kept in.
    pub config_map: Option<String>,
}

impl Entry {
    pub fn of(object: &WebhookEventType) -> Self {
        let config_map = object.spec.schema_from.as_ref().map(|from| from.config_map_key_ref.name.clone());
        Self { declaration: Declaration::of(object), config_map }
    }

    pub fn event_type(&self) -> EventTypeName {
        (self.declaration.connection.clone(), self.declaration.event_type.clone())
    }
}

/// The declarations, by object and by event type.
#[derive(Default)]
pub(super) struct Declarations {
    pub by_object: HashMap<ObjectName, Entry>,
    pub by_event_type: HashMap<EventTypeName, BTreeSet<ObjectName>>,
}

impl Declarations {
    /// Sets or removes the declaration of an object; returns the one before.
    pub fn set(&mut self, object: &ObjectName, entry: Option<Entry>) -> Option<Entry> {
        let now = entry.as_ref().map(Entry::event_type);
        let before = match entry {
            Some(entry) => {
                self.by_event_type.entry(entry.event_type()).or_default().insert(object.clone());
                self.by_object.insert(object.clone(), entry)
            }
            None => self.by_object.remove(object),
        };
        let event_type_before =
            before.as_ref().map(Entry::event_type).filter(|before| now.as_ref() != Some(before));
        if let Some(event_type) = event_type_before
            && let Some(objects) = self.by_event_type.get_mut(&event_type)
        {
            objects.remove(object);
            if objects.is_empty() {
                self.by_event_type.remove(&event_type);
            }
        }
        before
    }

    /// The object that owns an event type, among those that are permitted to declare it.
    pub fn owner(
        &self,
        event_type: &EventTypeName,
        is_permitted: impl Fn(&ObjectName, &Declaration) -> bool,
    ) -> Option<ObjectName> {
        let objects = self.by_event_type.get(event_type)?.iter();
        let declared: Vec<_> =
            objects.filter_map(|object| Some((object, &self.by_object.get(object)?.declaration))).collect();
        let declarers: Vec<_> = declared
            .iter()
            .map(|(object, it)| it.declarer(&object.0, &object.1, is_permitted(object, it)))
            .collect();
        declared.get(claims::owner(&declarers)?).map(|(object, _)| (*object).clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::Adoption;

    fn object(name: &str) -> ObjectName {
        ("ns".to_owned(), name.to_owned())
    }

    fn event_type(name: &str) -> EventTypeName {
        ("default".to_owned(), name.to_owned())
    }

    fn entry(event_type: &str, is_owner: bool, created: i64) -> Option<Entry> {
        let declaration = Declaration {
            connection: "default".to_owned(),
            event_type: event_type.to_owned(),
            adoption: Adoption::Match,
            expunge: false,
            is_managed: true,
            is_owner,
            created,
        };
        Some(Entry { declaration, config_map: None })
    }

    fn anybody(_: &ObjectName, _: &Declaration) -> bool {
        true
    }

    #[test]
    fn one_without_permission_never_owns_and_an_observed_one_gives_way() {
        let mut declarations = Declarations::default();
        let owner = |declarations: &Declarations| {
            declarations.owner(&event_type("a.b"), |object, _| object.1 != "thief")
        };
        declarations.set(&object("thief"), entry("a.b", true, 1));
        assert_eq!(owner(&declarations), None);

        let mut observed = entry("a.b", true, 2).unwrap();
        observed.declaration.is_managed = false;
        declarations.set(&object("observed"), Some(observed));
        assert_eq!(owner(&declarations), Some(object("observed")));

        declarations.set(&object("team"), entry("a.b", false, 3));
        assert_eq!(owner(&declarations), Some(object("team")));
    }

    #[test]
    fn the_owner_is_the_one_that_the_operator_chooses() {
        let mut declarations = Declarations::default();
        declarations.set(&object("old"), entry("a.b", false, 1));
        declarations.set(&object("new"), entry("a.b", false, 2));
        assert_eq!(declarations.owner(&event_type("a.b"), anybody), Some(object("old")));

        declarations.set(&object("new"), entry("a.b", true, 2));
        assert_eq!(declarations.owner(&event_type("a.b"), anybody), Some(object("new")));

        declarations.set(&object("new"), entry("a.c", true, 2));
        assert_eq!(declarations.owner(&event_type("a.b"), anybody), Some(object("old")));
        assert_eq!(declarations.owner(&event_type("a.c"), anybody), Some(object("new")));

        declarations.set(&object("old"), None);
        assert_eq!(declarations.owner(&event_type("a.b"), anybody), None);
        assert_eq!(declarations.by_event_type.len(), 1);
    }
}
