//! Keys of `patternProperties` as a meta-schema gets them: regular expressions that match only themselves.

use crate::schema::pointer::push_part;

/// Returns a key as a regular expression that every engine accepts.
pub(super) fn plain_key(key: &str) -> String {
    let mut plain = String::with_capacity(key.len());
    for c in key.chars() {
        match c {
            _ if c.is_ascii_alphanumeric() => plain.push(c),
            _ => plain.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    plain
}

/// Returns the key that a plain key was written for.
fn original_key(plain: &str) -> String {
    let mut parts = plain.split("\\u{");
    let mut key = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap_or((part, ""));
        key.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
        key.push_str(rest);
    }
    key
}

/// Converts a pointer into `Rewriter::declared` to one into the schema that it was copied from.
pub(in crate::schema) fn original_pointer(pointer: &str) -> String {
    let mut original = String::with_capacity(pointer.len());
    let mut is_pattern = false;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        push_part(&mut original, &if is_pattern { original_key(&part) } else { part.clone() });
        is_pattern = part == "patternProperties" && !is_pattern;
    }
    original
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_patterns_are_found_again() {
        for key in ["", "^a+$", "\\u{41}", "a/~b", "é😀", "\\bx{2}"] {
            assert!(jsonschema_regex::is_valid_ecma_regex(&plain_key(key)), "{key}");
            assert_eq!(original_key(&plain_key(key)), key);
        }
        let pointer = format!("/a/patternProperties/{}/type", plain_key("^a/~b$").replace('~', "~0"));
        assert_eq!(original_pointer(&pointer), "/a/patternProperties/^a~1~0b$/type");
    }
}
