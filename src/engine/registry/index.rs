//! Who declares what, and who refers to what: the indexes of the registry, kept with each object that comes and goes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use crate::{
    api::{Condition, ConditionType, EventTypeDeletionPolicy, SvixConnection, WebhookEndpoint},
    engine::object::{Kind, Mode, Object, ObjectKey},
    plan::{ReconcileError, access::Grants, claims, ids},
};

use super::{ResourceKey, SvixResource};

#[derive(Default)]
pub(super) struct Index {
    pub(super) objects: HashMap<ObjectKey, Object>,
    /// The resource version of our own last write to an object: its echo is no news.
    pub(super) own_writes: HashMap<ObjectKey, String>,
    /// Who declares a thing, sorted; nearly always one.
    pub(super) things: HashMap<Arc<ResourceKey>, Vec<ObjectKey>>,
    pub(super) thing_of: HashMap<ObjectKey, Arc<ResourceKey>>,
    pub(super) by_connection: HashMap<Arc<str>, HashSet<ObjectKey>>,
    pub(super) by_config_map: HashMap<(Arc<str>, Box<str>), BTreeSet<ObjectKey>>,
    /// Endpoints by the Secrets that they take values from or write to.
    pub(super) by_secret: HashMap<(Arc<str>, Box<str>), BTreeSet<ObjectKey>>,
    /// The labels of namespaces.
    pub(super) namespaces: HashMap<Arc<str>, BTreeMap<String, String>>,
    /// Endpoints that are not ready and not stalled.
    pub(super) coming_endpoints: HashSet<ObjectKey>,
}

impl Index {
    /// Whoever holds a thing.
    pub(super) fn holder(&self, place: &ResourceKey) -> Option<&ObjectKey> {
        let keys = self.things.get(place)?;
        let claimants: Vec<_> = keys.iter().filter_map(|key| Some((key, self.objects.get(key)?))).collect();
        let claims: Vec<_> =
            claimants.iter().map(|(key, object)| self.claimant(key, object, &place.0)).collect();
        claims::holder(&claims).and_then(|index| claimants.get(index)).map(|(key, _)| *key)
    }

