//! A host in memory, which fails where a test says so.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    api::{CLAIM_ANNOTATION, ConfigMapKeyRef, FINALIZER, SvixConnection},
    engine::{
        events::EventRecord,
        host::{Host, HostError, MemoryRevisions, ReferenceError, RevisionWrite, SecretWrite},
        object::{Object, ObjectKey, Status},
    },
    plan::{
        revision::{Published, Revision, sort},
        secrets::SecretData,
        signing::ENDPOINT_UID_LABEL,
    },
};

/// A kind of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    Claim,
    Report,
    Release,
    Delete,
    Secret,
    Revision,
    DeleteRevision,
}

/// A host in memory. Its objects have versions, as an API server gives them.
#[derive(Default)]
pub struct FakeHost {
    state: Mutex<State>,
    revisions: MemoryRevisions,
    written: Notify,
}

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<ObjectKey, Object>,
    writes: Vec<(Write, ObjectKey)>,
    /// How many writes of a kind still succeed, and how the others fail.
    failures: HashMap<Write, (usize, HostError)>,
    events: Vec<(ObjectKey, EventRecord)>,
    token: Option<Result<String, ReferenceError>>,
    config_map: Option<Result<String, ReferenceError>>,
    secrets: BTreeMap<(String, String), SecretData>,
    secret_failure: Option<ReferenceError>,
    revision_lists: usize,
}

impl FakeHost {
    /// Stores an object in its next version, as `kubectl apply` would.
    pub fn store(&self, object: Object) -> Object {
        self.state.lock().store(object)
    }

    /// Returns an object as it is stored; `None`: it does not exist, or not any more.
    pub fn get(&self, key: &ObjectKey) -> Option<Object> {
        self.state.lock().objects.get(key).cloned()
    }

    /// Returns the writes to an object, in their order.
    pub fn writes(&self, key: &ObjectKey) -> Vec<Write> {
        let state = self.state.lock();
        state.writes.iter().filter(|(_, of)| of == key).map(|(write, _)| *write).collect()
    }

    /// Returns what was published about an object, in its order.
    pub fn events(&self, key: &ObjectKey) -> Vec<EventRecord> {
        let state = self.state.lock();
        state.events.iter().filter(|(of, _)| of == key).map(|(_, record)| record.clone()).collect()
    }

    /// Returns the revisions of an event type's schema, in their order.
    pub fn revisions_of(&self, key: &ObjectKey) -> Vec<Revision> {
        let object = self.get(key).expect("it exists");
        let mut revisions = self.revisions.list(&object);
        sort(&mut revisions);
        revisions
    }

    /// Returns how often revisions were listed.
    pub fn revision_lists(&self) -> usize {
        self.state.lock().revision_lists
    }

    /// Has all writes of a kind fail from now on.
    pub fn fail(&self, write: Write, error: HostError) {
        self.fail_after(write, 0, error);
    }

    /// Has all writes of a kind fail, but for the next ones.
    pub fn fail_after(&self, write: Write, successes: usize, error: HostError) {
        self.state.lock().failures.insert(write, (successes, error));
    }

    /// Has all writes succeed again.
    pub fn recover(&self) {
        self.state.lock().failures.clear();
    }

    /// Waits until a status is written that was not waited for before.
    pub async fn reported(&self) {
        self.written.notified().await;
    }

    /// Sets what reading a token comes to.
    pub fn set_token(&self, token: Result<&str, ReferenceError>) {
        self.state.lock().token = Some(token.map(str::to_owned));
    }

    /// Sets what reading a key of a ConfigMap comes to.
    pub fn set_config_map(&self, text: Result<&str, ReferenceError>) {
        self.state.lock().config_map = Some(text.map(str::to_owned));
    }

    /// Returns one key of a Secret in namespace `default`.
    pub fn secret_value(&self, name: &str, key: &str) -> Option<String> {
        let state = self.state.lock();
        let secret = state.secrets.get(&("default".to_owned(), name.to_owned()))?;
        secret.text(key).map(str::to_owned)
    }

    /// Sets one key of a Secret in namespace `default`.
    pub fn set_secret(&self, name: &str, key: &str, value: &str) {
        let mut state = self.state.lock();
        state.version += 1;
        let version = state.version.to_string();
        let secret = state.secrets.entry(("default".to_owned(), name.to_owned())).or_default();
        secret.resource_version = version;
        secret.data.insert(key.to_owned(), value.as_bytes().to_vec());
    }

    /// Returns the keys in the data of a Secret in namespace `default`.
    pub fn secret_entries(&self, name: &str) -> Vec<String> {
        let state = self.state.lock();
        let secret = state.secrets.get(&("default".to_owned(), name.to_owned()));
        secret.into_iter().flat_map(|secret| secret.data.keys().cloned()).collect()
    }

    /// Returns the labels of a Secret in namespace `default`.
    pub fn secret_labels(&self, name: &str) -> BTreeMap<String, String> {
        let state = self.state.lock();
        let secret = state.secrets.get(&("default".to_owned(), name.to_owned()));
        secret.map(|secret| secret.labels.clone()).unwrap_or_default()
    }

