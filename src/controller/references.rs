//! Watches of what objects refer to, and of namespaces: metadata only. Contents are read by name when they are needed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Debug,
    sync::Arc,
};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client,
    core::{NamespaceResourceScope, PartialObjectMeta, Resource},
    runtime::watcher,
};
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;

use crate::{
    catalogue::Directory,
    engine::{Engine, Host},
};

use super::watch::{Handler, NamespacedName, PAGE_OF_LARGE, Watch, WatchLog};

/// Informs the engine of every Secret that changes in the namespace of the tokens, forever.
pub async fn watch_secrets<H: Host>(client: Client, engine: Arc<Engine<H>>, namespace: String) {
    watch_names::<Secret>(client, &namespace, |name| engine.token_secret_changed(name)).await;
}

/// Informs the engine of every ConfigMap that changes in the namespaces that refer to one, forever.
pub async fn watch_config_maps<H: Host>(client: Client, engine: Arc<Engine<H>>) {
    watch_referenced::<ConfigMap, H>(
        client,
        engine,
        Engine::config_map_namespaces,
        Engine::config_map_changed,
    )
    .await;
}

/// Informs the engine of every Secret that changes in the namespaces whose endpoints refer to one, forever.
pub async fn watch_endpoint_secrets<H: Host>(client: Client, engine: Arc<Engine<H>>) {
    watch_referenced::<Secret, H>(client, engine, Engine::secret_namespaces, Engine::secret_changed).await;
}

/// Watches a kind in the namespaces that refer to objects of it, and in no others.
async fn watch_referenced<K, H>(
    client: Client,
    engine: Arc<Engine<H>>,
    namespaces: impl Fn(&Engine<H>) -> BTreeSet<Arc<str>>,
    changed: fn(&Engine<H>, &str, &str),
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    K: Send + 'static,
    H: Host,
{
    let mut references = engine.references();
    let mut watches: HashMap<Arc<str>, WatchTask> = HashMap::new();
    loop {
        references.mark_unchanged();
        let namespaces = namespaces(&engine);
        watches.retain(|namespace, _| namespaces.contains(namespace));
        for namespace in namespaces {
            watches.entry(namespace.clone()).or_insert_with(|| {
                let (client, engine) = (client.clone(), engine.clone());
                WatchTask::spawn(async move {
                    watch_names::<K>(client, &namespace, |name| changed(&engine, &namespace, name)).await;
                })
            });
        }
        if references.changed().await.is_err() {
            return;
        }
    }
}

/// The task of a watch. It ends when this is dropped.
pub(super) struct WatchTask(AbortHandle);

impl WatchTask {
    /// Starts a task.
    pub fn spawn(watch: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(watch).abort_handle())
    }
}

impl Drop for WatchTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls `changed` with the name of each object that is created, changed or deleted in a namespace, forever. After a new
/// list, it is called for each object that changed while nothing was watched.
pub(super) async fn watch_names<K>(client: Client, namespace: &str, changed: impl Fn(&str))
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    K: Send + 'static,
{
    let api: Api<PartialObjectMeta<K>> = Api::namespaced(client, namespace);
    let log = WatchLog::new(K::kind(&()), Some(namespace));
    let watch = Watch::new(api, watcher::Config::default().page_size(PAGE_OF_LARGE), log);
    watch.run(Versions { namespace: namespace.into(), versions: HashMap::new(), changed }).await;
}

/// Compares the versions of objects with those that were seen before.
struct Versions<F> {
    namespace: Arc<str>,
    versions: HashMap<Arc<str>, Option<String>>,
    changed: F,
}

impl<K, F: Fn(&str)> Handler<PartialObjectMeta<K>> for Versions<F> {
    fn applied(&mut self, object: PartialObjectMeta<K>) {
        let NamespacedName { name, .. } = NamespacedName::of(&object.metadata);
        let version = object.metadata.resource_version;
        if self.versions.get(&name) != Some(&version) {
            (self.changed)(&name);
            self.versions.insert(name, version);
        }
    }

    fn deleted(&mut self, name: &NamespacedName) {
        (self.changed)(&name.name);
        self.versions.remove(&name.name);
    }

    fn known(&self) -> Vec<NamespacedName> {
        let namespace = || self.namespace.clone();
        self.versions
            .keys()
            .map(|name| NamespacedName { namespace: namespace(), name: name.clone() })
            .collect()
    }
}

/// Keeps the engine's labels of namespaces up to date, forever; the rules of connections select by them. Calls `synced`
/// when the first list is complete. Without permission to read namespaces, only their names are known.
pub async fn watch_namespaces<H: Host>(client: Client, engine: Arc<Engine<H>>, synced: impl FnOnce() + Send) {
    watch_labels(client, |name, labels| engine.namespace_changed(name, labels), synced).await;
}

/// Keeps the directory's labels of namespaces up to date, forever, in the same way.
pub async fn feed_namespaces(client: Client, directory: Directory, synced: impl FnOnce() + Send) {
    watch_labels(client, |name, labels| directory.set_namespace(name, labels), synced).await;
}

/// Calls `changed` with the labels of each namespace, and with `None` when it was deleted.
async fn watch_labels(
    client: Client,
    changed: impl Fn(&str, Option<BTreeMap<String, String>>),
    synced: impl FnOnce() + Send,
) {
    let log = WatchLog::new("Namespace", None)
        .with_message("cannot watch namespaces; rules in spec.access see their names, not their labels");
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let watch = Watch::new(api, watcher::Config::default(), log);
    watch.run(Labels { known: HashSet::new(), changed, synced: Some(synced) }).await;
}

/// Passes the labels of namespaces on.
struct Labels<C, S> {
    known: HashSet<NamespacedName>,
    changed: C,
    /// Called once.
    synced: Option<S>,
}

impl<C, S> Handler<PartialObjectMeta<Namespace>> for Labels<C, S>
where
    C: Fn(&str, Option<BTreeMap<String, String>>),
    S: FnOnce(),
{
    fn applied(&mut self, namespace: PartialObjectMeta<Namespace>) {
        let name = NamespacedName::of(&namespace.metadata);
        (self.changed)(&name.name, Some(namespace.metadata.labels.unwrap_or_default()));
        self.known.insert(name);
    }

    fn deleted(&mut self, name: &NamespacedName) {
        (self.changed)(&name.name, None);
        self.known.remove(name);
    }

    fn known(&self) -> Vec<NamespacedName> {
        self.known.iter().cloned().collect()
    }

    fn synced(&mut self) {
        if let Some(synced) = self.synced.take() {
            synced();
        }
    }

    /// Labels will not be known, which must not keep the process from being ready.
    fn forbidden(&mut self) {
        Handler::synced(self);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::sync::mpsc;

    use super::*;
    use crate::controller::scripted::{Script, list};

    #[tokio::test]
    async fn metadata_is_listed_in_small_pages() {
        let (sender, mut requests) = mpsc::unbounded_channel();
        let server = Script::answered_by(move |request, _| {
            // The test may have ended.
            let _ = sender.send(request.to_owned());
            (200, list([]))
        });

        let watch = watch_names::<ConfigMap>(server.client(), "ns", |_| {});
        let first = tokio::select! {
            request = requests.recv() => request.unwrap(),
            () = watch => String::new(),
        };

        assert!(first.starts_with("GET /api/v1/namespaces/ns/configmaps?&limit=16"), "{first}");
    }
}
