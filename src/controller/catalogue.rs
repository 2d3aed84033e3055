//! Keeps the catalogue and the directory of the sidecar current from a cluster.
//!
//! If several objects declare one event type, payloads are validated by the schema of the one that the operator chooses
//! as the owner: never one that its connection's `access` does not permit, or a tenant could have another team's events
//! refused. No second copy of a schema is kept here: when another object becomes the owner, it is read again.

mod connections;
mod declarations;

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Resource as _,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use tokio::sync::mpsc;

use crate::{
    api::WebhookEventType,
    catalogue::{Catalogue, Declared, Directory, Holder},
    plan::{
        access,
        claims::Declaration,
        schema_source::{self, Source},
    },
};

pub use connections::feed_connections;
use declarations::{Declarations, Entry, EventTypeName, ObjectName};

use super::{
    errors::{WatchLog, describe},
    readable::Readable,
    references::{Watch, watch_names},
    watch::{PAGE, slim},
};

/// Keeps the catalogue and the owners in the directory current, forever. `synced` is called after the first list; the
/// catalogue is marked as loaded then. The directory has the rules of connections and the labels of namespaces, so both
/// should be in it before.
pub async fn feed_event_types(
    client: Client,
    catalogue: Catalogue,
    directory: Directory,
    synced: impl FnOnce() + Send,
) {
    let api: Api<Readable<WebhookEventType>> = Api::all(client.clone());
    let stream = watcher::watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    pin_mut!(stream);
    let (changes, mut changed) = mpsc::unbounded_channel();
    let (mut connections, mut namespaces) = (directory.watch_connections(), directory.watch_namespaces());
    let mut feed = Feed {
        client,
        catalogue,
        directory,
        declarations: Declarations::default(),
        watches: HashMap::new(),
        changes,
    };
    let mut log = WatchLog::of("WebhookEventType", None);
    let mut synced = Some(synced);
    // Objects of a list that is not complete yet; `None`: one that cannot be read, whose last known state stays.
    let mut list: BTreeMap<ObjectName, Option<WebhookEventType>> = BTreeMap::new();
    loop {
        tokio::select! {
            event = stream.next() => match event {
                None => return,
                Some(Ok(Event::Init)) => list.clear(),
                Some(Ok(Event::InitApply(guard))) => {
                    let (key, object) = read(guard);
                    list.insert(key, object);
                }
                Some(Ok(Event::InitDone)) => {
                    log.works();
                    feed.replace(std::mem::take(&mut list)).await;
                    if let Some(synced) = synced.take() {
                        feed.catalogue.loaded();
                        synced();
                    }
                }
                Some(Ok(Event::Apply(guard))) => {
                    if let (key, Some(object)) = read(guard) {
                        feed.apply(key, object).await;
                    }
                }
                Some(Ok(Event::Delete(guard))) => feed.remove(&key_of(&guard)).await,
                Some(Err(error)) => log.failed(&error),
            },
            Some((namespace, name)) = changed.recv() => feed.config_map_changed(&namespace, &name).await,
            Ok(()) = connections.changed() => feed.rules_changed().await,
            Ok(()) = namespaces.changed() => feed.rules_changed().await,
        }
    }
}

