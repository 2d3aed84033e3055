//! Keeps the catalogue and the directory of the sidecar up to date from a cluster.
//!
//! Several objects may declare one event type. Events are judged by the schema of the object that the operator takes as
//! its owner, never by one that the `access` of the connection does not permit: else a tenant could have another
//! team's events refused. No second copy of a schema is kept here. When the owner changes because of another object or
//! of rules, the new owner is read from the API server.

mod connections;
mod declarations;
mod endpoints;
mod feed;
mod pending;
mod schema;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use kube::{Api, Client, Resource as _, runtime::watcher};
use tokio::sync::mpsc;

use crate::{
    api::WebhookEventType,
    catalogue::{CatalogueWriter, Directory},
};

pub use connections::feed_connections;
use declarations::Entry;
pub use endpoints::feed_endpoints;
use feed::{Declaring, Feed, List};

use super::{
    objects::drop_unused_metadata,
    readable::Readable,
    watch::{Change, NamespacedName, PAGE_OF_LARGE, Watch, WatchLog},
};

/// Keeps the catalogue and the owners in the directory up to date, forever. Calls `synced` when the first list is
/// complete, and marks the catalogue as loaded then. `watched` are those that the operator watches, `None` all: nobody
/// reconciles an object elsewhere, so none judges messages.
///
/// # Assumptions
/// The connections and the namespaces are in the directory already: they say who may have which event type.
pub async fn feed_event_types(
    client: Client,
    writer: CatalogueWriter,
    directory: Directory,
    watched: Option<Arc<BTreeSet<String>>>,
    synced: impl FnOnce() + Send,
) {
    let is_watched =
        |name: &NamespacedName| watched.as_ref().is_none_or(|watched| watched.contains(&*name.namespace));
    let api: Api<Readable<WebhookEventType>> = Api::all(client.clone());
    let log = WatchLog::new("WebhookEventType", None);
    let mut watch = Watch::new(api, watcher::Config::default().page_size(PAGE_OF_LARGE), log);
    let (changes, mut config_maps) = mpsc::unbounded_channel();
    let (mut connections, mut namespaces) = (directory.watch_connections(), directory.watch_namespaces());
    let catalogue = writer.catalogue().clone();
    let mut feed = Feed::new(client, writer, directory, changes);
    let mut synced = Some(synced);
    let mut list = List::new();
    loop {
        tokio::select! {
            change = watch.next() => match change {
                Change::Listed(object) => {
                    if is_watched(&NamespacedName::of(object.meta())) {
                        let (name, object) = decoded(object);
                        list.insert(name, object);
                    }
                }
                Change::Synced(names) => {
                    // A list that failed half-way may have left some that were deleted since.
                    list.retain(|name, _| names.contains(name));
                    feed.replace(std::mem::take(&mut list)).await;
                    if let Some(synced) = synced.take() {
                        catalogue.loaded();
                        synced();
                    }
                }
                Change::Applied(object) => {
                    if !is_watched(&NamespacedName::of(object.meta())) {
                        continue;
                    }
                    match decoded(object) {
                        (name, Some(declaring)) => feed.apply(name, declaring),
                        (name, None) => feed.mark_unreadable([name]),
                    }
                }
                Change::Deleted(name) => feed.remove(&name),
                Change::Forbidden => {}
            },
            Some(config_map) = config_maps.recv() => feed.config_map_changed(&config_map),
            Ok(()) = connections.changed() => feed.rules_changed(),
            Ok(()) = namespaces.changed() => feed.rules_changed(),
            () = feed.advance() => {}
        }
    }
}

/// Returns the name of an object, and what it declares; `None`: it cannot be decoded.
fn decoded(object: Readable<WebhookEventType>) -> (NamespacedName, Option<Declaring>) {
    let key = NamespacedName::of(object.meta());
    match object.0 {
        Ok(mut object) => {
            // Status and examples say who owns the event type.
            let entry = Entry::of(&object);
            drop_unused_metadata(object.meta_mut());
            // Events are judged by the schema alone, and a list of all objects is in memory for a moment.
            object.spec.examples = Vec::new();
            object.status = None;
            (key, Some(Declaring { entry, object }))
        }
        Err(unreadable) => {
            let NamespacedName { namespace, name } = &key;
            tracing::error!(
                %namespace, %name, error = %unreadable.error,
                "the WebhookEventType cannot be read; it is left as it is until its spec is corrected"
            );
            (key, None)
        }
    }
}
