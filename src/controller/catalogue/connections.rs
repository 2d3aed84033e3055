//! Connections, for the names that they allow.

use std::collections::HashSet;

use futures::{StreamExt as _, pin_mut};
use kube::{
    Api, Client, Resource as _,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};

use crate::{
    api::SvixConnection,
    catalogue::Directory,
    controller::{readable::Readable, watch::PAGE},
};

/// Keeps the directory's connections current, for ever. `synced` is called when the first list is in.
pub async fn feed_connections(client: Client, directory: Directory, synced: impl FnOnce() + Send) {
    let api: Api<Readable<SvixConnection>> = Api::all(client);
    let stream = watcher::watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    pin_mut!(stream);
    let mut synced = Some(synced);
    let mut listed = HashSet::new();
    let take = |guard: Readable<SvixConnection>| {
        let name = guard.meta().name.clone().unwrap_or_default();
        match guard.0 {
            Ok(connection) => directory.set_connection(&name, Some(connection.spec)),
            Err(error) => {
                tracing::error!(svixconnection = name, error = %error.error, "the object cannot be read; mend its spec");
            }
        }
        name
    };
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(guard)) => {
                listed.insert(take(guard));
            }
            Ok(Event::Apply(guard)) => {
                take(guard);
            }
            Ok(Event::InitDone) => {
                for gone in directory.connections().iter().filter(|name| !listed.contains(*name)) {
                    directory.set_connection(gone, None);
                }
                if let Some(synced) = synced.take() {
                    synced();
                }
            }
            Ok(Event::Delete(guard)) => {
                directory.set_connection(guard.meta().name.as_deref().unwrap_or_default(), None);
            }
            Err(error) => tracing::warn!(kind = "SvixConnection", %error, "watch failed; it is begun again"),
        }
    }
}
