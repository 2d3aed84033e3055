//! The engine at work on a set of objects that are declared as a whole: a folder, as it is now.
//!
//! It plays the part of the API server: it gives uids and generations, and lets an object go when its clean-up
//! is done.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    api::CLAIM_ANNOTATION,
    engine::{Engine, EventRecord, Kind, Object, ObjectKey, Options},
    plan::secrets::SecretData,
    telemetry::Metrics,
};

use super::host::{ManifestHost, RELEASED, References, with_meta};

/// A running engine and what it is told to keep up.
pub struct Session {
    inner: Arc<Inner>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Inner {
    engine: OnceLock<Weak<Engine<ManifestHost>>>,
    declared: Mutex<Declared>,
}

/// What is declared. The objects themselves are with the engine: at ten thousand, a second copy counts.
#[derive(Default)]
struct Declared {
    keys: BTreeSet<ObjectKey>,
    /// Declared again while the one before is still being cleaned up.
    coming_back: BTreeMap<ObjectKey, Object>,
}

impl Session {
    /// Starts an engine with nothing declared. `tell` is called with everything that happens to an object.
    pub fn start(
        references: References,
        options: Options,
        metrics: Metrics,
        tell: impl Fn(&Object, &EventRecord) + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner { engine: OnceLock::new(), declared: Mutex::default() });
        let weak = Arc::downgrade(&inner);
        let listener = move |object: &Object, note: &EventRecord| {
            if note.reason == RELEASED {
                if let Some(inner) = weak.upgrade() {
                    inner.released(&object.key());
                }
            } else {
                tell(object, note);
            }
        };
        let engine = Engine::new(ManifestHost::new(references, Box::new(listener)), options, metrics);
        let _ = inner.engine.set(Arc::downgrade(&engine));
        let stop = CancellationToken::new();
        let task = tokio::spawn(engine.run(stop.clone()));
        Self { inner, stop, task }
    }

    /// Declares this set of objects, in place of the one before: what is new is made, what differs is changed,
    /// what is missing is deleted as its policy says.
    pub fn declare(&self, objects: Vec<Object>, references: References) {
        let Some(engine) = self.inner.engine() else { return };
        for (name, labels) in &references.namespaces {
            engine.namespace_changed(name, Some(labels.clone()));
        }
        engine.host().set_references(references);
        let keys: BTreeSet<ObjectKey> = objects.iter().map(Object::key).collect();
        let old = std::mem::replace(&mut self.inner.declared().keys, keys.clone());
        self.inner.declared().coming_back.clear();
        for object in objects {
            self.inner.take(&engine, object);
        }
        for key in old.difference(&keys) {
            match engine.get(key) {
                Some(object) if object.has_finalizer() => {
                    engine.upsert(with_meta(object, |meta| {
                        meta.deletion_timestamp.get_or_insert(Time(jiff::Timestamp::now()));
                    }));
                }
                _ => engine.remove(key),
            }
        }
    }

    /// Has every object looked at that takes something from a ConfigMap or a Secret, and every connection listed anew.
    pub fn look_again(&self) {
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
                    engine.token_secret_changed(&connection.spec.token_secret_ref.name)
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

    /// The Secrets that were written, by namespace and name.
    #[must_use]
    pub fn secrets(&self) -> HashMap<(String, String), SecretData> {
        self.inner.engine().map(|engine| engine.host().written()).unwrap_or_default()
    }

    /// Whether there is nothing to do but to wait for a change.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.inner.engine().is_none_or(|engine| engine.is_idle())
    }

    /// The same, but events that are to be looked at again do not count.
    #[must_use]
    pub fn idle_but_for_events(&self) -> bool {
        self.inner.engine().is_none_or(|engine| engine.is_idle_except_events())
    }

    /// What is declared, with the status of now; and what is being deleted.
    #[must_use]
    pub fn objects(&self) -> Vec<Object> {
        let Some(engine) = self.inner.engine() else { return Vec::new() };
        let mut keys: Vec<_> = Kind::ALL.into_iter().flat_map(|kind| engine.keys(kind)).collect();
        keys.sort();
        keys.iter().filter_map(|key| engine.get(key)).collect()
    }

