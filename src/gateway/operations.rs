//! The operations of Svix's API that are forwarded, and what each of them can cause.
//!
//! These are allow lists. An operation that a later version of Svix adds could carry a payload that is not judged; it is not
//! forwarded until it is listed here with its [`Effect`]. docs/gateway.md has the same as a table.

mod cloud;
mod open_source;

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

const fn operation(method: &'static str, path: &'static str, effect: Effect) -> Operation {
    Operation { method, path, effect }
}

/// Returns the operations of a surface.
pub fn all(surface: Surface) -> impl Iterator<Item = &'static Operation> {
    let more: &[Operation] = match surface {
        Surface::OpenSource => &[],
        Surface::Cloud => &cloud::OPERATIONS,
    };
    open_source::OPERATIONS.iter().chain(more)
}

/// Returns the operations that a path has.
pub(super) fn at_path(surface: Surface, path: &str) -> impl Iterator<Item = &'static Operation> {
    all(surface).filter(move |operation| matches(operation.path, path))
}

fn matches(known: &str, path: &str) -> bool {
    let (mut known, mut path) = (known.split('/'), path.split('/'));
    loop {
        match (known.next(), path.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) if !part.is_empty() => {}
            (Some(known), Some(part)) if known == part => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_overlap_have_the_same_effect() {
        // `stream/event-type` is a path of its own and a stream with that name: which of them Svix means does not matter.
        for first in all(Surface::Cloud) {
            for second in all(Surface::Cloud).filter(|second| second.method == first.method) {
                let parts = || first.path.split('/').zip(second.path.split('/'));
                let overlap = first.path.split('/').count() == second.path.split('/').count()
                    && parts().all(|(a, b)| a == b || a == "*" || b == "*");
                assert!(!overlap || first.effect == second.effect, "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn a_segment_stands_for_one_name() {
        assert!(matches("/api/v1/app/*/msg", "/api/v1/app/a/msg"));
        for other in ["/api/v1/app//msg", "/api/v1/app/a/b/msg", "/api/v1/app/a", "/api/v1/app/a/msg/x"] {
            assert!(!matches("/api/v1/app/*/msg", other), "{other}");
        }
    }
}
