//! What the objects of a cluster declare, and the catalogue and directory that follow from it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::{
    api::{SvixConnectionSpec, WebhookEventType},
    catalogue::{CatalogueWriter, Declared, Directory, Holder, Unusable},
    plan::{
        access,
        claims::{Declaration, Standing},
        ids,
    },
};

use super::{
    super::{
        errors::describe,
        references::{WatchTask, watch_names},
        watch::NamespacedName,
    },
    declarations::{Declarations, Entry, EventTypeId},
    schema::declared,
};

/// An object that was read, without what neither the catalogue nor the directory needs.
pub(super) struct Declaring {
    /// What it declares, by its spec and its status.
    pub entry: Entry,
    /// The object, without status and examples.
    pub object: WebhookEventType,
}

/// The objects of a list; `None`: one that cannot be decoded, of which what is known stays in force.
pub(super) type List = BTreeMap<NamespacedName, Option<Declaring>>;

pub(super) struct Feed {
    client: Client,
    writer: CatalogueWriter,
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
    /// Returns a feed that knows no object. Each ConfigMap that changes is sent to `changes`.
    pub fn new(
        client: Client,
        writer: CatalogueWriter,
        directory: Directory,
        changes: mpsc::UnboundedSender<NamespacedName>,
    ) -> Self {
        Self {
            client,
            writer,
            directory,
            declarations: Declarations::default(),
            watches: HashMap::new(),
            changes,
            unreadable: BTreeSet::new(),
        }
    }

