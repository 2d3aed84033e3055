//! What is not known of the event types that are declared.

use std::collections::BTreeSet;

/// Event types that are or may be declared, and for which there is no schema to judge payloads by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Event types whose schema cannot be used, by connection and name.
    pub event_types: BTreeSet<(String, String)>,
    /// Whether there are declarations that cannot be read, so that each event type may be declared.
    pub has_unreadable: bool,
}

impl Unknown {
    /// Whether an event type may be among them.
    pub(super) fn may_contain(&self, connection: &str, event_type: &str) -> bool {
        self.has_unreadable || self.event_types.contains(&(connection.to_owned(), event_type.to_owned()))
    }
}
