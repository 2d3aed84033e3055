//! Keeps the connections in the directory of the sidecar.

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
    api::{EventTypeNames, SvixConnection, SvixConnectionSpec},
    catalogue::Directory,
    controller::{errors::WatchLog, readable::Readable, watch::PAGE},
};

/// Keeps the directory's connections current, forever. `synced` is called after the first list.
pub async fn feed_connections(client: Client, directory: Directory, synced: impl FnOnce() + Send) {
    let api: Api<Readable<SvixConnection>> = Api::all(client);
    let stream = watcher::watcher(api, watcher::Config::default().page_size(PAGE)).default_backoff();
    pin_mut!(stream);
    let mut log = WatchLog::of("SvixConnection", None);
    let mut synced = Some(synced);
    let mut listed = HashSet::new();
    let take = |guard: Readable<SvixConnection>| {
        let name = guard.meta().name.clone().unwrap_or_default();
        let is_deleting = guard.meta().deletion_timestamp.is_some();
        match guard.0 {
            Ok(connection) => directory.set_connection(&name, Some(connection.spec)),
            Err(error) => {
                tracing::error!(svixconnection = name, error = %error.error, "the object cannot be read; correct its spec");
                if directory.connection(&name).is_none() {
                    directory.set_connection(&name, Some(unreadable()));
                }
            }
        }
        if is_deleting {
            directory.connection_is_going(&name);
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
                log.works();
                for removed in directory.connections().iter().filter(|name| !listed.contains(*name)) {
                    directory.set_connection(removed, None);
                }
                if let Some(synced) = synced.take() {
                    synced();
                }
            }
            Ok(Event::Delete(guard)) => {
                directory.set_connection(guard.meta().name.as_deref().unwrap_or_default(), None);
            }
            Err(error) => log.failed(&error),
        }
    }
}

/// What is assumed of a connection that was never read: it may have rules, so nobody may anything. All else is left to
/// the operator.
fn unreadable() -> SvixConnectionSpec {
    SvixConnectionSpec {
        access: Some(Vec::new()),
        event_type_names: Some(EventTypeNames::Any),
        ..SvixConnectionSpec::default()
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::{api::Adoption, plan::access::Grants};

    #[test]
    fn a_connection_that_was_never_read_lets_nobody_declare_anything() {
        let connection = unreadable();
        let grants = Grants::new(&connection, "ns", None);
        assert!(grants.event_type("a.b", Adoption::Never, false).is_err());
    }
}
