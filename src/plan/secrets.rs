//! Kubernetes Secrets as the plan sees them, and values that must not be shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::api::{JsonPointer, Reason, SecretKeyRef, SecretVersion};

use super::{
    ReconcileError,
    single_line::{self, InvalidLine},
};

/// A text that appears in no message, log or status.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sensitive(String);

impl Sensitive {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for where it has to go.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

/// A Secret, as it was read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData {
    /// Its version.
    pub resource_version: String,
    /// Its data.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its owners.
    pub owners: Vec<SecretOwner>,
}

/// An object that a Secret goes with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretOwner {
    /// Its uid.
    pub uid: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretData").field("resource_version", &self.resource_version).finish_non_exhaustive()
    }
}

impl SecretData {
    /// A value of one line in the data, without the white space at its ends; `None`: there is none under this key.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<Result<&str, InvalidLine>> {
        self.data.get(key).map(|bytes| single_line::trimmed(bytes))
    }

    /// A value of one line in the data; `None`: there is none under this key that is one.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.line(key)?.ok()
    }
}

/// The most bytes of the values that an object takes from Secrets, all together: twice what the longest address and all
/// headers can have.
pub const MAX_VALUES: usize = 1024 * 1024;

/// How many keys of a Secret a message names that says that a key is missing.
const NAMED_KEYS: usize = 10;

impl SecretData {
    /// Returns the parts that references to these keys need: their values, and the names of a few other keys for messages.
    /// The other values, labels and annotations can take a megabyte for each Secret, and an object can refer to fifty.
    #[must_use]
    pub fn only_keys(self, keys: &BTreeSet<&str>) -> Self {
        let mut others = 0;
        let part = |(key, value): (String, Vec<u8>)| {
            if keys.contains(key.as_str()) {
                return Some((key, value));
            }
            others += 1;
            (others <= NAMED_KEYS).then(|| (key, Vec::new()))
        };
        let data = self.data.into_iter().filter_map(part).collect();
        Self { resource_version: self.resource_version, data, ..Self::default() }
    }

    /// The bytes of its values.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        self.data.values().map(Vec::len).sum()
    }
}

/// The Secrets that an object refers to, by name; `None`: there is none of that name.
pub type Secrets = BTreeMap<String, Option<SecretData>>;

/// The versions of Secrets, for status.
#[must_use]
pub fn versions(secrets: &Secrets) -> Vec<SecretVersion> {
    let version = |(name, secret): (&String, &Option<SecretData>)| {
        let resource_version = secret.as_ref()?.resource_version.clone();
        Some(SecretVersion { name: name.clone(), resource_version })
    };
    secrets.iter().filter_map(version).collect()
}

/// Returns the line of text that a reference names. `field` is the place of the reference; the message never contains the
/// value.
pub fn value(
    secrets: &Secrets,
    reference: &SecretKeyRef,
    field: &JsonPointer,
    namespace: &str,
) -> Result<Sensitive, ReconcileError> {
    let SecretKeyRef { name, key } = reference;
    let missing = |what: String| ReconcileError::at(Reason::SecretNotFound, field.clone(), what);
    let secret = secrets.get(name).and_then(Option::as_ref).ok_or_else(|| {
        missing(format!("Secret {namespace}/{name} is not there; create it, or correct the name"))
    })?;
    let Some(line) = secret.line(key) else {
        let known: Vec<_> = secret.data.keys().take(NAMED_KEYS).map(String::as_str).collect();
        return Err(missing(format!(
            "Secret {namespace}/{name} has no key {key:?}; it has {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        )));
    };
    line.map(Sensitive::new).map_err(|problem| invalid(reference, field, namespace, &problem))
}

/// An error in the value that a reference names; the message names the key and the Secret.
pub(super) fn invalid(
    reference: &SecretKeyRef,
    field: &JsonPointer,
    namespace: &str,
    problem: &dyn fmt::Display,
) -> ReconcileError {
    let SecretKeyRef { name, key } = reference;
    ReconcileError::at(
        Reason::InvalidSecret,
        field.clone(),
        format_args!("key {key:?} of Secret {namespace}/{name}: {problem}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_references_need_is_kept() {
        let other = |index: usize| (format!("other{index:02}"), vec![b'x'; 1000]);
        let mut data: BTreeMap<_, _> = (0..20).map(other).collect();
        data.insert("token".to_owned(), b"value".to_vec());
        let text = BTreeMap::from([("a".to_owned(), "b".repeat(1000))]);
        let secret = SecretData {
            resource_version: "7".to_owned(),
            data,
            labels: text.clone(),
            annotations: text,
            owners: vec![SecretOwner::default()],
        };

        let kept = secret.only_keys(&["token", "missing"].into());

        assert_eq!(kept.value_bytes(), 5);
        assert_eq!(kept.text("token"), Some("value"));
        assert_eq!(kept.data.len(), 1 + NAMED_KEYS, "some names of others are for messages");
        assert!(kept.labels.is_empty() && kept.annotations.is_empty() && kept.owners.is_empty());
        assert_eq!(kept.resource_version, "7");
    }
}
