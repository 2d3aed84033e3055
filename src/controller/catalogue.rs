//! Keeps the catalogue and the directory of the sidecar up to date from a cluster.
//!
//! Several objects may declare one event type. Events are judged by the schema of the object that the operator takes as
//! its owner, never by one that the `access` of the connection does not permit: else a tenant could have another
//! team's events refused. No second copy of a schema is kept here. When the owner changes because of another object or
//! of rules, the new owner is read from the API server.

mod connections;
mod declarations;
mod endpoints;
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, Resource as _, runtime::watcher};
use tokio::sync::mpsc;

use crate::{
    api::WebhookEventType,
    catalogue::{Catalogue, Declared, Directory, Holder},
    plan::{access, claims::Declaration},
};

pub use connections::feed_connections;
use declarations::{Declarations, Entry, EventTypeId};
pub use endpoints::feed_endpoints;
use schema::declared;

use super::{
    errors::describe,
    objects::drop_unused_metadata,
    readable::Readable,
    references::{WatchTask, watch_names},
    watch::{Change, NamespacedName, PAGE_OF_LARGE, Watch, WatchLog},
};

/// The objects of a list; `None`: one that cannot be decoded, of which what is known stays in force.
type List = BTreeMap<NamespacedName, Option<WebhookEventType>>;

/// Keeps the catalogue and the owners in the directory up to date, forever. Calls `synced` when the first list is
/// complete, and marks the catalogue as loaded then. `watched` are those that the operator watches, `None` all: nobody
/// reconciles an object elsewhere, so none judges messages.
///
/// # Assumptions
/// The connections and the namespaces are in the directory already: they say who may have which event type.
pub async fn feed_event_types(
    client: Client,
    catalogue: Catalogue,
    directory: Directory,
    watched: Option<Arc<BTreeSet<String>>>,
    synced: impl FnOnce() + Send,
) {
    let is_watched =
        |name: &NamespacedName| watched.as_ref().is_none_or(|watched| watched.contains(&*name.namespace));
    let api: Api<Readable<WebhookEventType>> = Api::all(client.clone());
    let log = WatchLog::new("WebhookEventType", None);
    let mut watch = Watch::new(api, watcher::Config::default().page_size(PAGE_OF_LARGE), log);
    let (changes, mut config_maps) = mpsc::unbounded_channel();
    let (mut connections, mut namespaces) = (directory.watch_connections(), directory.watch_namespaces());
    let mut feed = Feed {
        client,
        catalogue,
        directory,
        declarations: Declarations::default(),
        watches: HashMap::new(),
        changes,
        unreadable: BTreeSet::new(),
    };
    let mut synced = Some(synced);
    let mut list = List::new();
    loop {
        tokio::select! {
            change = watch.next() => match change {
                Change::Listed(object) => {
                    if is_watched(&NamespacedName::of(object.meta())) {
                        let (name, object) = decoded(object);
                        list.insert(name, object);
                    }
                }
                Change::Synced(names) => {
                    // A list that failed half-way may have left some that were deleted since.
                    list.retain(|name, _| names.contains(name));
                    feed.replace(std::mem::take(&mut list)).await;
                    if let Some(synced) = synced.take() {
                        feed.catalogue.loaded();
                        synced();
                    }
                }
                Change::Applied(object) => {
                    if !is_watched(&NamespacedName::of(object.meta())) {
                        continue;
                    }
                    match decoded(object) {
                        (name, Some(object)) => feed.apply(name, object).await,
                        (name, None) => feed.mark_unreadable([name]),
                    }
                }
                Change::Deleted(name) => feed.remove(&name).await,
                Change::Forbidden => {}
            },
            Some(config_map) = config_maps.recv() => feed.config_map_changed(&config_map).await,
            Ok(()) = connections.changed() => feed.rules_changed().await,
            Ok(()) = namespaces.changed() => feed.rules_changed().await,
        }
    }
}

