//! What the patterns of a schema cost: in memory, by the size of the programs that they become, and in time, by the
//! states that each byte of text may meet.
//!
//! The regex engine is linear in the text, but a pattern such as `a[ab]{5000}c` has five thousand states, all of which
//! a hostile text keeps busy, and `\p{L}{100}` becomes a program of megabytes.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;

use super::InvalidSchema;

/// Largest programs of all patterns of a schema together, in ranges of characters: about twenty megabytes.
const MAX_SIZE: usize = 1_000_000;
/// Most steps that judging the text of one payload may take: some seconds in the worst case.
const MAX_STEPS: usize = 2_000_000_000;

/// What one pattern costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    /// The size of its program.
    size: usize,
    /// The states that one character may meet.
    states: usize,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self { size: self.size.saturating_add(other.size), states: self.states.saturating_add(other.states) }
    }

    fn times(self, factor: usize) -> Self {
        Self { size: self.size.saturating_mul(factor), states: self.states.saturating_mul(factor) }
    }
}

/// The most bytes of text that a payload may have for the patterns of a schema to judge it in bounded time; or which
/// pattern takes too much memory.
pub(super) fn longest_payload(schema: &Value) -> Result<usize, InvalidSchema> {
    let mut all = Cost::default();
    walk(schema, &mut String::new(), &mut all)?;
    Ok(MAX_STEPS / all.states.max(1))
}

/// Adds up what looks like a pattern, wherever it stands: a string in an `enum` that is called so costs nothing real,
/// but no harm is done.
fn walk(value: &Value, pointer: &mut String, all: &mut Cost) -> Result<(), InvalidSchema> {
    let mut add = |pattern: &str, pointer: &str| {
        *all = all.plus(cost(pattern));
        if all.size > MAX_SIZE {
            let message = "the patterns up to this one become too large; repeat less, or name fewer characters than \
                           \\p{…} does";
            return Err(InvalidSchema::Invalid { pointer: pointer.to_owned(), message: message.to_owned() });
        }
        Ok(())
    };
    let length = pointer.len();
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                super::push_part(pointer, key);
                match item {
                    Value::String(pattern) if key == "pattern" => add(pattern, pointer)?,
                    Value::Object(patterns) if key == "patternProperties" => {
                        patterns.keys().try_for_each(|pattern| add(pattern, pointer))?;
                    }
                    _ => {}
                }
                pointer.truncate(length);
            }
            for (key, item) in map {
                super::push_part(pointer, key);
                walk(item, pointer, all)?;
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                super::push_part(pointer, &index.to_string());
                walk(item, pointer, all)?;
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

fn cost(pattern: &str) -> Cost {
    // What does not parse will not compile either, and says so there.
    let Ok(pattern) = jsonschema_regex::to_rust_regex(pattern) else { return Cost::default() };
    regex_syntax::parse(&pattern).map(|hir| of(&hir)).unwrap_or_default()
}

/// The nesting of a pattern is bounded by its parser.
fn of(hir: &Hir) -> Cost {
    match hir.kind() {
        HirKind::Empty => Cost::default(),
        HirKind::Look(_) => Cost { size: 1, states: 1 },
        HirKind::Literal(literal) => Cost { size: literal.0.len(), states: literal.0.len() },
        HirKind::Class(class) => {
            // A range of characters beyond ASCII becomes several ranges of bytes.
            let size = match class {
                Class::Unicode(class) if class.is_ascii() => class.ranges().len(),
                Class::Unicode(class) => class.ranges().len().saturating_mul(4),
                Class::Bytes(class) => class.ranges().len(),
            };
            Cost { size, states: 1 }
        }
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            of(&repetition.sub).times(usize::try_from(times).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => of(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(of).fold(Cost::default(), Cost::plus)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::super::{Compiled, MAX_PAYLOAD_BYTES};
    use super::*;

    #[test]
    fn patterns_as_people_write_them_bound_nothing() {
        for pattern in [
            "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            r"^swh:1:snp:[0-9a-f]{40}$",
            r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$",
            r"^[\p{L} .'-]{1,100}$",
            r"^\w{1,200}$",
            "^[^\\s]{1,500}$",
        ] {
            let longest = longest_payload(&json!({"properties": {"a": {"pattern": pattern}}})).unwrap();
            assert!(longest >= MAX_PAYLOAD_BYTES, "{pattern}: {longest}");
        }
        let many: Vec<_> = (0..50).map(|i| json!({"pattern": format!("^[a-z]{{2,10}}-{i}$")})).collect();
        assert!(longest_payload(&json!({"allOf": many})).unwrap() >= MAX_PAYLOAD_BYTES);
    }

    #[test]
    fn patterns_that_become_large_programs_are_refused_before_they_are_compiled() {
        // Compiling them takes a gigabyte, and long.
        let many: Vec<_> = (0..200).map(|i| json!({"pattern": format!("^{i}\\p{{L}}{{100}}$")})).collect();
        let error = Compiled::new(&json!({"allOf": many}), true).unwrap_err().to_string();
        assert!(error.starts_with("/allOf/") && error.contains("become too large"), "{error}");
        let keys: serde_json::Map<_, _> =
            (0..200).map(|i| (format!("^{i}\\p{{L}}{{100}}$"), json!({}))).collect();
        assert!(longest_payload(&json!({"patternProperties": keys})).is_err());
        assert!(longest_payload(&json!({"pattern": "((a{1000}){1000}){1000}"})).is_err());
    }

    #[test]
    fn a_text_that_keeps_thousands_of_states_busy_is_refused_before_it_is_judged() {
        // A text without a pattern in it, so that no two states fall together.
        let bit = |i: u32| if (i.wrapping_mul(2_654_435_761) >> 16) & 1 == 1 { 'a' } else { 'b' };
        let text: String = (0..900_000).map(bit).collect();
        let compiled = Compiled::new(&json!({"pattern": "a[ab]{5000}c"}), true).unwrap();
        let (violations, _) = compiled.violations(&json!({ "k": [text] }));
        assert!(violations[0].message.contains("which is all that the patterns"), "{violations:?}");
        let (violations, _) = compiled.violations(&json!("short"));
        assert!(violations[0].message.contains("text that matches"), "{violations:?}");
    }
}
