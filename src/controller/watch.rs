//! From watches to the engine.

use std::{
    collections::HashSet,
    fmt::Debug,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;

use super::{errors::WatchLog, readable::Readable};
use crate::{
    api::{SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    engine::{Engine, Host, Kind, Object, ObjectKey},
};

/// Page of a first list: small enough that one page in flight costs little memory.
pub(super) const PAGE: u32 = 250;

/// A kind that is watched.
pub trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind, for the engine.
    const KIND: Kind;
    /// The object, for the engine.
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
    fn into_object(mut self) -> Object {
        forget_payload(&mut self);
        Object::Event(Arc::new(self))
    }
}

/// Drops the payload of an event that is sent: it is needed no more, and ten thousand of them are much memory.
pub(super) fn forget_payload(event: &mut WebhookEvent) {
    if event.status.as_ref().is_some_and(|status| status.message_id.is_some()) {
        event.spec.payload = None;
        event.spec.payload_text = None;
    }
}

/// Takes out of an object what only costs memory: who managed which field, and the manifest as it was applied.
pub(super) fn slim(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = meta.annotations.as_mut() {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            meta.annotations = None;
        }
    }
}

/// Brings every object of a kind to the engine, for ever. `synced` is called when the first list is in.
///
/// `api` says where: everywhere, or in one namespace. An object that does not decode is told of in the log and left
/// out; the others go on.
pub async fn watch_kind<K: Watched, S: Host>(
    api: Api<Readable<K>>,
    namespace: Option<String>,
    engine: Arc<Engine<S>>,
    synced: impl FnOnce() + Send,
) {
    let stream = watcher::watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    pin_mut!(stream);
    let mut log = WatchLog::of(K::KIND.as_str(), namespace.as_deref());
    let mut synced = Some(synced);
    let mut listed: HashSet<ObjectKey> = HashSet::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(guard)) => {
                if let Some(key) = take(&engine, guard) {
                    listed.insert(key);
                }
            }
            Ok(Event::InitDone) => {
                log.works();
                let here = |key: &&ObjectKey| {
                    namespace.as_deref().is_none_or(|namespace| &*key.namespace == namespace)
                };
                for gone in engine.keys(K::KIND).iter().filter(here).filter(|key| !listed.contains(key)) {
                    engine.remove(gone);
                }
                listed = HashSet::new();
                if let Some(synced) = synced.take() {
                    synced();
                }
            }
            Ok(Event::Apply(guard)) => {
                take(&engine, guard);
            }
            Ok(Event::Delete(guard)) => engine.remove(&key_of(K::KIND, &guard)),
            Err(error) => log.failed(&error),
        }
    }
}

/// Brings every object of a namespaced kind in these namespaces to the engine, for ever; `None`: in all. `synced` is
/// called when the first list of each is in.
pub async fn watch_in<K, S: Host>(
    client: Client,
    namespaces: Option<Vec<String>>,
    engine: Arc<Engine<S>>,
    synced: impl FnOnce() + Send + 'static,
) where
    K: Watched + Resource<Scope = NamespaceResourceScope>,
{
    let Some(namespaces) = namespaces else {
        return watch_kind::<K, S>(Api::all(client), None, engine, synced).await;
    };
    let (left, synced) = (Arc::new(AtomicUsize::new(namespaces.len())), Arc::new(Mutex::new(Some(synced))));
    let watches = namespaces.into_iter().map(|namespace| {
        let (left, synced) = (left.clone(), synced.clone());
        let one_synced = move || {
            if left.fetch_sub(1, Ordering::SeqCst) == 1
                && let Some(synced) = synced.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                synced();
            }
        };
        let api = Api::namespaced(client.clone(), &namespace);
        watch_kind::<K, S>(api, Some(namespace), engine.clone(), one_synced)
    });
    futures::future::join_all(watches).await;
}

/// Takes in one object; answers its key also when it does not decode, since it is there all the same.
fn take<K: Watched, S: Host>(engine: &Arc<Engine<S>>, guard: Readable<K>) -> Option<ObjectKey> {
    let key = key_of(K::KIND, &guard);
    match guard.0 {
        Ok(mut object) => {
            slim(object.meta_mut());
            engine.upsert(object.into_object());
        }
        Err(error) => {
            engine.mark_undecodable(key.clone());
            tracing::error!(object = %key, error = %error.error, "the object cannot be read and is left as it is; mend its spec");
        }
    }
    Some(key)
}

fn key_of<K: Watched>(kind: Kind, guard: &Readable<K>) -> ObjectKey {
    let meta = guard.meta();
    ObjectKey {
        kind,
        namespace: meta.namespace.as_deref().unwrap_or_default().into(),
        name: meta.name.as_deref().unwrap_or_default().into(),
    }
}