fn decoded(object: Readable<WebhookEventType>) -> (NamespacedName, Option<WebhookEventType>) {
    let key = NamespacedName::of(object.meta());
    match object.0 {
        Ok(mut object) => {
            drop_unused_metadata(object.meta_mut());
            // Events are judged by the schema alone, and a list of all objects is in memory for a moment.
            object.spec.examples = Vec::new();
            object.status = None;
            (key, Some(object))
        }
        Err(unreadable) => {
            let NamespacedName { namespace, name } = &key;
            tracing::error!(
                %namespace, %name, error = %unreadable.error,
                "the WebhookEventType cannot be read; it is left as it is until its spec is corrected"
            );
            (key, None)
        }
    }
}

struct Feed {
    client: Client,
    catalogue: Catalogue,
    directory: Directory,
    declarations: Declarations,
    /// The watches of ConfigMaps, by namespace: one in each that refers to a ConfigMap.
    watches: HashMap<Arc<str>, WatchTask>,
    /// ConfigMaps that changed.
    changes: mpsc::UnboundedSender<NamespacedName>,
    /// Objects that cannot be decoded and never could: each may declare any event type.
    unreadable: BTreeSet<NamespacedName>,
}

impl Feed {
    /// Takes in a complete list.
    async fn replace(&mut self, list: List) {
        let before: Vec<EventTypeId> = self.declarations.event_types().cloned().collect();
        let deleted: Vec<_> = self.declarations.objects().map(|(object, _)| object.clone()).collect();
        for deleted in deleted.iter().filter(|object| !list.contains_key(*object)) {
            self.declarations.set(deleted, None);
        }
        for (name, object) in &list {
            if let Some(object) = object {
                self.declarations.set(name, Some(Entry::of(object)));
            }
        }

        let mut tables: HashMap<String, Vec<(String, Declared)>> = HashMap::new();
        // Event types whose schema is not known now: the previous one stays in force.
        let mut retained: HashSet<EventTypeId> = HashSet::new();
        let declared_now: Vec<EventTypeId> = self.declarations.event_types().cloned().collect();
        for event_type in &declared_now {
            let is_revoked = self.is_revoked(event_type);
            let Some(owner) = self.publish_owner(event_type) else { continue };
            let declared = match list.get(&owner) {
                Some(Some(object)) => declared(&self.client, object).await,
                _ => None,
            };
            match declared {
                Some(declared) => {
                    let table = tables.entry(event_type.connection.clone()).or_default();
                    table.push((event_type.name.clone(), declared));
                }
                None if is_revoked => self.catalogue.remove(&event_type.connection, &event_type.name),
                None => {
                    retained.insert(event_type.clone());
                }
            }
        }
        for event_type in before.iter().filter(|event_type| !self.declarations.has(event_type)) {
            self.publish_owner(event_type);
            self.record_unknown(event_type);
        }
        let connections: HashSet<_> =
            before.into_iter().chain(declared_now).map(|event_type| event_type.connection).collect();
        for connection in connections {
            let table = tables.remove(&connection).unwrap_or_default();
            self.replace_connection(connection, table, &retained);
        }
        for event_type in self.declarations.event_types() {
            self.record_unknown(event_type);
        }
        self.unreadable.clear();
        self.mark_unreadable(
            list.iter().filter(|(_, object)| object.is_none()).map(|(name, _)| name.clone()),
        );
        self.watch_config_maps();
    }

    /// Records objects that cannot be decoded, except those whose earlier version is in force.
    fn mark_unreadable(&mut self, objects: impl IntoIterator<Item = NamespacedName>) {
        let unknown = objects.into_iter().filter(|object| self.declarations.of(object).is_none());
        self.unreadable.extend(unknown);
        self.publish_unreadable();
    }

    fn mark_readable(&mut self, object: &NamespacedName) {
        if self.unreadable.remove(object) {
            self.publish_unreadable();
        }
    }

    fn publish_unreadable(&self) {
        let has_unreadable = !self.unreadable.is_empty();
        self.catalogue.update_unknown(|unknown| unknown.has_unreadable = has_unreadable);
    }