    /// Labels a Secret in namespace `default`.
    pub fn label_secret(&self, name: &str, label: &str, value: &str) {
        let mut state = self.state.lock();
        let secret = state.secrets.entry(("default".to_owned(), name.to_owned())).or_default();
        secret.labels.insert(label.to_owned(), value.to_owned());
    }

    /// Has reading any Secret fail from now on.
    pub fn fail_secrets(&self, error: ReferenceError) {
        self.state.lock().secret_failure = Some(error);
    }
}

impl State {
    fn store(&mut self, object: Object) -> Object {
        self.version += 1;
        let version = self.version.to_string();
        let object = with_meta(object, |meta| meta.resource_version = Some(version));
        self.objects.insert(object.key(), object.clone());
        object
    }

    /// Counts a write, and returns the object that it is about as it is stored.
    fn begin(&mut self, write: Write, object: &Object) -> Result<Object, HostError> {
        self.writes.push((write, object.key()));
        match self.failures.get_mut(&write) {
            Some((0, error)) => return Err(error.clone()),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        let stored = self.objects.get(&object.key()).cloned().ok_or(HostError::Gone)?;
        if stored.uid() == object.uid() { Ok(stored) } else { Err(HostError::Conflict) }
    }
}

impl Host for FakeHost {
    async fn claim(
        &self,
        object: &Object,
        finalizer: bool,
        annotation: Option<&str>,
    ) -> Result<Object, HostError> {
        let mut state = self.state.lock();
        let stored = state.begin(Write::Claim, object)?;
        Ok(state.store(with_meta(stored, |meta| {
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
        let mut state = self.state.lock();
        let stored = state.begin(Write::Report, object)?;
        self.written.notify_one();
        Ok(state.store(stored.with_status(status)))
    }

    async fn release(&self, object: &Object) -> Result<(), HostError> {
        let mut state = self.state.lock();
        let stored = state.begin(Write::Release, object)?;
        if stored.is_deleting() {
            state.objects.remove(&object.key());
        } else {
            state.store(stored.without_finalizer());
        }
        Ok(())
    }

    async fn delete(&self, object: &Object) -> Result<(), HostError> {
        let mut state = self.state.lock();
        state.begin(Write::Delete, object)?;
        state.objects.remove(&object.key());
        Ok(())
    }

    fn publish_event(&self, object: &Object, record: EventRecord) {
        self.state.lock().events.push((object.key(), record));
    }

    async fn token(&self, _: &SvixConnection) -> Result<String, ReferenceError> {
        let token = self.state.lock().token.clone();
        token.unwrap_or_else(|| Err(ReferenceError::NotFound("no token is set".to_owned())))
    }

    async fn config_map(&self, _: &str, _: &ConfigMapKeyRef) -> Result<String, ReferenceError> {
        let text = self.state.lock().config_map.clone();
        text.unwrap_or_else(|| Err(ReferenceError::NotFound("no ConfigMap is set".to_owned())))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, ReferenceError> {
        let state = self.state.lock();
        match &state.secret_failure {
            Some(error) => Err(error.clone()),
            None => Ok(state.secrets.get(&(namespace.to_owned(), name.to_owned())).cloned()),
        }
    }

    async fn signing_key_secrets(&self, endpoint: &Object) -> Result<Vec<String>, ReferenceError> {
        let state = self.state.lock();
        let of_endpoint = |secret: &SecretData| {
            secret.labels.get(ENDPOINT_UID_LABEL).is_some_and(|uid| uid == endpoint.uid())
        };
        let secrets = state.secrets.iter().filter(|(_, secret)| of_endpoint(secret));
        Ok(secrets.map(|((_, name), _)| name.clone()).collect())
    }

    async fn write_secret(&self, owner: &Object, write: SecretWrite) -> Result<SecretData, HostError> {
        let mut state = self.state.lock();
        state.begin(Write::Secret, owner)?;
        let id = (owner.namespace().to_owned(), write.name.clone());
        let secret = write.onto(state.secrets.get(&id).cloned(), owner)?;
        state.secrets.insert(id, secret.clone());
        Ok(secret)
    }

    async fn revisions(&self, event_type: &Object) -> Result<Vec<Revision>, HostError> {
        self.state.lock().revision_lists += 1;
        Ok(self.revisions.list(event_type))
    }

    async fn published(&self, event_type: &Object, revision: &str) -> Result<Option<Published>, HostError> {
        Ok(self.revisions.published(event_type, revision))
    }

    async fn write_revision(&self, owner: &Object, write: RevisionWrite) -> Result<(), HostError> {
        self.state.lock().begin(Write::Revision, owner)?;
        self.revisions.write(owner, write)
    }

    async fn delete_revision(&self, owner: &Object, revision: &str) -> Result<(), HostError> {
        self.state.lock().begin(Write::DeleteRevision, owner)?;
        self.revisions.delete(owner, revision);
        Ok(())
    }
}

/// Returns the same object with other metadata.
fn with_meta(mut object: Object, change: impl FnOnce(&mut ObjectMeta)) -> Object {
    change(object.meta_mut());
    object
}
