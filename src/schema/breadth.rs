//! What a schema may cost for each value of a payload: how many violations there can be of one, and how many allowed
//! values it is compared with.
//!
//! The validator collects every violation before it returns the first, at some 350 bytes each, and compares a value with
//! an `enum` of numbers or objects one by one.

use serde_json::Value;

use super::document::Document;

/// Most violations that are collected of one payload: about 175 MB in the worst case, where every part of the schema
/// applies to every value.
const MAX_COLLECTED: usize = 500_000;
/// Most comparisons of values with allowed values for one payload: about a second in the worst case.
const MAX_COMPARED: usize = 200_000_000;

/// What one value may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Breadth {
    /// Violations: one for each part of the schema, and for each key that is required.
    violations: usize,
    /// Values in all `enum`s.
    allowed: usize,
    /// Whether there are alternatives, of each of which the validator collects all violations even for the first.
    alternatives: bool,
}

impl Breadth {
    /// Of a schema, whose depth is bounded, and of the meta-schemas that it refers to.
    pub fn of(document: &Document<'_>) -> Self {
        let mut breadth = Self::default();
        if let Some(root) = document.subschemas.first() {
            breadth.add(root.value);
        }
        document.meta_schemas().for_each(|meta_schema| breadth.add(meta_schema));
        breadth
    }

    fn add(&mut self, schema: &Value) {
        match schema {
            Value::Object(map) => {
                self.violations += 1;
                for (key, value) in map {
                    self.alternatives |= matches!(key.as_str(), "anyOf" | "oneOf");
                    match (key.as_str(), value) {
                        ("required", Value::Array(names)) => self.violations += names.len(),
                        ("enum", Value::Array(values)) => self.allowed += values.len(),
                        _ => self.add(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            _ => {}
        }
    }

    /// The most values that a payload may have to be judged in bounded time.
    pub fn most_values(self) -> usize {
        MAX_COMPARED / self.allowed.max(1)
    }

    /// Whether the first violation of a payload can be reported without collecting others.
    pub fn first_is_cheap(self) -> bool {
        !self.alternatives
    }

    /// The most values that a payload may have for all its violations to be collected.
    pub fn most_collected(self) -> usize {
        MAX_COLLECTED / self.violations.max(1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jsonschema::Draft;
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinary_schemas_are_judged_whole() {
        let currencies: Vec<_> = (0..300).map(|i| format!("C{i}")).collect();
        let properties: serde_json::Map<_, _> =
            (0..100).map(|i| (format!("f{i}"), json!({"type": "string"}))).collect();
        let schema = json!({
            "required": ["f1", "f2"], "properties": properties, "additionalProperties": {"enum": currencies},
        });
        let breadth = Breadth::of(&Document::read(&schema, Draft::Draft7).unwrap());
        assert!(breadth.most_values() > 500_000, "{breadth:?}");
        assert!(breadth.most_collected() > 4_000, "{breadth:?}");
    }
}
