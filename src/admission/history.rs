//! Whether a review needs the versions of a schema that are kept, and of which event type.

use std::{future::Future, pin::Pin};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api::{Compatibility, CompatibilityAgainst, ConnectionRef, DEFAULT_CONNECTION, GROUP},
    catalogue::Directory,
    plan::{compatibility::KeptVersions, object_name::is_subdomain},
};

use super::wire::Review;

/// How much of a body is searched for the kind and the operation, in bytes. API servers write them before the object, and
/// names are short.
const HEAD: usize = 4096;

/// Where the published versions of schemas are kept.
pub trait SchemaHistory: Send + Sync {
    /// Reads the versions that are kept of an event type's schema, in bounded time. What cannot be read is named in
    /// [`KeptVersions::missing`].
    fn kept_versions<'a>(
        &'a self,
        event_type: &'a EventTypeId,
    ) -> Pin<Box<dyn Future<Output = KeptVersions> + Send + 'a>>;
}

/// The event type of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypeId {
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
}

#[derive(Deserialize)]
struct Subject<'a> {
    metadata: Metadata,
    #[serde(borrow)]
    spec: &'a RawValue,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    compatibility: Option<Compatibility>,
    connection_ref: Option<ConnectionRef>,
}

/// Returns the event type whose kept versions the review of a body needs; `None`: it needs none.
pub(super) fn needed(body: &[u8], directory: &Directory) -> Option<EventTypeId> {
    // Most large bodies are about something else, and reading one takes a while.
    let head = &body[..body.len().min(HEAD)];
    let has = |text: &[u8]| head.windows(text.len()).any(|window| window == text);
    if !has(b"\"WebhookEventType\"") || !has(b"\"UPDATE\"") {
        return None;
    }
    let compares_all = |compatibility: Option<&Compatibility>| {
        compatibility.is_some_and(|compatibility| compatibility.against() == CompatibilityAgainst::All)
    };
    let review: Review<'_> = serde_json::from_slice(body).ok()?;
    let request = review.request;
    if request.kind.group != GROUP || request.kind.kind != "WebhookEventType" || request.operation != "UPDATE"
    {
        return None;
    }
    let new: Subject<'_> = serde_json::from_str(request.object?.get()).ok()?;
    // A change of metadata alone is not judged.
    let old: Subject<'_> = serde_json::from_str(request.old_object?.get()).ok()?;
    if old.spec.get() == new.spec.get() {
        return None;
    }
    let spec: Spec = serde_json::from_str(new.spec.get()).ok()?;
    let connection = spec.connection_ref.as_ref().map_or(DEFAULT_CONNECTION, |reference| &reference.name);
    let floor = directory.connection(connection);
    let floor = floor.as_ref().and_then(|connection| connection.compatibility.as_ref());
    let Metadata { namespace, uid } = new.metadata;
    // Both become part of a request to the API server, and a review can come from anybody.
    let is_identity = is_subdomain(&namespace) && is_subdomain(&uid);
    (is_identity && (compares_all(spec.compatibility.as_ref()) || compares_all(floor)))
        .then_some(EventTypeId { namespace, uid })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::api::SvixConnectionSpec;

    fn update(old: &Value, new: &Value) -> Value {
        let object =
            |spec: &Value| json!({"metadata": {"namespace": "ns", "uid": "u", "name": "a.b"}, "spec": spec});
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "r", "operation": "UPDATE",
                "kind": {"group": GROUP, "version": "v1alpha1", "kind": "WebhookEventType"},
                "object": object(new), "oldObject": object(old),
            },
        })
    }

    fn needed_by(review: &Value, directory: &Directory) -> bool {
        let expected = EventTypeId { namespace: "ns".to_owned(), uid: "u".to_owned() };
        let needed = needed(review.to_string().as_bytes(), directory);
        assert!(needed.as_ref().is_none_or(|needed| *needed == expected), "{needed:?}");
        needed.is_some()
    }

    fn all(schema: Value) -> Value {
        json!({"schema": schema, "compatibility": {"against": "All"}})
    }

    #[test]
    fn a_change_against_all_needs_the_history() {
        let change = update(&all(json!({})), &all(json!({"type": "object"})));

        assert!(needed_by(&change, &Directory::default()));
    }

    #[test]
    fn the_connection_can_ask_for_the_history() {
        let directory = Directory::default();
        let compatibility = serde_json::from_value(json!({"against": "All"})).unwrap();
        let floor = SvixConnectionSpec { compatibility, ..SvixConnectionSpec::default() };
        directory.set_connection("default", Some(floor));

        assert!(needed_by(&update(&json!({"schema": {}}), &json!({"schema": {"a": 1}})), &directory));
        let other = json!({"schema": {"a": 1}, "connectionRef": {"name": "other"}});
        assert!(!needed_by(&update(&json!({"schema": {}}), &other), &directory));
    }

    #[test]
    fn nothing_else_needs_the_history() {
        let change = || update(&all(json!({})), &all(json!({"type": "object"})));
        let mut create = change();
        create["request"]["operation"] = "CREATE".into();
        let mut other = change();
        other["request"]["kind"]["kind"] = "WebhookEndpoint".into();
        let mut odd = change();
        odd["request"]["object"]["spec"] = 5.into();
        let same = update(&all(json!({})), &all(json!({})));
        let last = update(&json!({"schema": {}}), &json!({"schema": {"a": 1}}));

        for review in [create, other, odd, same, last, json!({}), json!(null)] {
            assert!(!needed_by(&review, &Directory::default()), "{review}");
        }
    }
}
