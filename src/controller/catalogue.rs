//! Keeps the catalogue and the directory of the sidecar current from a cluster.
//!
//! Of several objects that declare one event type, the one that the operator would take is judged by: never one that its
//! connection's `access` does not let have it, or a tenant could have another team's events refused. No second copy
//! of a schema is kept here: when the holder changes because another object did, or the rules, the new one is read again.

mod claims;
mod connections;

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
        access::Grants,
        schema_source::{self, Source},
    },
};

use claims::{Claim, Claims, Key, Thing};
pub use connections::feed_connections;

use super::{
    errors::{WatchLog, describe},
    readable::Readable,
    references::{Watch, watch_names},
    watch::{PAGE, slim},
};

/// Keeps the catalogue and the directory's holders current, for ever. `synced` is called when the first list is in;
/// the catalogue is marked as loaded then. Who may hold what is asked of the directory, so its connections and
/// namespaces should be in before.
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
    let mut feed =
        Feed { client, catalogue, directory, claims: Claims::default(), watches: HashMap::new(), changes };
    let mut log = WatchLog::of("WebhookEventType", None);
    let mut synced = Some(synced);
    // Objects of a list that is under way; `None`: one that cannot be read, of which what was known stays.
    let mut list: BTreeMap<Key, Option<WebhookEventType>> = BTreeMap::new();
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

