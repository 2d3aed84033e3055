//! The engine's host without a cluster: claims and status are kept in memory; the token, ConfigMaps and Secrets come
//! from the folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::{RwLock, RwLockReadGuard};

use crate::{
    api::{CLAIM_ANNOTATION, ConfigMapKeyRef, FINALIZER, JsonPointer, SvixConnection},
    engine::{
        EventRecord, Host, HostError, MemoryRevisions, Object, ObjectKey, ReferenceError, RevisionWrite,
        SecretWrite, Status,
    },
    plan::{
        revision::{Published, Revision},
        secrets::SecretData,
        signing::ENDPOINT_UID_LABEL,
    },
};

use super::{
    history::{Histories, History},
    loaded::ConfigMapTexts,
};

/// The token, ConfigMaps, Secrets and namespaces that the objects of a folder refer to.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// The token of every connection: there is one server.
    pub token: String,
    /// The source of the token, as messages name it; `None`: the Secret that the connection names.
    pub token_source: Option<String>,
    /// Texts by namespace, ConfigMap and key.
    pub config_maps: ConfigMapTexts,
    /// Secrets by namespace and name.
    pub secrets: HashMap<(String, String), SecretData>,
    /// The labels of the namespaces that files declare.
    pub namespaces: HashMap<String, BTreeMap<String, String>>,
    /// The namespaces that keep the labels of an earlier reading.
    pub kept_namespaces: KeptNamespaces,
    /// The published versions that a cluster keeps.
    pub histories: Histories,
}

/// Namespaces that are not known to be removed from the folder: their manifests cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptNamespaces {
    /// All: a part of the folder could not be read.
    All,
    /// Those with these names.
    Named(BTreeSet<String>),
}

impl Default for KeptNamespaces {
    fn default() -> Self {
        Self::Named(BTreeSet::new())
    }
}

impl KeptNamespaces {
    /// Whether a namespace keeps its labels.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

/// A report of a host about one object.
#[derive(Clone, Copy, Debug)]
pub enum Notification<'a> {
    /// An Event of the object.
    Event(&'a EventRecord),
    /// The object has no finalizer any more and is deleted with that. The owner of the objects removes it.
    Released,
}

/// A function that receives the notifications of a host. It must not block.
pub type Listener = Box<dyn Fn(&Object, Notification<'_>) + Send + Sync>;

/// A folder, as the engine sees it.
pub struct ManifestHost {
    references: RwLock<References>,
    /// Secrets that the engine wrote, which no file declares, by namespace and name.
    written_secrets: RwLock<HashMap<(String, String), SecretData>>,
    /// The fields that the conditions `Ready` of objects are about.
    fields: RwLock<HashMap<ObjectKey, JsonPointer>>,
    /// The versions of schemas that were published since the process started.
    revisions: MemoryRevisions,
    listener: Listener,
}

impl ManifestHost {
    /// A host whose objects refer to these `references`.
    #[must_use]
    pub fn new(references: References, listener: Listener) -> Self {
        Self {
            references: RwLock::new(references),
            written_secrets: RwLock::default(),
            fields: RwLock::default(),
            revisions: MemoryRevisions::default(),
            listener,
        }
    }

    /// The Secrets that the engine wrote, which no file declares, by namespace and name.
    #[must_use]
    pub fn written_secrets(&self) -> HashMap<(String, String), SecretData> {
        self.written_secrets.read().clone()
    }

    /// Returns the field that the condition `Ready` of an object is about, if it is about one.
    #[must_use]
    pub fn field(&self, key: &ObjectKey) -> Option<JsonPointer> {
        self.fields.read().get(key).cloned()
    }

    /// Replaces the token, ConfigMaps, Secrets and namespaces.
    pub fn set_references(&self, references: References) {
        *self.references.write() = references;
    }

    fn references(&self) -> RwLockReadGuard<'_, References> {
        self.references.read()
    }

    fn find_secret(&self, name: &(String, String)) -> Option<SecretData> {
        let written = self.written_secrets.read().get(name).cloned();
        written.or_else(|| self.references().secrets.get(name).cloned())
    }
}

impl Host for ManifestHost {
    async fn claim(
        &self,
        object: &Object,
        finalizer: bool,
        annotation: Option<&str>,
    ) -> Result<Object, HostError> {
        Ok(with_meta(object.clone(), |meta| {
            if finalizer {
                meta.finalizers.get_or_insert_default().push(FINALIZER.to_owned());
            }
            if let Some(annotation) = annotation {
                meta.annotations
                    .get_or_insert_default()
                    .insert(CLAIM_ANNOTATION.to_owned(), annotation.to_owned());
            }
        }))
    }

