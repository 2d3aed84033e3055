//! Watches on what objects refer to: metadata only. The content is read by name when it is needed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client,
    core::{NamespaceResourceScope, PartialObjectMeta, Resource},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;

use crate::{
    catalogue::Directory,
    engine::{Engine, Host},
};

use super::errors::{WatchLog, is_forbidden};

/// Tells the engine of every Secret that changes in the namespace where tokens are kept, for ever.
pub async fn watch_secrets<S: Host>(client: Client, engine: Arc<Engine<S>>, namespace: String) {
    watch_names::<Secret>(client, &namespace, |name| engine.token_secret_changed(name)).await;
}

/// Tells the engine of every ConfigMap that changes in the namespaces that refer to one, for ever.
pub async fn watch_config_maps<S: Host>(client: Client, engine: Arc<Engine<S>>) {
    watch_referred::<ConfigMap, S>(client, engine, Engine::config_map_namespaces, Engine::config_map_changed)
        .await;
}

/// Tells the engine of every Secret that changes in the namespaces whose endpoints speak of one, for ever.
pub async fn watch_endpoint_secrets<S: Host>(client: Client, engine: Arc<Engine<S>>) {
    watch_referred::<Secret, S>(client, engine, Engine::secret_namespaces, Engine::secret_changed).await;
}

/// Watches a kind in the namespaces that refer to objects of it, and in no others.
async fn watch_referred<K, S>(
    client: Client,
    engine: Arc<Engine<S>>,
    namespaces: impl Fn(&Engine<S>) -> BTreeSet<Arc<str>>,
    changed: fn(&Engine<S>, &str, &str),
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
    K: Send + 'static,
    S: Host,
{
    let mut references = engine.references();
    let mut watches: HashMap<Arc<str>, Watch> = HashMap::new();
    loop {
        references.mark_unchanged();
        let namespaces = namespaces(&engine);
        watches.retain(|namespace, _| namespaces.contains(namespace));
        for namespace in namespaces {
            watches.entry(namespace.clone()).or_insert_with(|| {
                let (client, engine) = (client.clone(), engine.clone());
                let task = tokio::spawn(async move {
                    watch_names::<K>(client, &namespace, |name| changed(&engine, &namespace, name)).await;
                });
                Watch::new(&task)
            });
        }
        if references.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the engine of the labels of namespaces, which the rules of connections speak of, for ever. `synced` is called
/// when the first list is in. Without permission to read namespaces, they are known by their names alone.
pub async fn watch_namespaces<S: Host>(client: Client, engine: Arc<Engine<S>>, synced: impl FnOnce() + Send) {
    watch_labels(client, |name, labels| engine.namespace_changed(name, labels), synced).await;
}

/// Keeps the directory's namespaces current, for ever, in the same way.
pub async fn feed_namespaces(client: Client, directory: Directory, synced: impl FnOnce() + Send) {
    watch_labels(client, |name, labels| directory.set_namespace(name, labels), synced).await;
}

/// Calls `changed` with the labels of each namespace, and without when it is gone.
async fn watch_labels(
    client: Client,
    changed: impl Fn(&str, Option<BTreeMap<String, String>>),
    synced: impl FnOnce() + Send,
) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let stream = watcher::watcher(api, watcher::Config::default()).default_backoff();
    pin_mut!(stream);
    let mut log = WatchLog::of("Namespace", None);
    let mut synced = Some(synced);
    let (mut known, mut listed) = (HashSet::new(), HashSet::new());
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(namespace) | Event::Apply(namespace)) => {
                let name = namespace.metadata.name.unwrap_or_default();
                changed(&name, Some(namespace.metadata.labels.unwrap_or_default()));
                known.insert(name.clone());
                listed.insert(name);
            }
            Ok(Event::InitDone) => {
                log.works();
                for gone in known.difference(&listed) {
                    changed(gone, None);
                }
                known.clone_from(&listed);
                if let Some(synced) = synced.take() {
                    synced();
                }
            }
            Ok(Event::Delete(namespace)) => {
                let name = namespace.metadata.name.unwrap_or_default();
                changed(&name, None);
                known.remove(&name);
                listed.remove(&name);
            }
            Err(error) => {
                let forbidden = is_forbidden(&error);
                let then = "cannot watch namespaces; rules in spec.access see their names, not their labels";
                log.failed_so(&error, then);
                if let (true, Some(synced)) = (forbidden, synced.take_if(|_| forbidden)) {
                    synced();
                }
            }
        }
    }
}

/// A watch that ends when it is dropped.
pub(super) struct Watch(AbortHandle);

impl Watch {
    pub(super) fn new<T>(task: &tokio::task::JoinHandle<T>) -> Self {
        Self(task.abort_handle())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls `changed` with the name of each object that appears, changes or goes. After a new list, with each
/// that changed while nobody watched.
pub(super) async fn watch_names<K>(client: Client, namespace: &str, changed: impl Fn(&str))
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
    K: Send + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(client, namespace);
    let stream = watcher::watcher(api, watcher::Config::default()).default_backoff();
    pin_mut!(stream);
    let mut log = WatchLog::of(K::kind(&()), Some(namespace));
    let mut versions: HashMap<String, Option<String>> = HashMap::new();
    let mut listed: HashSet<String> = HashSet::new();
    let name_of = |object: &PartialObjectMeta<K>| object.metadata.name.clone().unwrap_or_default();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                let name = name_of(&object);
                listed.insert(name.clone());
                let version = object.metadata.resource_version;
                if versions.get(&name) != Some(&version) {
                    changed(&name);
                    versions.insert(name, version);
                }
            }
            Ok(Event::InitDone) => {
                log.works();
                let gone: Vec<_> = versions.keys().filter(|name| !listed.contains(*name)).cloned().collect();
                for name in gone {
                    changed(&name);
                    versions.remove(&name);
                }
            }
            Ok(Event::Delete(object)) => {
                let name = name_of(&object);
                changed(&name);
                versions.remove(&name);
            }
            Err(error) => log.failed(&error),
        }
    }
}
