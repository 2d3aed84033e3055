//! JSON Pointers (RFC 6901).

/// Appends a part to a JSON Pointer.
pub(super) fn push_part(pointer: &mut String, part: &str) {
    pointer.push('/');
    if part.contains(['~', '/']) {
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    } else {
        pointer.push_str(part);
    }
}