fn key_of(guard: &Readable<WebhookEventType>) -> Key {
    let meta = guard.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

fn read(guard: Readable<WebhookEventType>) -> (Key, Option<WebhookEventType>) {
    let key = key_of(&guard);
    match guard.0 {
        Ok(mut object) => {
            slim(object.meta_mut());
            (key, Some(object))
        }
        Err(error) => {
            let (namespace, name) = &key;
            tracing::error!(namespace, name, error = %error.error, "the WebhookEventType cannot be read and is left as it is; mend its spec");
            (key, None)
        }
    }
}

struct Feed {
    client: Client,
    catalogue: Catalogue,
    directory: Directory,
    claims: Claims,
    /// Of ConfigMaps, in the namespaces that refer to one.
    watches: HashMap<String, Watch>,
    changes: mpsc::UnboundedSender<Key>,
}

impl Feed {
    /// Takes in all objects at once.
    async fn replace(&mut self, list: BTreeMap<Key, Option<WebhookEventType>>) {
        let mut connections: HashSet<String> =
            self.claims.on.keys().map(|(connection, _)| connection.clone()).collect();
        let before: Vec<Thing> = self.claims.on.keys().cloned().collect();
        for gone in self.claims.of.keys().filter(|key| !list.contains_key(*key)).cloned().collect::<Vec<_>>()
        {
            self.claims.set(&gone, None);
        }
        for (key, object) in &list {
            if let Some(object) = object {
                self.claims.set(key, Some(Claim::of(object)));
            }
        }
        let mut tables: HashMap<String, Vec<(String, Declared)>> = HashMap::new();
        let things: Vec<Thing> = self.claims.on.keys().cloned().collect();
        let mut kept: Vec<Thing> = Vec::new();
        for thing in &things {
            let barred = self.is_barred(thing);
            let Some(holder) = self.tell_holder(thing) else { continue };
            let declared = match list.get(&holder) {
                Some(Some(object)) => self.declared(object).await,
                _ => None,
            };
            match declared {
                Some(declared) => {
                    tables.entry(thing.0.clone()).or_default().push((thing.1.clone(), declared));
                }
                None if barred => self.catalogue.remove(&thing.0, &thing.1),
                None => kept.push(thing.clone()),
            }
        }
        for gone in before.iter().filter(|thing| !self.claims.on.contains_key(*thing)) {
            self.tell_holder(gone);
        }
        connections.extend(things.into_iter().map(|(connection, _)| connection));
        for connection in connections {
            let table = tables.remove(&connection).unwrap_or_default();
            if kept.iter().any(|thing| thing.0 == connection) {
                // Some stay as they were known: no exchange of the whole.
                let names: HashSet<_> = table.iter().map(|(name, _)| name.clone()).collect();
                for (name, declared) in table {
                    self.put(&(connection.clone(), name), declared);
                }
                for name in self.catalogue.names(&connection) {
                    let thing = (connection.clone(), name);
                    if !names.contains(&thing.1) && !kept.contains(&thing) {
                        self.catalogue.remove(&thing.0, &thing.1);
                    }
                }
            } else {
                for (name, error) in self.catalogue.replace(&connection, table) {
                    tell_broken(&(connection.clone(), name), &error);
                }
            }
        }
        self.watch_config_maps();
    }

    async fn apply(&mut self, key: Key, object: WebhookEventType) {
        let claim = Claim::of(&object);
        let thing = claim.thing.clone();
        let before = self.claims.set(&key, Some(claim));
        if let Some(before) = before.filter(|before| before.thing != thing) {
            self.look(&before.thing, None).await;
        }
        self.watch_config_maps();
        self.look(&thing, Some((key, object))).await;
    }

    async fn remove(&mut self, key: &Key) {
        if let Some(before) = self.claims.set(key, None) {
            self.look(&before.thing, None).await;
        }
        self.watch_config_maps();
    }

    async fn config_map_changed(&mut self, namespace: &str, name: &str) {
        let concerned = self
            .claims
            .of
            .iter()
            .filter(|(key, claim)| key.0 == namespace && claim.config_map.as_deref() == Some(name))
            .map(|(_, claim)| claim.thing.clone());
        for thing in concerned.collect::<Vec<_>>() {
            self.look(&thing, None).await;
        }
    }

    /// Rules of connections, or the labels of namespaces, are others: takes in what is declared where another holds an
    /// event type by them.
    async fn rules_changed(&self) {
        let other = |thing: &&Thing| self.holder(thing) != self.told_holder(thing);
        for thing in self.claims.on.keys().filter(other).cloned().collect::<Vec<_>>() {
            self.look(&thing, None).await;
        }
    }

    /// Takes in what the holder of an event type declares; `known` is an object that was just seen.
    async fn look(&self, thing: &Thing, known: Option<(Key, WebhookEventType)>) {
        if self.is_barred(thing) {
            self.catalogue.remove(&thing.0, &thing.1);
        }
        let Some(holder) = self.tell_holder(thing) else {
            self.catalogue.remove(&thing.0, &thing.1);
            return;
        };
        let object = match known.filter(|(key, _)| *key == holder) {
            Some((_, object)) => Some(object),
            None => {
                let api: Api<WebhookEventType> = Api::namespaced(self.client.clone(), &holder.0);
                api.get_opt(&holder.1).await.unwrap_or_else(|error| {
                    tracing::warn!(
                        namespace = holder.0,
                        name = holder.1,
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
            self.put(thing, declared);
        }
    }

    fn put(&self, thing: &Thing, declared: Declared) {
        if let Err(error) = self.catalogue.put(&thing.0, &thing.1, declared) {
            tell_broken(thing, &error);
        }
    }

    fn tell_holder(&self, thing: &Thing) -> Option<Key> {
        let holder = self.holder(thing);
        let told = holder.clone().map(|(namespace, name)| Holder { namespace, name });
        self.directory.set_holder(&thing.0, &thing.1, told);
        holder
    }

    /// The holder as it was last told.
    fn told_holder(&self, thing: &Thing) -> Option<Key> {
        self.directory.holder(&thing.0, &thing.1).map(|Holder { namespace, name }| (namespace, name))
    }

    fn holder(&self, thing: &Thing) -> Option<Key> {
        self.claims.holder(thing, |key, claim| self.permitted(key, claim))
    }

    /// Whether the connection lets an object have what it claims. One that is not there has no rules, as for the
    /// operator.
    fn permitted(&self, key: &Key, claim: &Claim) -> bool {
        let Claim { thing: (connection, event_type), adoption, expunge, .. } = claim;
        let Some(connection) = self.directory.connection(connection) else { return true };
        let labels = self.directory.namespace(&key.0);
        Grants::new(&connection, &key.0, labels.as_deref())
            .event_type(event_type, *adoption, *expunge)
            .is_ok()
    }

    /// Whether the schema that is judged by comes from an object that declares the event type still, and may not have it
    /// any more: then it does not stay, also when no other can be had.
    fn is_barred(&self, thing: &Thing) -> bool {
        let Some(before) = self.told_holder(thing) else { return false };
        let claim = self.claims.of.get(&before).filter(|claim| claim.thing == *thing);
        claim.is_some_and(|claim| !self.permitted(&before, claim))
    }

    /// What an object declares; `None`: its schema cannot be had. The object's own status says so, too.
    async fn declared(&self, object: &WebhookEventType) -> Option<Declared> {
        let (namespace, name) = (object.metadata.namespace.as_deref()?, object.metadata.name.as_deref()?);
        let schema = match schema_source::schema_text(object) {
            Ok(Source::Here(schema)) => Ok(schema),
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
            Err(refusal) => Err(refusal.to_string()),
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
                    "no schema to judge events by; the one before stays, if any"
                );
                None
            }
        }
    }

    fn watch_config_maps(&mut self) {
        let wanted: HashSet<&String> = self
            .claims
            .of
            .iter()
            .filter(|(_, claim)| claim.config_map.is_some())
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
                    // Nobody listens only when everything ends.
                    let _ = changes.send((place.clone(), name.to_owned()));
                })
                .await;
            });
            self.watches.insert(namespace.clone(), Watch::new(&task));
        }
    }
}

fn tell_broken(thing: &Thing, error: &crate::schema::InvalidSchema) {
    tracing::warn!(connection = thing.0, event_type = thing.1, %error, "the schema cannot be used; the one before stays, if any");
}
