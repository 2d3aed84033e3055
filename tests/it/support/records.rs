//! An engine whose objects have versions, as an API server gives them, and whose watch brings each version only
//! when the test says so: for the races between a write and a watch that a real API server wins by microseconds.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use svix_operator::{
    api::{CLAIM_ANNOTATION, ConfigMapKeyRef, FINALIZER, SvixConnection},
    embedded::EmbeddedSvix,
    engine::{
        Engine, EventRecord, Host, HostError, MemoryRevisions, Object, ObjectKey, Options, ReferenceError,
        RevisionWrite, SecretWrite, Status,
    },
    manifests::with_meta,
    plan::{
        revision::{Published, Revision},
        secrets::SecretData,
    },
    telemetry::Metrics,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    harness::PATIENCE,
    objects::{Manifest, connection},
    svix_server,
    wait::eventually,
};

/// Called once, with what is stored, right before a status is written.
type Meanwhile = Box<dyn FnOnce(&Records) + Send>;

/// What is stored, and what the watch has not brought yet.
#[derive(Default)]
pub struct Records {
    version: AtomicU64,
    stored: Mutex<BTreeMap<ObjectKey, Object>>,
    pending: Mutex<Vec<(ObjectKey, Option<Object>)>>,
    before_report: Mutex<Option<(ObjectKey, Meanwhile)>>,
    token: Mutex<Option<Result<String, ReferenceError>>>,
    notes: Mutex<Vec<(ObjectKey, EventRecord)>>,
    revisions: MemoryRevisions,
    /// Secrets by namespace and name.
    pub secrets: Mutex<BTreeMap<(String, String), SecretData>>,
    /// What the next write of a Secret fails with.
    pub lose_secret_write: Mutex<Option<HostError>>,
}

impl Records {
    fn store(&self, object: Object) -> Object {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        let object = with_meta(object, |meta| meta.resource_version = Some(version.to_string()));
        self.stored.lock().unwrap().insert(object.key(), object.clone());
        self.pending.lock().unwrap().push((object.key(), Some(object.clone())));
        object
    }

    fn stored(&self, object: &Object) -> Result<Object, HostError> {
        let stored = self.stored.lock().unwrap().get(&object.key()).cloned().ok_or(HostError::Gone)?;
        if stored.meta().uid == object.meta().uid { Ok(stored) } else { Err(HostError::Conflict) }
    }

    /// `kubectl apply`.
    pub fn apply(&self, manifest: &Manifest) {
        let key = manifest.key();
        let before = self.stored.lock().unwrap().get(&key).cloned();
        let mut declared = manifest.object();
        let kept = before.as_ref().map(|before| before.meta().clone());
        if let Some(status) = before.as_ref().and_then(status_of) {
            declared = declared.with_status(status);
        }
        self.store(with_meta(declared, |meta| {
            *meta = kept.unwrap_or_else(|| ObjectMeta {
                uid: Some(uuid::Uuid::new_v4().to_string()),
                creation_timestamp: Some(Time(jiff::Timestamp::now())),
                ..meta.clone()
            });
            meta.generation = Some(meta.generation.unwrap_or(0) + 1);
        }));
    }

    /// `kubectl delete`, this long ago.
    pub fn delete(&self, key: &ObjectKey, ago: Duration) {
        let stored = self.stored.lock().unwrap().get(key).cloned().unwrap();
        if !stored.has_finalizer() {
            self.stored.lock().unwrap().remove(key);
            return self.pending.lock().unwrap().push((key.clone(), None));
        }
        self.store(with_meta(stored, |meta| {
            meta.deletion_timestamp = Some(Time(jiff::Timestamp::now() - ago));
            meta.generation = Some(meta.generation.unwrap_or(0) + 1);
        }));
    }

    /// Does this right before the next status of an object is written.
    pub fn before_report(&self, key: &ObjectKey, meanwhile: impl FnOnce(&Self) + Send + 'static) {
        *self.before_report.lock().unwrap() = Some((key.clone(), Box::new(meanwhile)));
    }
}

