//! The indexes of the registry: who declares what, and who refers to what. They change with each object.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use crate::{
    api::{ConditionType, SvixConnection, WebhookEndpoint},
    plan::{self, ReconcileError, access::Grants, claims, ids, receivers::Subscriptions},
};

use super::super::object::{Kind, Mode, Object, ObjectKey, ResourceKey, SvixResource};

#[derive(Default)]
pub(super) struct Index {
    pub(super) objects: HashMap<ObjectKey, Object>,
    /// The resource version of our own last write to an object: the watch brings it back, and it is no change.
    pub(super) own_writes: HashMap<ObjectKey, String>,
    /// Who declares a resource, sorted; nearly always one.
    pub(super) declarers: HashMap<Arc<ResourceKey>, Vec<ObjectKey>>,
    pub(super) declared_by: HashMap<ObjectKey, Arc<ResourceKey>>,
    pub(super) by_connection: HashMap<Arc<str>, HashSet<ObjectKey>>,
    pub(super) by_config_map: HashMap<(Arc<str>, Box<str>), BTreeSet<ObjectKey>>,
    /// Endpoints by the Secrets that they take values from or write to.
    pub(super) by_secret: HashMap<(Arc<str>, Box<str>), BTreeSet<ObjectKey>>,
    /// Endpoints by the event types that they subscribe to.
    pub(super) subscriptions: Subscriptions<ObjectKey>,
    /// The labels of namespaces.
    pub(super) namespaces: HashMap<Arc<str>, BTreeMap<String, String>>,
    /// Endpoints that are not ready and not stalled.
    pub(super) pending_endpoints: HashSet<ObjectKey>,
}

impl Index {
    pub(super) fn connection(&self, name: &str) -> Option<&Arc<SvixConnection>> {
        match self.objects.get(&ObjectKey::connection(name)) {
            Some(Object::Connection(connection)) => Some(connection),
            _ => None,
        }
    }

    /// Returns an endpoint that is reconciled through this connection.
    pub(super) fn endpoint_of(&self, key: &ObjectKey, connection: &str) -> Option<Arc<WebhookEndpoint>> {
        match self.objects.get(key) {
            Some(Object::Endpoint(endpoint)) if endpoint.connection_name() == connection => {
                Some(endpoint.clone())
            }
            _ => None,
        }
    }

    /// Returns the object that owns a resource.
    pub(super) fn owner(&self, resource: &ResourceKey) -> Option<&ObjectKey> {
        self.first_owner(self.declarers.get(resource)?.iter(), &resource.0)
    }