    /// Records whether an event type has an owner and no schema to judge payloads by.
    fn record_unknown(&self, event_type: &EventTypeId) {
        let EventTypeId { connection, name } = event_type;
        let is_unknown = self.owner(event_type).is_some() && !self.catalogue.contains(connection, name);
        let key = (connection.clone(), name.clone());
        self.catalogue.update_unknown(|unknown| {
            match is_unknown {
                true => unknown.event_types.insert(key),
                false => unknown.event_types.remove(&key),
            };
        });
    }

    /// Replaces the schemas of a connection. Those of `retained` stay.
    fn replace_connection(
        &self,
        connection: String,
        table: Vec<(String, Declared)>,
        retained: &HashSet<EventTypeId>,
    ) {
        if !retained.iter().any(|event_type| event_type.connection == connection) {
            for (name, error) in self.catalogue.replace(&connection, table) {
                warn_invalid(&EventTypeId { connection: connection.clone(), name }, &error);
            }
            return;
        }
        let names: HashSet<_> = table.iter().map(|(name, _)| name.clone()).collect();
        for (name, declared) in table {
            self.put(&EventTypeId { connection: connection.clone(), name }, declared);
        }
        for name in self.catalogue.names(&connection) {
            let event_type = EventTypeId { connection: connection.clone(), name };
            if !names.contains(&event_type.name) && !retained.contains(&event_type) {
                self.catalogue.remove(&event_type.connection, &event_type.name);
            }
        }
    }

    async fn apply(&mut self, name: NamespacedName, object: WebhookEventType) {
        self.mark_readable(&name);
        let entry = Entry::of(&object);
        let event_type = entry.event_type();
        let before = self.declarations.set(&name, Some(entry)).map(|before| before.event_type());
        if let Some(before) = before.filter(|before| *before != event_type) {
            self.update(&before, None).await;
        }
        self.watch_config_maps();
        self.update(&event_type, Some((name, object))).await;
    }

    async fn remove(&mut self, name: &NamespacedName) {
        self.mark_readable(name);
        if let Some(before) = self.declarations.set(name, None) {
            self.update(&before.event_type(), None).await;
        }
        self.watch_config_maps();
    }

    async fn config_map_changed(&mut self, config_map: &NamespacedName) {
        let refers = |(object, entry): &(&NamespacedName, &Entry)| {
            object.namespace == config_map.namespace && entry.config_map.as_deref() == Some(&*config_map.name)
        };
        let referring = self.declarations.objects().filter(refers);
        let event_types: Vec<_> = referring.map(|(_, entry)| entry.event_type()).collect();
        for event_type in event_types {
            self.update(&event_type, None).await;
        }
    }

    /// Updates the event types that have another owner by the present rules of connections and labels of namespaces.
    async fn rules_changed(&self) {
        let is_stale = |event_type: &&EventTypeId| self.owner(event_type) != self.published_owner(event_type);
        let stale: Vec<_> = self.declarations.event_types().filter(is_stale).cloned().collect();
        for event_type in stale {
            self.update(&event_type, None).await;
        }
    }

    /// Takes in what the owner of an event type declares, and records whether there is a schema. `known` is an object that
    /// was just read.
    async fn update(&self, event_type: &EventTypeId, known: Option<(NamespacedName, WebhookEventType)>) {
        self.update_schema(event_type, known).await;
        self.record_unknown(event_type);
    }

    async fn update_schema(
        &self,
        event_type: &EventTypeId,
        known: Option<(NamespacedName, WebhookEventType)>,
    ) {
        let EventTypeId { connection, name } = event_type;
        if self.is_revoked(event_type) {
            self.catalogue.remove(connection, name);
        }
        let Some(owner) = self.publish_owner(event_type) else {
            self.catalogue.remove(connection, name);
            return;
        };
        let object = match known.filter(|(name, _)| *name == owner) {
            Some((_, object)) => Some(object),
            None => self.read(&owner).await,
        };
        if let Some(object) = object
            && let Some(declared) = declared(&self.client, &object).await
        {
            self.put(event_type, declared);
        }
    }

