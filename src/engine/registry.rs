//! All declared objects, and who declares what.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    api::{Condition, ConditionType, SvixConnection, WebhookEndpoint},
    plan::{claims, ids},
};

use super::object::{Key, Kind, Object};

/// A thing in Svix that an object declares, within one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Thing {
    /// The event type of this name.
    EventType(Box<str>),
    /// The endpoint of this application and uid.
    Endpoint(Box<str>, Box<str>),
}

/// A thing and the connection that it is declared through.
type Place = (Arc<str>, Thing);

/// What came of taking in an object.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is as it was, or only our own write: nothing to do.
    Unchanged,
    /// It has to be looked at.
    Changed,
}

/// The objects. Holds the only copy of each in memory.
#[derive(Default)]
pub struct Registry {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    objects: HashMap<Key, Object>,
    /// The resource version of our own last write to an object: its echo is no news.
    own_writes: HashMap<Key, String>,
    /// Who declares a thing, sorted; nearly always one.
    things: HashMap<Arc<Place>, Vec<Key>>,
    thing_of: HashMap<Key, Arc<Place>>,
    by_connection: HashMap<Arc<str>, HashSet<Key>>,
    by_config_map: HashMap<(Arc<str>, Box<str>), BTreeSet<Key>>,
    /// Endpoints that are not ready and not stalled.
    coming_endpoints: HashSet<Key>,
}

impl Registry {
    /// Takes in an object as it was read.
    pub fn upsert(&self, object: Object) -> Taken {
        let key = object.key();
        let mut inner = self.lock();
        if let (Some(version), Some(own)) = (&object.meta().resource_version, inner.own_writes.get(&key))
            && version == own
        {
            return Taken::Unchanged;
        }
        // Old news, which a watch may bring after our own write's answer.
        if let Some(present) = inner.objects.get(&key)
            && is_older(&object, present)
        {
            return Taken::Unchanged;
        }
        inner.own_writes.remove(&key);
        inner.insert(key, object);
        Taken::Changed
    }

    /// Takes in an object as our own write left it. That answer is [`Taken::Changed`] when it brings a change of
    /// somebody else along: a new spec, or a deletion, that came just before the write. The watch tells of it,
    /// too, but as something older than what is known by then.
    pub fn wrote(&self, object: Object) -> Taken {
        let key = object.key();
        let mut inner = self.lock();
        let taken = match inner.objects.get(&key) {
            // It is gone meanwhile, or made again, or we know newer.
            None => return Taken::Unchanged,
            Some(present) if present.meta().uid != object.meta().uid => return Taken::Unchanged,
            Some(present) if is_older(&object, present) => return Taken::Unchanged,
            // A deletion moves the generation, too.
            Some(present) if present.meta().generation != object.meta().generation => Taken::Changed,
            Some(_) => Taken::Unchanged,
        };
        if let Some(version) = &object.meta().resource_version {
            inner.own_writes.insert(key.clone(), version.clone());
        }
        inner.insert(key, object);
        taken
    }

    /// Forgets an object; answers those that declared the same thing, which one of them holds now.
    pub fn remove(&self, key: &Key) -> Vec<Key> {
        let mut inner = self.lock();
        let thing = inner.thing_of.get(key).cloned();
        inner.unindex(key);
        inner.objects.remove(key);
        inner.own_writes.remove(key);
        thing.and_then(|thing| inner.things.get(&thing)).into_iter().flatten().cloned().collect()
    }

