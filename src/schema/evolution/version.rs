//! A version of a schema, ready to be compared with another.

use serde_json::Value;

use crate::schema::{Compiled, InvalidSchema};

/// A schema that can be compared with another.
#[derive(Debug)]
pub struct Version<'a> {
    pub(super) schema: &'a Value,
    pub(super) format_assertion: bool,
    compiled: Compiled,
}

impl<'a> Version<'a> {
    /// Compiles a schema. `format_assertion`: whether formats and content encodings are enforced, or annotations.
    pub fn new(schema: &'a Value, format_assertion: bool) -> Result<Self, InvalidSchema> {
        let compiled = Compiled::new(schema, format_assertion)?;
        Ok(Self { schema, format_assertion, compiled })
    }

    /// Whether a payload matches the schema as it is written.
    #[must_use]
    pub fn permits(&self, payload: &Value) -> bool {
        self.compiled.permits(payload)
    }
}
