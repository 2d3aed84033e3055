//! The pure core: from what is declared and what Svix holds to what has to be done, and to what status says.
//!
//! No clock, no I/O, no Kubernetes client, no Svix client. `run` and `dev` share it, so both do the same.

pub mod access;
pub mod channels;
pub mod claims;
pub mod decimal;
pub mod digest;
pub mod endpoint;
pub mod event;
pub mod event_type;
pub mod headers;
pub mod ids;
pub mod json_difference;
pub mod schema_source;
pub mod secrets;
pub mod signing;
pub mod status;
pub mod storable;
pub mod suggest;
pub mod unapplied;

use crate::api::{self, Reason};

/// A reason why a spec cannot be carried out: what conditions and Events say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReconcileError {
    /// In one word.
    pub reason: Reason,
    /// In words for a person: the field (JSON Pointer), what was found, what was expected, what to do.
    pub message: String,
    /// The same without what a payload holds, for Events and logs, which others read; `None`: the message tells
    /// nothing of a payload.
    pub redacted: Option<String>,
}

impl ReconcileError {
    /// A refusal.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), redacted: None }
    }

    /// What may be said where more people read than may read the object.
    #[must_use]
    pub fn redacted_message(&self) -> &str {
        self.redacted.as_deref().unwrap_or(&self.message)
    }
}

/// One field that differs between Svix and what is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field's name in the spec.
    pub field: &'static str,
    /// What Svix holds, shortened, without credentials.
    pub found: String,
    /// What is declared, shortened, without credentials.
    pub expected: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {} in Svix, declared {}", self.field, self.found, self.expected)
    }
}

/// The differences in one line.
#[must_use]
pub fn describe(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The fields that status names of a difference, at most.
const MAX_FIELDS: usize = 20;
/// The longest value in it, in characters.
const MAX_FIELD_VALUE: usize = 256;

/// What status says of an object that is only compared: what would be done, and the fields.
#[must_use]
pub fn difference(action: api::Action, differences: &[Difference]) -> api::Difference {
    let short = |text: &str| match text.char_indices().nth(MAX_FIELD_VALUE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    };
    let field = |difference: &Difference| api::FieldDifference {
        field: difference.field.to_owned(),
        in_svix: short(&difference.found),
        declared: short(&difference.expected),
    };
    let more = differences.len().saturating_sub(MAX_FIELDS);
    api::Difference {
        action,
        fields: differences.iter().take(MAX_FIELDS).map(field).collect(),
        more: (more > 0).then(|| i32::try_from(more).unwrap_or(i32::MAX)),
    }
}

/// A value for messages: quoted, at most 80 characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(80) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
