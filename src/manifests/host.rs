//! Records of the engine without a cluster: claims and status live in memory, tokens and ConfigMaps come from
//! the folder.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{CLAIM_ANNOTATION, ConfigMapKeyRef, FINALIZER, SvixConnection},
    engine::{EventRecord, Host, HostError, Object, ReferenceError, SecretWrite, Status},
    plan::secrets::SecretData,
};

/// What the objects of a folder refer to.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// The token of every connection: there is one server.
    pub token: String,
    /// Texts by namespace, ConfigMap and key.
    pub config_maps: HashMap<(String, String, String), String>,
    /// Secrets by namespace and name.
    pub secrets: HashMap<(String, String), SecretData>,
    /// The labels of the namespaces that files declare.
    pub namespaces: HashMap<String, BTreeMap<String, String>>,
}

/// Called with everything that happens to an object.
pub type Listener = Box<dyn Fn(&Object, &EventRecord) + Send + Sync>;

/// A folder, as the engine sees it.
pub struct ManifestHost {
    references: RwLock<References>,
    /// Secrets that were written, which no file declares.
    written: RwLock<HashMap<(String, String), SecretData>>,
    listener: Listener,
}

impl ManifestHost {
    /// A host whose objects refer to this.
    #[must_use]
    pub fn new(references: References, listener: Listener) -> Self {
        Self { references: RwLock::new(references), written: RwLock::default(), listener }
    }

    /// The Secrets that were written, which no file declares.
    #[must_use]
    pub fn written(&self) -> HashMap<(String, String), SecretData> {
        self.written.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find_secret(&self, place: &(String, String)) -> Option<SecretData> {
        let written = self.written.read().unwrap_or_else(PoisonError::into_inner).get(place).cloned();
        written.or_else(|| {
            self.references.read().unwrap_or_else(PoisonError::into_inner).secrets.get(place).cloned()
        })
    }

    /// Replaces what objects refer to.
    pub fn set_references(&self, references: References) {
        *self.references.write().unwrap_or_else(PoisonError::into_inner) = references;
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

    async fn release(&self, object: &Object) -> Result<(), HostError> {
        // One that is let go by its connection stays.
        if !object.is_deleting() {
            return Ok(());
        }
        (self.listener)(object, &EventRecord { warning: false, reason: RELEASED, message: String::new() });
        Ok(())
    }

    async fn delete(&self, object: &Object) -> Result<(), HostError> {
        // The file is still there; only its object goes, as in a cluster whose Git tool does not look.
        (self.listener)(object, &EventRecord { warning: false, reason: RELEASED, message: String::new() });
        Ok(())
    }

    fn publish_event(&self, object: &Object, record: EventRecord) {
        (self.listener)(object, &record);
    }

    async fn token(&self, _: &SvixConnection) -> Result<String, ReferenceError> {
        Ok(self.references.read().unwrap_or_else(PoisonError::into_inner).token.clone())
    }

    async fn config_map(
        &self,
        namespace: &str,
        reference: &ConfigMapKeyRef,
    ) -> Result<String, ReferenceError> {
        let place = (namespace.to_owned(), reference.name.clone(), reference.key.clone());
        let references = self.references.read().unwrap_or_else(PoisonError::into_inner);
        references.config_maps.get(&place).cloned().ok_or_else(|| {
            ReferenceError::NotFound(format!(
                "no file declares ConfigMap {namespace}/{} with key {:?}",
                reference.name, reference.key
            ))
        })
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, ReferenceError> {
        Ok(self.find_secret(&(namespace.to_owned(), name.to_owned())))
    }

    async fn write_secret(&self, owner: &Object, write: SecretWrite) -> Result<SecretData, HostError> {
        let place = (owner.meta().namespace.clone().unwrap_or_default(), write.name.clone());
        let secret = write.onto(self.find_secret(&place), owner)?;
        self.written.write().unwrap_or_else(PoisonError::into_inner).insert(place, secret.clone());
        Ok(secret)
    }
}

/// The reason of the note that an object has been let go: whoever holds the objects forgets it then.
pub const RELEASED: &str = "Released";

/// The same object with other metadata. Nothing is copied when nobody else holds the object.
#[must_use]
pub fn with_meta(object: Object, change: impl FnOnce(&mut ObjectMeta)) -> Object {
    match object {
        Object::Connection(mut o) => {
            change(&mut Arc::make_mut(&mut o).metadata);
            Object::Connection(o)
        }
        Object::EventType(mut o) => {
            change(&mut Arc::make_mut(&mut o).metadata);
            Object::EventType(o)
        }
        Object::Endpoint(mut o) => {
            change(&mut Arc::make_mut(&mut o).metadata);
            Object::Endpoint(o)
        }
        Object::Event(mut o) => {
            change(&mut Arc::make_mut(&mut o).metadata);
            Object::Event(o)
        }
    }
}
