//! The schema of an event type, read from where it is kept.

use crate::{
    api::{JsonObject, Reason, WebhookEventType},
    plan::{
        ReconcileError,
        schema_source::{self, Source},
    },
};

use super::super::{
    context::Context,
    host::{Host, ReferenceError},
    outcome::Error,
    queue::Next,
};

/// Why there is no schema.
pub enum SchemaError {
    /// It is not valid, or not there: until something changes.
    Refused(ReconcileError),
    /// It cannot be read this time.
    Unreadable(String),
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Refused(cause) => cause.into(),
            SchemaError::Unreadable(message) => {
                Self::Waiting(ReconcileError::new(Reason::SchemaSourceNotFound, message), Next::Failed)
            }
        }
    }
}

/// Reads the schema that an event type names; `None`: it declares none.
pub async fn read<H: Host>(
    ctx: &Context<H>,
    event_type: &WebhookEventType,
) -> Result<Option<JsonObject>, SchemaError> {
    let text = match schema_source::schema_text(event_type).map_err(SchemaError::Refused)? {
        Source::None => return Ok(None),
        Source::Inline(schema) => return Ok(Some(schema)),
        Source::ConfigMap(reference) => {
            let namespace = event_type.metadata.namespace.as_deref().unwrap_or_default();
            ctx.host.config_map(namespace, reference).await
        }
    };
    match text {
        Ok(text) => schema_source::parse_schema(event_type, &text).map(Some).map_err(SchemaError::Refused),
        Err(ReferenceError::NotFound(message) | ReferenceError::Incomplete(message)) => {
            Err(SchemaError::Refused(ReconcileError::at(
                Reason::SchemaSourceNotFound,
                "/spec/schemaFrom/configMapKeyRef",
                message,
            )))
        }
        Err(ReferenceError::Failed(message) | ReferenceError::Forbidden(message)) => {
            Err(SchemaError::Unreadable(message))
        }
    }
}

#[cfg(test)]
mod tests;