    /// Takes in a complete list.
    pub async fn replace(&mut self, list: List) {
        let before: Vec<EventTypeId> = self.declarations.event_types().cloned().collect();
        let deleted: Vec<_> = self.declarations.objects().map(|(object, _)| object.clone()).collect();
        for deleted in deleted.iter().filter(|object| !list.contains_key(*object)) {
            self.declarations.set(deleted, None);
        }
        for (name, declaring) in &list {
            if let Some(declaring) = declaring {
                self.declarations.set(name, Some(declaring.entry.clone()));
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
                Some(Some(declaring)) => declared(&self.client, &declaring.object).await,
                _ => None,
            };
            match declared {
                Some(declared) => {
                    let table = tables.entry(event_type.connection.clone()).or_default();
                    table.push((event_type.name.clone(), declared));
                }
                None if is_revoked => {
                    self.writer.catalogue().remove(&event_type.connection, &event_type.name)
                }
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
            self.replace_connection(connection, table, &retained).await;
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
    pub fn mark_unreadable(&mut self, objects: impl IntoIterator<Item = NamespacedName>) {
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
        self.writer.catalogue().update_unknown(|unknown| unknown.has_unreadable = has_unreadable);
    }

    /// Records whether an event type has an owner and no schema to judge payloads by.
    fn record_unknown(&self, event_type: &EventTypeId) {
        let EventTypeId { connection, name } = event_type;
        let is_unknown =
            self.owner(event_type).is_some() && !self.writer.catalogue().contains(connection, name);
        let key = (connection.clone(), name.clone());
        self.writer.catalogue().update_unknown(|unknown| {
            match is_unknown {
                true => unknown.event_types.insert(key),
                false => unknown.event_types.remove(&key),
            };
        });
    }

    /// Replaces the schemas of a connection. Those of `retained` stay.
    async fn replace_connection(
        &self,
        connection: String,
        table: Vec<(String, Declared)>,
        retained: &HashSet<EventTypeId>,
    ) {
        if !retained.iter().any(|event_type| event_type.connection == connection) {
            for (name, error) in self.writer.replace(&connection, table).await {
                warn_invalid(&EventTypeId { connection: connection.clone(), name }, &error);
            }
            return;
        }
        let names: HashSet<_> = table.iter().map(|(name, _)| name.clone()).collect();
        for (name, declared) in table {
            self.put(&EventTypeId { connection: connection.clone(), name }, declared).await;
        }
        for name in self.writer.catalogue().names(&connection) {
            let event_type = EventTypeId { connection: connection.clone(), name };
            if !names.contains(&event_type.name) && !retained.contains(&event_type) {
                self.writer.catalogue().remove(&event_type.connection, &event_type.name);
            }
        }
    }

    /// Takes in an object that was created or changed.
    pub async fn apply(&mut self, name: NamespacedName, declaring: Declaring) {
        self.mark_readable(&name);
        let Declaring { entry, object } = declaring;
        let event_type = entry.event_type();
        let before = self.declarations.set(&name, Some(entry)).map(|before| before.event_type());
        if let Some(before) = before.filter(|before| *before != event_type) {
            self.update(&before, None).await;
        }
        self.watch_config_maps();
        self.update(&event_type, Some((name, object))).await;
    }

    /// Takes in that an object was deleted.
    pub async fn remove(&mut self, name: &NamespacedName) {
        self.mark_readable(name);
        if let Some(before) = self.declarations.set(name, None) {
            self.update(&before.event_type(), None).await;
        }
        self.watch_config_maps();
    }

    /// Reads a ConfigMap again, if a schema is in it.
    pub async fn config_map_changed(&mut self, config_map: &NamespacedName) {
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
    pub async fn rules_changed(&self) {
        let is_stale = |event_type: &&EventTypeId| {
            let owner = self.owner(event_type).map(|(owner, _)| owner);
            owner != self.published_owner(event_type)
        };
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
            self.writer.catalogue().remove(connection, name);
        }
        let Some(owner) = self.publish_owner(event_type) else {
            self.writer.catalogue().remove(connection, name);
            return;
        };
        let object = match known.filter(|(name, _)| *name == owner) {
            Some((_, object)) => Some(object),
            None => self.read(&owner).await,
        };
        if let Some(object) = object
            && let Some(declared) = declared(&self.client, &object).await
        {
            self.put(event_type, declared).await;
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

    async fn put(&self, event_type: &EventTypeId, declared: Declared) {
        let EventTypeId { connection, name } = event_type;
        if let Err(error) = self.writer.put(connection, name, declared).await {
            warn_invalid(event_type, &error);
        }
    }

    /// Records the owner of an event type in the directory, and returns it.
    fn publish_owner(&self, event_type: &EventTypeId) -> Option<NamespacedName> {
        let owner = self.owner(event_type);
        let published = owner.as_ref().map(|(NamespacedName { namespace, name }, is_refused)| Holder {
            namespace: namespace.to_string(),
            name: name.to_string(),
            is_refused: *is_refused,
        });
        self.directory.set_holder(&event_type.connection, &event_type.name, published);
        owner.map(|(owner, _)| owner)
    }

    /// Returns the owner that is in the directory.
    fn published_owner(&self, event_type: &EventTypeId) -> Option<NamespacedName> {
        let Holder { namespace, name, is_refused: _ } =
            self.directory.holder(&event_type.connection, &event_type.name)?;
        Some(NamespacedName { namespace: namespace.into(), name: name.into() })
    }

    /// Returns the object that owns an event type, and whether it would give way to another one.
    fn owner(&self, event_type: &EventTypeId) -> Option<(NamespacedName, bool)> {
        let connection = self.directory.connection(&event_type.connection);
        let names = connection.as_deref().map(SvixConnectionSpec::event_type_names);
        let has_invalid_name =
            names.is_some_and(|names| ids::check_event_type_name(&event_type.name, names).is_err());
        self.declarations.owner(event_type, |object, declaration| Standing {
            is_permitted: self.is_permitted(object, declaration),
            is_refused: has_invalid_name,
        })
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

fn warn_invalid(event_type: &EventTypeId, error: &Unusable) {
    let EventTypeId { connection, name } = event_type;
    tracing::warn!(
        connection, event_type = name, %error,
        "the schema cannot be used; the previous one stays in force, if there is one"
    );
}
