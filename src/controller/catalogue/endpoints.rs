//! Endpoints, for warnings about changes that concern those who receive events.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use kube::{Api, Client, Resource as _, runtime::watcher};
use parking_lot::Mutex;

use crate::{
    admission::ReceivingEndpoints,
    api::WebhookEndpoint,
    controller::{
        readable::Readable,
        watch::{Handler, NamespacedName, PAGE_OF_LARGE, Watch, WatchLog},
    },
};

/// Keeps the endpoints that receive events up to date, forever. `watched` are the namespaces that the operator watches, `None`
/// all; no other namespace is read. Nothing waits for them: without them, warnings name no receivers.
pub async fn feed_endpoints(
    client: Client,
    endpoints: ReceivingEndpoints,
    watched: Option<Arc<BTreeSet<String>>>,
) {
    let scopes: Vec<Option<String>> = match &watched {
        None => vec![None],
        Some(namespaces) => namespaces.iter().cloned().map(Some).collect(),
    };
    let not_listed = Arc::new(Mutex::new(scopes.iter().cloned().collect()));
    let watches = scopes.into_iter().map(|scope| {
        let api: Api<Readable<WebhookEndpoint>> = match &scope {
            None => Api::all(client.clone()),
            Some(namespace) => Api::namespaced(client.clone(), namespace),
        };
        let log = WatchLog::new("WebhookEndpoint", scope.as_deref());
        let watch = Watch::new(api, watcher::Config::default().page_size(PAGE_OF_LARGE), log);
        watch.run(ToIndex { endpoints: endpoints.clone(), scope, not_listed: not_listed.clone() })
    });
    join_all(watches).await;
}

/// Records the endpoints of one watch in the index.
struct ToIndex {
    endpoints: ReceivingEndpoints,
    /// The namespace that is watched, `None` all.
    scope: Option<String>,
    /// The scopes of all watches whose first list is not complete.
    not_listed: Arc<Mutex<BTreeSet<Option<String>>>>,
}

impl Handler<Readable<WebhookEndpoint>> for ToIndex {
    fn applied(&mut self, object: Readable<WebhookEndpoint>) {
        let NamespacedName { namespace, name } = NamespacedName::of(object.meta());
        // Of one that cannot be read, what is known stays.
        if let Ok(endpoint) = &object.0 {
            self.endpoints.set(&namespace, &name, Some(endpoint));
        }
    }

    fn deleted(&mut self, name: &NamespacedName) {
        self.endpoints.set(&name.namespace, &name.name, None);
    }

    fn known(&self) -> Vec<NamespacedName> {
        let names = self.endpoints.names().into_iter();
        names
            .filter(|(namespace, _)| self.scope.as_ref().is_none_or(|scope| **scope == **namespace))
            .map(|(namespace, name)| NamespacedName { namespace, name })
            .collect()
    }

    fn synced(&mut self) {
        let mut not_listed = self.not_listed.lock();
        not_listed.remove(&self.scope);
        if not_listed.is_empty() {
            self.endpoints.complete();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    const EVENT_TYPE: &str = "a.b";

    fn endpoint(namespace: &str) -> Readable<WebhookEndpoint> {
        serde_json::from_value(json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {"name": "hook", "namespace": namespace},
            "spec": {"url": "https://a.example.org", "eventTypes": [EVENT_TYPE]},
            "status": {"svix": {"connection": "default", "application": "default", "id": "ep_1", "uid": "uid"}},
        }))
        .unwrap()
    }

    fn names(namespaces: &[&str]) -> Vec<NamespacedName> {
        namespaces
            .iter()
            .map(|namespace| NamespacedName { namespace: (*namespace).into(), name: "hook".into() })
            .collect()
    }

    #[test]
    fn a_watch_knows_only_the_objects_of_its_namespace() {
        let endpoints = ReceivingEndpoints::default();
        let scopes = ["a", "b"].map(|scope| Some(scope.to_owned()));
        let not_listed = Arc::new(Mutex::new(scopes.iter().cloned().collect()));
        let [mut a, mut b] = scopes.map(|scope| ToIndex {
            endpoints: endpoints.clone(),
            scope,
            not_listed: not_listed.clone(),
        });

        a.applied(endpoint("a"));
        b.applied(endpoint("b"));

        assert_eq!((a.known(), b.known()), (names(&["a"]), names(&["b"])));
        // Receivers are named when every namespace is listed.
        let count = || endpoints.receivers("default", EVENT_TYPE, "a").map(|receivers| receivers.count);
        a.synced();
        assert_eq!(count(), None);
        b.synced();
        assert_eq!(count(), Some(2));
    }
}