fn key_of(guard: &Readable<WebhookEventType>) -> ObjectName {
    let meta = guard.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

fn read(guard: Readable<WebhookEventType>) -> (ObjectName, Option<WebhookEventType>) {
    let key = key_of(&guard);
    match guard.0 {
        Ok(mut object) => {
            slim(object.meta_mut());
            (key, Some(object))
        }
        Err(error) => {
            let (namespace, name) = &key;
            tracing::error!(namespace, name, error = %error.error, "the WebhookEventType cannot be read and is left as it is; correct its spec");
            (key, None)
        }
    }
}

struct Feed {
    client: Client,
    catalogue: Catalogue,
    directory: Directory,
    declarations: Declarations,
    /// Watches of ConfigMaps, in the namespaces that refer to one.
    watches: HashMap<String, Watch>,
    changes: mpsc::UnboundedSender<ObjectName>,
}

impl Feed {
    /// Replaces all objects.
    async fn replace(&mut self, list: BTreeMap<ObjectName, Option<WebhookEventType>>) {
        let mut connections: HashSet<String> =
            self.declarations.by_event_type.keys().map(|(connection, _)| connection.clone()).collect();
        let before: Vec<EventTypeName> = self.declarations.by_event_type.keys().cloned().collect();
        for removed in self
            .declarations
            .by_object
            .keys()
            .filter(|key| !list.contains_key(*key))
            .cloned()
            .collect::<Vec<_>>()
        {
            self.declarations.set(&removed, None);
        }
        for (key, object) in &list {
            if let Some(object) = object {
                self.declarations.set(key, Some(Entry::of(object)));
            }
        }
        let mut tables: HashMap<String, Vec<(String, Declared)>> = HashMap::new();
        let event_types: Vec<EventTypeName> = self.declarations.by_event_type.keys().cloned().collect();
        let mut kept: Vec<EventTypeName> = Vec::new();
        for event_type in &event_types {
            let is_revoked = self.is_revoked(event_type);
            let Some(owner) = self.publish_owner(event_type) else { continue };
            let declared = match list.get(&owner) {
                Some(Some(object)) => self.declared(object).await,
                _ => None,
            };
            match declared {
                Some(declared) => {
                    tables.entry(event_type.0.clone()).or_default().push((event_type.1.clone(), declared));
                }
                None if is_revoked => self.catalogue.remove(&event_type.0, &event_type.1),
                None => kept.push(event_type.clone()),
            }
        }
        for removed in
            before.iter().filter(|event_type| !self.declarations.by_event_type.contains_key(*event_type))
        {
            self.publish_owner(removed);
        }
        connections.extend(event_types.into_iter().map(|(connection, _)| connection));
        for connection in connections {
            let table = tables.remove(&connection).unwrap_or_default();
            if kept.iter().any(|event_type| event_type.0 == connection) {
                // Some stay as they were known: no exchange of the whole.
                let names: HashSet<_> = table.iter().map(|(name, _)| name.clone()).collect();
                for (name, declared) in table {
                    self.put(&(connection.clone(), name), declared);
                }
                for name in self.catalogue.names(&connection) {
                    let event_type = (connection.clone(), name);
                    if !names.contains(&event_type.1) && !kept.contains(&event_type) {
                        self.catalogue.remove(&event_type.0, &event_type.1);
                    }
                }
            } else {
                for (name, error) in self.catalogue.replace(&connection, table) {
                    log_invalid(&(connection.clone(), name), &error);
                }
            }
        }
        self.watch_config_maps();
    }

    async fn apply(&mut self, key: ObjectName, object: WebhookEventType) {
        let entry = Entry::of(&object);
        let event_type = entry.event_type();
        let before = self.declarations.set(&key, Some(entry)).map(|before| before.event_type());
        if let Some(before) = before.filter(|before| *before != event_type) {
            self.refresh(&before, None).await;
        }
        self.watch_config_maps();
        self.refresh(&event_type, Some((key, object))).await;
    }

    async fn remove(&mut self, key: &ObjectName) {
        if let Some(before) = self.declarations.set(key, None) {
            self.refresh(&before.event_type(), None).await;
        }
        self.watch_config_maps();
    }

    async fn config_map_changed(&mut self, namespace: &str, name: &str) {
        let concerned = self
            .declarations
            .by_object
            .iter()
            .filter(|(object, entry)| object.0 == namespace && entry.config_map.as_deref() == Some(name))
            .map(|(_, entry)| entry.event_type());
        for event_type in concerned.collect::<Vec<_>>() {
            self.refresh(&event_type, None).await;
        }
    }

    /// The rules of connections, or the labels of namespaces, have changed: refreshes the event types that have another
    /// owner by them.
    async fn rules_changed(&self) {
        let has_other_owner = |name: &&EventTypeName| self.owner(name) != self.published_owner(name);
        let changed = self.declarations.by_event_type.keys().filter(has_other_owner);
        for event_type in changed.cloned().collect::<Vec<_>>() {
            self.refresh(&event_type, None).await;
        }
    }

    /// Puts the schema of an event type's owner into the catalogue; `known` is an object that was just received.
    async fn refresh(&self, event_type: &EventTypeName, known: Option<(ObjectName, WebhookEventType)>) {
        if self.is_revoked(event_type) {
            self.catalogue.remove(&event_type.0, &event_type.1);
        }
        let Some(owner) = self.publish_owner(event_type) else {
            self.catalogue.remove(&event_type.0, &event_type.1);
            return;
        };
        let object = match known.filter(|(key, _)| *key == owner) {
            Some((_, object)) => Some(object),
            None => {
                let api: Api<WebhookEventType> = Api::namespaced(self.client.clone(), &owner.0);
                api.get_opt(&owner.1).await.unwrap_or_else(|error| {
                    tracing::warn!(
                        namespace = owner.0,
                        name = owner.1,
                        error = describe(&error),
                        "the WebhookEventType cannot be read; what was known of it stays"
                    );
                    None
                })
            }
        };
        if let Some(object) = object
            && let Some(declared) = self.declared(&object).await
        {
            self.put(event_type, declared);
        }
    }

    fn put(&self, event_type: &EventTypeName, declared: Declared) {
        if let Err(error) = self.catalogue.put(&event_type.0, &event_type.1, declared) {
            log_invalid(event_type, &error);
        }
    }

    fn publish_owner(&self, event_type: &EventTypeName) -> Option<ObjectName> {
        let owner = self.owner(event_type);
        let published = owner.clone().map(|(namespace, name)| Holder { namespace, name });
        self.directory.set_holder(&event_type.0, &event_type.1, published);
        owner
    }

    /// The owner as it was published last.
    fn published_owner(&self, event_type: &EventTypeName) -> Option<ObjectName> {
        self.directory
            .holder(&event_type.0, &event_type.1)
            .map(|Holder { namespace, name }| (namespace, name))
    }

    fn owner(&self, event_type: &EventTypeName) -> Option<ObjectName> {
        self.declarations.owner(event_type, |object, it| self.is_permitted(object, it))
    }

    /// Whether the connection permits an object what it declares.
    fn is_permitted(&self, object: &ObjectName, declaration: &Declaration) -> bool {
        let connection = self.directory.connection(&declaration.connection);
        let labels = self.directory.namespace(&object.0);
        access::check(declaration, &object.0, connection.as_deref(), labels.as_deref()).is_ok()
    }

    /// Whether the present schema comes from an object that still declares the event type and is no longer permitted to.
    /// Then it is removed, even if there is no other schema.
    fn is_revoked(&self, event_type: &EventTypeName) -> bool {
        let Some(owner) = self.published_owner(event_type) else { return false };
        let entry = self.declarations.by_object.get(&owner);
        entry.is_some_and(|entry| {
            entry.event_type() == *event_type && !self.is_permitted(&owner, &entry.declaration)
        })
    }

    /// The schema that an object declares; `None`: it cannot be read or is invalid. The object's own status says so, too.
    async fn declared(&self, object: &WebhookEventType) -> Option<Declared> {
        let (namespace, name) = (object.metadata.namespace.as_deref()?, object.metadata.name.as_deref()?);
        let schema = match schema_source::schema_text(object) {
            Ok(Source::Inline(schema)) => Ok(schema),
            Ok(Source::ConfigMap(reference)) => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
                match api.get_opt(&reference.name).await {
                    Ok(found) => {
                        let text = found.and_then(|map| map.data?.remove(&reference.key));
                        let text = text.ok_or_else(|| {
                            format!("ConfigMap {} has no key {}", reference.name, reference.key)
                        });
                        text.and_then(|text| {
                            schema_source::parse_schema(object, &text).map_err(|problem| problem.to_string())
                        })
                    }
                    Err(error) => Err(describe(&error)),
                }
            }
            Err(error) => Err(error.to_string()),
        };
        match schema {
            Ok(schema) => Some(Declared {
                schema,
                format_assertion: object.spec.format_assertion(),
                policy: object.spec.payload_policy(),
            }),
            Err(problem) => {
                tracing::warn!(
                    namespace,
                    name,
                    problem,
                    "no schema to validate events by; the one before stays, if any"
                );
                None
            }
        }
    }

    fn watch_config_maps(&mut self) {
        let wanted: HashSet<&String> = self
            .declarations
            .by_object
            .iter()
            .filter(|(_, entry)| entry.config_map.is_some())
            .map(|(key, _)| &key.0)
            .collect();
        self.watches.retain(|namespace, _| wanted.contains(namespace));
        for namespace in wanted {
            if self.watches.contains_key(namespace) {
                continue;
            }
            let (client, changes, place) = (self.client.clone(), self.changes.clone(), namespace.clone());
            let task = tokio::spawn(async move {
                watch_names::<ConfigMap>(client, &place, |name| {
                    // The receiver is gone only when everything ends.
                    let _ = changes.send((place.clone(), name.to_owned()));
                })
                .await;
            });
            self.watches.insert(namespace.clone(), Watch::new(&task));
        }
    }
}

fn log_invalid(event_type: &EventTypeName, error: &crate::schema::InvalidSchema) {
    tracing::warn!(connection = event_type.0, event_type = event_type.1, %error, "the schema cannot be used; the one before stays, if any");
}
