//! What the engine asks of the place that its objects live in: a cluster, or a folder of manifests.

mod revisions;

use std::{collections::BTreeMap, future::Future};

use crate::{
    api::{ConfigMapKeyRef, JsonPointer, SvixConnection, WebhookEvent},
    plan::{
        revision::{Published, Revision},
        secrets::{SecretData, SecretOwner, Sensitive},
    },
};

use super::{
    events::EventRecord,
    object::{Object, Status},
};

pub use revisions::MemoryRevisions;

/// Where objects live: it stores what the engine records about them, and has what they refer to.
///
/// The engine calls the writing methods for one object at a time, and never two at once for the same object.
///
/// # Guarantees that an implementation gives
/// - A write names the object's uid or its version, so that an object which was deleted and created again is never
///   written by mistake: the write fails.
/// - A write that succeeds is durable, and the object that it returns is as it is stored.
/// - [`HostError`] and [`ReferenceError`] carry no credential in their messages.
///
/// # Assumptions
/// - Changes come back through `Engine::upsert`, also those of the engine's own writes; an object without a
///   `resourceVersion` is taken as it comes.
pub trait Host: Send + Sync + 'static {
    /// Records, before the first write to Svix, that this object is about to create something there: our finalizer when
    /// there will be something to clean up, and the claim annotation when one is given. An object that changed since it
    /// was read is [`HostError::Conflict`]. Returns the object as stored.
    fn claim(
        &self,
        object: &Object,
        finalizer: bool,
        annotation: Option<&str>,
    ) -> impl Future<Output = Result<Object, HostError>> + Send;

    /// Writes the whole status, onto any version of the object; called only when it differs. Returns the object as
    /// stored, but for the payload of an event that needs it no more.
    fn report(
        &self,
        object: &Object,
        status: Status,
    ) -> impl Future<Output = Result<Object, HostError>> + Send;

    /// Takes note of the field that the condition `Ready` is about; `None`: it is about no field. Kubernetes has no place
    /// for it: it is for hosts that know the line of the field in a file.
    fn note_field(&self, object: &Object, field: Option<&JsonPointer>) {
        let _ = (object, field);
    }

    /// Removes our finalizer, from any version of the object: one that is being deleted goes with that, any other stays.
    fn release(&self, object: &Object) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Reads an event with its payload, if the engine was given it without: large payloads are not kept in memory. `None`: it
    /// was given whole.
    fn read_event(
        &self,
        object: &Object,
    ) -> impl Future<Output = Result<Option<WebhookEvent>, HostError>> + Send {
        let _ = object;
        std::future::ready(Ok(None))
    }

    /// Deletes an object whose `ttlAfterFinished` is over. Gone already is success.
    fn delete(&self, object: &Object) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Publishes an Event about an object. Never fails and never waits.
    fn publish_event(&self, object: &Object, record: EventRecord);

    /// Reads the token of a connection. [`ReferenceError::NotFound`] is returned only where the Secret is known not to
    /// exist: objects that are being deleted are released without clean-up after a while then.
    fn token(
        &self,
        connection: &SvixConnection,
    ) -> impl Future<Output = Result<String, ReferenceError>> + Send;

    /// The source of tokens, as messages name it; `None`: the Secret that the connection names.
    fn token_source(&self) -> Option<String> {
        None
    }

    /// Reads a text in a ConfigMap.
    fn config_map(
        &self,
        namespace: &str,
        reference: &ConfigMapKeyRef,
    ) -> impl Future<Output = Result<String, ReferenceError>> + Send;

    /// Reads a Secret by its name; `None`: there is none of that name.
    fn secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<SecretData>, ReferenceError>> + Send;

    /// Returns the names of the Secrets in the namespace of an endpoint that have the label
    /// [`ENDPOINT_UID_LABEL`](crate::plan::signing::ENDPOINT_UID_LABEL) with its uid. By default there are none.
    fn signing_key_secrets(
        &self,
        endpoint: &Object,
    ) -> impl Future<Output = Result<Vec<String>, ReferenceError>> + Send {
        let _ = endpoint;
        async { Ok(Vec::new()) }
    }

    /// Writes a Secret that belongs to an object, in the object's namespace. Returns it as stored.
    fn write_secret(
        &self,
        owner: &Object,
        write: SecretWrite,
    ) -> impl Future<Output = Result<SecretData, HostError>> + Send;

    /// Lists the revisions of the schema of an event type, without their schemas, in no order. Called only when the schema
    /// or the number of revisions that are kept changed.
    fn revisions(&self, event_type: &Object)
    -> impl Future<Output = Result<Vec<Revision>, HostError>> + Send;

    /// Reads what was published under a revision; `None`: there is no such revision, or its schema is not kept.
    fn published(
        &self,
        event_type: &Object,
        revision: &str,
    ) -> impl Future<Output = Result<Option<Published>, HostError>> + Send;

    /// Writes a revision of the schema of an event type, which is deleted with the event type. One that exists already with
    /// the same content gets the number.
    fn write_revision(
        &self,
        owner: &Object,
        write: RevisionWrite,
    ) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Deletes a revision. Gone already is success.
    fn delete_revision(
        &self,
        owner: &Object,
        revision: &str,
    ) -> impl Future<Output = Result<(), HostError>> + Send;
}

