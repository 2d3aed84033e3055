//! Endpoints, for warnings about changes that concern those who receive events.

use std::{collections::BTreeSet, sync::Arc};

use kube::{Api, Client, Resource as _, runtime::watcher};

use crate::{
    admission::ReceivingEndpoints,
    api::WebhookEndpoint,
    controller::{
        readable::Readable,
        watch::{Handler, NamespacedName, PAGE, Watch, WatchLog},
    },
};

/// Keeps the endpoints that receive events up to date, forever. `watched` are the namespaces that the operator watches, `None`
/// all. Nothing waits for them: without them, warnings name no receivers.
pub async fn feed_endpoints(
    client: Client,
    endpoints: ReceivingEndpoints,
    watched: Option<Arc<BTreeSet<String>>>,
) {
    let api: Api<Readable<WebhookEndpoint>> = Api::all(client);
    let log = WatchLog::new("WebhookEndpoint", None);
    let watch = Watch::new(api, watcher::Config::default().page_size(PAGE), log);
    watch.run(ToIndex { endpoints, watched }).await;
}

/// Records endpoints in the index.
struct ToIndex {
    endpoints: ReceivingEndpoints,
    watched: Option<Arc<BTreeSet<String>>>,
}

impl Handler<Readable<WebhookEndpoint>> for ToIndex {
    fn applied(&mut self, object: Readable<WebhookEndpoint>) {
        let NamespacedName { namespace, name } = NamespacedName::of(object.meta());
        let is_watched = self.watched.as_ref().is_none_or(|watched| watched.contains(&*namespace));
        // Of one that cannot be read, what is known stays.
        if let (true, Ok(endpoint)) = (is_watched, &object.0) {
            self.endpoints.set(&namespace, &name, Some(endpoint));
        }
    }

    fn deleted(&mut self, name: &NamespacedName) {
        self.endpoints.set(&name.namespace, &name.name, None);
    }

    fn known(&self) -> Vec<NamespacedName> {
        let names = self.endpoints.names().into_iter();
        names.map(|(namespace, name)| NamespacedName { namespace, name }).collect()
    }

    fn synced(&mut self) {
        self.endpoints.complete();
    }
}