    /// Returns which of these objects owns what all of them declare.
    pub(super) fn first_owner<'a>(
        &self,
        keys: impl Iterator<Item = &'a ObjectKey>,
        connection: &str,
    ) -> Option<&'a ObjectKey> {
        let known: Vec<_> = keys.filter_map(|key| Some((key, self.objects.get(key)?))).collect();
        let has_others = known.len() > 1;
        let declarers: Vec<_> = known
            .iter()
            .map(|(key, object)| claims::Declarer {
                is_refused: has_others && self.is_refused(object),
                ..self.declarer(key, object, connection)
            })
            .collect();
        let first = claims::owner(&declarers)?;
        // One that cannot be carried out keeps a name from nobody else, not even from one that cannot either.
        let is_owner = !declarers.get(first)?.gives_way();
        known.get(first).filter(|_| is_owner).map(|(key, _)| *key)
    }

    /// Returns an object that declares a resource, for the rule that says who owns it.
    fn declarer<'a>(&self, key: &'a ObjectKey, object: &Object, connection: &str) -> claims::Declarer<'a> {
        claims::Declarer {
            is_permitted: self.check_access(object).is_ok(),
            is_refused: false,
            is_managed: object.mode() != Mode::Observe,
            is_owner: object.recorded_connection() == Some(connection),
            created: object.created().map_or(0, |time| time.as_second()),
            namespace: &key.namespace,
            name: &key.name,
        }
    }

    /// Whether an object cannot be carried out as its spec is: status says so, or it shows without Svix.
    pub(super) fn is_refused(&self, object: &Object) -> bool {
        if object.ready() == Some(false) && claims::is_refused_by_status(object.conditions()) {
            return true;
        }
        let connection = self.connection(object.connection_name());
        match object {
            Object::EventType(event_type) => {
                let names = connection.map(|connection| connection.spec.event_type_names());
                claims::is_refused_event_type(event_type, names)
            }
            Object::Endpoint(endpoint) => {
                let spec = &endpoint.spec;
                let has_invalid_uid = [spec.uid.as_ref(), spec.application.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|uid| ids::check_uid(uid).is_err());
                let has_invalid_url =
                    spec.url.as_deref().is_some_and(|url| plan::endpoint::normal_url(url).is_err());
                !spec.validate().is_empty() || has_invalid_uid || has_invalid_url
            }
            Object::Connection(_) | Object::Event(_) => false,
        }
    }

    pub(super) fn other_declarers(
        &self,
        connection: &str,
        resource: &SvixResource,
        key: &ObjectKey,
    ) -> Vec<ObjectKey> {
        let declarers = self.declarers.get(&(connection.into(), resource.clone())).into_iter().flatten();
        let may_own = |object: &Object| {
            !object.is_deleting()
                && object.mode() != Mode::Observe
                && self.check_access(object).is_ok()
                && !self.is_refused(object)
        };
        declarers
            .filter(|other| *other != key && self.objects.get(*other).is_some_and(may_own))
            .cloned()
            .collect()
    }

    pub(super) fn grants<'a>(&'a self, object: &'a Object, connection: &'a SvixConnection) -> Grants<'a> {
        let namespace = object.namespace();
        Grants::new(&connection.spec, namespace, self.namespaces.get(namespace))
    }

    pub(super) fn check_access(&self, object: &Object) -> Result<(), ReconcileError> {
        match self.connection(object.connection_name()) {
            None => Ok(()),
            Some(connection) => object.resource().check_access(&self.grants(object, connection), connection),
        }
    }

    pub(super) fn insert(&mut self, key: ObjectKey, object: Object) {
        self.remove_from_indexes(&key);
        // All maps share one copy of the names.
        let key = self.objects.get_key_value(&key).map_or(key, |(known, _)| known.clone());
        let is_connection = key.kind == Kind::Connection;
        if !is_connection {
            for connection in self.connections_of(&object) {
                self.by_connection.entry(connection).or_default().insert(key.clone());
            }
        }
        for name in object.resource().secret_names() {
            self.by_secret.entry((key.namespace.clone(), name.into())).or_default().insert(key.clone());
        }
        if let Some(name) = object.resource().config_map_name() {
            self.by_config_map.entry((key.namespace.clone(), name.into())).or_default().insert(key.clone());
        }
        if let Object::Endpoint(endpoint) = &object {
            if is_pending(&object) {
                self.pending_endpoints.insert(key.clone());
            }
            let connection = self.shared_connection_name(endpoint.connection_name());
            let event_types = endpoint.spec.event_types.iter().map(String::as_str);
            self.subscriptions.add(&connection, event_types, &key);
        }
        self.objects.insert(key.clone(), object);
        self.index_declared(&key);
        if is_connection {
            // What endpoints declare depends on the connection's ownerId and default application.
            let users: Vec<_> = self.by_connection.get(&*key.name).into_iter().flatten().cloned().collect();
            users.iter().for_each(|user| self.index_declared(user));
        }
    }

    fn index_declared(&mut self, key: &ObjectKey) {
        let Some(object) = self.objects.get(key) else { return };
        let connection = self.shared_connection_name(object.connection_name());
        let declared = object.resource().declared(self.connection(&connection).map(AsRef::as_ref));
        self.remove_declared(key);
        if let Some(resource) = declared {
            let resource = Arc::new((connection, resource));
            let declarers = self.declarers.entry(resource.clone()).or_insert_with(|| Vec::with_capacity(1));
            if let Err(at) = declarers.binary_search(key) {
                declarers.insert(at, key.clone());
            }
            self.declared_by.insert(key.clone(), resource);
        }
    }

    fn remove_declared(&mut self, key: &ObjectKey) {
        if let Some(resource) = self.declared_by.remove(key) {
            remove_from(&mut self.declarers, &resource, |keys| {
                keys.retain(|declarer| declarer != key);
                keys.is_empty()
            });
        }
    }

    pub(super) fn remove_from_indexes(&mut self, key: &ObjectKey) {
        self.remove_declared(key);
        self.pending_endpoints.remove(key);
        let Some(object) = self.objects.get(key) else { return };
        if let Object::Endpoint(endpoint) = object {
            let event_types = endpoint.spec.event_types.iter().map(String::as_str);
            self.subscriptions.remove(endpoint.connection_name(), event_types, key);
        }
        let connections = self.connections_of(object);
        let secrets: Vec<Box<str>> = object.resource().secret_names().into_iter().map(Into::into).collect();
        let config_map = object.resource().config_map_name().map(Box::from);
        for connection in connections {
            remove_from(&mut self.by_connection, &connection, |keys| {
                keys.remove(key);
                keys.is_empty()
            });
        }
        for name in secrets {
            remove_from(&mut self.by_secret, &(key.namespace.clone(), name), |keys| {
                keys.remove(key);
                keys.is_empty()
            });
        }
        if let Some(name) = config_map {
            remove_from(&mut self.by_config_map, &(key.namespace.clone(), name), |keys| {
                keys.remove(key);
                keys.is_empty()
            });
        }
    }

    /// Returns the connection of an object, and the one on which status still records something.
    fn connections_of(&self, object: &Object) -> Vec<Arc<str>> {
        let name = object.connection_name();
        let recorded = object.recorded_connection().filter(|recorded| *recorded != name);
        std::iter::once(name)
            .chain(recorded)
            .chain(object.half_created_on())
            .map(|name| self.shared_connection_name(name))
            .collect()
    }

    /// Returns the name of a connection, in the one copy that there is.
    fn shared_connection_name(&self, name: &str) -> Arc<str> {
        self.by_connection.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }
}

fn is_pending(object: &Object) -> bool {
    let is_stalled = object.conditions().iter().any(|condition| condition.type_ == ConditionType::Stalled);
    object.ready() != Some(true) && !object.is_deleting() && !is_stalled
}

/// Removes something from an entry, and the entry with it when nothing is left.
fn remove_from<K: Hash + Eq, V>(map: &mut HashMap<K, V>, key: &K, remove: impl FnOnce(&mut V) -> bool) {
    if map.get_mut(key).is_some_and(remove) {
        map.remove(key);
    }
}
