//! Watches on what objects refer to: metadata only. The content is read by name when it is needed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
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

use crate::engine::{Engine, Shell};

/// Tells the engine of every Secret that changes in the namespace where tokens are kept, for ever.
pub async fn watch_secrets<S: Shell>(client: Client, engine: Arc<Engine<S>>, namespace: String) {
    watch_names::<Secret>(client, &namespace, |name| engine.secret_changed(name)).await;
}

/// Tells the engine of every ConfigMap that changes in the namespaces that refer to one, for ever.
pub async fn watch_config_maps<S: Shell>(client: Client, engine: Arc<Engine<S>>) {
    let mut watches: HashMap<Arc<str>, Watch> = HashMap::new();
    loop {
        let namespaces = engine.config_map_namespaces();
        watches.retain(|namespace, _| namespaces.contains(namespace));
        for namespace in namespaces {
            watches.entry(namespace.clone()).or_insert_with(|| {
                let (client, engine) = (client.clone(), engine.clone());
                let task = tokio::spawn(async move {
                    watch_names::<ConfigMap>(client, &namespace, |name| {
                        engine.config_map_changed(&namespace, name);
                    })
                    .await;
                });
                Watch::new(&task)
            });
        }
        engine.references_changed().await;
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
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), namespace, %error, "watch failed; it is begun again");
            }
        }
    }
}
