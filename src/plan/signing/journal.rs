//! The Secret that a signing key is written to: its content, and its ownership.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    api::{JsonPointer, Reason, SigningKeyStatus, SigningSecret, WebhookEndpoint},
    plan::{
        ReconcileError,
        secrets::{SecretData, Sensitive},
    },
};

/// Annotation of a Secret that a signing key was written to: the name of the endpoint.
pub const ENDPOINT_ANNOTATION: &str = "svix-operator.dev/endpoint";
const SINCE_ANNOTATION: &str = "svix-operator.dev/signing-key-since";
const PREVIOUS_UNTIL_ANNOTATION: &str = "svix-operator.dev/previous-key-valid-until";
const ROTATING_FOR_ANNOTATION: &str = "svix-operator.dev/rotating-for";
const ROTATED_FOR_ANNOTATION: &str = "svix-operator.dev/rotated-for";
/// The annotations of a journal.
pub(super) const JOURNAL_ANNOTATIONS: [&str; 5] = [
    ENDPOINT_ANNOTATION,
    SINCE_ANNOTATION,
    PREVIOUS_UNTIL_ANNOTATION,
    ROTATING_FOR_ANNOTATION,
    ROTATED_FOR_ANNOTATION,
];

/// The state of a rotation, as the Secret records it that the signing key is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The current key.
    pub current: Option<Sensitive>,
    /// The key that is written to Svix next.
    pub next: Option<Sensitive>,
    /// The key before, while it is still valid.
    pub previous: Option<Sensitive>,
    /// Since when the current key has been in use.
    pub since: Option<Timestamp>,
    /// Until when the key before is valid.
    pub previous_until: Option<Timestamp>,
    /// The value of `rotate-at` that the rotation in progress is for.
    pub rotating_for: Option<String>,
    /// The value of `rotate-at` that the last rotation was for.
    pub rotated_for: Option<String>,
}

impl Journal {
    /// Reads the Secret; `key` is the key in its data.
    #[must_use]
    pub fn read(secret: &SecretData, key: &str) -> Self {
        let text = |key: &str| secret.text(key).map(Sensitive::new);
        let annotation = |key: &str| secret.annotations.get(key).cloned();
        let time = |key: &str| annotation(key).and_then(|text| text.parse().ok());
        Self {
            current: text(key),
            next: text(&next_name(key)),
            previous: text(&previous_name(key)),
            since: time(SINCE_ANNOTATION),
            previous_until: time(PREVIOUS_UNTIL_ANNOTATION),
            rotating_for: annotation(ROTATING_FOR_ANNOTATION),
            rotated_for: annotation(ROTATED_FOR_ANNOTATION),
        }
    }

    /// The data of the Secret; `None`: an entry that must not be there.
    #[must_use]
    pub fn data(&self, key: &str) -> BTreeMap<String, Option<Sensitive>> {
        BTreeMap::from([
            (key.to_owned(), self.current.clone()),
            (next_name(key), self.next.clone()),
            (previous_name(key), self.previous.clone()),
        ])
    }

    /// The annotations of the Secret; `None`: one that must not be there.
    #[must_use]
    pub fn annotations(&self, endpoint: &str) -> BTreeMap<String, Option<String>> {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let entries = [
            (ENDPOINT_ANNOTATION, Some(endpoint.to_owned())),
            (SINCE_ANNOTATION, time(self.since)),
            (PREVIOUS_UNTIL_ANNOTATION, time(self.previous_until)),
            (ROTATING_FOR_ANNOTATION, self.rotating_for.clone()),
            (ROTATED_FOR_ANNOTATION, self.rotated_for.clone()),
        ];
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The status of the key.
    #[must_use]
    pub fn status(&self, spec: &SigningSecret) -> SigningKeyStatus {
        let next = |since: Timestamp| since.checked_add(spec.rotate_after()?).ok();
        SigningKeyStatus {
            since: self.since,
            next_rotation: self.since.and_then(next),
            previous_valid_until: self.previous_until,
        }
    }
}

/// The entries of the data that a journal may have.
pub(super) fn entries(key: &str) -> [String; 3] {
    [key.to_owned(), next_name(key), previous_name(key)]
}

fn next_name(key: &str) -> String {
    format!("{key}.next")
}

fn previous_name(key: &str) -> String {
    format!("{key}.previous")
}

/// Whether a Secret belongs to this very object.
#[must_use]
pub fn is_owned(secret: &SecretData, endpoint: &WebhookEndpoint) -> bool {
    secret.owners.iter().any(|owner| Some(&owner.uid) == endpoint.metadata.uid.as_ref())
}

/// Checks that a Secret may be written for an endpoint: it belongs to this object, or it was written for an object of this
/// name with another uid (a restored backup, or one that was deleted and created again) and has no other owner.
pub fn check_ownership(
    secret: &SecretData,
    endpoint: &WebhookEndpoint,
    field: impl Into<JsonPointer>,
) -> Result<(), ReconcileError> {
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    let marked = secret.annotations.get(ENDPOINT_ANNOTATION).is_some_and(|found| found == name);
    let of_namesake = secret.owners.iter().all(|owner| owner.kind == "WebhookEndpoint" && owner.name == name);
    if is_owned(secret, endpoint) || (marked && of_namesake) {
        return Ok(());
    }
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    Err(ReconcileError::at(
        Reason::SecretNotOurs,
        field,
        format_args!(
            "there is a Secret of that name in namespace {namespace} which was not made for this endpoint, and \
             it is not touched; name another, or delete it"
        ),
    ))
}