    /// One object, with the status of now.
    #[must_use]
    pub fn object(&self, key: &ObjectKey) -> Option<Object> {
        self.inner.engine().and_then(|engine| engine.get(key))
    }

    /// Stops, within the engine's grace.
    pub async fn stop(self) {
        self.stop.cancel();
        // A task that panicked has said so itself.
        let _ = self.task.await;
    }
}

impl Inner {
    fn engine(&self) -> Option<Arc<Engine<ManifestHost>>> {
        self.engine.get().and_then(Weak::upgrade)
    }

    fn declared(&self) -> std::sync::MutexGuard<'_, Declared> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, engine: &Arc<Engine<ManifestHost>>, declared: Object) {
        let key = declared.key();
        match engine.get(&key) {
            Some(present) if present.is_deleting() => {
                self.declared().coming_back.insert(key, declared);
            }
            // An event cannot be changed: another spec is another event.
            Some(present) if key.kind == Kind::Event && !same_spec(&present, &declared) => {
                engine.remove(&key);
                self.take(engine, declared);
            }
            Some(present) => {
                let annotations = annotations(&present, &declared);
                let same_annotations = annotations == present.meta().annotations;
                if !same_spec(&present, &declared) {
                    engine.upsert(with_meta(changed(present, &declared), |meta| {
                        meta.annotations = annotations
                    }));
                } else if !same_annotations {
                    engine.upsert(with_meta(present, |meta| meta.annotations = annotations));
                }
            }
            None => engine.upsert(with_meta(declared, |meta| {
                let given = meta.uid.is_some();
                meta.uid.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
                meta.creation_timestamp.get_or_insert(Time(jiff::Timestamp::now()));
                // A restart of an engine hands in objects with all that they had.
                if !given {
                    meta.generation = Some(1);
                }
            })),
        }
    }

    fn released(&self, key: &ObjectKey) {
        let Some(engine) = self.engine() else { return };
        engine.remove(key);
        let again = self.declared().coming_back.remove(key);
        if let Some(declared) = again {
            self.take(&engine, declared);
        }
    }
}

/// The declared annotations, with our own.
fn annotations(present: &Object, declared: &Object) -> Option<BTreeMap<String, String>> {
    let mut annotations = declared.meta().annotations.clone().unwrap_or_default();
    let ours = present.meta().annotations.as_ref().and_then(|all| all.get_key_value(CLAIM_ANNOTATION));
    annotations.extend(ours.map(|(key, value)| (key.clone(), value.clone())));
    (!annotations.is_empty()).then_some(annotations)
}

fn same_spec(a: &Object, b: &Object) -> bool {
    match (a, b) {
        (Object::Connection(a), Object::Connection(b)) => a.spec == b.spec,
        (Object::EventType(a), Object::EventType(b)) => a.spec == b.spec,
        (Object::Endpoint(a), Object::Endpoint(b)) => a.spec == b.spec,
        (Object::Event(a), Object::Event(b)) => a.spec == b.spec,
        _ => false,
    }
}

/// The present object with the declared spec, one generation on.
fn changed(present: Object, declared: &Object) -> Object {
    let object = match (present, declared) {
        (Object::Connection(mut a), Object::Connection(b)) => {
            Arc::make_mut(&mut a).spec = b.spec.clone();
            Object::Connection(a)
        }
        (Object::EventType(mut a), Object::EventType(b)) => {
            Arc::make_mut(&mut a).spec = b.spec.clone();
            Object::EventType(a)
        }
        (Object::Endpoint(mut a), Object::Endpoint(b)) => {
            Arc::make_mut(&mut a).spec = b.spec.clone();
            Object::Endpoint(a)
        }
        (present, _) => present,
    };
    with_meta(object, |meta| meta.generation = Some(meta.generation.unwrap_or(0) + 1))
}