    async fn read(&self, object: &NamespacedName) -> Option<WebhookEventType> {
        let NamespacedName { namespace, name } = object;
        let api: Api<WebhookEventType> = Api::namespaced(self.client.clone(), namespace);
        api.get_opt(name).await.unwrap_or_else(|error| {
            let error = describe(&error);
            tracing::warn!(
                %namespace, %name, error,
                "the WebhookEventType cannot be read; what is known of it stays in force"
            );
            None
        })
    }

    fn put(&self, event_type: &EventTypeId, declared: Declared) {
        if let Err(error) = self.catalogue.put(&event_type.connection, &event_type.name, declared) {
            warn_invalid(event_type, &error);
        }
    }

    /// Records the owner of an event type in the directory, and returns it.
    fn publish_owner(&self, event_type: &EventTypeId) -> Option<NamespacedName> {
        let owner = self.owner(event_type);
        let published = owner
            .as_ref()
            .map(|owner| Holder { namespace: owner.namespace.to_string(), name: owner.name.to_string() });
        self.directory.set_holder(&event_type.connection, &event_type.name, published);
        owner
    }

    /// Returns the owner that is in the directory.
    fn published_owner(&self, event_type: &EventTypeId) -> Option<NamespacedName> {
        let Holder { namespace, name } = self.directory.holder(&event_type.connection, &event_type.name)?;
        Some(NamespacedName { namespace: namespace.into(), name: name.into() })
    }

    fn owner(&self, event_type: &EventTypeId) -> Option<NamespacedName> {
        self.declarations.owner(event_type, |object, declaration| self.is_permitted(object, declaration))
    }

    /// Whether the connection permits an object what it declares.
    fn is_permitted(&self, object: &NamespacedName, declaration: &Declaration) -> bool {
        let connection = self.directory.connection(&declaration.connection);
        let labels = self.directory.namespace(&object.namespace);
        access::check(declaration, &object.namespace, connection.as_deref(), labels.as_deref()).is_ok()
    }

    /// Whether the schema in force comes from an object that still declares the event type and is not permitted to any
    /// more. Such a schema does not stay, even when there is no other one.
    fn is_revoked(&self, event_type: &EventTypeId) -> bool {
        let Some(owner) = self.published_owner(event_type) else { return false };
        let entry = self.declarations.of(&owner).filter(|entry| entry.event_type() == *event_type);
        entry.is_some_and(|entry| !self.is_permitted(&owner, &entry.declaration))
    }

    /// Watches ConfigMaps in the namespaces that refer to one, and in no others.
    fn watch_config_maps(&mut self) {
        let wanted: HashSet<&Arc<str>> = self
            .declarations
            .objects()
            .filter(|(_, entry)| entry.config_map.is_some())
            .map(|(object, _)| &object.namespace)
            .collect();
        self.watches.retain(|namespace, _| wanted.contains(namespace));
        for namespace in wanted {
            if self.watches.contains_key(namespace) {
                continue;
            }
            let (client, changes, namespace) = (self.client.clone(), self.changes.clone(), namespace.clone());
            let task = WatchTask::spawn({
                let namespace = namespace.clone();
                async move {
                    watch_names::<ConfigMap>(client, &namespace, |name| {
                        // The receiver goes away only when the whole feed ends.
                        let _ =
                            changes.send(NamespacedName { namespace: namespace.clone(), name: name.into() });
                    })
                    .await;
                }
            });
            self.watches.insert(namespace, task);
        }
    }
}

fn warn_invalid(event_type: &EventTypeId, error: &crate::schema::InvalidSchema) {
    let EventTypeId { connection, name } = event_type;
    tracing::warn!(
        connection, event_type = name, %error,
        "the schema cannot be used; the previous one stays in force, if there is one"
    );
}