    /// One object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Object> {
        self.lock().objects.get(key).cloned()
    }

    /// One connection.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<Arc<SvixConnection>> {
        match self.lock().objects.get(&Key::connection(name)) {
            Some(Object::Connection(connection)) => Some(connection.clone()),
            _ => None,
        }
    }

    /// The keys of a kind.
    #[must_use]
    pub fn keys(&self, kind: Kind) -> Vec<Key> {
        self.lock().objects.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// The objects that are reconciled through a connection.
    #[must_use]
    pub fn users_of(&self, connection: &str) -> Vec<Key> {
        self.lock().by_connection.get(connection).into_iter().flatten().cloned().collect()
    }

    /// The objects that take their schema from a ConfigMap.
    #[must_use]
    pub fn users_of_config_map(&self, namespace: &str, name: &str) -> Vec<Key> {
        let inner = self.lock();
        inner.by_config_map.get(&(namespace.into(), name.into())).into_iter().flatten().cloned().collect()
    }

    /// The namespaces in which an object takes its schema from a ConfigMap.
    #[must_use]
    pub fn config_map_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.lock().by_config_map.keys().map(|(namespace, _)| namespace.clone()).collect()
    }

    /// The connections whose token is in this Secret.
    #[must_use]
    pub fn users_of_secret(&self, secret: &str) -> Vec<Key> {
        let inner = self.lock();
        inner
            .objects
            .iter()
            .filter(|(_, object)| match object {
                Object::Connection(connection) => connection.spec.token_secret_ref.name == secret,
                _ => false,
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// The applications that endpoints of a connection declare.
    #[must_use]
    pub fn applications(&self, connection: &str) -> BTreeSet<Box<str>> {
        let inner = self.lock();
        let things = inner.by_connection.get(connection).into_iter().flatten();
        things
            .filter_map(|key| match &inner.thing_of.get(key)?.1 {
                Thing::Endpoint(application, _) => Some(application.clone()),
                Thing::EventType(_) => None,
            })
            .collect()
    }

    /// Everyone who declares a thing.
    #[must_use]
    pub fn claimants(&self, connection: &str, thing: &Thing) -> Vec<Key> {
        self.lock().things.get(&(connection.into(), thing.clone())).into_iter().flatten().cloned().collect()
    }

    /// Whoever holds the thing that this object declares, when that is another object.
    #[must_use]
    pub fn other_holder(&self, key: &Key) -> Option<Key> {
        let inner = self.lock();
        let thing = inner.thing_of.get(key)?;
        inner.holder(thing).filter(|holder| *holder != key).cloned()
    }

    /// Whoever holds a thing, of those that declare it.
    #[must_use]
    pub fn holder(&self, connection: &str, thing: Thing) -> Option<Object> {
        let inner = self.lock();
        let holder = inner.holder(&(connection.into(), thing))?;
        inner.objects.get(holder).cloned()
    }

    /// The endpoints of a connection that are on their way into Svix: not ready, and not waiting for a person.
    #[must_use]
    pub fn coming_endpoints(&self, connection: &str) -> Vec<Arc<WebhookEndpoint>> {
        let inner = self.lock();
        let coming = inner.coming_endpoints.iter().filter_map(|key| inner.objects.get(key));
        coming
            .filter_map(|object| match object {
                Object::Endpoint(endpoint) if endpoint.connection_name() == connection => {
                    Some(endpoint.clone())
                }
                _ => None,
            })
            .collect()
    }

    /// Another object that declares the same thing and is not being deleted: it takes the thing over.
    #[must_use]
    pub fn successor(&self, key: &Key) -> Option<Key> {
        let inner = self.lock();
        let thing = inner.thing_of.get(key)?;
        let others = inner.things.get(thing)?.iter().filter(|other| *other != key);
        others
            .into_iter()
            .find(|other| inner.objects.get(other).is_some_and(|object| !object.deleting()))
            .cloned()
    }

    /// How many objects there are of a kind, and what their `Ready` says.
    #[must_use]
    pub fn count(&self, kind: Kind) -> Readiness {
        let mut count = Readiness::default();
        for object in self.lock().objects.values().filter(|object| object.kind() == kind) {
            match object.ready() {
                Some(true) => count.ready += 1,
                Some(false) => count.not_ready += 1,
                None => count.unknown += 1,
            }
        }
        count
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Objects by what their `Ready` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// True.
    pub ready: u32,
    /// False.
    pub not_ready: u32,
    /// Nothing yet of the present spec.
    pub unknown: u32,
}

/// Resource versions of one object can be compared as numbers
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>). Objects from a folder
/// have none.
fn is_older(object: &Object, than: &Object) -> bool {
    let version =
        |object: &Object| object.meta().resource_version.as_deref().and_then(|v| v.parse::<u64>().ok());
    let same_object = object.meta().uid == than.meta().uid;
    same_object && matches!((version(object), version(than)), (Some(new), Some(old)) if new < old)
}

impl Inner {
    fn holder(&self, thing: &Place) -> Option<&Key> {
        let keys = self.things.get(thing)?;
        if keys.len() < 2 {
            return keys.first();
        }
        let claimants: Vec<_> = keys
            .iter()
            .map(|key| {
                let object = self.objects.get(key);
                claims::Claimant {
                    holds: object.and_then(Object::holds_through).is_some(),
                    created: object.and_then(Object::created).map_or(0, |time| time.as_second()),
                    namespace: &key.namespace,
                    name: &key.name,
                }
            })
            .collect();
        keys.get(claims::holder(&claimants)?)
    }

    fn insert(&mut self, key: Key, object: Object) {
        self.unindex(&key);
        // All maps share one copy of the names.
        let key = self.objects.get_key_value(&key).map_or(key, |(known, _)| known.clone());
        if !matches!(object, Object::Connection(_)) {
            let connection = self.connection_name(&object);
            self.by_connection.entry(connection).or_default().insert(key.clone());
        }
        if let Some(name) = config_map(&object) {
            self.by_config_map.entry((key.namespace.clone(), name.into())).or_default().insert(key.clone());
        }
        let stalled = |condition: &Condition| condition.type_ == ConditionType::Stalled;
        if key.kind == Kind::Endpoint
            && object.ready() != Some(true)
            && !object.deleting()
            && !object.conditions().iter().any(stalled)
        {
            self.coming_endpoints.insert(key.clone());
        }
        let is_connection = matches!(object, Object::Connection(_));
        self.objects.insert(key.clone(), object);
        self.index_thing(&key);
        if is_connection {
            // What endpoints declare depends on the connection's ownerId and default application.
            let users: Vec<_> = self.by_connection.get(&*key.name).into_iter().flatten().cloned().collect();
            users.iter().for_each(|user| self.index_thing(user));
        }
    }

    fn index_thing(&mut self, key: &Key) {
        let Some(object) = self.objects.get(key) else { return };
        let connection = self.connection_name(object);
        let thing = match object {
            Object::Connection(_) | Object::Event(_) => None,
            Object::EventType(object) => Some(Thing::EventType(object.event_type_name().into())),
            Object::Endpoint(endpoint) => match self.objects.get(&Key::connection(&connection)) {
                Some(Object::Connection(connection)) => Some(endpoint_thing(endpoint, connection)),
                _ => None,
            },
        };
        self.unindex_thing(key);
        if let Some(thing) = thing {
            let place = Arc::new((connection, thing));
            let claimants = self.things.entry(place.clone()).or_insert_with(|| Vec::with_capacity(1));
            if let Err(at) = claimants.binary_search(key) {
                claimants.insert(at, key.clone());
            }
            self.thing_of.insert(key.clone(), place);
        }
    }

    /// The name of an object's connection, in the one copy that there is.
    fn connection_name(&self, object: &Object) -> Arc<str> {
        let name = object.connection_name();
        self.by_connection.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    fn unindex_thing(&mut self, key: &Key) {
        if let Some(thing) = self.thing_of.remove(key)
            && let Some(keys) = self.things.get_mut(&thing)
        {
            keys.retain(|claimant| claimant != key);
            if keys.is_empty() {
                self.things.remove(&thing);
            }
        }
    }

    fn unindex(&mut self, key: &Key) {
        self.unindex_thing(key);
        self.coming_endpoints.remove(key);
        let Some(object) = self.objects.get(key) else { return };
        if let Some(keys) = self.by_connection.get_mut(object.connection_name()) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_connection.remove(object.connection_name());
            }
        }
        if let Some(name) = config_map(object) {
            let place = (key.namespace.clone(), Box::from(name));
            if let Some(keys) = self.by_config_map.get_mut(&place) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_config_map.remove(&place);
                }
            }
        }
    }
}

