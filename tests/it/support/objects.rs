//! Objects as tests declare them: `event_type("origin.create").description("…")` reads as a sentence.

use std::sync::Arc;

use serde_json::{Value, json};
use svix_operator::engine::{Kind, Object, ObjectKey};

/// An object under construction: JSON, so that a test names fields as a manifest does.
#[derive(Clone, Debug)]
pub struct Manifest(pub Value);

/// A connection named `default`.
pub fn connection(server_url: &str) -> Manifest {
    Manifest(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "SvixConnection",
        "metadata": {"name": "default"},
        "spec": {
            "serverUrl": server_url, "tokenSecretRef": {"name": "svix-token", "key": "token"},
            "ownerId": "test", "requestsPerSecond": 0,
        },
    }))
}

/// An event type, with a schema of its own.
pub fn event_type(name: &str) -> Manifest {
    Manifest(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"schema": {"type": "object", "title": name}},
    }))
}

/// An endpoint of these event types.
pub fn endpoint(name: &str, event_types: &[&str]) -> Manifest {
    Manifest(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"url": format!("https://hooks.example.org/{name}"), "eventTypes": event_types},
    }))
}

/// An event of this type.
pub fn event(name: &str, event_type: &str) -> Manifest {
    Manifest(json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEvent",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"eventType": event_type, "payload": {"name": name}},
    }))
}

impl Manifest {
    /// With a field of the spec; `Value::Null` takes it out.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => {
                self.0["spec"].as_object_mut().unwrap().remove(field);
            }
            value => self.0["spec"][field] = value,
        }
        self
    }

    /// With an annotation.
    #[must_use]
    pub fn annotated(mut self, name: &str, value: &str) -> Self {
        self.0["metadata"]["annotations"][name] = value.into();
        self
    }

    /// In another namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.0["metadata"]["namespace"] = namespace.into();
        self
    }

    /// Under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.0["metadata"]["name"] = name.into();
        self
    }

    pub fn key(&self) -> ObjectKey {
        self.object().key()
    }

    pub fn object(&self) -> Object {
        let value = self.0.clone();
        match self.0["kind"].as_str().unwrap() {
            "SvixConnection" => Object::Connection(Arc::new(serde_json::from_value(value).unwrap())),
            "WebhookEventType" => Object::EventType(Arc::new(serde_json::from_value(value).unwrap())),
            "WebhookEvent" => Object::Event(Arc::new(serde_json::from_value(value).unwrap())),
            _ => Object::Endpoint(Arc::new(serde_json::from_value(value).unwrap())),
        }
    }
}

/// The key of an object in namespace `default`.
pub fn key(kind: Kind, name: &str) -> ObjectKey {
    match kind {
        Kind::Connection => ObjectKey::connection(name),
        kind => ObjectKey::new(kind, "default", name),
    }
}
