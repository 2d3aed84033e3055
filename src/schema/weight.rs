//! The weight of JSON text: the bytes that its tree would take in memory. It is computed while the text is scanned, and
//! nothing is built.
//!
//! A tree can take 128 times the memory of its text: an object with one entry is a node of a B-tree with room for eleven. So
//! a limit on the size of a text does not limit the memory of its tree.
//!
//! # Guarantees
//! - The tree of a text takes no more than its weight, as allocated by glibc on a 64-bit machine. While arrays grow, up to
//!   half as much again can be in use for a moment.
//! - Scanning takes linear time, and memory for each level of nesting only.
//!
//! # Caveats
//! - Text that is not JSON has a weight, too: at least that of what a parser builds before it finds the error.

use serde_json::Value;

use super::{pointer::push_part, size::MAX_PAYLOAD_DEPTH, violation::Violation};

/// Maximum weight of one JSON value that is read as a tree, in bytes. The same for the operator, the webhook, the gateway
/// and `dev`.
pub const MAX_WEIGHT: usize = 32 * 1024 * 1024;

/// Most bytes of a tree for one byte of text, rounded up: `{"":` with a value inside.
const MAX_FACTOR: usize = 160;

/// Memory of a leaf of a B-tree, with room for eleven keys and values.
const LEAF: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 32;
/// Memory of an inner node: a leaf with twelve addresses.
const INNER: usize = LEAF + 12 * size_of::<usize>();
/// Entries of a node.
const NODE_ENTRIES: usize = 11;
/// Memory for each entry of a map that has more than one node. Keys in ascending order fill half of each node.
const ENTRY: usize = LEAF / 5;
/// Capacity of an array with one item.
const FIRST_CAPACITY: usize = 4;

/// Returns the weight of JSON text, in bytes; or, when it is more than `max`, the place where `max` is reached.
pub fn weigh(text: &str, max: usize) -> Result<usize, Violation> {
    let mut scanner = Scanner { text, at: 0, weight: 0, max, frames: Vec::new() };
    if scanner.scan() {
        return Ok(scanner.weight);
    }
    let message = format!(
        "found JSON that takes more than {} MiB of memory up to this place, expected less in total; use fewer objects \
         and values, or split them",
        max / (1024 * 1024)
    );
    Err(Violation { pointer: scanner.pointer(), message })
}

/// Checks that the tree of a JSON text takes at most [`MAX_WEIGHT`]. Most texts are too short for more, and are not scanned.
pub fn check(text: &str) -> Result<(), Violation> {
    if text.len() <= MAX_WEIGHT / MAX_FACTOR {
        return Ok(());
    }
    weigh(text, MAX_WEIGHT).map(|_| ())
}

/// Returns the memory that a schema takes once it is compiled, estimated from its text, in bytes: about one and a half times
/// its tree, and what the validator keeps for each part.
#[must_use]
pub fn compiled_size(schema: &str) -> usize {
    const PART: usize = 256;
    let parts = schema.bytes().filter(|byte| *byte == b'{').count();
    weigh(schema, MAX_WEIGHT).unwrap_or(MAX_WEIGHT) * 2 + parts * PART
}

/// Returns what an allocation of so many bytes takes.
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// An object or an array that is open at the present place.
struct Frame {
    is_object: bool,
    /// Whether the next string is a key.
    expects_key: bool,
    entries: usize,
    /// The range of the last key in the text, without its quotes.
    key: (usize, usize),
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    weight: usize,
    max: usize,
    frames: Vec<Frame>,
}