    async fn report(&self, object: &Object, status: Status) -> Result<Object, HostError> {
        Ok(object.with_status(status))
    }

    fn note_field(&self, object: &Object, field: Option<&JsonPointer>) {
        let mut fields = self.fields.write();
        match field {
            Some(field) => fields.insert(object.key(), field.clone()),
            None => fields.remove(&object.key()),
        };
    }

    async fn release(&self, object: &Object) -> Result<(), HostError> {
        // An object whose connection orphans it stays.
        if object.is_deleting() {
            self.revisions.forget(object);
            (self.listener)(object, Notification::Released);
        }
        Ok(())
    }

    async fn delete(&self, object: &Object) -> Result<(), HostError> {
        // The file stays; only its object is deleted, as in a cluster whose GitOps tool does not run.
        (self.listener)(object, Notification::Released);
        Ok(())
    }

    fn publish_event(&self, object: &Object, record: EventRecord) {
        (self.listener)(object, Notification::Event(&record));
    }

    async fn token(&self, _: &SvixConnection) -> Result<String, ReferenceError> {
        Ok(self.references().token.clone())
    }

    fn token_source(&self) -> Option<String> {
        self.references().token_source.clone()
    }

    async fn config_map(
        &self,
        namespace: &str,
        reference: &ConfigMapKeyRef,
    ) -> Result<String, ReferenceError> {
        let entry = (namespace.to_owned(), reference.name.clone(), reference.key.clone());
        self.references().config_maps.get(&entry).cloned().ok_or_else(|| {
            ReferenceError::NotFound(format!(
                "no file declares ConfigMap {namespace}/{} with key {:?}",
                reference.name, reference.key
            ))
        })
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, ReferenceError> {
        Ok(self.find_secret(&(namespace.to_owned(), name.to_owned())))
    }

    async fn signing_key_secrets(&self, endpoint: &Object) -> Result<Vec<String>, ReferenceError> {
        let of_endpoint = |namespace: &str, secret: &SecretData| {
            namespace == endpoint.namespace()
                && secret.labels.get(ENDPOINT_UID_LABEL).is_some_and(|uid| uid == endpoint.uid())
        };
        let (references, written) = (self.references(), self.written_secrets.read());
        let secrets = references.secrets.iter().chain(written.iter());
        let secrets = secrets.filter(|((namespace, _), secret)| of_endpoint(namespace, secret));
        Ok(secrets.map(|((_, name), _)| name.clone()).collect())
    }

    async fn write_secret(&self, owner: &Object, write: SecretWrite) -> Result<SecretData, HostError> {
        let name = (owner.meta().namespace.clone().unwrap_or_default(), write.name.clone());
        let secret = write.onto(self.find_secret(&name), owner)?;
        self.written_secrets.write().insert(name, secret.clone());
        Ok(secret)
    }

    async fn revisions(&self, event_type: &Object) -> Result<Vec<Revision>, HostError> {
        match self.references().histories.get(&full_name(event_type)) {
            Some(History::Versions(versions)) => {
                Ok(versions.iter().map(|(revision, _)| revision.clone()).collect())
            }
            Some(History::Unread(why)) => Err(HostError::Refused(why.clone())),
            None => Ok(self.revisions.list(event_type)),
        }
    }

    async fn published(&self, event_type: &Object, revision: &str) -> Result<Option<Published>, HostError> {
        match self.references().histories.get(&full_name(event_type)) {
            Some(History::Versions(versions)) => {
                let found = versions.iter().find(|(known, _)| known.name == revision);
                Ok(found.and_then(|(_, published)| published.clone()))
            }
            Some(History::Unread(why)) => Err(HostError::Refused(why.clone())),
            None => Ok(self.revisions.published(event_type, revision)),
        }
    }

    async fn write_revision(&self, owner: &Object, write: RevisionWrite) -> Result<(), HostError> {
        self.revisions.write(owner, write)
    }

    async fn delete_revision(&self, owner: &Object, revision: &str) -> Result<(), HostError> {
        self.revisions.delete(owner, revision);
        Ok(())
    }
}

fn full_name(object: &Object) -> (String, String) {
    let key = object.key();
    (key.namespace.to_string(), key.name.to_string())
}

/// Returns the object with changed metadata. It is copied only if it is shared.
#[must_use]
pub fn with_meta(mut object: Object, change: impl FnOnce(&mut ObjectMeta)) -> Object {
    change(object.meta_mut());
    object
}
