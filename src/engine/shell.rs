//! What the engine asks of the world that its objects live in: a cluster, or a folder.

use std::future::Future;

use crate::api::{ConfigMapKeyRef, SvixConnection};

use super::object::{Object, Status};

/// Records about objects, and what objects refer to.
pub trait Shell: Send + Sync + 'static {
    /// Records, before the first write to Svix, that this object is about to make something there: our
    /// finalizer when there will be something to clean up, and the claim annotation when one is given.
    /// Answers the object as it is then.
    fn claim(
        &self,
        object: &Object,
        finalizer: bool,
        annotation: Option<&str>,
    ) -> impl Future<Output = Result<Object, ShellError>> + Send;

    /// Writes status. Called only when it differs. Answers the object as it is then.
    fn report(
        &self,
        object: &Object,
        status: Status,
    ) -> impl Future<Output = Result<Object, ShellError>> + Send;

    /// Takes our finalizer off an object that is being deleted.
    fn release(&self, object: &Object) -> impl Future<Output = Result<(), ShellError>> + Send;

    /// Deletes an object whose time is over. Gone already is success.
    fn delete(&self, object: &Object) -> impl Future<Output = Result<(), ShellError>> + Send;

    /// Tells people of something that happened to an object. Never fails and never waits.
    fn tell(&self, object: &Object, note: Note);

    /// The token of a connection.
    fn token(&self, connection: &SvixConnection) -> impl Future<Output = Result<String, Missing>> + Send;

    /// A text in a ConfigMap.
    fn config_map(
        &self,
        namespace: &str,
        reference: &ConfigMapKeyRef,
    ) -> impl Future<Output = Result<String, Missing>> + Send;
}

/// Something that happened to an object: an Event in a cluster, a line in `dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look.
    pub warning: bool,
    /// In one word.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

/// A record that could not be written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ShellError {
    /// The object is not there any more.
    #[error("the object is gone")]
    Gone,
    /// The object changed meanwhile.
    #[error("the object changed meanwhile")]
    Conflict,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Something that an object refers to and that cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Missing {
    /// It is not there. The message says what is missing and where.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be read now.
    #[error("{0}")]
    Failed(String),
}

/// What was done for an object: the reasons of Events that are not those of conditions. The names are stable;
/// `docs/conditions.md` explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
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
}

impl Happened {
    /// All of them, for documentation.
    pub const ALL: [Self; 13] = [
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
        }
    }
}
