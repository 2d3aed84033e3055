//! What the engine asks of the world that its objects live in: a cluster, or a folder.

use std::{collections::BTreeMap, future::Future};

use crate::{
    api::{ConfigMapKeyRef, SvixConnection},
    plan::secrets::{SecretData, SecretOwner, Sensitive},
};

use super::object::{Object, Status};

/// Records about objects, and what objects refer to.
pub trait Host: Send + Sync + 'static {
    /// Records, before the first write to Svix, that this object is about to make something there: our
    /// finalizer when there will be something to clean up, and the claim annotation when one is given.
    /// Answers the object as it is then.
    fn claim(
        &self,
        object: &Object,
        finalizer: bool,
        annotation: Option<&str>,
    ) -> impl Future<Output = Result<Object, HostError>> + Send;

    /// Writes status. Called only when it differs. Answers the object as it is then.
    fn report(
        &self,
        object: &Object,
        status: Status,
    ) -> impl Future<Output = Result<Object, HostError>> + Send;

    /// Takes our finalizer off an object: one that is being deleted goes with that, any other stays.
    fn release(&self, object: &Object) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Deletes an object whose time is over. Gone already is success.
    fn delete(&self, object: &Object) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Tells people of something that happened to an object. Never fails and never waits.
    fn publish_event(&self, object: &Object, record: EventRecord);

    /// The token of a connection.
    fn token(
        &self,
        connection: &SvixConnection,
    ) -> impl Future<Output = Result<String, ReferenceError>> + Send;

    /// A text in a ConfigMap.
    fn config_map(
        &self,
        namespace: &str,
        reference: &ConfigMapKeyRef,
    ) -> impl Future<Output = Result<String, ReferenceError>> + Send;

    /// A Secret, by its name. `None`: there is none of that name.
    fn secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<SecretData>, ReferenceError>> + Send;

    /// Writes a Secret that belongs to an object, in the object's namespace. Answers it as it is then.
    fn write_secret(
        &self,
        owner: &Object,
        write: SecretWrite,
    ) -> impl Future<Output = Result<SecretData, HostError>> + Send;
}

/// What is written to a Secret; what is not named stays as it is.
#[derive(Clone, Debug)]
pub struct SecretWrite {
    /// Its name.
    pub name: String,
    /// The version that is changed; `None`: it is made.
    pub resource_version: Option<String>,
    /// Whether the object becomes its only owner.
    pub own: bool,
    /// Entries of the data; `None`: one that must not be there.
    pub data: BTreeMap<String, Option<Sensitive>>,
    /// Annotations; likewise.
    pub annotations: BTreeMap<String, Option<String>>,
    /// Labels that it must have.
    pub labels: BTreeMap<String, String>,
}

impl SecretWrite {
    /// The Secret as it is after this, where there is no API server that says so. `before`: as it was; another version
    /// than the one that is changed is a conflict.
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
        secret.labels.extend(labels);
        if own {
            secret.owners = vec![SecretOwner {
                uid: owner.meta().uid.clone().unwrap_or_default(),
                kind: owner.kind().as_str().to_owned(),
                name: owner.meta().name.clone().unwrap_or_default(),
            }];
        }
        Ok(secret)
    }
}

/// Something that happened to an object: an Event in a cluster, a line in `dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Whether somebody should look.
    pub warning: bool,
    /// In one word.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

/// A record that could not be written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HostError {
    /// The object is not there any more.
    #[error("the object is gone")]
    Gone,
    /// The object changed meanwhile.
    #[error("the object changed meanwhile")]
    Conflict,
    /// The operator may not write it.
    #[error("{0}")]
    Forbidden(String),
    /// It is not valid, or cannot be changed: trying again does not help.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Something that an object refers to and that cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It is not there. The message says what is missing and where.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be read now.
    #[error("{0}")]
    Failed(String),
    /// The operator may not read it.
    #[error("{0}")]
    Forbidden(String),
}

impl ReferenceError {
    /// Whether it may come back by itself, without a change that is noticed.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::NotFound(_))
    }
}

/// What was done for an object: the reasons of Events that are not those of conditions. The names are stable;
/// `docs/conditions.md` explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventReason {
    /// Something was made in Svix.
    Created,
    /// Fields in Svix were changed to what is declared.
    Updated,
    /// It was in Svix already, equal, and is now ours.
    Adopted,
    /// An archived event type was brought back.
    Revived,
    /// An event type was archived with its object.
    Archived,
    /// An event type was removed for good with its object.
    Expunged,
    /// An endpoint was deleted with its object.
    Deleted,
    /// Another object took over what this one held.
    HandedOver,
    /// An application was missing and was made.
    ApplicationCreated,
    /// What somebody changed in Svix was changed back.
    DriftRepaired,
    /// An object was let go without clean-up.
    Orphaned,
    /// An event was sent.
    EventSent,
    /// The deliveries of an event ended well.
    EventDelivered,
    /// The signing key of an endpoint was replaced.
    SigningKeyRotated,
    /// The signing key of an endpoint was made the one in a Secret.
    SigningKeyChanged,
    /// The signing key of an endpoint was written to a Secret.
    SigningKeyWritten,
    /// The headers of an endpoint were written.
    HeadersWritten,
    /// An object is cleaned up on the connection that it was on before.
    Moved,
    /// Another object declares the same thing, and waits.
    Contested,
}

impl EventReason {
    /// All of them, for documentation.
    pub const ALL: [Self; 19] = [
        Self::Created,
        Self::Updated,
        Self::Adopted,
        Self::Revived,
        Self::Archived,
        Self::Expunged,
        Self::Deleted,
        Self::HandedOver,
        Self::ApplicationCreated,
        Self::DriftRepaired,
        Self::Orphaned,
        Self::EventSent,
        Self::EventDelivered,
        Self::SigningKeyRotated,
        Self::SigningKeyChanged,
        Self::SigningKeyWritten,
        Self::HeadersWritten,
        Self::Moved,
        Self::Contested,
    ];

    /// The reason as Events carry it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::Adopted => "Adopted",
            Self::Revived => "Revived",
            Self::Archived => "Archived",
            Self::Expunged => "Expunged",
            Self::Deleted => "Deleted",
            Self::HandedOver => "HandedOver",
            Self::ApplicationCreated => "ApplicationCreated",
            Self::DriftRepaired => "DriftRepaired",
            Self::Orphaned => "Orphaned",
            Self::EventSent => "EventSent",
            Self::EventDelivered => "EventDelivered",
            Self::SigningKeyRotated => "SigningKeyRotated",
            Self::SigningKeyChanged => "SigningKeyChanged",
            Self::SigningKeyWritten => "SigningKeyWritten",
            Self::HeadersWritten => "HeadersWritten",
            Self::Moved => "Moved",
            Self::Contested => "Contested",
        }
    }
}
