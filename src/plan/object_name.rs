//! The names that objects in Kubernetes can have. It does not check the names in references: in the path of a request, another text
//! would be another request, such as a list, or a watch that never ends.

/// Longest name of an object.
const MAX_NAME: usize = 253;

/// Longest name of a namespace.
const MAX_NAMESPACE: usize = 63;

/// Whether a text is the name of an object in Kubernetes: a DNS subdomain of RFC 1123.
#[must_use]
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('.').all(is_label)
}

/// Whether a text is the name of a namespace: a DNS label of RFC 1123.
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    name.len() <= MAX_NAMESPACE && is_label(name)
}

fn is_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_namespaces() {
        for name in ["a", "a-1", "0", &"a".repeat(63)] {
            assert!(is_subdomain(name) && is_namespace(name), "{name}");
        }
        for name in ["a.b", "a-1.b-2", &"a".repeat(64), &"a".repeat(253)] {
            assert!(is_subdomain(name) && !is_namespace(name), "{name}");
        }
        for name in ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "é", "a b", "a/b", &"a".repeat(254)] {
            assert!(!is_subdomain(name) && !is_namespace(name), "{name}");
        }
    }

    #[test]
    fn names_of_objects_are_no_paths() {
        let long = "a".repeat(253);
        for name in ["a", "0", "svix-token", "a.b-c.0", &long] {
            assert!(is_subdomain(name), "{name}");
        }
        let too_long = "a".repeat(254);
        for text in [
            "",
            "?watch=1",
            "a?watch=1",
            "a/",
            "/a",
            "a/status",
            "..",
            ".",
            "a/../../other/secrets/b",
            "a%2fb",
            "a#b",
            "a b",
            "a\n",
            "a\0",
            "A",
            "é",
            "-a",
            "a-",
            ".a",
            "a.",
            "a_b",
            "a:b",
            "a;b",
            "a\\b",
            &too_long,
        ] {
            assert!(!is_subdomain(text), "{text:?}");
        }
    }
}
