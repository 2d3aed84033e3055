//! What a schema may cost for each value of a payload: how many violations there can be of one, and how many allowed
//! values it is compared with.
//!
//! The validator collects every violation before it returns the first, at some 350 bytes each, and compares a value with
//! an `enum` of numbers or objects one by one.

use serde_json::Value;

use super::document::Document;

/// Most violations that are collected of one payload: about 40 MB in the worst case. One payload at a time has many.
const MAX_COLLECTED: usize = 120_000;
/// As many violations are few: collecting them takes less than 2 MB.
const FEW_COLLECTED: usize = 5_000;
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
            if !has_references(root.value) {
                breadth.violations = violations_of_one_value(root.value);
            }
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

    /// The most values that a payload may have for few violations.
    pub fn few_collected(self) -> usize {
        FEW_COLLECTED / self.violations.max(1)
    }

    /// The most values that a payload may have for all its violations to be collected.
    pub fn most_collected(self) -> usize {
        MAX_COLLECTED / self.violations.max(1)
    }
}

/// Whether a part of a schema may apply at other places than its own.
fn has_references(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.iter().any(|(key, value)| {
            matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef") || has_references(value)
        }),
        Value::Array(items) => items.iter().any(has_references),
        _ => false,
    }
}

/// Returns the most violations that one value of a payload can have, by a schema without references: as many as all parts
/// have, but for the properties of an object and the places of a tuple, of which a value is at one.
fn violations_of_one_value(schema: &Value) -> usize {
    let most =
        |values: &mut dyn Iterator<Item = &Value>| values.map(violations_of_one_value).max().unwrap_or(0);
    match schema {
        Value::Object(map) => {
            let parts = map.iter().map(|(key, value)| match (key.as_str(), value) {
                ("required", Value::Array(names)) => names.len(),
                ("enum" | "const" | "examples" | "default", _) => 0,
                ("properties", Value::Object(properties)) => most(&mut properties.values()),
                ("items" | "prefixItems", Value::Array(items)) => most(&mut items.iter()),
                _ => violations_of_one_value(value),
            });
            // Each keyword of a schema can be violated once.
            parts.sum::<usize>() + map.len().max(1)
        }
        Value::Array(items) => items.iter().map(violations_of_one_value).sum(),
        _ => 0,
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