fn status_of(object: &Object) -> Option<Status> {
    match object {
        Object::Connection(object) => object.status.clone().map(Box::new).map(Status::Connection),
        Object::EventType(object) => object.status.clone().map(Box::new).map(Status::EventType),
        Object::Endpoint(object) => object.status.clone().map(Box::new).map(Status::Endpoint),
        Object::Event(object) => object.status.clone().map(Box::new).map(Status::Event),
    }
}

/// The same, as the engine holds it.
#[derive(Clone)]
pub struct Shared(Arc<Records>);

impl std::ops::Deref for Shared {
    type Target = Records;
    fn deref(&self) -> &Records {
        &self.0
    }
}

impl Host for Shared {
    async fn claim(
        &self,
        object: &Object,
        finalizer: bool,
        annotation: Option<&str>,
    ) -> Result<Object, HostError> {
        let stored = self.stored(object)?;
        if stored.meta().resource_version != object.meta().resource_version {
            return Err(HostError::Conflict);
        }
        Ok(self.store(with_meta(stored, |meta| {
            if finalizer {
                meta.finalizers.get_or_insert_default().push(FINALIZER.to_owned());
            }
            if let Some(annotation) = annotation {
                let annotations = meta.annotations.get_or_insert_default();
                annotations.insert(CLAIM_ANNOTATION.to_owned(), annotation.to_owned());
            }
        })))
    }

    async fn report(&self, object: &Object, status: Status) -> Result<Object, HostError> {
        let meanwhile =
            self.before_report.lock().unwrap().take_if(|(key, _)| *key == object.key()).map(|(_, f)| f);
        if let Some(meanwhile) = meanwhile {
            meanwhile(&self.0);
        }
        Ok(self.store(self.stored(object)?.with_status(status)))
    }

    async fn delete(&self, object: &Object) -> Result<(), HostError> {
        self.stored(object)?;
        self.stored.lock().unwrap().remove(&object.key());
        self.pending.lock().unwrap().push((object.key(), None));
        Ok(())
    }

    async fn release(&self, object: &Object) -> Result<(), HostError> {
        let stored = self.stored(object)?;
        if !stored.is_deleting() {
            self.store(stored.without_finalizer());
            return Ok(());
        }
        self.stored.lock().unwrap().remove(&object.key());
        self.pending.lock().unwrap().push((object.key(), None));
        Ok(())
    }

    fn publish_event(&self, object: &Object, record: EventRecord) {
        self.notes.lock().unwrap().push((object.key(), record));
    }

    async fn token(&self, _: &SvixConnection) -> Result<String, ReferenceError> {
        self.token
            .lock()
            .unwrap()
            .clone()
            .unwrap_or_else(|| Err(ReferenceError::Failed("not set".to_owned())))
    }