    /// An object that declares a thing, for the rule that says who holds it.
    pub(super) fn claimant<'a>(
        &self,
        key: &'a ObjectKey,
        object: &Object,
        connection: &str,
    ) -> claims::Claimant<'a> {
        claims::Claimant {
            permitted: self.permitted(object).is_ok(),
            managed: object.mode() != Mode::Observe,
            holds: object.holds_through() == Some(connection),
            created: object.created().map_or(0, |time| time.as_second()),
            namespace: &key.namespace,
            name: &key.name,
        }
    }

    /// Whether an object can hold a thing: it is more than compared, and its namespace may have it.
    pub(super) fn may_claim(&self, object: &Object) -> bool {
        object.mode() != Mode::Observe && self.permitted(object).is_ok()
    }

    pub(super) fn permitted(&self, object: &Object) -> Result<(), ReconcileError> {
        let Some(Object::Connection(connection)) =
            self.objects.get(&ObjectKey::connection(object.connection_name()))
        else {
            return Ok(());
        };
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        let grants = Grants::new(&connection.spec, namespace, self.namespaces.get(namespace));
        match object {
            Object::Connection(_) => Ok(()),
            Object::EventType(it) => {
                let expunge = it.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge;
                grants.event_type(&it.event_type_name(), it.spec.adoption(), expunge)
            }
            Object::Endpoint(it) => {
                let application = it.spec.application(&connection.spec);
                grants.endpoint(application, &it.spec.event_types, it.spec.adoption())
            }
            Object::Event(it) => grants.event(it.spec.application(&connection.spec), &it.spec.event_type),
        }
    }

    pub(super) fn insert(&mut self, key: ObjectKey, object: Object) {
        self.unindex(&key);
        // All maps share one copy of the names.
        let key = self.objects.get_key_value(&key).map_or(key, |(known, _)| known.clone());
        if !matches!(object, Object::Connection(_)) {
            for connection in self.connection_names(&object) {
                self.by_connection.entry(connection).or_default().insert(key.clone());
            }
        }
        for name in secrets(&object) {
            self.by_secret.entry((key.namespace.clone(), name.into())).or_default().insert(key.clone());
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

    pub(super) fn index_thing(&mut self, key: &ObjectKey) {
        let Some(object) = self.objects.get(key) else { return };
        let connection = self.connection_name(object);
        let thing = match object {
            Object::Connection(_) | Object::Event(_) => None,
            Object::EventType(object) => Some(SvixResource::EventType(object.event_type_name().into())),
            Object::Endpoint(endpoint) => match self.objects.get(&ObjectKey::connection(&connection)) {
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
    pub(super) fn connection_name(&self, object: &Object) -> Arc<str> {
        let name = object.connection_name();
        self.by_connection.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
    }

    /// The connection of an object, and the one that it still holds something through.
    pub(super) fn connection_names(&self, object: &Object) -> Vec<Arc<str>> {
        let mut names = vec![self.connection_name(object)];
        if let Some(other) = object.holds_through().filter(|other| *other != &*names[0]) {
            names.push(
                self.by_connection
                    .get_key_value(other)
                    .map_or_else(|| other.into(), |(known, _)| known.clone()),
            );
        }
        names
    }

    pub(super) fn unindex_thing(&mut self, key: &ObjectKey) {
        if let Some(thing) = self.thing_of.remove(key)
            && let Some(keys) = self.things.get_mut(&thing)
        {
            keys.retain(|claimant| claimant != key);
            if keys.is_empty() {
                self.things.remove(&thing);
            }
        }
    }

    pub(super) fn unindex(&mut self, key: &ObjectKey) {
        self.unindex_thing(key);
        self.coming_endpoints.remove(key);
        let Some(object) = self.objects.get(key) else { return };
        let connections = self.connection_names(object);
        let secrets: Vec<Box<str>> = secrets(object).map(Into::into).collect();
        let config_map = config_map(object).map(Box::from);
        for connection in connections {
            take_out(&mut self.by_connection, &connection, |keys| {
                keys.remove(key);
                keys.is_empty()
            });
        }
        for name in secrets {
            take_out(&mut self.by_secret, &(key.namespace.clone(), name), |keys| {
                keys.remove(key);
                keys.is_empty()
            });
        }
        if let Some(name) = config_map {
            take_out(&mut self.by_config_map, &(key.namespace.clone(), name), |keys| {
                keys.remove(key);
                keys.is_empty()
            });
        }
    }
}

/// Takes something out of an entry, and the entry with it when nothing is left.
fn take_out<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: &K, take: impl FnOnce(&mut V) -> bool) {
    if map.get_mut(key).is_some_and(take) {
        map.remove(key);
    }
}

/// The names of the Secrets that an object speaks of.
pub(super) fn secrets(object: &Object) -> impl Iterator<Item = &str> {
    let endpoint = match object {
        Object::Endpoint(endpoint) => Some(&endpoint.spec),
        _ => None,
    };
    endpoint.into_iter().flat_map(|spec| spec.secret_names())
}

pub(super) fn config_map(object: &Object) -> Option<&str> {
    match object {
        Object::EventType(object) => {
            object.spec.schema_from.as_ref().map(|source| source.config_map_key_ref.name.as_str())
        }
        _ => None,
    }
}

fn endpoint_thing(endpoint: &WebhookEndpoint, connection: &SvixConnection) -> SvixResource {
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    // One that was adopted by its id keeps its own uid.
    let name_of_connection = connection.metadata.name.as_deref();
    let held = endpoint.status.as_ref().and_then(|status| status.svix.as_ref());
    let held = held.filter(|svix| Some(svix.connection.as_str()) == name_of_connection);
    let uid = endpoint
        .spec
        .uid
        .clone()
        .or_else(|| held.map(|svix| svix.uid.clone()))
        .unwrap_or_else(|| ids::default_uid(&connection.spec.owner_id, namespace, name));
    SvixResource::Endpoint(endpoint.spec.application(&connection.spec).into(), uid.into())
}
