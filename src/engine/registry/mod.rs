//! All declared objects, and who declares what in Svix. Holds the only copy of each object in memory.

mod index;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    api::{Adoption, Receivers, SvixConnection, WebhookEndpoint},
    plan::{ReconcileError, receivers},
};

use super::object::{Kind, Object, ObjectKey, SvixResource};

use index::Index;

/// What came of storing an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is as it was, or this is our own write: nothing to do.
    None,
    /// It has to be reconciled.
    Changed,
}

/// The objects.
#[derive(Default)]
pub struct Registry {
    index: Mutex<Index>,
}

impl Registry {
    /// Stores an object as it was read.
    pub fn upsert(&self, object: Object) -> Change {
        let key = object.key();
        let mut index = self.index.lock();
        if let (Some(version), Some(own)) = (&object.meta().resource_version, index.own_writes.get(&key))
            && version == own
        {
            return Change::None;
        }
        // An older version, which a watch may bring after the response to our own write.
        if let Some(present) = index.objects.get(&key)
            && is_older(&object, present)
        {
            return Change::None;
        }
        index.own_writes.remove(&key);
        index.insert(key, object);
        Change::Changed
    }

    /// Stores an object as our own write left it. That is [`Change::Changed`] when the response brings a change of
    /// somebody else: a new spec, or a deletion, that came just before the write. The watch brings it, too, but as
    /// something older than what is known by then.
    pub fn store_own_write(&self, object: Object) -> Change {
        let key = object.key();
        let mut index = self.index.lock();
        let change = match index.objects.get(&key) {
            // It was deleted meanwhile, or created again, or a newer version is known.
            None => return Change::None,
            Some(present) if present.meta().uid != object.meta().uid => return Change::None,
            Some(present) if is_older(&object, present) => return Change::None,
            // A deletion increments the generation, too.
            Some(present) if present.generation() != object.generation() => Change::Changed,
            Some(_) => Change::None,
        };
        if let Some(version) = &object.meta().resource_version {
            index.own_writes.insert(key.clone(), version.clone());
        }
        index.insert(key, object);
        change
    }

    /// Forgets an object. Returns those that declared the same, one of which owns it now.
    pub fn remove(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let mut index = self.index.lock();
        let declared = index.declared_by.get(key).cloned();
        index.remove_from_indexes(key);
        index.objects.remove(key);
        index.own_writes.remove(key);
        declared.and_then(|declared| index.declarers.get(&declared)).into_iter().flatten().cloned().collect()
    }

