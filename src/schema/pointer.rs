//! JSON Pointers (RFC 6901).

/// Returns the length of a part of a JSON Pointer, in bytes.
pub(super) fn part_length(part: &str) -> usize {
    part.len() + part.bytes().filter(|byte| matches!(byte, b'~' | b'/')).count()
}

/// Appends a part to a JSON Pointer.
pub(super) fn push_part(pointer: &mut String, part: &str) {
    pointer.push('/');
    if part.contains(['~', '/']) {
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(part);
    }
}
