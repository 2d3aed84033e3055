//! References from one object to another.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Names the [`SvixConnection`](super::SvixConnection) that an object is reconciled through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionRef {
    /// Name of a SvixConnection.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Names a key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Names a key of a ConfigMap in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// Key in the ConfigMap's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Whether Kubernetes accepts a text as the name of an object or a namespace. It does not check the names in references:
/// in the path of a request, another text would be another request, such as a list, or a watch that never ends.
#[must_use]
pub fn is_object_name(text: &str) -> bool {
    let is_alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && bytes.iter().all(|byte| is_alphanumeric(byte) || matches!(byte, b'-' | b'.'))
        && bytes.first().is_some_and(is_alphanumeric)
        && bytes.last().is_some_and(is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_no_paths() {
        let long = "a".repeat(253);
        for name in ["a", "0", "svix-token", "a.b-c.0", &long] {
            assert!(is_object_name(name), "{name}");
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
            assert!(!is_object_name(text), "{text:?}");
        }
    }
}