    /// Returns one object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.index.lock().objects.get(key).cloned()
    }

    /// Returns the copy of a key that all maps here have; the key itself, if the object is not known.
    #[must_use]
    pub fn shared_key(&self, key: &ObjectKey) -> ObjectKey {
        self.index.lock().objects.get_key_value(key).map_or_else(|| key.clone(), |(known, _)| known.clone())
    }

    /// Returns one connection.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<Arc<SvixConnection>> {
        self.index.lock().connection(name).cloned()
    }

    /// Whether a connection of this name is being deleted.
    #[must_use]
    pub fn is_connection_deleting(&self, name: &str) -> bool {
        self.index.lock().connection(name).is_some_and(|it| it.metadata.deletion_timestamp.is_some())
    }

    /// Returns the keys of a kind.
    #[must_use]
    pub fn keys(&self, kind: Kind) -> Vec<ObjectKey> {
        self.index.lock().objects.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// Returns the objects that are reconciled through a connection, or have something left on it.
    #[must_use]
    pub fn users_of(&self, connection: &str) -> Vec<ObjectKey> {
        self.index.lock().by_connection.get(connection).into_iter().flatten().cloned().collect()
    }

    /// Returns the objects that take their schema from a ConfigMap.
    #[must_use]
    pub fn users_of_config_map(&self, namespace: &str, name: &str) -> Vec<ObjectKey> {
        let index = self.index.lock();
        index.by_config_map.get(&(namespace.into(), name.into())).into_iter().flatten().cloned().collect()
    }

    /// Returns the namespaces in which an object takes its schema from a ConfigMap.
    #[must_use]
    pub fn config_map_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.index.lock().by_config_map.keys().map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Returns the endpoints that take a value from this Secret, or write to it.
    #[must_use]
    pub fn users_of_secret(&self, namespace: &str, name: &str) -> Vec<ObjectKey> {
        let index = self.index.lock();
        index.by_secret.get(&(namespace.into(), name.into())).into_iter().flatten().cloned().collect()
    }

    /// Returns the namespaces in which an endpoint refers to a Secret.
    #[must_use]
    pub fn secret_namespaces(&self) -> BTreeSet<Arc<str>> {
        self.index.lock().by_secret.keys().map(|(namespace, _)| namespace.clone()).collect()
    }

    /// Whether an object takes something from a ConfigMap or a Secret, or writes to one.
    #[must_use]
    pub fn has_references(&self, key: &ObjectKey) -> bool {
        let index = self.index.lock();
        index.objects.get(key).is_some_and(|object| {
            object.resource().config_map_name().is_some() || !object.resource().secret_names().is_empty()
        })
    }

    /// Returns the connections whose token is in this Secret.
    #[must_use]
    pub fn connections_with_token_in(&self, secret: &str) -> Vec<ObjectKey> {
        let index = self.index.lock();
        let uses = |object: &Object| match object {
            Object::Connection(connection) => connection.spec.token_secret_ref.name == secret,
            _ => false,
        };
        index.objects.iter().filter(|(_, object)| uses(object)).map(|(key, _)| key.clone()).collect()
    }

    /// Stores the labels of a namespace; `None`: it is gone. Returns the objects in it, when the labels changed.
    pub fn set_namespace(&self, name: &str, labels: Option<BTreeMap<String, String>>) -> Vec<ObjectKey> {
        let mut index = self.index.lock();
        let is_unchanged = match labels {
            Some(labels) => index.namespaces.insert(name.into(), labels.clone()) == Some(labels),
            None => index.namespaces.remove(name).is_none(),
        };
        if is_unchanged {
            return Vec::new();
        }
        index.objects.keys().filter(|key| &*key.namespace == name).cloned().collect()
    }

    /// Checks that the connection lets the object's namespace have what the object declares.
    pub fn check_access(&self, object: &Object) -> Result<(), ReconcileError> {
        self.index.lock().check_access(object)
    }

    /// Returns the adoption that an object may have: what it asks for, as far as the connection allows.
    #[must_use]
    pub fn granted_adoption(&self, object: &Object, connection: &SvixConnection) -> Adoption {
        let index = self.index.lock();
        object.resource().granted_adoption(&index.grants(object, connection), connection)
    }

    /// Returns the applications that endpoints of a connection declare.
    #[must_use]
    pub fn applications(&self, connection: &str) -> BTreeSet<Box<str>> {
        let index = self.index.lock();
        let users = index.by_connection.get(connection).into_iter().flatten();
        users
            .filter_map(|key| match &**index.declared_by.get(key)? {
                // One that leaves this connection for another declares its endpoint there.
                (on, SvixResource::Endpoint(application, _)) if &**on == connection => {
                    Some(application.clone())
                }
                _ => None,
            })
            .collect()
    }

    /// Returns the event types that objects declare on a connection.
    #[must_use]
    pub fn event_types(&self, connection: &str) -> BTreeSet<Box<str>> {
        let index = self.index.lock();
        let users = index.by_connection.get(connection).into_iter().flatten();
        users
            .filter_map(|key| match &index.declared_by.get(key)?.1 {
                SvixResource::EventType(name) => Some(name.clone()),
                SvixResource::Endpoint(..) => None,
            })
            .collect()
    }

    /// Returns the endpoints of a connection.
    #[must_use]
    pub fn endpoints_of(&self, connection: &str) -> Vec<Arc<WebhookEndpoint>> {
        let index = self.index.lock();
        let users = index.by_connection.get(connection).into_iter().flatten();
        users
            .filter(|key| key.kind == Kind::Endpoint)
            .filter_map(|key| index.endpoint_of(key, connection))
            .collect()
    }

    /// Returns the endpoints of a connection that subscribe to one of these event types.
    #[must_use]
    pub fn subscribers(&self, connection: &str, event_types: &HashSet<Box<str>>) -> BTreeSet<ObjectKey> {
        let index = self.index.lock();
        event_types.iter().flat_map(|name| index.subscriptions.of(connection, name)).cloned().collect()
    }

    /// Returns the endpoints that receive the events of an event type, as the readers of a namespace may see them.
    #[must_use]
    pub fn receivers(&self, connection: &str, event_type: &str, namespace: &str) -> Receivers {
        let index = self.index.lock();
        let receives = |key: &&ObjectKey| {
            index
                .endpoint_of(key, connection)
                .is_some_and(|endpoint| receivers::receives(&endpoint, connection))
        };
        let endpoints = index.subscriptions.of(connection, event_type).filter(receives);
        receivers::seen_from(namespace, endpoints.map(|key| (&*key.namespace, &*key.name)))
    }

    /// Returns the endpoints of a connection that are not ready yet and do not wait for a person.
    #[must_use]
    pub fn pending_endpoints(&self, connection: &str) -> Vec<Arc<WebhookEndpoint>> {
        let index = self.index.lock();
        index.pending_endpoints.iter().filter_map(|key| index.endpoint_of(key, connection)).collect()
    }

    /// Returns all that declare a resource.
    #[must_use]
    pub fn declarers(&self, connection: &str, resource: &SvixResource) -> Vec<ObjectKey> {
        let index = self.index.lock();
        index.declarers.get(&(connection.into(), resource.clone())).into_iter().flatten().cloned().collect()
    }

    /// Returns the other objects that declare a resource and may own it, without those that are being deleted.
    #[must_use]
    pub fn other_declarers(
        &self,
        connection: &str,
        resource: &SvixResource,
        key: &ObjectKey,
    ) -> Vec<ObjectKey> {
        self.index.lock().other_declarers(connection, resource, key)
    }

    /// Whether an object cannot be carried out as its spec is. Then it owns nothing that another object declares, and is
    /// not named in the status of others.
    #[must_use]
    pub fn is_refused(&self, key: &ObjectKey) -> bool {
        let index = self.index.lock();
        index.objects.get(key).is_some_and(|object| index.is_refused(object))
    }

    /// Returns the objects that declare the same as this one, without it, whether they may or not.
    #[must_use]
    pub fn declarers_beside(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let index = self.index.lock();
        let declarers = index.declared_by.get(key).and_then(|declared| index.declarers.get(declared));
        declarers.into_iter().flatten().filter(|other| *other != key).cloned().collect()
    }

    /// Returns the object that owns a resource, of those that declare it.
    #[must_use]
    pub fn owner(&self, connection: &str, resource: SvixResource) -> Option<Object> {
        let index = self.index.lock();
        let owner = index.owner(&(connection.into(), resource))?;
        index.objects.get(owner).cloned()
    }

    /// Returns the object that owns what this object declares, when it is another.
    #[must_use]
    pub fn other_owner(&self, key: &ObjectKey) -> Option<ObjectKey> {
        let index = self.index.lock();
        let declared = index.declared_by.get(key)?;
        index.owner(declared).filter(|owner| *owner != key).cloned()
    }

    /// Returns the object that owns a resource once this one does not declare it any more.
    #[must_use]
    pub fn next_owner(
        &self,
        connection: &str,
        resource: &SvixResource,
        key: &ObjectKey,
    ) -> Option<ObjectKey> {
        let index = self.index.lock();
        let others = index.other_declarers(connection, resource, key);
        index.first_owner(others.iter(), connection).cloned()
    }

    /// Returns what an object declares, and the connection.
    #[must_use]
    pub fn declared_by(&self, key: &ObjectKey) -> Option<(Arc<str>, SvixResource)> {
        self.index.lock().declared_by.get(key).map(|declared| (**declared).clone())
    }

    /// Returns how many objects of a kind differ from Svix, of those that are only compared.
    #[must_use]
    pub fn count_differing(&self, kind: Kind) -> u32 {
        let index = self.index.lock();
        let objects = index.objects.values().filter(|object| object.kind() == kind);
        let count = objects.filter(|object| object.resource().has_difference()).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Returns how many objects there are of a kind, by what their `Ready` says.
    #[must_use]
    pub fn count(&self, kind: Kind) -> Readiness {
        let mut count = Readiness::default();
        for object in self.index.lock().objects.values().filter(|object| object.kind() == kind) {
            match object.ready() {
                Some(true) => count.ready += 1,
                Some(false) => count.not_ready += 1,
                None => count.unknown += 1,
            }
        }
        count
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
        assert_eq!(registry.upsert(object("u", 1, 1)), Change::Changed);
        assert_eq!(registry.store_own_write(object("u", 2, 1)), Change::None);
        assert_eq!(registry.upsert(object("u", 2, 1)), Change::None);
        assert_eq!(registry.upsert(object("u", 3, 1)), Change::Changed);
    }

    #[test]
    fn a_change_that_our_own_write_brings_along_is_news() {
        let registry = Registry::default();
        registry.upsert(object("u", 1, 1));
        // Somebody changed the spec (version 2), then we wrote status (version 3).
        assert_eq!(registry.store_own_write(object("u", 3, 2)), Change::Changed);
        assert_eq!(registry.upsert(object("u", 2, 2)), Change::None, "the watch is behind");
    }

    #[test]
    fn a_recreated_object_is_not_replaced_by_the_old() {
        let registry = Registry::default();
        registry.upsert(object("new", 5, 1));
        assert_eq!(registry.store_own_write(object("old", 4, 1)), Change::None);
        assert_eq!(version(&registry), "5");
        assert_eq!(
            registry.upsert(object("even newer", 2, 1)),
            Change::Changed,
            "versions of two objects do not compare"
        );
    }
}
