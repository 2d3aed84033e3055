//! All declared objects, and who declares what.

mod index;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    api::{Adoption, SvixConnection, WebhookEndpoint},
    plan::{ReconcileError, access::Grants, claims},
};

use super::object::{Kind, Object, ObjectKey};

use index::{Index, config_map, secrets};

/// A thing in Svix that an object declares, within one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SvixResource {
    /// The event type of this name.
    EventType(Box<str>),
    /// The endpoint of this application and uid.
    Endpoint(Box<str>, Box<str>),
}

/// A thing and the connection that it is declared through.
type ResourceKey = (Arc<str>, SvixResource);

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
    inner: Mutex<Index>,
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
    pub fn remove(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let mut inner = self.lock();
        let thing = inner.thing_of.get(key).cloned();
        inner.unindex(key);
        inner.objects.remove(key);
        inner.own_writes.remove(key);
        thing.and_then(|thing| inner.things.get(&thing)).into_iter().flatten().cloned().collect()
    }

    /// One object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.lock().objects.get(key).cloned()
    }

    /// One connection.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<Arc<SvixConnection>> {
        match self.lock().objects.get(&ObjectKey::connection(name)) {
            Some(Object::Connection(connection)) => Some(connection.clone()),
            _ => None,
        }
    }

    /// The keys of a kind.
    #[must_use]
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        self.lock().objects.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// The objects that are reconciled through a connection.
    #[must_use]
    pub fn users_of(&self, connection: &str) -> Vec<ObjectKey> {
        self.lock().by_connection.get(connection).into_iter().flatten().cloned().collect()
    }

    /// The objects that take their schema from a ConfigMap.
    #[must_use]
    pub fn users_of_config_map(&self, namespace: &str, name: &str) -> Vec<ObjectKey> {
        let inner = self.lock();
        inner.by_config_map.get(&(namespace.into(), name.into())).into_iter().flatten().cloned().collect()
    }

    /// The namespaces in which an object takes its schema from a ConfigMap.
    #[must_use]
    pub fn config_map_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.lock().by_config_map.keys().map(|(namespace, _)| namespace.clone()).collect()
    }

    /// The endpoints that take a value from this Secret, or write to it.
    #[must_use]
    pub fn users_of_endpoint_secret(&self, namespace: &str, name: &str) -> Vec<ObjectKey> {
        let inner = self.lock();
        inner.by_secret.get(&(namespace.into(), name.into())).into_iter().flatten().cloned().collect()
    }

    /// Whether an object takes something from a ConfigMap or a Secret, or writes to one.
    #[must_use]
    pub fn refers(&self, key: &ObjectKey) -> bool {
        let inner = self.lock();
        let object = inner.objects.get(key);
        object.is_some_and(|object| config_map(object).is_some() || secrets(object).next().is_some())
    }

    /// The namespaces in which an endpoint speaks of a Secret.
    #[must_use]
    pub fn secret_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.lock().by_secret.keys().map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Takes in the labels of a namespace; `None`: it is gone. Answers the objects in it, when they are others.
    pub fn set_namespace(&self, name: &str, labels: Option<BTreeMap<String, String>>) -> Vec<ObjectKey> {
        let mut inner = self.lock();
        let before = match labels {
            Some(labels) => inner.namespaces.insert(name.into(), labels.clone()) == Some(labels),
            None => inner.namespaces.remove(name).is_none(),
        };
        if before {
            return Vec::new();
        }
        inner.objects.keys().filter(|key| &*key.namespace == name).cloned().collect()
    }

    /// Whether the connection lets the object's namespace do what the object declares.
    pub fn permitted(&self, object: &Object) -> Result<(), ReconcileError> {
        self.lock().permitted(object)
    }

    /// The adoption that an object may have: what it asks for, as far as the connection goes.
    #[must_use]
    pub fn adoption(&self, object: &Object, connection: &SvixConnection) -> Adoption {
        let inner = self.lock();
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        let grants = Grants::new(&connection.spec, namespace, inner.namespaces.get(namespace));
        match object {
            Object::EventType(it) => it.spec.adoption().min(grants.of_event_type(&it.event_type_name())),
            Object::Endpoint(it) => {
                let application = it.spec.application(&connection.spec);
                it.spec.adoption().min(grants.of_endpoint(application, &it.spec.event_types))
            }
            Object::Connection(_) | Object::Event(_) => Adoption::Never,
        }
    }

    /// The connections whose token is in this Secret.
    #[must_use]
    pub fn users_of_secret(&self, secret: &str) -> Vec<ObjectKey> {
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
            .filter_map(|key| {
                let place = inner.thing_of.get(key)?;
                match &place.1 {
                    // One that is on its way from here to another connection declares it there.
                    SvixResource::Endpoint(application, _) if &*place.0 == connection => {
                        Some(application.clone())
                    }
                    _ => None,
                }
            })
            .collect()
    }

    /// The event types that objects declare on a connection.
    #[must_use]
    pub fn event_types(&self, connection: &str) -> BTreeSet<Box<str>> {
        let inner = self.lock();
        let things = inner.by_connection.get(connection).into_iter().flatten();
        things
            .filter_map(|key| match &inner.thing_of.get(key)?.1 {
                SvixResource::EventType(name) => Some(name.clone()),
                SvixResource::Endpoint(..) => None,
            })
            .collect()
    }

    /// Everyone who declares a thing.
    #[must_use]
    pub fn claimants(&self, connection: &str, thing: &SvixResource) -> Vec<ObjectKey> {
        self.lock().things.get(&(connection.into(), thing.clone())).into_iter().flatten().cloned().collect()
    }

    /// Whoever holds the thing that this object declares, when that is another object.
    #[must_use]
    pub fn other_holder(&self, key: &ObjectKey) -> Option<ObjectKey> {
        let inner = self.lock();
        let place = inner.thing_of.get(key)?;
        inner.holder(place).filter(|holder| *holder != key).cloned()
    }

    /// Whoever holds a thing, of those that declare it.
    #[must_use]
    pub fn holder(&self, connection: &str, thing: SvixResource) -> Option<Object> {
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

    /// The endpoints of a connection.
    #[must_use]
    pub fn endpoints_of(&self, connection: &str) -> Vec<Arc<WebhookEndpoint>> {
        let inner = self.lock();
        let users = inner.by_connection.get(connection).into_iter().flatten();
        users
            .filter(|key| key.kind == Kind::Endpoint)
            .filter_map(|key| match inner.objects.get(key) {
                Some(Object::Endpoint(endpoint)) if endpoint.connection_name() == connection => {
                    Some(endpoint.clone())
                }
                _ => None,
            })
            .collect()
    }

    /// The others that declare a thing and may have it, without those that are being deleted.
    #[must_use]
    pub fn rivals(&self, connection: &str, thing: &SvixResource, key: &ObjectKey) -> Vec<ObjectKey> {
        let inner = self.lock();
        let claimants = inner.things.get(&(connection.into(), thing.clone())).into_iter().flatten();
        let may = |other: &&ObjectKey| {
            *other != key
                && inner
                    .objects
                    .get(*other)
                    .is_some_and(|object| !object.deleting() && inner.may_claim(object))
        };
        claimants.filter(may).cloned().collect()
    }

    /// Who holds a thing once this object does not declare it any more.
    #[must_use]
    pub fn heir(&self, connection: &str, thing: &SvixResource, key: &ObjectKey) -> Option<ObjectKey> {
        let rivals = self.rivals(connection, thing, key);
        let inner = self.lock();
        let claims: Vec<_> = rivals
            .iter()
            .filter_map(|key| Some(inner.claimant(key, inner.objects.get(key)?, connection)))
            .collect();
        let heir = claims::holder(&claims).and_then(|index| claims.get(index))?;
        rivals.iter().find(|key| (&*key.namespace, &*key.name) == (heir.namespace, heir.name)).cloned()
    }

    /// The thing that an object declares, and the connection.
    #[must_use]
    pub fn thing_of(&self, key: &ObjectKey) -> Option<(Arc<str>, SvixResource)> {
        self.lock().thing_of.get(key).map(|place| (**place).clone())
    }

    /// Those that declare the same thing as this object, without it.
    #[must_use]
    pub fn beside(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let inner = self.lock();
        let claimants = inner.thing_of.get(key).and_then(|thing| inner.things.get(thing));
        claimants.into_iter().flatten().filter(|other| *other != key).cloned().collect()
    }

    /// How many objects differ from Svix, of those that are only compared.
    #[must_use]
    pub fn differing(&self, kind: Kind) -> u32 {
        let differs = |object: &&Object| match object {
            Object::EventType(it) => it.status.as_ref().is_some_and(|status| status.difference.is_some()),
            Object::Endpoint(it) => it.status.as_ref().is_some_and(|status| status.difference.is_some()),
            Object::Connection(_) | Object::Event(_) => false,
        };
        let inner = self.lock();
        let count = inner.objects.values().filter(|object| object.kind() == kind).filter(differs).count();
        u32::try_from(count).unwrap_or(u32::MAX)
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

    fn lock(&self) -> MutexGuard<'_, Index> {
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
