//! A version of a schema, ready to be compared with another.

use serde_json::Value;

use super::{budget::Budget, read::Source};
use crate::schema::{Compiled, Effort, InvalidSchema, MAX_STEPS, document::Document};

/// Most bytes that the patterns and pointers of a version take that is compared with another one.
const MAX_FURTHER_MEMORY: u64 = 8 * 1024 * 1024;

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
        Self::new_within(schema, format_assertion, &Effort::full())
    }

    /// As [`Self::new`], if that takes no more than the effort. Otherwise it is exceeded, and the error says nothing of the
    /// schema.
    pub fn new_within(
        schema: &'a Value,
        format_assertion: bool,
        effort: &Effort,
    ) -> Result<Self, InvalidSchema> {
        let (compiled, document) = Compiled::with_document(schema, format_assertion, effort)?;
        Ok(Self { schema, format_assertion, compiled, document })
    }

    /// Whether a payload matches the schema as it is written.
    #[must_use]
    pub fn permits(&self, payload: &Value) -> bool {
        self.compiled.permits(payload, MAX_STEPS).0
    }

    /// As [`Self::permits`], within a budget; `None` where it is exceeded.
    pub(super) fn permits_within(&self, payload: &Value, budget: &mut Budget) -> Option<bool> {
        let (permits, steps) = self.compiled.permits(payload, budget.left());
        budget.spend(steps).then_some(permits)
    }

    /// Whether its patterns and pointers take so much memory that it is compared with no other version: the verdict is that it
    /// is not decided.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.further_memory() > MAX_FURTHER_MEMORY
    }

    /// The memory that patterns and pointers take beside what follows from the text, in bytes, about. No payload fills tables
    /// of a version that is only compared.
    pub(super) fn further_memory(&self) -> u64 {
        (self.compiled.patterns.programs() + self.compiled.pointers.kept()) as u64
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
