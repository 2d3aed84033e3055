//! Objects as tests declare them: `endpoint("hook").with("suspend", true)` reads as a sentence.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::{FINALIZER, ORPHAN_ON_DELETE_ANNOTATION},
    engine::object::{Object, ObjectKey},
};

/// An object under construction, as JSON, so that a test names fields as a manifest does.
#[derive(Clone, Debug)]
pub struct Manifest(Value);

/// The connection `default`, of the owner `test`.
pub fn connection() -> Manifest {
    let spec = json!({
        "serverUrl": "http://127.0.0.1:9", "tokenSecretRef": {"name": "svix-token", "key": "token"},
        "ownerId": "test", "requestsPerSecond": 0,
    });
    Manifest::new("SvixConnection", "default", spec).changed(|it| {
        it["metadata"].as_object_mut().unwrap().remove("namespace");
    })
}

/// An event type, with a schema of its own.
pub fn event_type(name: &str) -> Manifest {
    Manifest::new("WebhookEventType", name, json!({"schema": {"type": "object", "title": name}}))
}

/// An endpoint that subscribes to `a.one`.
pub fn endpoint(name: &str) -> Manifest {
    let url = format!("https://hooks.example.org/{name}");
    Manifest::new("WebhookEndpoint", name, json!({"url": url, "eventTypes": ["a.one"]}))
}

/// An event of type `a.one`.
pub fn event(name: &str) -> Manifest {
    Manifest::new("WebhookEvent", name, json!({"eventType": "a.one", "payload": {"name": name}}))
}

impl Manifest {
    fn new(kind: &str, name: &str, spec: Value) -> Self {
        Self(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": kind,
            "metadata": {
                "name": name, "namespace": "default", "uid": format!("uid of {name}"), "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": spec,
        }))
    }

    /// With any change of its JSON.
    #[must_use]
    pub fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.0);
        self
    }

    /// With a field of the spec.
    #[must_use]
    pub fn with(self, field: &str, value: impl Into<Value>) -> Self {
        self.changed(|it| it["spec"][field] = value.into())
    }

    /// With this status.
    #[must_use]
    pub fn with_status(self, status: Value) -> Self {
        self.changed(|it| it["status"] = status)
    }

    /// With a `Ready` condition, transitioned at the beginning of 2026.
    #[must_use]
    pub fn with_ready(self, is_ready: bool, reason: &str, message: &str) -> Self {
        let condition = json!({
            "type": "Ready", "status": if is_ready { "True" } else { "False" }, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
        });
        self.changed(|it| {
            it["status"]["observedGeneration"] = 1.into();
            it["status"]["conditions"] = json!([condition]);
        })
    }

    /// With an annotation.
    #[must_use]
    pub fn annotated(self, name: &str, value: &str) -> Self {
        self.changed(|it| it["metadata"]["annotations"][name] = value.into())
    }

    /// With our finalizer.
    #[must_use]
    pub fn finalized(self) -> Self {
        self.changed(|it| it["metadata"]["finalizers"] = json!([FINALIZER]))
    }

    /// Deleted this long ago.
    #[must_use]
    pub fn deleted(self, ago: Duration) -> Self {
        let at = Timestamp::now() - ago;
        self.changed(|it| it["metadata"]["deletionTimestamp"] = at.to_string().into())
    }

    /// Of a connection: deleted just now, with the annotation that leaves everything as it is.
    #[must_use]
    pub fn orphaning(self) -> Self {
        self.deleted(Duration::ZERO).annotated(ORPHAN_ON_DELETE_ANNOTATION, "true")
    }

    /// Of a connection: permits everything to every namespace.
    #[must_use]
    pub fn permissive(self) -> Self {
        self.with(
            "access",
            json!([{
                "namespaces": {}, "applications": ["*"], "eventTypes": ["*"], "maxAdoption": "Override",
                "allowExpunge": true,
            }]),
        )
    }

    /// Under another name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.changed(|it| {
            it["metadata"]["name"] = name.into();
            it["metadata"]["uid"] = format!("uid of {name}").into();
        })
    }

    /// In another namespace.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        self.changed(|it| {
            it["metadata"]["uid"] = format!("{} in {namespace}", it["metadata"]["uid"]).into();
            it["metadata"]["namespace"] = namespace.into();
        })
    }

    /// Of another generation.
    #[must_use]
    pub fn of_generation(self, generation: i64) -> Self {
        self.changed(|it| it["metadata"]["generation"] = generation.into())
    }

    /// Returns its key.
    pub fn key(&self) -> ObjectKey {
        self.object().key()
    }

    /// Returns the object.
    pub fn object(&self) -> Object {
        object_of(self.0.clone())
    }
}

/// Returns an object from its JSON.
pub fn object_of(value: Value) -> Object {
    match value["kind"].as_str().unwrap() {
        "SvixConnection" => Object::Connection(Arc::new(serde_json::from_value(value).unwrap())),
        "WebhookEventType" => Object::EventType(Arc::new(serde_json::from_value(value).unwrap())),
        "WebhookEndpoint" => Object::Endpoint(Arc::new(serde_json::from_value(value).unwrap())),
        _ => Object::Event(Arc::new(serde_json::from_value(value).unwrap())),
    }
}
