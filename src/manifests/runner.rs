//! Runs the engine on a set of objects that are declared as a whole, such as the content of a folder.
//!
//! It does what the API server does in a cluster: it assigns uids and generations, and removes an object when its
//! clean-up is done.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock, Weak},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use parking_lot::{Mutex, MutexGuard};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{CLAIM_ANNOTATION, JsonPointer},
    engine::{Engine, EventRecord, Kind, ListedConnection, Object, ObjectKey, Options},
    plan::secrets::SecretData,
    telemetry::Metrics,
};

use super::{
    desired_state::is_added,
    host::{ManifestHost, Notification, References, with_meta},
};

/// A running engine and the objects that it reconciles.
pub struct ManifestRunner {
    inner: Arc<Inner>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

struct Inner {
    engine: OnceLock<Weak<Engine<ManifestHost>>>,
    declared: Mutex<Declared>,
}

/// The names of the declared objects. The engine has the objects themselves: at ten thousand, a second copy counts.
#[derive(Default)]
struct Declared {
    keys: BTreeSet<ObjectKey>,
    /// Objects that are declared while the clean-up of a deleted one of the same name goes on. They are created after it.
    after_clean_up: BTreeMap<ObjectKey, Object>,
    /// The namespaces whose labels the engine has.
    namespaces: BTreeSet<String>,
}

impl ManifestRunner {
    /// Starts an engine without objects. `on_event` is called with each Event of an object.
    pub fn start(
        references: References,
        options: Options,
        metrics: Metrics,
        on_event: impl Fn(&Object, &EventRecord) + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner { engine: OnceLock::new(), declared: Mutex::default() });
        let weak = Arc::downgrade(&inner);
        let listener = move |object: &Object, notification: Notification<'_>| match notification {
            Notification::Event(record) => on_event(object, record),
            Notification::Released => {
                if let Some(inner) = weak.upgrade() {
                    inner.remove_released(&object.key());
                }
            }
        };
        let engine = Engine::new(ManifestHost::new(references, Box::new(listener)), options, metrics);
        let _ = inner.engine.set(Arc::downgrade(&engine));
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(engine.run(shutdown.clone()));
        Self { inner, shutdown, task }
    }

    /// Replaces the set of declared objects: new ones are created, changed ones updated, and missing ones deleted as
    /// their policy says.
    pub fn declare(&self, objects: Vec<Object>, references: References) {
        let Some(engine) = self.inner.engine() else { return };
        for (name, labels) in &references.namespaces {
            engine.namespace_changed(name, Some(labels.clone()));
        }
        let removed: Vec<String> = {
            let known = &mut self.inner.declared().namespaces;
            known.extend(references.namespaces.keys().cloned());
            let is_removed = |name: &&String| {
                !references.namespaces.contains_key(*name) && !references.kept_namespaces.contains(name)
            };
            let removed: Vec<_> = known.iter().filter(is_removed).cloned().collect();
            known.retain(|name| !removed.contains(name));
            removed
        };
        removed.iter().for_each(|name| engine.namespace_changed(name, None));
        engine.host().set_references(references);
        let keys: BTreeSet<ObjectKey> = objects.iter().map(Object::key).collect();
        let previous = std::mem::replace(&mut self.inner.declared().keys, keys.clone());
        self.inner.declared().after_clean_up.clear();
        for object in objects {
            self.inner.apply(&engine, object);
        }
        self.inner.declared().keys = keys.iter().map(|key| engine.shared_key(key)).collect();
        for key in previous.difference(&keys) {
            match engine.get(key) {
                // It is removed because something in the folder can be a connection now: nothing may be written until
                // it is known what that one permits.
                Some(object) if is_added(&object) => engine.remove(key),
                Some(object) if object.has_finalizer() => {
                    engine.upsert(with_meta(object, |meta| {
                        meta.deletion_timestamp.get_or_insert(Time(jiff::Timestamp::now()));
                    }));
                }
                _ => engine.remove(key),
            }
        }
    }

    /// Reconciles every object that refers to a ConfigMap or a Secret, and every connection.
    pub fn references_changed(&self) {
        let Some(engine) = self.inner.engine() else { return };
        for object in self.objects() {
            match object {
                Object::EventType(event_type) => {
                    if let Some(source) = &event_type.spec.schema_from {
                        let namespace = event_type.metadata.namespace.as_deref().unwrap_or_default();
                        engine.config_map_changed(namespace, &source.config_map_key_ref.name);
                    }
                }
                Object::Connection(connection) => {
                    engine.token_secret_changed(&connection.spec.token_secret_ref.name);
                }
                Object::Endpoint(endpoint) => {
                    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
                    for name in endpoint.spec.secret_names() {
                        engine.secret_changed(namespace, name);
                    }
                }
                Object::Event(_) => {}
            }
        }
    }

    /// The Secrets that the engine wrote, by namespace and name.
    #[must_use]
    pub fn written_secrets(&self) -> HashMap<(String, String), SecretData> {
        self.inner.engine().map(|engine| engine.host().written_secrets()).unwrap_or_default()
    }

    /// Whether the engine has nothing to do before something changes.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.inner.engine().is_none_or(|engine| engine.is_idle())
    }

    /// The same, without the events whose deliveries are followed.
    #[must_use]
    pub fn is_idle_except_events(&self) -> bool {
        self.inner.engine().is_none_or(|engine| engine.is_idle_except_events())
    }

    /// The declared objects and those that are being deleted, with their present status.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        let Some(engine) = self.inner.engine() else { return Vec::new() };
        let mut keys: Vec<_> = Kind::ALL.into_iter().flat_map(|kind| engine.keys(kind)).collect();
        keys.sort();
        keys.iter().filter_map(|key| engine.get(key)).collect()
    }

    /// The declared connections, with their present status.
    #[must_use]
    pub fn connections(&self) -> Vec<Object> {
        let Some(engine) = self.inner.engine() else { return Vec::new() };
        engine.keys(Kind::Connection).iter().filter_map(|key| engine.get(key)).collect()
    }

    /// A connection that is listed, for another runner that begins when this one has ended.
    #[must_use]
    pub fn listed(&self, connection: &str) -> Option<ListedConnection> {
        self.inner.engine()?.listed(connection)
    }

    /// The copy of an object's key that the engine has.
    #[must_use]
    pub fn shared_key(&self, key: &ObjectKey) -> ObjectKey {
        self.inner.engine().map_or_else(|| key.clone(), |engine| engine.shared_key(key))
    }

    /// The field that the condition `Ready` of an object is about, if it is about one.
    #[must_use]
    pub fn field(&self, key: &ObjectKey) -> Option<JsonPointer> {
        self.inner.engine().and_then(|engine| engine.host().field(key))
    }

    /// One object, with its present status.
    #[must_use]
    pub fn object(&self, key: &ObjectKey) -> Option<Object> {
        self.inner.engine().and_then(|engine| engine.get(key))
    }

    /// Stops the engine, within its grace period.
    pub async fn stop(self) {
        self.shutdown.cancel();
        // A panic of the task was printed when it happened.
        let _ = self.task.await;
    }
}

