//! The endpoints that receive events, by event type. Names alone are kept, since there may be a hundred thousand of them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use crate::{
    api::{Receivers, WebhookEndpoint},
    plan::receivers::{self, Subscriptions},
};

/// The namespace and the name of an endpoint.
type Name = (Arc<str>, Arc<str>);

/// The endpoints that receive events. Cheap to clone.
#[derive(Clone, Default)]
pub struct ReceivingEndpoints {
    contents: Arc<RwLock<Contents>>,
}

#[derive(Default)]
struct Contents {
    endpoints: HashMap<Name, Subscribed>,
    subscriptions: Subscriptions<Name>,
    /// Whether all endpoints were taken in once.
    is_complete: bool,
}

/// What an endpoint receives.
struct Subscribed {
    connection: Arc<str>,
    event_types: Box<[Box<str>]>,
}

impl ReceivingEndpoints {
    /// Sets an endpoint; `None`: it does not exist any more.
    pub fn set(&self, namespace: &Arc<str>, name: &Arc<str>, endpoint: Option<&WebhookEndpoint>) {
        let key = (namespace.clone(), name.clone());
        let mut contents = self.contents.write();
        let Contents { endpoints, subscriptions, .. } = &mut *contents;
        if let Some(Subscribed { connection, event_types }) = endpoints.remove(&key) {
            subscriptions.remove(&connection, event_types.iter().map(AsRef::as_ref), &key);
        }
        let Some(endpoint) = endpoint else { return };
        let connection = endpoint.connection_name();
        if receivers::receives(endpoint, connection) {
            let connection: Arc<str> = connection.into();
            let event_types = &endpoint.spec.event_types;
            subscriptions.add(&connection, event_types.iter().map(String::as_str), &key);
            let event_types = event_types.iter().map(|name| name.as_str().into()).collect();
            endpoints.insert(key, Subscribed { connection, event_types });
        }
    }

    /// Returns the names of the endpoints that receive events.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        self.contents.read().endpoints.keys().cloned().collect()
    }

    /// Records that all endpoints were taken in.
    pub fn complete(&self) {
        self.contents.write().is_complete = true;
    }

    /// Returns the endpoints that receive the events of an event type, as the readers of a namespace may see them; `None`: there
    /// are none, or not all endpoints are known yet.
    #[must_use]
    pub fn receivers(&self, connection: &str, event_type: &str, namespace: &str) -> Option<Receivers> {
        let contents = self.contents.read();
        let endpoints = contents.subscriptions.of(connection, event_type);
        let receivers = receivers::seen_from(namespace, endpoints.map(|(of, name)| (&**of, &**name)));
        (contents.is_complete && receivers.count > 0).then_some(receivers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;

    fn endpoint(event_types: &[&str], status: Value) -> WebhookEndpoint {
        serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {"name": "hook", "namespace": "team"},
            "spec": {"url": "https://hooks.example.org", "eventTypes": event_types}, "status": status,
        }))
        .unwrap()
    }

    fn in_svix(connection: &str) -> Value {
        json!({"svix": {"connection": connection, "application": "default", "uid": "u", "id": "ep_1"}})
    }

    fn names() -> (Arc<str>, Arc<str>) {
        ("team".into(), "hook".into())
    }

    #[test]
    fn only_what_is_in_svix_receives() {
        let endpoints = ReceivingEndpoints::default();
        let (namespace, name) = names();
        endpoints.complete();
        for (status, expected) in
            [(json!({}), None), (in_svix("other"), None), (in_svix("default"), Some(vec!["hook".to_owned()]))]
        {
            endpoints.set(&namespace, &name, Some(&endpoint(&["a.b"], status)));

            let found = endpoints.receivers("default", "a.b", "team");

            assert_eq!(found.map(|receivers| receivers.endpoints), expected);
        }
    }

    #[test]
    fn a_change_of_an_endpoint_replaces_what_it_received() {
        let endpoints = ReceivingEndpoints::default();
        let (namespace, name) = names();
        endpoints.complete();
        endpoints.set(&namespace, &name, Some(&endpoint(&["a.b", "a.c"], in_svix("default"))));

        endpoints.set(&namespace, &name, Some(&endpoint(&["a.c"], in_svix("default"))));

        assert_eq!(endpoints.receivers("default", "a.b", "team"), None);
        assert!(endpoints.receivers("default", "a.c", "team").is_some());
        endpoints.set(&namespace, &name, None);
        assert_eq!(endpoints.receivers("default", "a.c", "team"), None);
        assert_eq!(endpoints.names(), []);
    }

    #[test]
    fn nothing_is_said_before_all_endpoints_are_known() {
        let endpoints = ReceivingEndpoints::default();
        let (namespace, name) = names();
        endpoints.set(&namespace, &name, Some(&endpoint(&["a.b"], in_svix("default"))));

        assert_eq!(endpoints.receivers("default", "a.b", "team"), None);
    }
}
