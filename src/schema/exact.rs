//! A payload that was read, with the digits of the numbers of which reading lost something.

use serde_json::Value;

use super::{payload, rounded, rounded::Rounded, text::beginning, violation::Violation};

/// A payload, to be judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload {
    value: Value,
    /// The numbers of it that are not as they are written.
    rounded: Vec<Rounded>,
}

impl Payload {
    /// Reads a payload as [`super::parse`] does.
    ///
    /// # Errors
    /// It is not JSON that every reader reads alike; or so many of its numbers are rounded by a 64-bit float that they
    /// cannot be judged as they are written.
    pub fn parse(text: &[u8]) -> Result<Self, Violation> {
        let value = payload::parse(text)?;
        // Without a float in it, nothing was rounded.
        let rounded = match std::str::from_utf8(text) {
            Ok(text) if has_float(&value) => rounded::find(text)?,
            _ => Vec::new(),
        };
        Ok(Self { value, rounded })
    }

    /// The payload, with rounded numbers.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The payload, with rounded numbers.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// The numbers that reading rounded: where each is, how it is written, and what it was read as. Long ones are shortened.
    pub fn rounded_numbers(&self) -> impl Iterator<Item = (&str, String, &Value)> {
        self.rounded.iter().filter(|number| !number.is_equal).filter_map(
            |Rounded { pointer, digits, .. }| {
                Some((pointer.as_str(), beginning(digits), self.value.pointer(pointer)?))
            },
        )
    }

    pub(super) fn rounded(&self) -> impl Iterator<Item = (&Value, &str)> {
        self.rounded
            .iter()
            .filter_map(|Rounded { pointer, digits, .. }| Some((self.value.pointer(pointer)?, &**digits)))
    }
}

/// A value that nothing is known of but itself.
impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self { value, rounded: Vec::new() }
    }
}

fn has_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_float),
        Value::Object(members) => members.values().any(has_float),
        _ => false,
    }
}
