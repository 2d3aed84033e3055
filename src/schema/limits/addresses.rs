//! The addresses of a schema: those that an `$id` gives to parts, and those that references name.
//!
//! Each address repeats what it is relative to, so all addresses together can take much more than the schema, and resolving
//! them takes time for each byte. They are not resolved here: an address has at most the bytes of what it is relative to and
//! of its own text together, since resolving encodes nothing.

use serde_json::{Map, Value};

use crate::schema::{error::InvalidSchema, pointer::push_part, text::quoted};

/// Most bytes of all addresses of a schema. A schema of 10,000 objects has fewer, if each has an address of 300 bytes.
/// Compiling it, and then finding out whether Svix accepts it, may take up to twelve times as much.
const MAX_ADDRESSES: usize = 3 * 1024 * 1024;
/// More bytes make a schema large: ordinary addresses of one that is not large for its text take less.
const LARGE: usize = 256 * 1024;
/// The address of a schema that has none.
const DEFAULT: usize = "json-schema:///".len();

/// Keywords that give a part an address. The draft decides which one does, and Svix reads every schema as Draft 7.
const IDENTIFIERS: [&str; 2] = ["$id", "id"];
/// Keywords with an address, or with a name within that of the part.
const NAMES: [&str; 5] = ["$ref", "$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"];

/// Refuses a schema with too many bytes of addresses, at the identifier that is repeated. Returns whether they take so much
/// that one schema with as many is compiled at a time.
pub(super) fn check(schema: &Value) -> Result<bool, InvalidSchema> {
    let mut addresses = Addresses { bytes: 0, pointer: String::new() };
    addresses.walk(schema, Base { length: DEFAULT, longest: None })?;
    Ok(addresses.bytes > LARGE)
}

/// What the addresses at a place are relative to.
#[derive(Clone, Copy)]
struct Base<'a> {
    /// Its length, at most.
    length: usize,
    /// The longest identifier that it consists of.
    longest: Option<Identifier<'a>>,
}

#[derive(Clone, Copy)]
struct Identifier<'a> {
    keyword: &'static str,
    text: &'a str,
    /// The length of the JSON Pointer of its part, with which the pointer of each part below begins.
    place: usize,
}

struct Addresses {
    bytes: usize,
    /// Where the walk is.
    pointer: String,
}

impl Addresses {
    /// Counts the addresses of each part below a value. The depth of the schema is bounded, so this may recurse.
    fn walk<'a>(&mut self, value: &'a Value, base: Base<'a>) -> Result<(), InvalidSchema> {
        let length = self.pointer.len();
        match value {
            Value::Object(map) => {
                let base = self.enter(map, base)?;
                for (key, item) in map.iter().filter(|(_, item)| item.is_object() || item.is_array()) {
                    push_part(&mut self.pointer, key);
                    self.walk(item, base)?;
                    self.pointer.truncate(length);
                }
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                for (index, item) in items.filter(|(_, item)| item.is_object() || item.is_array()) {
                    push_part(&mut self.pointer, &index.to_string());
                    self.walk(item, base)?;
                    self.pointer.truncate(length);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts the addresses of an object. Returns what those below it are relative to.
    fn enter<'a>(
        &mut self,
        map: &'a Map<String, Value>,
        around: Base<'a>,
    ) -> Result<Base<'a>, InvalidSchema> {
        let mut base = around;
        for keyword in IDENTIFIERS {
            let Some(Value::String(text)) = map.get(keyword) else { continue };
            let length = if is_absolute(text) { text.len() } else { around.length + text.len() };
            base.length = base.length.max(length);
            if base.longest.is_none_or(|longest| text.len() > longest.text.len()) {
                base.longest = Some(Identifier { keyword, text, place: self.pointer.len() });
            }
        }
        // The validator keeps the address of a part without an identifier, too.
        self.add(base.length, base)?;
        for keyword in NAMES {
            if let Some(Value::String(text)) = map.get(keyword) {
                self.add(base.length + text.len(), base)?;
            }
        }
        Ok(base)
    }

    fn add(&mut self, length: usize, base: Base<'_>) -> Result<(), InvalidSchema> {
        self.bytes += length;
        if self.bytes <= MAX_ADDRESSES {
            return Ok(());
        }
        let (mut pointer, mut found) = (String::new(), "a schema".to_owned());
        if let Some(Identifier { keyword, text, place }) = base.longest {
            self.pointer[..place].clone_into(&mut pointer);
            push_part(&mut pointer, keyword);
            found = format!("{} of {} bytes", quoted(text), text.len());
        }
        let message = format!(
            "found {found}, with which all addresses in the schema take more than {MAX_ADDRESSES} bytes, expected fewer: \
             the addresses of all parts and references below it begin with it; use a shorter identifier"
        );
        Err(InvalidSchema::Limit { pointer, message })
    }
}

/// Whether an address begins with a scheme, so that it is relative to nothing.
fn is_absolute(address: &str) -> bool {
    let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests;
