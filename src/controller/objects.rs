//! Brings the objects of our kinds from watches to the engine.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Client, Resource, core::NamespaceResourceScope, runtime::watcher};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::{
    api::{SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    engine::{Engine, Host, Kind, Object, ObjectKey},
};

use super::{
    readable::Readable,
    watch::{Handler, NamespacedName, PAGE, PAGE_OF_LARGE, Watch, WatchLog},
};

/// A kind whose objects are brought to the engine.
pub trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind, for the engine.
    const KIND: Kind;
    /// The size of a page of a list.
    const PAGE: u32 = PAGE;
    /// Returns the object for the engine.
    fn into_object(self) -> Object;
}

impl Watched for SvixConnection {
    const KIND: Kind = Kind::Connection;
    fn into_object(self) -> Object {
        Object::Connection(Arc::new(self))
    }
}

impl Watched for WebhookEventType {
    const KIND: Kind = Kind::EventType;
    const PAGE: u32 = PAGE_OF_LARGE;
    fn into_object(self) -> Object {
        Object::EventType(Arc::new(self))
    }
}

impl Watched for WebhookEndpoint {
    const KIND: Kind = Kind::Endpoint;
    fn into_object(self) -> Object {
        Object::Endpoint(Arc::new(self))
    }
}

impl Watched for WebhookEvent {
    const KIND: Kind = Kind::Event;
    const PAGE: u32 = PAGE_OF_LARGE;
    fn into_object(mut self) -> Object {
        drop_payload(&mut self);
        Object::Event(Arc::new(self))
    }
}

/// Largest payload that is kept in memory until it is sent, in bytes. A larger one is read again when its turn comes.
const MAX_KEPT_PAYLOAD: usize = 16 * 1024;

/// Drops the payload of an event that was sent, since nothing needs it any more, and a large one: the payloads of thousands
/// of events take much memory.
pub(super) fn drop_payload(event: &mut WebhookEvent) {
    let is_sent = event.status.as_ref().is_some_and(|status| status.message_id.is_some());
    // An event with none or two payloads keeps what is wrong with it.
    if is_sent || event.spec.payload().is_ok_and(|text| text.len() > MAX_KEPT_PAYLOAD) {
        event.spec.payload = None;
        event.spec.payload_text = None;
    }
}

/// Drops the metadata that nothing here needs: the managed fields, and the manifest as it was applied.
pub(super) fn drop_unused_metadata(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = meta.annotations.as_mut() {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            meta.annotations = None;
        }
    }
}

/// Brings every object of a kind to the engine, forever. Calls `synced` when the first list is complete.
///
/// `api` says where: in all namespaces, or in one. An object that cannot be decoded is logged and left as it is.
pub async fn watch_kind<K: Watched, H: Host>(
    api: Api<Readable<K>>,
    namespace: Option<String>,
    engine: Arc<Engine<H>>,
    synced: impl FnOnce() + Send,
) {
    let log = WatchLog::new(K::KIND.as_str(), namespace.as_deref());
    let watch = Watch::new(api, watcher::Config::default().page_size(K::PAGE), log);
    watch.run(ToEngine { engine, namespace, synced: Some(synced) }).await;
}

/// Brings every object of a namespaced kind to the engine, forever: from these namespaces, or from all for `None`. Calls
/// `synced` when the first list of each is complete.
pub async fn watch_in<K, H: Host>(
    client: Client,
    namespaces: Option<Vec<String>>,
    engine: Arc<Engine<H>>,
    synced: impl FnOnce() + Send + 'static,
) where
    K: Watched + Resource<Scope = NamespaceResourceScope>,
{
    let Some(namespaces) = namespaces else {
        return watch_kind::<K, H>(Api::all(client), None, engine, synced).await;
    };
    let (left, synced) = (Arc::new(AtomicUsize::new(namespaces.len())), Arc::new(Mutex::new(Some(synced))));
    let watches = namespaces.into_iter().map(|namespace| {
        let (left, synced) = (left.clone(), synced.clone());
        let one_synced = move || {
            if left.fetch_sub(1, Ordering::SeqCst) == 1
                && let Some(synced) = synced.lock().take()
            {
                synced();
            }
        };
        let api = Api::namespaced(client.clone(), &namespace);
        watch_kind::<K, H>(api, Some(namespace), engine.clone(), one_synced)
    });
    futures::future::join_all(watches).await;
}

/// Hands the objects of one watch to the engine.
struct ToEngine<H: Host, F> {
    engine: Arc<Engine<H>>,
    /// The namespace that is watched; `None`: all.
    namespace: Option<String>,
    /// Called once.
    synced: Option<F>,
}

impl<K: Watched, H: Host, F: FnOnce()> Handler<Readable<K>> for ToEngine<H, F> {
    fn applied(&mut self, object: Readable<K>) {
        match object.0 {
            Ok(mut object) => {
                drop_unused_metadata(object.meta_mut());
                self.engine.upsert(object.into_object());
            }
            Err(unreadable) => {
                let key = object_key(K::KIND, &NamespacedName::of(&unreadable.metadata));
                tracing::error!(
                    object = %key, error = %unreadable.error,
                    "the object cannot be read; it is left as it is until its spec is corrected"
                );
                self.engine.mark_undecodable(key);
            }
        }
    }

    fn deleted(&mut self, name: &NamespacedName) {
        self.engine.remove(&object_key(K::KIND, name));
    }

    fn known(&self) -> Vec<NamespacedName> {
        let namespace = self.namespace.as_deref();
        let watched = |key: &ObjectKey| namespace.is_none_or(|namespace| &*key.namespace == namespace);
        let name =
            |key: ObjectKey| NamespacedName { namespace: key.namespace.clone(), name: key.name.clone() };
        self.engine.keys(K::KIND).into_iter().filter(watched).map(name).collect()
    }

    fn synced(&mut self) {
        if let Some(synced) = self.synced.take() {
            synced();
        }
    }
}

fn object_key(kind: Kind, name: &NamespacedName) -> ObjectKey {
    ObjectKey::new(kind, name.namespace.clone(), name.name.clone())
}
