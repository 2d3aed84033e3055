//! The owner mark of an endpoint in Svix: which object declares it.
//!
//! It is the one place that writes marks and reads them. A text that no operator writes is no mark, so the endpoint
//! is treated as that of another owner.

use std::fmt;

use super::object_name::{is_namespace, is_subdomain};

/// Longest `ownerId`.
const MAX_OWNER: usize = 63;

/// An owner mark, `<ownerId>/<namespace>/<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerMark<'a> {
    /// `ownerId` of the connection.
    pub owner: &'a str,
    /// Namespace of the object.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
}

impl<'a> OwnerMark<'a> {
    /// Reads a mark; `None`: no operator writes such a text.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (owner, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let is_owner = (1..=MAX_OWNER).contains(&owner.len())
            && owner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        (is_owner && is_namespace(namespace) && is_subdomain(name)).then_some(Self { owner, namespace, name })
    }

    /// The object, `<namespace>/<name>`.
    #[must_use]
    pub fn object(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether a text is the mark of an object of this owner.
    #[must_use]
    pub fn is_of(text: &str, owner: &str) -> bool {
        OwnerMark::parse(text).is_some_and(|mark| mark.owner == owner)
    }
}

impl fmt::Display for OwnerMark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, namespace, name } = self;
        write!(f, "{owner}/{namespace}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let mark = OwnerMark { owner: "prod_1", namespace: "team-a", name: "hook.one" };

        assert_eq!(mark.to_string(), "prod_1/team-a/hook.one");
        assert_eq!(OwnerMark::parse("prod_1/team-a/hook.one"), Some(mark));
    }

    #[test]
    fn other_texts_are_no_marks() {
        let long = format!("{}/ns/hook", "o".repeat(64));
        for text in [
            "",
            "prod",
            "prod/ns",
            "prod/ns/",
            "/ns/hook",
            "prod//hook",
            "p d/ns/hook",
            "prod/Ns/hook",
            &long,
        ] {
            assert_eq!(OwnerMark::parse(text), None, "{text}");
        }
        for name in ["Hook", "a/b", "a b", "-a", "a..b"] {
            assert_eq!(OwnerMark::parse(&format!("prod/ns/{name}")), None, "{name}");
        }
    }

    #[test]
    fn an_owner_has_its_own_marks_only() {
        assert!(OwnerMark::is_of("prod/ns/a", "prod"));
        for other in ["production/ns/a", "prod", "prod/ns", "prod/ns/A", ""] {
            assert!(!OwnerMark::is_of(other, "prod"), "{other}");
        }
    }
}
