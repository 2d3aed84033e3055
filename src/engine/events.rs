//! What is published about objects: a Kubernetes Event in a cluster, a line in `dev`.

use strum::VariantArray as _;

/// One Event about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Whether its type is `Warning`.
    pub warning: bool,
    /// The reason, in `UpperCamelCase`: of [`EventReason`], or of a condition.
    pub reason: &'static str,
    /// The message, without anything that only readers of the object may see.
    pub message: String,
}

impl EventRecord {
    /// Returns an Event of type `Normal`.
    #[must_use]
    pub fn normal(reason: EventReason, message: impl Into<String>) -> Self {
        Self { warning: false, reason: reason.as_str(), message: message.into() }
    }

    /// Returns an Event of type `Warning`.
    #[must_use]
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { warning: true, reason, message: message.into() }
    }
}

/// The reasons of Events that are not also reasons of conditions. The names are stable; `docs/conditions.md` explains
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
pub enum EventReason {
    /// Something was created in Svix.
    Created,
    /// Fields in Svix were changed to what is declared.
    Updated,
    /// It was in Svix already, equal, and is now ours.
    Adopted,
    /// An archived event type was unarchived.
    Revived,
    /// An event type was archived with its object.
    Archived,
    /// An event type was removed permanently with its object.
    Expunged,
    /// An endpoint was deleted with its object.
    Deleted,
    /// Another object took over what this one managed.
    HandedOver,
    /// An application was missing and was created.
    ApplicationCreated,
    /// What somebody changed in Svix was changed back.
    DriftRepaired,
    /// An object was released without clean-up.
    Orphaned,
    /// An event was sent.
    EventSent,
    /// The deliveries of an event succeeded.
    EventDelivered,
    /// The signing key of an endpoint was replaced.
    SigningKeyRotated,
    /// The signing key of an endpoint is now the one in a Secret.
    SigningKeyChanged,
    /// The signing key of an endpoint was written to a Secret.
    SigningKeyWritten,
    /// The headers of an endpoint were written.
    HeadersWritten,
    /// An object was cleaned up on the connection that it was on before.
    Moved,
    /// Another object declares the same in Svix, and waits.
    Contested,
    /// Svix was given an address, from a Secret, that it never delivers to unless its operator permits it.
    AddressUnreachable,
}

impl EventReason {
    /// All of them, for documentation.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the reason as Events carry it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
