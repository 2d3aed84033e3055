//! What an operation of Svix's API can cause, and what the gateway does about it.

/// Whose operations are forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Surface {
    /// Those of the open-source server.
    #[default]
    OpenSource,
    /// Those of Svix Cloud, and those that only the open-source server has.
    Cloud,
}

/// What an operation can cause at receivers of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing is delivered.
    NoDelivery,
    /// Creates a message from its body.
    CreatesMessage,
    /// Creates several events of a stream from its body.
    CreatesEvents,
    /// Delivers an example that is part of an event type's schema in Svix.
    SendsExample,
    /// Changes event types in Svix: their schemas, and the examples that are delivered.
    ChangesEventTypes,
    /// Delivers messages that Svix has already, also those that were not created through this gateway.
    DeliversStored,
    /// Changes code that changes payloads between their creation and their delivery.
    TransformsPayloads,
    /// Returns a credential, or the address of a page or of a receiver, with which messages can be created or delivered
    /// without passing this gateway.
    GrantsAccess,
}

impl Effect {
    /// Returns what the gateway does about it, as docs/gateway.md says it.
    #[must_use]
    pub fn treatment(self) -> &'static str {
        match self {
            Self::NoDelivery => "forwarded",
            Self::CreatesMessage => "The payload is validated.",
            Self::CreatesEvents => "The payload of each event is validated.",
            Self::SendsExample => "The examples in Svix are read and validated first.",
            Self::ChangesEventTypes => "Rejected with 403, unless `--allow-event-type-writes` is set.",
            Self::DeliversStored => "Forwarded. What Svix has already is not validated again.",
            Self::TransformsPayloads => "Forwarded. Transformed payloads are not validated.",
            Self::GrantsAccess => "Forwarded. What is done with it does not pass the gateway.",
        }
    }

    /// Whether this is the creation of messages.
    #[must_use]
    pub fn creates_messages(self) -> bool {
        matches!(self, Self::CreatesMessage | Self::CreatesEvents)
    }
}

/// An operation of Svix's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its method.
    pub method: &'static str,
    /// Its path, with `*` for an id, uid or name.
    pub path: &'static str,
    /// What it can cause.
    pub effect: Effect,
}

/// Returns an operation, for the tables.
pub(super) const fn operation(method: &'static str, path: &'static str, effect: Effect) -> Operation {
    Operation { method, path, effect }
}