/// A write to the history of a schema.
#[derive(Clone, Debug)]
pub enum RevisionWrite {
    /// A new revision.
    Create {
        /// The revision.
        revision: Revision,
        /// What was published; `None`: it is too large, and only its digest is kept.
        published: Option<Published>,
    },
    /// A new number for one that exists: its content was published again. What is published never changes.
    Renumber(Revision),
}

/// What is written to a Secret; what is not named stays as it is.
#[derive(Clone, Debug)]
pub struct SecretWrite {
    /// Its name.
    pub name: String,
    /// The version that is changed; `None`: it is created.
    pub resource_version: Option<String>,
    /// Whether the object becomes its only owner.
    pub own: bool,
    /// Entries of the data; `None`: one that must not be there.
    pub data: BTreeMap<String, Option<Sensitive>>,
    /// Annotations; likewise.
    pub annotations: BTreeMap<String, Option<String>>,
    /// Labels; likewise.
    pub labels: BTreeMap<String, Option<String>>,
}

impl SecretWrite {
    /// Returns the Secret as it is after this write, where no API server says so. `before` is the Secret as it was; a
    /// version other than the one that is changed is a conflict.
    pub fn onto(self, before: Option<SecretData>, owner: &Object) -> Result<SecretData, HostError> {
        // No `..`: a new part must be thought of here.
        let Self { name: _, resource_version, own, data, annotations, labels } = self;
        if resource_version != before.as_ref().map(|before| before.resource_version.clone()) {
            return Err(HostError::Conflict);
        }
        let mut secret = before.unwrap_or_default();
        secret.resource_version = format!("{}+", secret.resource_version);
        for (key, value) in data {
            match value {
                Some(value) => secret.data.insert(key, value.expose().as_bytes().to_vec()),
                None => secret.data.remove(&key),
            };
        }
        for (key, value) in annotations {
            match value {
                Some(value) => secret.annotations.insert(key, value),
                None => secret.annotations.remove(&key),
            };
        }
        for (key, value) in labels {
            match value {
                Some(value) => secret.labels.insert(key, value),
                None => secret.labels.remove(&key),
            };
        }
        if own {
            secret.owners = vec![SecretOwner {
                uid: owner.uid().to_owned(),
                kind: owner.kind().as_str().to_owned(),
                name: owner.name().to_owned(),
            }];
        }
        Ok(secret)
    }
}

/// A write that failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HostError {
    /// The object is not there any more.
    #[error("the object is gone")]
    Gone,
    /// The object changed since it was read.
    #[error("the object changed meanwhile")]
    Conflict,
    /// The operator may not read or write it; only of a Secret or a revision.
    #[error("{0}")]
    Forbidden(String),
    /// It is not valid, or cannot be changed, so trying again does not help; only of a Secret or a
    /// revision.
    #[error("{0}")]
    Refused(String),
    /// Anything else. It is tried again.
    #[error("{0}")]
    Failed(String),
}

/// Something that an object refers to and that cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The Secret or ConfigMap does not exist. The message says which, and where.
    #[error("{0}")]
    NotFound(String),
    /// It exists, and lacks the key, or the key has no usable value.
    #[error("{0}")]
    Incomplete(String),
    /// It could not be read this time. Whether it exists is not known.
    #[error("{0}")]
    Failed(String),
    /// The operator may not read it. Whether it exists is not known.
    #[error("{0}")]
    Forbidden(String),
}
