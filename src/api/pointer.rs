//! JSON Pointers into an object (RFC 6901): the field that an error is about.

use std::{borrow::Cow, fmt};

use serde::Serialize;

/// A JSON Pointer, such as `/spec/headers/0/name`. The empty pointer is the whole object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct JsonPointer(Cow<'static, str>);

impl JsonPointer {
    /// The whole object.
    pub const ROOT: Self = Self::from_static("");
    /// The spec.
    pub const SPEC: Self = Self::from_static("/spec");

    /// A pointer that is known when the program is written: empty, or `/` before each part, which is escaped already.
    #[must_use]
    pub const fn from_static(pointer: &'static str) -> Self {
        Self(Cow::Borrowed(pointer))
    }

    /// The member `name` of this place.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self(format!("{}/{name}", self.0).into())
    }

    /// The item `index` of this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0).into())
    }

    /// A place within this one; `inner` is a pointer that starts here, its parts escaped.
    #[must_use]
    pub fn join(&self, inner: &str) -> Self {
        if inner.is_empty() { self.clone() } else { Self(format!("{}{inner}", self.0).into()) }
    }

    /// The parts of the pointer, as they are escaped.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }

    /// The pointer as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the whole object.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&'static str> for JsonPointer {
    fn from(pointer: &'static str) -> Self {
        Self::from_static(pointer)
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_escaped() {
        let metadata = JsonPointer::SPEC.child("metadata");

        let pointer = metadata.child("a/b~c");

        assert_eq!(pointer.as_str(), "/spec/metadata/a~1b~0c");
    }

    #[test]
    fn items_and_inner_pointers_are_appended() {
        let headers = JsonPointer::from("/spec/headers");

        assert_eq!(headers.index(2).child("name").to_string(), "/spec/headers/2/name");
        assert_eq!(headers.join("/0").as_str(), "/spec/headers/0");
        assert_eq!(headers.join(""), headers);
        assert!(JsonPointer::ROOT.is_root() && !headers.is_root());
    }
}
