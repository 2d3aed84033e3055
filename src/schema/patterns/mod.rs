//! The regular expressions of a schema: `pattern` and the keys of `patternProperties`, in the syntax of the validator's
//! engine, and what they cost.

mod cost;
pub(super) mod ecma;
mod keyword;
mod tables;

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde_json::{Map, Value};

use super::{document::Document, error::InvalidSchema, pointer::push_part, text::quoted};
use cost::Cost;
pub(super) use keyword::{TABLE, factory};

/// Most memory of the programs of all patterns of a schema, in bytes.
const MAX_PROGRAMS: usize = 20 * 1024 * 1024;
/// The tables of transitions of a pattern for names of members, in bytes, as measured: the regex crate has one for each thread
/// that matches at the same time as others, and payloads can fill each of them.
const TABLES_OF_NAMES: usize = 4 * TABLE;
/// Most memory of such tables of a schema, in bytes.
const MAX_TABLES: usize = 20 * 1024 * 1024;

/// The patterns of a schema and their translations.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// Each pattern that is written differently for the validator.
    translated: HashMap<String, String>,
    /// The same in reverse. No two patterns become one.
    original: HashMap<String, String>,
    cost: Cost,
    /// The memory of all programs, in bytes, about.
    programs: usize,
    /// The memory of the tables of patterns for names, in bytes, at most.
    tables: usize,
    /// The most states of one key of `patternProperties`.
    states_of_names: usize,
}

/// A pattern of a schema, and where it stands.
pub(super) struct Found<'a> {
    pub pattern: &'a str,
    pub pointer: String,
    /// Whether it may be matched with a part of a payload.
    is_used: bool,
    /// Whether it is a key of `patternProperties`.
    is_of_names: bool,
}

/// All patterns of a schema, in the order of the subschemas.
pub(super) fn all<'a>(document: &Document<'a>) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for subschema in document.subschemas.iter().filter(|subschema| document.is_inside(subschema)) {
        if let Some(Value::String(pattern)) = subschema.value.get("pattern") {
            let pointer = format!("{}/pattern", subschema.pointer);
            found.push(Found { pattern, pointer, is_used: subschema.is_used, is_of_names: false });
        }
        if let Some(Value::Object(properties)) = subschema.value.get("patternProperties") {
            for pattern in properties.keys() {
                let mut pointer = format!("{}/patternProperties", subschema.pointer);
                push_part(&mut pointer, pattern);
                found.push(Found { pattern, pointer, is_used: subschema.is_used, is_of_names: true });
            }
        }
    }
    found
}

impl Patterns {
    /// Translates the patterns of a schema. Refuses one that is none, that takes more than linear time, or that takes
    /// too much memory. `max_size`: the largest programs of all patterns together, in ranges of characters.
    pub fn within(document: &Document<'_>, max_size: usize) -> Result<Self, InvalidSchema> {
        let mut patterns = Self::default();
        let mut known: HashSet<&str> = HashSet::new();
        let all = all(document);
        // A translation may be the text of another pattern, which then keeps it.
        let mut number = 0usize;
        let mut taken: HashSet<Cow<'_, str>> = all.iter().map(|found| found.pattern.into()).collect();
        for Found { pattern, pointer, is_used, is_of_names } in all {
            let Some(translation) = translation(pattern, &pointer, is_used)? else { continue };
            let own = patterns.cost.add(&translation, &pointer, max_size)?;
            if is_of_names {
                patterns.states_of_names = patterns.states_of_names.max(own.states());
                patterns.tables += TABLES_OF_NAMES;
            }
            let is_new = known.insert(pattern);
            // Of the patterns of texts, each has one program in a schema.
            if is_new || is_of_names {
                patterns.programs += own.memory();
                if patterns.programs > MAX_PROGRAMS || patterns.tables > MAX_TABLES {
                    return Err(cost::too_large(&pointer));
                }
            }
            if !is_new || translation == pattern {
                continue;
            }
            let mut unique = translation;
            if taken.contains(unique.as_str()) {
                // What matches nothing more, as digits of a number, makes it another text.
                let length = unique.len();
                while taken.contains(unique.as_str()) {
                    number += 1;
                    unique.truncate(length);
                    (0..usize::BITS - number.leading_zeros())
                        .for_each(|bit| unique.push_str(if number >> bit & 1 == 1 { "(?:)" } else { "()" }));
                }
            }
            taken.insert(unique.clone().into());
            patterns.translated.insert(pattern.to_owned(), unique.clone());
            patterns.original.insert(unique, pattern.to_owned());
        }
        Ok(patterns)
    }

    /// A pattern as the validator gets it.
    pub fn translated<'a>(&'a self, pattern: &'a str) -> &'a str {
        self.translated.get(pattern).map_or(pattern, String::as_str)
    }

    /// A pattern as its author wrote it.
    pub fn original<'a>(&'a self, translated: &'a str) -> &'a str {
        self.original.get(translated).map_or(translated, String::as_str)
    }

    /// A part of the schema as its author wrote it.
    pub fn original_schema<'a>(&self, schema: &'a Value) -> Cow<'a, Value> {
        if self.original.is_empty() { Cow::Borrowed(schema) } else { Cow::Owned(self.restored(schema)) }
    }

    fn restored(&self, schema: &Value) -> Value {
        match schema {
            Value::Object(map) => {
                let restored = map.iter().map(|(key, value)| match value {
                    Value::String(pattern) if key == "pattern" => {
                        (key.clone(), self.original(pattern).into())
                    }
                    Value::Object(patterns) if key == "patternProperties" => {
                        let patterns: Map<_, _> = patterns
                            .iter()
                            .map(|(pattern, value)| (self.original(pattern).to_owned(), self.restored(value)))
                            .collect();
                        (key.clone(), patterns.into())
                    }
                    value => (key.clone(), self.restored(value)),
                });
                Value::Object(restored.collect())
            }
            Value::Array(items) => items.iter().map(|item| self.restored(item)).collect(),
            other => other.clone(),
        }
    }

    /// The patterns as their author wrote them, by translation.
    pub fn originals(&self) -> HashMap<String, String> {
        self.original.clone()
    }

    /// The memory of all programs, in bytes, about.
    pub fn programs(&self) -> usize {
        self.programs
    }

    /// The memory of all programs, and of the tables that payloads can fill, in bytes, about.
    pub fn memory(&self) -> usize {
        self.programs + self.tables
    }

    /// The most states of one pattern for names of members.
    pub fn states_of_names(&self) -> usize {
        self.states_of_names
    }
}

/// A pattern in the syntax of the engine; `None` for one that the engine cannot match and need not.
fn translation(pattern: &str, pointer: &str, is_used: bool) -> Result<Option<String>, InvalidSchema> {
    let invalid = |message: String| InvalidSchema::Invalid { pointer: pointer.to_owned(), message };
    let found = quoted(pattern);
    let parsed = ecma::parse(pattern)
        .map_err(|error| invalid(format!("found {found}, expected a regular expression; it has {error}")))?;
    match parsed.unsupported {
        Some(_) if !is_used => Ok(None),
        Some(ecma::Unsupported { construct, at }) => Err(invalid(format!(
            "found {found}, expected a regular expression that takes linear time, without {construct} at character {at}; \
             {}",
            construct.way_out()
        ))),
        None => Ok(Some(parsed.translation)),
    }
}

#[cfg(test)]
mod tests;