fn config_map(object: &Object) -> Option<&str> {
    match object {
        Object::EventType(object) => {
            object.spec.schema_from.as_ref().map(|source| source.config_map_key_ref.name.as_str())
        }
        _ => None,
    }
}

fn endpoint_thing(endpoint: &WebhookEndpoint, connection: &SvixConnection) -> Thing {
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    let uid = endpoint
        .spec
        .uid
        .clone()
        .unwrap_or_else(|| ids::default_uid(&connection.spec.owner_id, namespace, name));
    Thing::Endpoint(endpoint.spec.application(&connection.spec).into(), uid.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn object(uid: &str, version: u64, generation: i64) -> Object {
        let object = serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {
                "name": "hook", "namespace": "ns", "uid": uid, "resourceVersion": version.to_string(),
                "generation": generation,
            },
            "spec": {"url": "https://a.example", "eventTypes": ["a.one"]},
        }));
        Object::Endpoint(Arc::new(object.unwrap()))
    }

    fn version(registry: &Registry) -> String {
        registry.get(&object("", 0, 0).key()).unwrap().meta().resource_version.clone().unwrap()
    }

    #[test]
    fn the_echo_of_our_own_write_is_no_news() {
        let registry = Registry::default();
        assert_eq!(registry.upsert(object("u", 1, 1)), Taken::Changed);
        assert_eq!(registry.wrote(object("u", 2, 1)), Taken::Unchanged);
        assert_eq!(registry.upsert(object("u", 2, 1)), Taken::Unchanged);
        assert_eq!(registry.upsert(object("u", 3, 1)), Taken::Changed);
    }

    #[test]
    fn a_change_that_our_own_write_brings_along_is_news() {
        let registry = Registry::default();
        registry.upsert(object("u", 1, 1));
        // Somebody changed the spec (version 2), then we wrote status (version 3).
        assert_eq!(registry.wrote(object("u", 3, 2)), Taken::Changed);
        assert_eq!(registry.upsert(object("u", 2, 2)), Taken::Unchanged, "the watch is behind");
    }

    #[test]
    fn an_object_that_was_made_again_is_not_replaced_by_the_one_before() {
        let registry = Registry::default();
        registry.upsert(object("new", 5, 1));
        assert_eq!(registry.wrote(object("old", 4, 1)), Taken::Unchanged);
        assert_eq!(version(&registry), "5");
        assert_eq!(
            registry.upsert(object("even newer", 2, 1)),
            Taken::Changed,
            "versions of two objects do not compare"
        );
    }
}
