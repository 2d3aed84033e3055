//! Which objects declare which event type, as the operator sees them.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::WebhookEventType,
    controller::watch::NamespacedName,
    plan::claims::{self, Declaration, Standing},
};

/// An event type in Svix, through a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventTypeId {
    pub connection: String,
    pub name: String,
}

/// An object that declares an event type, without its schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub declaration: Declaration,
    /// The ConfigMap that its schema is in.
    pub config_map: Option<String>,
}

impl Entry {
    /// Returns what an object declares.
    pub fn of(object: &WebhookEventType) -> Self {
        let config_map = object.spec.schema_from.as_ref().map(|from| from.config_map_key_ref.name.clone());
        Self { declaration: Declaration::of(object), config_map }
    }

    /// Returns the event type that it declares.
    pub fn event_type(&self) -> EventTypeId {
        let Declaration { connection, event_type, .. } = &self.declaration;
        EventTypeId { connection: connection.clone(), name: event_type.clone() }
    }
}

/// All declarations, by object and by event type.
#[derive(Default)]
pub(super) struct Declarations {
    by_object: HashMap<NamespacedName, Entry>,
    by_event_type: HashMap<EventTypeId, BTreeSet<NamespacedName>>,
}

impl Declarations {
    /// Sets what an object declares; `None`: nothing any more. Returns what it declared before.
    pub fn set(&mut self, object: &NamespacedName, entry: Option<Entry>) -> Option<Entry> {
        let now = entry.as_ref().map(Entry::event_type);
        let before = match entry {
            Some(entry) => {
                self.by_event_type.entry(entry.event_type()).or_default().insert(object.clone());
                self.by_object.insert(object.clone(), entry)
            }
            None => self.by_object.remove(object),
        };
        let left = before.as_ref().map(Entry::event_type).filter(|before| now.as_ref() != Some(before));
        if let Some(left) = left
            && let Some(objects) = self.by_event_type.get_mut(&left)
        {
            objects.remove(object);
            if objects.is_empty() {
                self.by_event_type.remove(&left);
            }
        }
        before
    }

    /// Returns what an object declares.
    pub fn of(&self, object: &NamespacedName) -> Option<&Entry> {
        self.by_object.get(object)
    }

    /// Returns the objects that declare something, and what.
    pub fn objects(&self) -> impl Iterator<Item = (&NamespacedName, &Entry)> {
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

    /// Returns the object that owns an event type, among those that are permitted to declare it, and whether it would
    /// give way to another one.
    pub fn owner(
        &self,
        event_type: &EventTypeId,
        standing: impl Fn(&NamespacedName, &Declaration) -> Standing,
    ) -> Option<(NamespacedName, bool)> {
        let objects = self.by_event_type.get(event_type)?.iter();
        let declared: Vec<_> =
            objects.filter_map(|object| Some((object, &self.by_object.get(object)?.declaration))).collect();
        let declarers: Vec<_> = declared
            .iter()
            .map(|(object, it)| it.declarer(&object.namespace, &object.name, standing(object, it)))
            .collect();
        let owner = claims::owner(&declarers)?;
        let gives_way = declarers.get(owner)?.gives_way();
        declared.get(owner).map(|(object, _)| ((*object).clone(), gives_way))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::api::Adoption;

    use super::*;

    fn object(name: &str) -> NamespacedName {
        NamespacedName { namespace: "ns".into(), name: name.into() }
    }

    fn event_type(name: &str) -> EventTypeId {
        EventTypeId { connection: "default".to_owned(), name: name.to_owned() }
    }

    fn entry(event_type: &str, is_owner: bool, created: i64) -> Option<Entry> {
        let declaration = Declaration {
            connection: "default".to_owned(),
            event_type: event_type.to_owned(),
            adoption: Adoption::Match,
            expunge: false,
            is_refused: false,
            is_managed: true,
            is_owner,
            created,
        };
        Some(Entry { declaration, config_map: None })
    }

    fn standing(is_permitted: bool) -> Standing {
        Standing { is_permitted, is_refused: false }
    }

    #[test]
    fn permission_and_management_decide_ownership() {
        let mut declarations = Declarations::default();
        let owner = |declarations: &Declarations| {
            let owner =
                declarations.owner(&event_type("a.b"), |object, _| standing(&*object.name != "thief"));
            owner.map(|(owner, _)| owner)
        };
        declarations.set(&object("thief"), entry("a.b", true, 1));
        assert_eq!(owner(&declarations), None);

        let mut observed = entry("a.b", true, 2).unwrap();
        observed.declaration.is_managed = false;
        declarations.set(&object("observer"), Some(observed));
        assert_eq!(owner(&declarations), Some(object("observer")));

        declarations.set(&object("team"), entry("a.b", false, 3));
        assert_eq!(owner(&declarations), Some(object("team")));
    }

    #[test]
    fn the_owner_is_the_one_that_the_operator_takes() {
        let mut declarations = Declarations::default();
        let owner = |declarations: &Declarations, name: &str| {
            let owner = declarations.owner(&event_type(name), |_, _| standing(true));
            owner.map(|(object, _)| object.name.to_string())
        };
        declarations.set(&object("old"), entry("a.b", false, 1));
        declarations.set(&object("new"), entry("a.b", false, 2));
        assert_eq!(owner(&declarations, "a.b").as_deref(), Some("old"));

        declarations.set(&object("new"), entry("a.b", true, 2));
        assert_eq!(owner(&declarations, "a.b").as_deref(), Some("new"));

        declarations.set(&object("new"), entry("a.c", true, 2));
        assert_eq!(owner(&declarations, "a.b").as_deref(), Some("old"));
        assert_eq!(owner(&declarations, "a.c").as_deref(), Some("new"));

        declarations.set(&object("old"), None);
        assert_eq!(owner(&declarations, "a.b"), None);
        assert_eq!(declarations.event_types().count(), 1);
    }

    #[test]
    fn what_cannot_be_carried_out_gives_way() {
        let mut declarations = Declarations::default();
        let owner = |declarations: &Declarations, invalid_name: bool| {
            let standing = |object: &NamespacedName, _: &Declaration| Standing {
                is_permitted: true,
                is_refused: invalid_name && &*object.name == "old",
            };
            let owner = declarations.owner(&event_type("a.b"), standing);
            owner.map(|(object, gives_way)| (object.name.to_string(), gives_way))
        };
        declarations.set(&object("old"), entry("a.b", false, 1));
        declarations.set(&object("new"), entry("a.b", false, 2));
        assert_eq!(owner(&declarations, false), Some(("old".to_owned(), false)));

        assert_eq!(owner(&declarations, true), Some(("new".to_owned(), false)), "by its connection");
        let mut refused = entry("a.b", false, 1).unwrap();
        refused.declaration.is_refused = true;
        declarations.set(&object("old"), Some(refused));
        assert_eq!(owner(&declarations, false), Some(("new".to_owned(), false)), "by status or spec");

        declarations.set(&object("new"), None);
        assert_eq!(owner(&declarations, false), Some(("old".to_owned(), true)), "alone");
    }
}
