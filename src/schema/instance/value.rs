//! A value of a payload, and the steps that are left for judging it.

use serde_json::Value;

use super::meter::Meter;

/// A value of a payload.
#[derive(Clone, Copy)]
pub(in crate::schema) struct Instance<'a> {
    pub value: &'a Value,
    pub meter: &'a Meter,
}

impl<'a> Instance<'a> {
    /// Counts steps; `false`: they are used up.
    #[inline]
    pub fn charge(self, steps: u64) -> bool {
        self.meter.charge(self.value, steps)
    }

    /// The text that this value is, for a check that counts its own steps. That it is asked for is one, whatever the value is.
    #[inline]
    pub fn text(self) -> Option<&'a str> {
        match self.value {
            _ if !self.charge(1) => None,
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn at(self, value: &'a Value) -> Self {
        Self { value, meter: self.meter }
    }
}
