//! The error for an object that cannot be reconciled.

use crate::api::{JsonPointer, Reason, Violation};

/// The error for an object that cannot be reconciled: the content of its conditions and Events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ReconcileError {
    /// The reason of the condition.
    pub reason: Reason,
    /// The message of the condition: the field, what was found, what was expected, what to do. It is for people;
    /// decisions are made on the other fields.
    pub message: String,
    /// The field of the object that it is about, if it is about one.
    pub field: Option<JsonPointer>,
    /// The cause that the engine acts on, where the reason alone is not enough.
    pub cause: Option<Cause>,
    /// The message without the content of a payload, for Events and logs, which more people read; `None`: the message
    /// has no such content.
    pub redacted: Option<String>,
    /// Where the message begins behind the field.
    detail_at: usize,
}

/// A cause that the engine acts on: something that a connection cannot do without does not exist, says the API server.
/// Only that starts the time after which objects are released without clean-up; what cannot be read for a moment does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The SvixConnection.
    ConnectionMissing,
    /// The Secret with its token.
    TokenMissing,
}

impl ReconcileError {
    /// An error that is about no single field.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: None, cause: None, redacted: None, detail_at: 0 }
    }

    /// An error in a field; the message is `<field>: <detail>`.
    pub fn at(reason: Reason, field: impl Into<JsonPointer>, detail: impl std::fmt::Display) -> Self {
        Self::behind(reason, field.into(), ": ", &detail)
    }

    /// An error in a field whose message goes on behind the field as one sentence: `<field> <detail>`.
    pub fn in_sentence(
        reason: Reason,
        field: impl Into<JsonPointer>,
        detail: impl std::fmt::Display,
    ) -> Self {
        Self::behind(reason, field.into(), " ", &detail)
    }

    fn behind(reason: Reason, field: JsonPointer, separator: &str, detail: &dyn std::fmt::Display) -> Self {
        let detail_at = field.as_str().len() + separator.len();
        let message = format!("{field}{separator}{detail}");
        Self { field: Some(field), detail_at, ..Self::new(reason, message) }
    }

    /// Sets the field of an error whose message names it elsewhere than at the beginning.
    #[must_use]
    pub fn with_field(self, field: impl Into<JsonPointer>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_cause(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// Sets the message without the content of a payload.
    #[must_use]
    pub fn with_redacted(self, message: impl Into<String>) -> Self {
        Self { redacted: Some(message.into()), ..self }
    }

    /// The message without the field in front of it.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.message.get(self.detail_at..).unwrap_or(&self.message)
    }

    /// The message for places that more people can read than the object.
    #[must_use]
    pub fn redacted_message(&self) -> &str {
        self.redacted.as_deref().unwrap_or(&self.message)
    }
}

impl From<Violation> for ReconcileError {
    fn from(Violation { field, rule }: Violation) -> Self {
        Self::at(Reason::InvalidSpec, field, rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_in_front_of_the_message() {
        let error = ReconcileError::at(Reason::InvalidSpec, "/spec/url", "not a URL");

        assert_eq!(error.to_string(), "/spec/url: not a URL");
        assert_eq!(error.detail(), "not a URL");
        assert_eq!(error.field, Some(JsonPointer::from("/spec/url")));
    }

    #[test]
    fn a_sentence_goes_on_behind_the_field() {
        let error =
            ReconcileError::in_sentence(Reason::InvalidSchema, "/spec/examples/0", "(\"a\") is wrong");

        assert_eq!(error.to_string(), "/spec/examples/0 (\"a\") is wrong");
        assert_eq!(error.detail(), "(\"a\") is wrong");
    }

    #[test]
    fn an_error_without_a_field_is_its_own_detail() {
        let error = ReconcileError::new(Reason::TokenNotFound, "no Secret").with_cause(Cause::TokenMissing);

        assert_eq!((error.detail(), &error.field), ("no Secret", &None));
        assert_eq!(error.cause, Some(Cause::TokenMissing));
    }

    #[test]
    fn the_redacted_message_replaces_the_message() {
        let error = ReconcileError::new(Reason::InvalidPayload, "found 1");
        assert_eq!(error.redacted_message(), "found 1");

        assert_eq!(error.with_redacted("at /a").redacted_message(), "at /a");
    }
}
