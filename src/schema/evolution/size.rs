//! Bounds on what is compared at all. The solver compares the values of enumerations with each other, and walks the automata of
//! all patterns at once; its count of steps covers neither as it should.

use serde_json::Value;

/// The most values in all enumerations of a schema.
const MAX_VALUES: usize = 4_000;
/// The most patterns in a schema.
const MAX_PATTERNS: usize = 12;

/// Whether a schema is too large to be compared in bounded time.
pub(super) fn is_large(schema: &Value) -> bool {
    let mut size = Size::default();
    size.add(schema);
    size.values > MAX_VALUES || size.patterns > MAX_PATTERNS
}

#[derive(Default)]
struct Size {
    values: usize,
    patterns: usize,
}

impl Size {
    fn add(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    match (key.as_str(), member) {
                        ("enum", Value::Array(values)) => self.values += values.len(),
                        ("pattern", Value::String(_)) => self.patterns += 1,
                        ("patternProperties", Value::Object(patterns)) => self.patterns += patterns.len(),
                        _ => {}
                    }
                    self.add(member);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn enumerations_and_patterns_are_bounded() {
        let values: Vec<_> = (0..5_000).collect();
        let patterns = vec![json!({"pattern": "a"}); 13];

        assert!(is_large(&json!({"properties": {"a": {"enum": values}}})));
        assert!(is_large(&json!({"allOf": patterns})));
        assert!(!is_large(&json!({"properties": {"enum": {"enum": [1, 2]}, "pattern": {"pattern": "a"}}})));
    }
}