impl Inner {
    fn engine(&self) -> Option<Arc<Engine<ManifestHost>>> {
        self.engine.get().and_then(Weak::upgrade)
    }

    fn declared(&self) -> MutexGuard<'_, Declared> {
        self.declared.lock()
    }

    /// Creates or updates one object, as `kubectl apply` does.
    fn apply(&self, engine: &Arc<Engine<ManifestHost>>, declared: Object) {
        let key = declared.key();
        match engine.get(&key) {
            Some(present) if present.is_deleting() => {
                self.declared().after_clean_up.insert(key, declared);
            }
            // An event cannot be changed: another spec is another event.
            Some(present) if key.kind == Kind::Event && !present.has_spec_of(&declared) => {
                engine.remove(&key);
                self.apply(engine, declared);
            }
            Some(present) => {
                let annotations = annotations(&present, &declared);
                if !present.has_spec_of(&declared) {
                    engine.upsert(with_meta(with_spec_of(present, &declared), |meta| {
                        meta.annotations = annotations;
                    }));
                } else if annotations != present.meta().annotations {
                    engine.upsert(with_meta(present, |meta| meta.annotations = annotations));
                }
            }
            None => engine.upsert(with_meta(declared, |meta| {
                // An engine that is started again gets objects that have their metadata already.
                let is_new = meta.uid.is_none();
                meta.uid.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
                meta.creation_timestamp.get_or_insert(Time(jiff::Timestamp::now()));
                if is_new {
                    meta.generation = Some(1);
                }
            })),
        }
    }

    fn remove_released(&self, key: &ObjectKey) {
        let Some(engine) = self.engine() else { return };
        engine.remove(key);
        let next = self.declared().after_clean_up.remove(key);
        if let Some(next) = next {
            self.apply(&engine, next);
        }
    }
}

/// Returns the declared annotations, with the operator's own.
fn annotations(present: &Object, declared: &Object) -> Option<BTreeMap<String, String>> {
    let mut annotations = declared.meta().annotations.clone().unwrap_or_default();
    let ours = present.meta().annotations.as_ref().and_then(|all| all.get_key_value(CLAIM_ANNOTATION));
    annotations.extend(ours.map(|(key, value)| (key.clone(), value.clone())));
    (!annotations.is_empty()).then_some(annotations)
}

/// Returns the present object with the declared spec, and the next generation.
fn with_spec_of(present: Object, declared: &Object) -> Object {
    with_meta(present.with_spec_of(declared), |meta| meta.generation = Some(meta.generation.unwrap_or(0) + 1))
}