    async fn config_map(&self, _: &str, _: &ConfigMapKeyRef) -> Result<String, ReferenceError> {
        Err(ReferenceError::NotFound("there is none".to_owned()))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, ReferenceError> {
        let place = (namespace.to_owned(), name.to_owned());
        Ok(self.secrets.lock().unwrap().get(&place).cloned())
    }

    async fn write_secret(&self, owner: &Object, write: SecretWrite) -> Result<SecretData, HostError> {
        let place = (owner.meta().namespace.clone().unwrap(), write.name.clone());
        if let Some(kind) = self.lose_secret_write.lock().unwrap().take() {
            return Err(kind);
        }
        let before = self.secrets.lock().unwrap().get(&place).cloned();
        let secret = write.onto(before, owner)?;
        self.secrets.lock().unwrap().insert(place, secret.clone());
        Ok(secret)
    }

    async fn revisions(&self, event_type: &Object) -> Result<Vec<Revision>, HostError> {
        Ok(self.revisions.list(event_type))
    }

    async fn published(&self, event_type: &Object, revision: &str) -> Result<Option<Published>, HostError> {
        Ok(self.revisions.published(event_type, revision))
    }

    async fn write_revision(&self, owner: &Object, write: RevisionWrite) -> Result<(), HostError> {
        self.revisions.write(owner, write)
    }

    async fn delete_revision(&self, owner: &Object, revision: &str) -> Result<(), HostError> {
        self.revisions.delete(owner, revision);
        Ok(())
    }
}

/// An engine on such records, and an embedded Svix.
pub struct Recorded {
    pub svix: EmbeddedSvix,
    pub records: Arc<Records>,
    pub engine: Arc<Engine<Shared>>,
    options: Options,
    _stop: DropGuard,
}

impl Recorded {
    /// With a connection named `default` that lists Svix once an hour.
    pub async fn new() -> Self {
        super::control_plane::no_build_under_way().await;
        let svix = svix_server::start().await;
        let records = Arc::<Records>::default();
        *records.token.lock().unwrap() = Some(Ok(svix.token().to_owned()));
        records.apply(&connection(&svix.url()).with("resyncInterval", "1h"));
        let options = Options { settle: Duration::from_millis(50), ..Options::default() };
        let (engine, stop) = start(&records, &options);
        let harness = Self { svix, records, engine, options, _stop: stop };
        harness.watch();
        harness
    }

    /// Another engine on the same records, as after a restart.
    pub fn restart(&mut self) {
        (self.engine, self._stop) = start(&self.records, &self.options);
        self.records.pending.lock().unwrap().clear();
        for object in self.records.stored.lock().unwrap().values() {
            self.engine.upsert(object.clone());
        }
    }

    /// Lets the watch bring what it has not brought yet.
    pub fn watch(&self) {
        for (key, object) in std::mem::take(&mut *self.records.pending.lock().unwrap()) {
            match object {
                Some(object) => self.engine.upsert(object),
                None => self.engine.remove(&key),
            }
        }
    }

    pub fn apply(&self, manifest: &Manifest) {
        self.records.apply(manifest);
        self.watch();
    }

    pub fn set_token(&self, token: Result<String, ReferenceError>) {
        *self.records.token.lock().unwrap() = Some(token);
        self.engine.token_secret_changed("svix-token");
    }

    pub fn stored(&self, key: &ObjectKey) -> Option<Object> {
        self.records.stored.lock().unwrap().get(key).cloned()
    }

    pub fn published(&self, key: &ObjectKey) -> Vec<&'static str> {
        let notes = self.records.notes.lock().unwrap();
        notes.iter().filter(|(of, _)| of == key).map(|(_, note)| note.reason).collect()
    }

    /// Waits until the stored status of an object, whatever generation it speaks of, has this reason.
    pub async fn wait_for_reason(&self, key: &ObjectKey, reason: &str) -> String {
        eventually(&format!("{key} to be {reason}"), PATIENCE, async || {
            self.watch();
            let object = self.stored(key).ok_or("it is gone")?;
            let found = object.conditions().last().ok_or("no status")?;
            if found.reason == reason {
                Ok(found.message.to_string())
            } else {
                Err(format!("{}: {}", found.reason, found.message))
            }
        })
        .await
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, key: &ObjectKey) {
        eventually(&format!("{key} to be gone"), Duration::from_secs(60), async || {
            self.watch();
            match self.stored(key) {
                None => Ok(()),
                Some(object) => Err(format!("{:?}", object.conditions())),
            }
        })
        .await;
    }
}

fn start(records: &Arc<Records>, options: &Options) -> (Arc<Engine<Shared>>, DropGuard) {
    let engine = Engine::new(Shared(records.clone()), options.clone(), Metrics::default());
    let stop = CancellationToken::new();
    tokio::spawn(engine.clone().run(stop.clone()));
    (engine, stop.drop_guard())
}
