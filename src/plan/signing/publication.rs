//! What a Secret with a signing key has beside the key: enough to remove later what the spec stops naming.
//!
//! All of it is written in the same request as the key, so no crash separates the two.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{JsonPointer, ToSecret, WebhookEndpoint},
    plan::secrets::{SecretData, Sensitive},
};

use super::{
    journal::{ENDPOINT_ANNOTATION, JOURNAL_ANNOTATIONS, Journal, check_ownership, entries, is_owned},
    key::check_key,
};

/// Label of a Secret that a signing key is written to: the uid of the endpoint. It finds a Secret that status does not
/// know.
pub const ENDPOINT_UID_LABEL: &str = "svix-operator.dev/endpoint-uid";
/// Annotation: the key in the data that the signing key is under.
const ENTRY_ANNOTATION: &str = "svix-operator.dev/signing-key-entry";
/// Annotation: the labels that come from the spec, separated by commas.
const LABELS_ANNOTATION: &str = "svix-operator.dev/signing-key-labels";

/// The most labels that a spec can name, and so the most that are recorded.
const MAX_LABELS: usize = 20;
/// Longer than a signing key with white space, and than the text of each annotation that the operator writes, in bytes.
const MAX_TEXT: usize = 8 * 1024;
/// More keys than the operator ever wrote to one Secret.
const MAX_KEYS: usize = 16;

/// What is written to a Secret; `None`: what must not be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretChange {
    /// Entries of its data.
    pub data: BTreeMap<String, Option<Sensitive>>,
    /// Annotations.
    pub annotations: BTreeMap<String, Option<String>>,
    /// Labels.
    pub labels: BTreeMap<String, Option<String>>,
}

/// Returns the key in the data that the signing key is under, which may be one that the spec named before.
#[must_use]
pub fn entry<'a>(secret: &'a SecretData, to: &'a ToSecret) -> &'a str {
    recorded_entry(secret).unwrap_or_else(|| to.key())
}

/// Returns what is written to a Secret so that it has this journal and what the spec says, and nothing else that an
/// earlier spec named. `present` is the Secret as it is.
#[must_use]
pub fn content(
    present: Option<&SecretData>,
    journal: &Journal,
    endpoint: &WebhookEndpoint,
    to: &ToSecret,
) -> SecretChange {
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    let wanted = labels_of(to);
    let mut data: BTreeMap<_, _> =
        present.and_then(recorded_entry).into_iter().flat_map(entries).map(|key| (key, None)).collect();
    data.extend(journal.data(to.key()));
    let mut annotations = journal.annotations(name);
    annotations.insert(ENTRY_ANNOTATION.to_owned(), Some(to.key().to_owned()));
    let names = wanted.keys().map(|key| (*key).to_owned()).collect::<Vec<_>>().join(",");
    annotations.insert(LABELS_ANNOTATION.to_owned(), (!names.is_empty()).then_some(names));
    let mut labels: BTreeMap<String, Option<String>> = present
        .map(recorded_labels)
        .unwrap_or_default()
        .into_iter()
        .map(|key| (key.to_owned(), None))
        .collect();
    labels.extend(wanted.into_iter().map(|(key, value)| (key.to_owned(), Some(value.to_owned()))));
    labels.insert(ENDPOINT_UID_LABEL.to_owned(), endpoint.metadata.uid.clone());
    SecretChange { data, annotations, labels }
}

/// Whether a Secret has, beside the key, what the spec says and nothing that an earlier spec named.
#[must_use]
pub fn is_current(secret: &SecretData, endpoint: &WebhookEndpoint, to: &ToSecret) -> bool {
    let wanted = labels_of(to);
    is_owned(secret, endpoint)
        && recorded_entry(secret) == Some(to.key())
        && secret.labels.get(ENDPOINT_UID_LABEL) == endpoint.metadata.uid.as_ref()
        && recorded_labels(secret) == wanted.keys().copied().collect()
        && wanted.iter().all(|(key, value)| secret.labels.get(*key).map(String::as_str) == Some(*value))
}

/// Returns the parts of a Secret that are about its signing key. Beside them, and in place of them, those who may write Secrets
/// can put a megabyte into each.
#[must_use]
pub fn only_key(secret: SecretData) -> SecretData {
    let SecretData { resource_version, data, mut annotations, .. } = secret;
    annotations.retain(|name, value| is_ours(name) && value.len() <= MAX_TEXT);
    let mut kept = SecretData { resource_version, data, annotations, ..SecretData::default() };
    let names = key_entries(&kept);
    kept.data.retain(|name, value| names.contains(name) && value.len() <= MAX_TEXT);
    kept
}

/// Whether an annotation is one that the operator writes to a Secret with a signing key.
fn is_ours(annotation: &str) -> bool {
    JOURNAL_ANNOTATIONS.contains(&annotation) || [ENTRY_ANNOTATION, LABELS_ANNOTATION].contains(&annotation)
}

/// Returns the entries of the data that are the signing key, or were before a rotation.
fn key_entries(secret: &SecretData) -> Vec<String> {
    let is_key = |key: &&String| secret.text(key).is_some_and(|text| check_key(text).is_ok());
    match recorded_entry(secret) {
        Some(entry) => entries(entry).into(),
        None => secret.data.keys().filter(is_key).take(MAX_KEYS).cloned().collect(),
    }
}

/// Returns what is written to a Secret that the signing key is not written to any more; `None`: it has nothing of ours.
/// One that was written before the entry was recorded loses every entry that is a signing key.
#[must_use]
pub fn retirement(secret: &SecretData) -> Option<SecretChange> {
    if !secret.annotations.contains_key(ENDPOINT_ANNOTATION) {
        return None;
    }
    let names = key_entries(secret);
    let ours = JOURNAL_ANNOTATIONS.into_iter().chain([ENTRY_ANNOTATION, LABELS_ANNOTATION]);
    let labels = recorded_labels(secret).into_iter().chain([ENDPOINT_UID_LABEL]);
    Some(SecretChange {
        data: names.into_iter().map(|name| (name, None)).collect(),
        annotations: ours.map(|name| (name.to_owned(), None)).collect(),
        labels: labels.map(|name| (name.to_owned(), None)).collect(),
    })
}

/// The key that an endpoint is created again with, so that its receivers keep theirs: the current one of the Secret
/// that it was written to. `None`: there is none that Svix would accept, or the Secret is not this endpoint's.
#[must_use]
pub fn key_for_recreation(
    secret: &SecretData,
    endpoint: &WebhookEndpoint,
    to: &ToSecret,
) -> Option<Sensitive> {
    check_ownership(secret, endpoint, JsonPointer::ROOT).ok()?;
    Journal::read(secret, entry(secret, to)).current.filter(|current| check_key(current.expose()).is_ok())
}

/// Returns the labels of the spec, without the one that is ours.
fn labels_of(to: &ToSecret) -> BTreeMap<&str, &str> {
    let labels = to.labels.iter().flatten().filter(|(key, _)| *key != ENDPOINT_UID_LABEL);
    labels.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn recorded_entry(secret: &SecretData) -> Option<&str> {
    secret.annotations.get(ENTRY_ANNOTATION).map(String::as_str)
}

fn recorded_labels(secret: &SecretData) -> BTreeSet<&str> {
    let names = secret.annotations.get(LABELS_ANNOTATION).map(String::as_str).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).take(MAX_LABELS).collect()
}
