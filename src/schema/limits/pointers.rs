//! The JSON Pointers of a schema: the validator keeps one for each subschema and one for each keyword.
//!
//! A long key is part of the pointer of each part below it, so all pointers together can take much more than the schema.

use serde_json::Value;

use crate::schema::{
    error::InvalidSchema,
    pointer::{part_length, push_part},
    text::quoted,
};

/// Most bytes of all JSON Pointers of a schema. Those of published schemas take up to six times the schema, which has at
/// most 512 KiB.
const MAX_POINTERS: usize = 8 * 1024 * 1024;

/// More bytes make a schema large: ordinary pointers of one that is not large for its text take less.
const LARGE: usize = 256 * 1024;
/// Pointers up to so many bytes are ordinary: what they take is part of what each part of a schema takes.
const ORDINARY: usize = 64;

/// The JSON Pointers of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::schema) struct Size {
    /// The bytes of all of them.
    bytes: usize,
    /// The bytes beyond [`ORDINARY`] ones.
    beyond: usize,
}

impl Size {
    /// Whether they take so much that one schema with as many is compiled at a time.
    pub fn is_large(self) -> bool {
        self.bytes > LARGE
    }

    /// What a validator keeps of them beside what each part of a schema takes, in bytes, about: up to three of each.
    pub fn kept(self) -> usize {
        3 * self.beyond
    }
}

/// Returns the size of the JSON Pointers to all subschemas and keywords. Refuses a schema with too many of them, at the
/// object with the longest key. `translated`: a key of `patternProperties` as the validator gets it.
pub(in crate::schema) fn check<'a>(
    schema: &'a Value,
    translated: &impl Fn(&'a str) -> &'a str,
) -> Result<Size, InvalidSchema> {
    let mut pointers = Pointers { size: Size::default(), pointer: String::new(), translated };
    pointers.walk(schema, Way::default(), false)?;
    Ok(pointers.size)
}

/// The keys on the way to a value.
#[derive(Clone, Copy, Default)]
struct Way<'a> {
    /// The length of its pointer, as the validator gets it.
    length: usize,
    /// The longest key, its length as the validator gets it, and the length of the pointer to the object that has it.
    longest: Option<(&'a str, usize, usize)>,
}

struct Pointers<'t, T> {
    size: Size,
    /// Where the walk is.
    pointer: String,
    translated: &'t T,
}

impl<'a, T: Fn(&'a str) -> &'a str> Pointers<'_, T> {
    /// Counts what is below a value. The depth of the schema is bounded, so this may recurse.
    fn walk(&mut self, value: &'a Value, way: Way<'a>, are_patterns: bool) -> Result<(), InvalidSchema> {
        let place = self.pointer.len();
        match value {
            Value::Object(map) => {
                for (key, item) in map {
                    let length = part_length(if are_patterns { (self.translated)(key) } else { key });
                    let is_longest = way.longest.is_none_or(|(_, longest, _)| length > longest);
                    let longest = if is_longest { Some((key.as_str(), length, place)) } else { way.longest };
                    let below = Way { length: way.length + 1 + length, longest };
                    self.add(below)?;
                    push_part(&mut self.pointer, key);
                    self.walk(item, below, key == "patternProperties")?;
                    self.pointer.truncate(place);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    // Other items are data, such as the constants of `enum`. A boolean is a schema.
                    if item.is_object() || item.is_array() || item.is_boolean() {
                        push_part(&mut self.pointer, &index.to_string());
                        let below = Way { length: way.length + self.pointer.len() - place, ..way };
                        self.add(below)?;
                        self.walk(item, below, false)?;
                        self.pointer.truncate(place);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, way: Way<'_>) -> Result<(), InvalidSchema> {
        self.size.bytes += way.length;
        self.size.beyond += way.length.saturating_sub(ORDINARY);
        if self.size.bytes <= MAX_POINTERS {
            return Ok(());
        }
        let (key, length, place) = way.longest.unwrap_or_default();
        let message = format!(
            "found the key {} of {length} bytes, with which the JSON Pointers to all parts of the schema take more than \
             {MAX_POINTERS} bytes, expected fewer: the pointers to all parts below it contain it; use shorter keys",
            quoted(key)
        );
        Err(InvalidSchema::Limit { pointer: self.pointer[..place].to_owned(), message })
    }
}

#[cfg(test)]
mod tests;