impl Scanner<'_> {
    /// Scans the text. Returns `false`, at the place, when it weighs more than the maximum.
    fn scan(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            let start = self.at;
            self.at += 1;
            match byte {
                b'{' | b'[' => {
                    self.begin_value();
                    // A parser stops here.
                    if self.frames.len() >= MAX_PAYLOAD_DEPTH {
                        return self.weight <= self.max;
                    }
                    let is_object = *byte == b'{';
                    self.frames.push(Frame { is_object, expects_key: is_object, entries: 0, key: (0, 0) });
                }
                b'}' | b']' => {
                    self.frames.pop();
                }
                b',' => {
                    if let Some(frame) = self.frames.last_mut() {
                        frame.expects_key = frame.is_object;
                    }
                }
                b'"' => self.string(),
                b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => {
                    let ends = |byte: &u8| {
                        matches!(
                            byte,
                            b',' | b']' | b'}' | b'"' | b'[' | b'{' | b':' | b' ' | b'\t' | b'\n' | b'\r'
                        )
                    };
                    self.at = bytes[self.at..].iter().position(ends).map_or(bytes.len(), |end| self.at + end);
                    self.begin_value();
                }
            }
            if self.weight > self.max {
                self.at = start;
                return false;
            }
        }
        true
    }

    /// Reads a string from behind its first quote.
    fn string(&mut self) {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while let Some(found) = bytes[self.at..].iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            self.at += found;
            if bytes[self.at] == b'"' {
                break;
            }
            self.at = (self.at + 2).min(bytes.len());
        }
        let end = self.at.min(bytes.len());
        self.at = (end + 1).min(bytes.len());
        self.weight += allocated(end - start);
        match self.frames.last_mut() {
            Some(frame) if frame.expects_key => {
                frame.expects_key = false;
                frame.key = (start, end);
                frame.entries += 1;
                self.weight += match frame.entries {
                    1 => allocated(LEAF),
                    2..=NODE_ENTRIES => 0,
                    // The node is split.
                    12 => allocated(LEAF) + allocated(INNER),
                    _ => ENTRY,
                };
            }
            _ => self.begin_value(),
        }
    }

    /// Counts the place that a value takes in what contains it. The place in an object is counted with its key.
    fn begin_value(&mut self) {
        let Some(frame) = self.frames.last_mut().filter(|frame| !frame.is_object) else { return };
        frame.entries += 1;
        let size = |capacity: usize| allocated(capacity * size_of::<Value>());
        // The capacity of an array is doubled.
        if frame.entries == 1 {
            self.weight += size(FIRST_CAPACITY);
        } else if frame.entries > FIRST_CAPACITY && (frame.entries - 1).is_power_of_two() {
            let capacity = frame.entries - 1;
            self.weight += size(2 * capacity) - size(capacity);
        }
    }

    /// Returns the JSON Pointer of the present place.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for frame in &self.frames {
            if !frame.is_object {
                push_part(&mut pointer, &frame.entries.saturating_sub(1).to_string());
            } else if frame.entries > 0 {
                let (start, end) = frame.key;
                let quoted = self.text.get(start - 1..(end + 1).min(self.text.len())).unwrap_or_default();
                push_part(&mut pointer, &serde_json::from_str::<String>(quoted).unwrap_or_default());
            }
        }
        pointer
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// Returns the bytes that the tree of a text takes, without the rounding of the allocator.
    fn measured(text: &str) -> usize {
        let mut tree = None;
        let allocations = allocation_counter::measure(|| tree = serde_json::from_str::<Value>(text).ok());
        drop(tree);
        usize::try_from(allocations.bytes_current).unwrap()
    }

    fn weight(text: &str) -> usize {
        weigh(text, usize::MAX).unwrap()
    }

    fn list_of(item: &str, count: usize) -> String {
        format!("[{}]", vec![item; count].join(","))
    }

    fn object_of(count: usize) -> String {
        let entries: Vec<_> = (0..count).map(|i| format!("\"key{i:06}\":{i}")).collect();
        format!("{{{}}}", entries.join(","))
    }

    #[test]
    fn a_tree_takes_no_more_than_its_weight() {
        let nested = format!("{}0{}", r#"{"":"#.repeat(100), "}".repeat(100));
        let mut texts: Vec<String> = [1, 11, 12, 13, 20, 100, 1000, 50_000].map(object_of).into();
        for item in [r#"{"":0}"#, "0", r#""""#, r#""abcdefgh""#, "[]", "[0]", "[0,1,2,3,4]", "{}", &nested] {
            texts.extend([1, 4, 5, 8, 9, 1000].map(|count| list_of(item, count)));
        }
        texts.extend([12, 13, 17, 18, 19, 24, 30].map(|count| list_of(&object_of(count), 50)));
        for text in texts {
            let (weight, measured) = (weight(&text), measured(&text));
            assert!(measured <= weight, "{measured} > {weight}: {}", &text[..text.len().min(80)]);
            assert!(
                weight <= 2 * measured + 200,
                "{weight} > 2 * {measured}: {}",
                &text[..text.len().min(80)]
            );
            assert!(weight <= MAX_FACTOR * text.len() + 200, "{weight}: {}", &text[..text.len().min(80)]);
        }
    }

    #[test]
    fn the_place_where_the_budget_ran_out_is_named() {
        let text = format!(r#"{{"a~b": [{{"c": 1}}, {{"d": {}}}]}}"#, list_of(r#"{"x":0}"#, 100));

        let violation = weigh(&text, 20_000).unwrap_err();

        assert_eq!(violation.pointer, "/a~0b/1/d/24/x");
        assert!(violation.message.contains("more than 0 MiB"), "{}", violation.message);
    }

    #[test]
    fn ordinary_payloads_of_a_mebibyte_pass() {
        let record = r#"{"id": 123456789, "name": "a name of some length", "url": "https://example.com/a/b/c", "tags": ["x", "y"]}"#;
        let point = r#"{"lat":48.8534951,"lon":2.3483915}"#;
        for item in [record, point, "0.5", "1234567"] {
            let text = list_of(item, crate::schema::MAX_PAYLOAD_BYTES / (item.len() + 1));
            assert!(check(&text).is_ok(), "{item}: {}", weight(&text));
        }
        assert!(check(&list_of(r#"{"":0}"#, 148_000)).is_err());
    }

    #[test]
    fn hostile_text_is_scanned_in_bounded_memory() {
        for text in ["[".repeat(1_000_000), "{\"".repeat(500_000), "\\\"".repeat(500_000), "\"\\".to_owned()]
        {
            let allocations = allocation_counter::measure(|| {
                let _ = weigh(&text, usize::MAX);
            });
            assert!(allocations.bytes_max < 64 * 1024, "{allocations:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_has_a_heavier_tree(text in r#"([\[\]{}:, ]|"[ab]"|"(\\"|é){0,9}"|[0-9]{1,3}|null|true|\\|"){0,30}"#) {
            prop_assert!(measured(&text) <= weight(&text), "{text:?}");
        }
    }
}
