//! A version of a schema, ready to be compared with another.

use serde_json::Value;

use super::read::Source;
use crate::schema::{Compiled, Effort, InvalidSchema, document::Document};

/// A schema that can be compared with another.
pub struct Version<'a> {
    pub(super) schema: &'a Value,
    pub(super) format_assertion: bool,
    compiled: Compiled,
    /// What the schema was read into to compile it: each comparison needs it again.
    document: Document<'a>,
}

impl<'a> Version<'a> {
    /// Compiles a schema. `format_assertion`: whether formats and content encodings are enforced, or annotations.
    pub fn new(schema: &'a Value, format_assertion: bool) -> Result<Self, InvalidSchema> {
        let (compiled, document) = Compiled::with_document(schema, format_assertion, &Effort::full())?;
        Ok(Self { schema, format_assertion, compiled, document })
    }

    /// Whether a payload matches the schema as it is written.
    #[must_use]
    pub fn permits(&self, payload: &Value) -> bool {
        self.compiled.permits(payload).0
    }

    /// The same, with the steps of finding out.
    pub(super) fn permits_counted(&self, payload: &Value) -> (bool, u64) {
        self.compiled.permits(payload)
    }

    /// What is needed to read the schema into a model.
    pub(super) fn source(&self) -> Source<'a, '_> {
        Source {
            document: &self.document,
            patterns: &self.compiled.patterns,
            format_assertion: self.format_assertion,
        }
    }
}

impl std::fmt::Debug for Version<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version").field("format_assertion", &self.format_assertion).finish_non_exhaustive()
    }
}
