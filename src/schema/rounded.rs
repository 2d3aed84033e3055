//! The numbers in a JSON text of which a reader with floats of 64 bits loses something: each with its place and its digits.
//! Most are rounded. Of an integer that has more than 64 bits and that a float is equal to, only the way it is written is
//! lost, which is what makes it an integer in Draft 4: there, `2e19` is none.

use super::{decimal, pointer::push_part, text::quoted, violation::Violation};

/// Most such numbers in one payload.
const MAX_ROUNDED: usize = 1_000;

/// A number that a float does not represent as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rounded {
    /// Where it is, as a JSON Pointer.
    pub pointer: String,
    /// The number as it is written.
    pub digits: Box<str>,
    /// Whether the float is equal to it, and only its way of writing is lost.
    pub is_equal: bool,
}

/// Finds such numbers in a text that has been read as JSON: all that are rounded, and the first [`MAX_ROUNDED`] of the
/// others.
pub(super) fn find(text: &str) -> Result<Vec<Rounded>, Violation> {
    let mut found = Vec::new();
    let (mut rounded, mut equal) = (0, 0);
    let mut stack: Vec<Level<'_>> = Vec::new();
    let bytes = text.as_bytes();
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        match byte {
            b'"' => {
                let end = end_of_string(bytes, position);
                // A key, or a text in the place of the key that is about to come, which does no harm.
                if let Some(Level::Object(key)) = stack.last_mut()
                    && is_key(bytes, end)
                {
                    *key = &text[position..end];
                }
                position = end;
                continue;
            }
            b'{' => stack.push(Level::Object("")),
            b'[' => stack.push(Level::Array(0)),
            b'}' | b']' => drop(stack.pop()),
            b',' => {
                if let Some(Level::Array(index)) = stack.last_mut() {
                    *index += 1;
                }
            }
            b'-' | b'0'..=b'9' => {
                let rest = &bytes[position..];
                let is_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = rest.iter().position(|byte| !is_number(byte)).unwrap_or(rest.len());
                let digits = &text[position..position + length];
                let is_equal = decimal::is_exact(digits);
                if is_equal {
                    if is_large_integer(digits) && equal < MAX_ROUNDED {
                        equal += 1;
                        found.push(Rounded { pointer: pointer(&stack), digits: digits.into(), is_equal });
                    }
                } else {
                    let pointer = pointer(&stack);
                    if rounded == MAX_ROUNDED {
                        let message = format!(
                            "found more than {MAX_ROUNDED} numbers that a 64-bit float rounds, of which this one is {}; \
                             expected fewer; write long numbers as strings",
                            quoted(digits)
                        );
                        return Err(Violation { pointer, message });
                    }
                    rounded += 1;
                    found.push(Rounded { pointer, digits: digits.into(), is_equal });
                }
                position += length;
                continue;
            }
            _ => {}
        }
        position += 1;
    }
    Ok(found)
}

/// Whether a number is written as an integer, and is read as a float because it has more than 64 bits.
fn is_large_integer(digits: &str) -> bool {
    !digits.contains(['.', 'e', 'E']) && digits.parse::<u64>().is_err() && digits.parse::<i64>().is_err()
}

/// An object or array that the scan is within.
enum Level<'t> {
    /// With the last key, as it stands in the text.
    Object(&'t str),
    /// With the index of the element.
    Array(usize),
}

/// The position behind a string that begins here.
fn end_of_string(bytes: &[u8], begin: usize) -> usize {
    let mut position = begin + 1;
    while let Some(byte) = bytes.get(position) {
        position += match byte {
            b'\\' => 2,
            b'"' => return position + 1,
            _ => 1,
        };
    }
    bytes.len()
}

/// Whether the string that ends here is a key.
fn is_key(bytes: &[u8], end: usize) -> bool {
    bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

fn pointer(stack: &[Level<'_>]) -> String {
    let mut pointer = String::new();
    for level in stack {
        match level {
            Level::Object(key) => {
                push_part(&mut pointer, &serde_json::from_str::<String>(key).unwrap_or_default());
            }
            Level::Array(index) => push_part(&mut pointer, &index.to_string()),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_rounded_number_is_found_with_its_place() {
        let text = r#" {"a/b": [1, 2.5, {"c\"d" : 100.0000000000000000000001}, "1e-400", -1e-400],
            "x": {"18446744073709551617": {}, "e": 18446744073709551617}, "y": 0.1, "é": 9007199254740993.0} "#;
        let found = find(text).unwrap();
        let expected = [
            ("/a~1b/2/c\"d", "100.0000000000000000000001"),
            ("/a~1b/4", "-1e-400"),
            ("/x/e", "18446744073709551617"),
            ("/é", "9007199254740993.0"),
        ];
        let pairs: Vec<_> = found.iter().map(|it| (it.pointer.as_str(), &*it.digits)).collect();
        assert_eq!(pairs, expected);
        assert!(found.iter().all(|it| !it.is_equal));
        let value: Value = serde_json::from_str(text).unwrap();
        for rounded in found {
            assert!(value.pointer(&rounded.pointer).unwrap().is_number(), "{rounded:?}");
        }
    }

    #[test]
    fn integers_that_are_read_as_floats_are_found() {
        let text =
            "[20000000000000000000, 2e19, 20000000000000000000.0, 18446744073709551615, -9223372036854775808,
            100, -30000000000000000000]";
        let found = find(text).unwrap();
        let pairs: Vec<_> = found.iter().map(|it| (it.pointer.as_str(), &*it.digits)).collect();
        assert_eq!(pairs, [("/0", "20000000000000000000"), ("/6", "-30000000000000000000")]);
        assert!(found.iter().all(|it| it.is_equal));
    }

    #[test]
    fn integers_that_a_float_is_equal_to_are_no_error() {
        let integers = "20000000000000000000,".repeat(MAX_ROUNDED + 1);
        let text = format!("[{integers}{}1]", "1e-400,".repeat(MAX_ROUNDED));

        assert_eq!(find(&text).unwrap().len(), 2 * MAX_ROUNDED);
    }

    #[test]
    fn the_number_of_rounded_numbers_has_a_bound() {
        let text = format!("[{}1e-400]", "1e-400,".repeat(MAX_ROUNDED));
        let violation = find(&text).unwrap_err();
        assert_eq!(violation.pointer, "/1000");
        assert!(violation.message.contains("write long numbers as strings"), "{violation}");
    }
}
